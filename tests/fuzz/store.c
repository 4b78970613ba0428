/*
 * The file in which tokens outlive the process, damaged: what is recalled is what was kept, to the bit, or nothing.
 * Each line of the input does one thing to a store of three tokens, before it is opened again:
 *	@OFFSET byte ...	writes these bytes (decimal) there
 *	#OFFSET length byte	fills so much with the byte
 *	=SLOT			makes the checksum of that slot right again: what a hostile hand could write
 *	-SIZE			cuts the file to that size, or makes it longer
 */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/store-private.h"
#include "tests/fuzz/fuzz.h"

#define BOOT "11111111-2222-3333-4444-555555555555"
#define TOKENS 3
#define FILE_MAX (STORE_HEAD + 4 * STORE_SEGMENT)

static const char *const names[TOKENS] = { "one", "two", "three/a@contoso.com" };
static const size_t lengths[TOKENS] = { 40, 1500, 8800 };
static unsigned char fresh[FILE_MAX];
static size_t fresh_n;
static size_t slots[TOKENS];		/* where they are in the file */

static void token_of(char *t, size_t i)
{
	memset(t, (int)('a' + i), lengths[i]);
}

static int memory(void)
{
	struct fuzz_in nothing = { NULL, 0 };
	const char *path = fuzz_file("store", nothing);
	int fd = open(path, O_RDWR | O_TRUNC | O_CLOEXEC);

	FUZZ_CHECK(fd != -1);
	return fd;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct engine_saved d = { .sent_boot_ms = 1000, .life_s = 3600, .id = "id" };
	char token[STORE_TOKEN_MAX];
	unsigned char *where;
	struct store *s;
	struct stat st;
	int fd = memory(), copy = dup(fd);

	(void)argc, (void)argv;
	FUZZ_CHECK(store_open(fd, BOOT, &s) == STORE_FINE);
	for (size_t i = 0; i < TOKENS; i++) {
		struct slot *x;

		token_of(token, i);
		d.life_s = (uint32_t)(100 + i);
		x = store_keep(s, names[i], 7 + i, &d, token, lengths[i], &where);
		FUZZ_CHECK(x != NULL);
		for (size_t k = 0; k < s->nseg; k++)
			if ((unsigned char *)x >= s->seg[k].p && (unsigned char *)x < s->seg[k].p + STORE_SEGMENT)
				slots[i] = STORE_HEAD + k * STORE_SEGMENT + (size_t)((unsigned char *)x - s->seg[k].p);
	}
	store_close(s);
	FUZZ_CHECK(fstat(copy, &st) == 0 && st.st_size <= (off_t)FILE_MAX);
	fresh_n = (size_t)st.st_size;
	FUZZ_CHECK(pread(copy, fresh, fresh_n, 0) == (ssize_t)fresh_n);
	close(copy);
	return 0;
}

static void resum(unsigned char *file, size_t n, size_t i)
{
	struct slot *x = (struct slot *)(void *)(file + slots[i]);

	if (slots[i] + store_sizes[STORE_SIZES - 1] <= n && x->len <= STORE_TOKEN_MAX)
		x->sum = store_sum(x);
}

/* Carries out the lines. Returns the size of the file; *forged: a checksum was made, so content may be anything. */
static size_t damage(unsigned char *file, struct fuzz_in in, bool *forged)
{
	char *text = fuzz_str(in), *line = text, *end;
	size_t n = fresh_n;

	for (; line != NULL && *line != '\0'; line = end != NULL ? end + 1 : NULL) {
		char *s = line + 1;
		size_t at;

		if ((end = strchr(line, '\n')) != NULL)
			*end = '\0';
		at = (size_t)strtoul(s, &s, 10);
		if (*line == '@') {
			for (; *s == ' ' && at < n; at++)
				file[at] = (unsigned char)strtoul(s + 1, &s, 10);
		} else if (*line == '#') {
			size_t len = (size_t)strtoul(s, &s, 10);

			if (at < n)
				memset(file + at, (int)(strtoul(s, &s, 10) & 255), len < n - at ? len : n - at);
		} else if (*line == '=' && at < TOKENS) {
			resum(file, n, at);
			*forged = true;
		} else if (*line == '-' && at <= FILE_MAX) {
			n = at;
		}
	}
	free(text);
	return n;
}

static bool wanted(void *ctx, uint64_t fingerprint, const struct engine_saved *d)
{
	(void)ctx;
	return d->life_s == 101 || fingerprint == 8;
}

static void look(struct store *s, bool forged)
{
	char token[STORE_TOKEN_MAX];
	struct engine_saved d;
	unsigned char *where;
	size_t n, found = store_found(s), got = 0;

	for (size_t i = 0; i < TOKENS; i++) {
		void *kept = store_recall(s, names[i], 7 + i, &d, &where, &n);

		if (kept == NULL)
			continue;
		got++;
		FUZZ_CHECK(n > 0 && n <= store_sizes[STORE_SIZES - 1] && store_has(s, where) && store_has(s, where + n));
		FUZZ_CHECK(memchr(d.id, '\0', sizeof d.id) != NULL && memchr(d.rejected_id, '\0', sizeof d.rejected_id) != NULL);
		FUZZ_CHECK(store_recall(s, names[i], 7 + i, &d, &where, &n) == NULL);
		if (!forged) {
			token_of(token, i);
			FUZZ_CHECK(n == lengths[i] && memcmp(where, token, n) == 0 && where[n] == '\0' &&
			    d.life_s == 100 + i);
		}
		if (i == 0)
			store_forget(s, kept);
	}
	FUZZ_CHECK(got <= found && store_unclaimed(s) == found - got);
	(void)store_review(s, wanted, NULL);
	(void)store_settle(s);
	FUZZ_CHECK(store_unclaimed(s) == 0);
	memset(token, 'z', 300);
	d = (struct engine_saved){ .id = "new" };
	FUZZ_CHECK(store_keep(s, "new", 1, &d, token, 300, &where) != NULL && memcmp(where, token, 300) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static unsigned char file[FILE_MAX];
	struct fuzz_in in = { data, n };
	bool forged = false;
	struct store *s;
	size_t size;
	int fd = memory();

	memset(file, 0, sizeof file);
	memcpy(file, fresh, fresh_n);
	size = damage(file, in, &forged);
	FUZZ_CHECK(pwrite(fd, file, size, 0) == (ssize_t)size);
	if (store_open(fd, BOOT, &s) == STORE_FINE) {
		look(s, forged);
		store_close(s);
	} else {
		FUZZ_CHECK(s == NULL);
	}
	return 0;
}
