#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/text.h"
#include "tests/fuzz/fuzz.h"

#define FILES_MAX 8

bool fuzz_costly;

static char dir[64], paths[FILES_MAX][128];
static size_t npaths;

void fuzz_broken(const char *cond, const char *file, int line)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, cond);
	abort();
}

struct fuzz_in fuzz_part(struct fuzz_in *in)
{
	static const char sep[] = "%%\n";
	const uint8_t *at = in->n > 0 ? memmem(in->p, in->n, sep, sizeof sep - 1) : NULL;
	struct fuzz_in part = *in;

	if (at == NULL) {
		in->p += in->n;
		in->n = 0;
		return part;
	}
	part.n = (size_t)(at - in->p);
	in->p += part.n + sizeof sep - 1;
	in->n -= part.n + sizeof sep - 1;
	if (part.n > 0 && part.p[part.n - 1] == '\n')	/* the separator is a line of its own */
		part.n--;
	return part;
}

uint64_t fuzz_number(struct fuzz_in part, uint64_t max)
{
	uint64_t v = 0;

	for (size_t i = 0; i < part.n && i < 18 && part.p[i] >= '0' && part.p[i] <= '9'; i++)
		v = v * 10 + (part.p[i] - '0');
	return v > max ? max : v;
}

void *fuzz_copy(struct fuzz_in part)
{
	void *p = malloc(part.n > 0 ? part.n : 1);

	FUZZ_CHECK(p != NULL);
	if (part.n > 0)
		memcpy(p, part.p, part.n);
	return p;
}

char *fuzz_str(struct fuzz_in part)
{
	size_t n = part.n > 0 ? strnlen((const char *)part.p, part.n) : 0;
	char *s = malloc(n + 1);

	FUZZ_CHECK(s != NULL);
	if (n > 0)
		memcpy(s, part.p, n);
	s[n] = '\0';
	return s;
}

/* Byte by byte, unlike mx_has_ctl(), which is under test here. */
bool fuzz_is_clean(const void *s, size_t n)
{
	const unsigned char *p = s;

	for (size_t i = 0; i < n; i++)
		if (p[i] < 0x20 || p[i] == 0x7f)
			return false;
	return mx_utf8_ok(s, n);
}

void fuzz_check_err(const struct mx_err *e, enum mx_class cls)
{
	static const char code_chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";

	FUZZ_CHECK(cls > MX_OK && cls < MX_CLASS_N && e->cls == cls);
	FUZZ_CHECK(e->code[0] != '\0' && memchr(e->code, '\0', sizeof e->code) != NULL);
	FUZZ_CHECK(e->code[strspn(e->code, code_chars)] == '\0');
	FUZZ_CHECK(memchr(e->text, '\0', sizeof e->text) != NULL);
	FUZZ_CHECK(fuzz_is_clean(e->text, strlen(e->text)));
}

static void remove_files(void)
{
	while (npaths > 0)
		(void)unlink(paths[--npaths]);
	(void)rmdir(dir);
}

const char *fuzz_dir(void)
{
	if (dir[0] == '\0') {
		/* Memory, where there is such a folder: a file is written for each input. */
		snprintf(dir, sizeof dir, "%s/mx-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
		FUZZ_CHECK(mkdtemp(dir) != NULL && atexit(remove_files) == 0);
	}
	return dir;
}

const char *fuzz_file(const char *name, struct fuzz_in part)
{
	char path[sizeof paths[0]];
	size_t done = 0, i;
	int fd;

	snprintf(path, sizeof path, "%s/%s", fuzz_dir(), name);
	for (i = 0; i < npaths && strcmp(paths[i], path) != 0; i++)
		;
	FUZZ_CHECK(i < FILES_MAX);
	if (i == npaths)
		memcpy(paths[npaths++], path, sizeof path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FUZZ_CHECK(fd != -1);
	while (done < part.n) {
		ssize_t r = write(fd, part.p + done, part.n - done);

		FUZZ_CHECK(r > 0 || (r == -1 && errno == EINTR));
		done += r > 0 ? (size_t)r : 0;
	}
	FUZZ_CHECK(close(fd) == 0);
	return paths[i];
}
