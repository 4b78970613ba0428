/*
 * Tokens that outlive the process: what is kept comes back whole or not at all, whatever happened to the file.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "engine/store.h"

#define BOOT "11111111-2222-3333-4444-555555555555"
#define SEGMENT 65536

static const char ZEROS[4096];

static char path[] = "/tmp/mx-store-XXXXXX";

static int make_file(void **state)
{
	int fd;

	(void)state;
	memcpy(path + strlen(path) - 6, "XXXXXX", 6);
	if ((fd = mkstemp(path)) == -1)
		return -1;
	close(fd);
	return 0;
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static int file(void)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static struct store *open_fine(void)
{
	struct store *s;

	assert_int_equal(store_open(file(), BOOT, &s), STORE_FINE);
	return s;
}

/* A token whose bytes all depend on its number and length. */
static void fill(char *t, size_t n, unsigned number)
{
	uint32_t x = number * 2654435761u + (uint32_t)n;
	size_t i;

	for (i = 0; i < n; i++) {
		x = x * 1664525u + 1013904223u;
		t[i] = (char)('A' + (x >> 24) % 57);
	}
}

static void *keep(struct store *s, const char *name, unsigned number, size_t n)
{
	struct engine_saved d = { .sent_boot_ms = 1000 + number, .life_s = 3600, .id = "id", .rejected_id = "" };
	char token[STORE_TOKEN_MAX + 1];
	unsigned char *where = NULL;
	void *kept;

	fill(token, n, number);
	kept = store_keep(s, name, 7, &d, token, n, &where);
	if (kept != NULL) {
		assert_memory_equal(where, token, n);
		assert_int_equal(where[n], 0);
	}
	return kept;
}

/* true: it is there, and not a bit of it is wrong. */
static bool there(struct store *s, const char *name)
{
	struct engine_saved d;
	char want[STORE_TOKEN_MAX + 1];
	unsigned char *where;
	size_t n;

	if (store_recall(s, name, 7, &d, &where, &n) == NULL)
		return false;
	assert_true(n > 0 && n <= STORE_TOKEN_MAX && d.sent_boot_ms >= 1000);
	fill(want, n, (unsigned)(d.sent_boot_ms - 1000));
	assert_memory_equal(where, want, n);
	assert_int_equal(where[n], 0);
	assert_string_equal(d.id, "id");
	assert_int_equal(d.life_s, 3600);
	return true;
}

static bool file_has(const void *what, size_t n)
{
	int fd = file();
	struct stat st;
	void *p;
	bool found;

	assert_int_equal(fstat(fd, &st), 0);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(p != MAP_FAILED);
	found = memmem(p, (size_t)st.st_size, what, n) != NULL;
	munmap(p, (size_t)st.st_size);
	close(fd);
	return found;
}

static void every_length_comes_back(void **state)
{
	static const size_t lengths[] = { 1, 2, 300, 500, 700, 1000, 1500, 2048, 2300, 2900, 4000, 6000, 8000, 8800,
	    STORE_TOKEN_MAX };
	struct store *s = open_fine();
	char name[16];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		snprintf(name, sizeof name, "c%zu", i);
		assert_non_null(keep(s, name, (unsigned)i, lengths[i]));
	}
	assert_null(keep(s, "none", 1, 0));
	store_close(s);
	s = open_fine();
	assert_int_equal(store_found(s), sizeof lengths / sizeof lengths[0]);
	for (i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		snprintf(name, sizeof name, "c%zu", i);
		assert_true(there(s, name));
		assert_false(there(s, name));		/* once */
	}
	assert_int_equal(store_settle(s), 0);
	store_close(s);
}

static void what_is_not_recalled_is_wiped(void **state)
{
	struct store *s = open_fine();
	char gone[400], stays[400], other[400];
	void *kept;

	(void)state;
	keep(s, "gone", 1, 400);
	keep(s, "stays", 2, 400);
	kept = keep(s, "forgotten", 3, 400);
	fill(gone, 400, 1);
	fill(stays, 400, 2);
	fill(other, 400, 3);
	assert_true(file_has(gone, 400) && file_has(stays, 400) && file_has(other, 400));
	store_forget(s, kept);
	assert_false(file_has(other, 30));
	store_close(s);
	s = open_fine();
	assert_int_equal(store_found(s), 2);
	assert_true(there(s, "stays"));
	assert_int_equal(store_settle(s), 1);
	assert_false(file_has(gone, 30));
	assert_true(file_has(stays, 400));
	assert_false(there(s, "gone"));
	store_close(s);
}

/* A crash between the new copy and the end of the old one. */
static void the_newer_of_two_counts(void **state)
{
	struct engine_saved d;
	struct store *s = open_fine();
	unsigned char *where;
	unsigned i;
	size_t n;

	(void)state;
	for (i = 1; i <= 5; i++)
		assert_non_null(keep(s, "c", i, 100 + i * 900));
	store_close(s);
	s = open_fine();
	assert_int_equal(store_found(s), 1);
	assert_non_null(store_recall(s, "c", 7, &d, &where, &n));
	assert_int_equal(d.sent_boot_ms, 1005);
	assert_int_equal(n, 4600);
	store_close(s);
}

static void another_fingerprint_is_another_client(void **state)
{
	struct engine_saved d = { .life_s = 1, .id = "x" };
	struct store *s = open_fine();
	unsigned char *where;
	size_t n;

	(void)state;
	assert_non_null(store_keep(s, "c", 7, &d, "seven", 5, &where));
	assert_non_null(store_keep(s, "c", 8, &d, "eight", 5, &where));
	store_close(s);
	s = open_fine();
	assert_null(store_recall(s, "c", 9, &d, &where, &n));
	assert_null(store_recall(s, "d", 7, &d, &where, &n));
	assert_non_null(store_recall(s, "c", 8, &d, &where, &n));
	assert_memory_equal(where, "eight", 5);
	store_close(s);
}

/* Slots of different sizes, used again and again: the file does not grow for ever. */
static void room_is_used_again(void **state)
{
	struct store *s = open_fine();
	void *kept[200] = { NULL };
	struct stat st;
	unsigned i;
	int fd;

	(void)state;
	for (i = 0; i < 20000; i++) {
		unsigned k = (i * 7919) % 200;

		if (kept[k] != NULL)
			store_forget(s, kept[k]);
		kept[k] = keep(s, "c", i, 1800 + (i * 13) % 400);
		assert_non_null(kept[k]);
	}
	fd = file();
	assert_int_equal(fstat(fd, &st), 0);
	close(fd);
	assert_true(st.st_size <= 4096 + 20 * SEGMENT);
	store_close(s);
}

static void damage(off_t at, const void *bytes, size_t n)
{
	int fd = file();

	assert_int_equal(pwrite(fd, bytes, n, at), n);
	close(fd);
}

static void damaged_and_foreign_files(void **state)
{
	static const struct { const char *what; off_t at; const char *bytes; off_t cut; const char *boot;
	    enum store_why want; } rows[] = {
		{ "fine", -1, "", 0, BOOT, STORE_FINE },
		{ "another magic", 0, "ELF", 0, BOOT, STORE_FOREIGN },
		{ "another layout", 8, "\x63", 0, BOOT, STORE_VERSION },
		{ "another head", 12, "\x63", 0, BOOT, STORE_VERSION },
		{ "boot id damaged", 16, "x", 0, BOOT, STORE_DAMAGED },
		{ "checksum damaged", 56, "xxxx", 0, BOOT, STORE_DAMAGED },
		{ "another boot", -1, "", 0, "99999999-2222-3333-4444-555555555555", STORE_BOOT },
		{ "boot not known", -1, "", 0, "", STORE_BOOT },
		{ "a head that was never written", 0, ZEROS, 0, BOOT, STORE_DAMAGED },
		{ "a few bytes", -1, "", 10, BOOT, STORE_FOREIGN },
		{ "half a head", -1, "", 2000, BOOT, STORE_DAMAGED },
		{ "half a segment", -1, "", 4096 + 1000, BOOT, STORE_DAMAGED },
		{ "no segment", -1, "", 4096, BOOT, STORE_FINE },
	};
	size_t i;

	for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct store *s = open_fine();
		enum store_why got;

		keep(s, "c", 1, 500);
		store_close(s);
		if (rows[i].at >= 0)
			damage(rows[i].at, rows[i].bytes, rows[i].bytes == ZEROS ? sizeof ZEROS :
			    strlen(rows[i].bytes));
		if (rows[i].cut > 0)
			assert_int_equal(truncate(path, rows[i].cut), 0);
		got = store_open(file(), rows[i].boot, &s);
		if (got != rows[i].want)
			fail_msg("%s: %s, not %s", rows[i].what, store_why(got), store_why(rows[i].want));
		assert_true((s != NULL) == (got == STORE_FINE));
		store_close(s);
		remove_file(state);
		make_file(state);
	}
}

/* One byte after the other is turned round: a token comes back as it was or not at all, and its neighbour always. */
static void every_byte_of_a_slot_counts(void **state)
{
	struct store *s = open_fine();
	unsigned char *was, c;
	unsigned lost = 0, i;
	int fd;

	(void)state;
	keep(s, "near", 1, 300);
	keep(s, "hit", 2, 300);
	store_close(s);
	was = malloc(4096 + SEGMENT);
	fd = file();
	assert_int_equal(pread(fd, was, 4096 + SEGMENT, 0), 4096 + SEGMENT);
	for (i = 4096 + 24 + 768; i < 4096 + 24 + 2 * 768; i++) {
		assert_int_equal(pwrite(fd, was, 4096 + SEGMENT, 0), 4096 + SEGMENT);
		c = (unsigned char)~was[i];
		assert_int_equal(pwrite(fd, &c, 1, (off_t)i), 1);
		s = open_fine();
		assert_true(there(s, "near"));
		lost += !there(s, "hit");
		store_close(s);
	}
	assert_in_range(lost, 300 + 100, 768);		/* all but the unused bytes at the end */
	close(fd);
	free(was);
}

/* A full file system: no token is kept, nothing dies, and the next try after room was made succeeds. */
static void no_room(void **state)
{
	struct rlimit was, small = { 4096 + SEGMENT, 0 };
	struct store *s = open_fine();
	unsigned i, kept = 0;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);	/* ok: a test */
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small.rlim_max = was.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (i = 0; i < 100; i++)
		kept += keep(s, "c", i, 2000) != NULL;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_in_range(kept, 20, 40);
	assert_non_null(keep(s, "last", 100, 2000));
	store_close(s);
	s = open_fine();
	assert_true(there(s, "last"));
	store_close(s);
}

/* Killed at any moment, again and again: whatever is there is whole, and old tokens are not lost. */
static void killed_at_any_moment(void **state)
{
	unsigned round, i, torn = 0;
	char name[8];

	(void)state;
	for (round = 0; round < 60; round++) {
		struct timespec nap = { 0, 200000 + (long)(round * 37 % 50) * 40000 };
		struct store *s = open_fine();
		pid_t pid;

		torn += (unsigned)store_torn(s);
		for (i = 0; i < 8; i++) {
			snprintf(name, sizeof name, "c%u", i);
			assert_true(there(s, name) || round == 0);
		}
		store_close(s);
		if ((pid = fork()) == 0) {
			void *kept[8] = { NULL }, *old;

			s = open_fine();
			for (i = 0; i < 8; i++) {
				snprintf(name, sizeof name, "c%u", i);
				kept[i] = keep(s, name, i, 1000);
			}
			for (i = 0;; i++) {
				snprintf(name, sizeof name, "c%u", i % 8);
				old = kept[i % 8];
				kept[i % 8] = keep(s, name, i, 600 + i % 1500);
				store_forget(s, old);
			}
		}
		assert_true(pid > 0);
		if (round == 0)
			nap.tv_nsec = 100000000;
		nanosleep(&nap, NULL);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	print_message("# torn slots met: %u\n", torn);
}

static bool later_than(void *ctx, uint64_t fingerprint, const struct engine_saved *d)
{
	assert_int_equal(fingerprint, 7);
	return d->sent_boot_ms > 1000 + *(unsigned *)ctx;
}

/*
 * Some wait to be recalled, the others go at once, in any order of their places; what went is not found, nor wiped
 * twice.
 */
static void what_is_wanted_waits(void **state)
{
	static const unsigned limits[] = { 30, 60, 60, 99 };	/* numbers up to that one go */
	static const size_t gone[] = { 31, 29, 0, 30 };
	struct store *s = open_fine();
	unsigned i, from = 60;
	char name[16];

	(void)state;
	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof name, "c%u", i);
		assert_non_null(keep(s, name, i, 700));
	}
	store_close(s);
	s = open_fine();
	assert_int_equal(store_unclaimed(s), 100);
	for (i = 0; i < 4; i++) {
		unsigned limit = limits[i];

		assert_int_equal(store_review(s, later_than, &limit), gone[i]);
		if (i == 0)
			assert_true(there(s, "c60"));	/* recalled: no review takes it */
		if (i == 2) {
			assert_false(there(s, "c7"));
			assert_non_null(keep(s, "new", 200, 700));	/* in a place that was wiped */
			for (; from < 70; from++) {
				snprintf(name, sizeof name, "c%u", from);
				assert_true(there(s, name) == (from > 60));
			}
		}
	}
	assert_int_equal(store_unclaimed(s), 0);
	assert_false(there(s, "c90"));
	store_close(s);
	s = open_fine();
	assert_int_equal(store_found(s), 11);	/* c60 to c69, and the new one */
	assert_true(there(s, "new") && there(s, "c60") && there(s, "c69"));
	assert_false(there(s, "c59"));
	store_close(s);
}

#define T(f) cmocka_unit_test_setup_teardown(f, make_file, remove_file)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_length_comes_back), T(what_is_not_recalled_is_wiped), T(the_newer_of_two_counts),
		T(another_fingerprint_is_another_client), T(room_is_used_again), T(damaged_and_foreign_files),
		T(every_byte_of_a_slot_counts), T(no_room), T(what_is_wanted_waits), T(killed_at_any_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
