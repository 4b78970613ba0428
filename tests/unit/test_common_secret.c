/* secret.c: what is given back is wiped, pieces do not overlap, sizes are kept. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/secret.h"

static const size_t sizes[] = { 1, 63, 64, 65, 128, 129, 1000, 1536, 1537, 2047, 4096, 6144, 12288,
    16384 };

/* The first bytes of a free piece hold the list's link; behind it everything must be zero. */
static bool wiped(const unsigned char *p, size_t cap)
{
	size_t i;

	for (i = sizeof(void *); i < cap; i++)
		if (p[i] != 0)
			return false;
	return true;
}

static void wiped_on_free(void **state)
{
	struct mx_secret s;
	size_t i, cap;
	unsigned char *p;

	(void)state;
	for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		assert_true(mx_secret_alloc(&s, sizes[i]));
		assert_true(s.cap >= sizes[i] && s.len == 0);
		p = s.p;
		cap = s.cap;
		memset(p, 0xa5, cap);		/* also behind what was asked for */
		mx_secret_free(&s);
		assert_true(s.p == NULL && s.len == 0 && s.cap == 0);
		/* chunks are never unmapped: still ours to look at */
		assert_true(wiped(p, cap));
		mx_secret_free(&s);
	}
}

static void bounds(void **state)
{
	struct mx_secret s;

	(void)state;
	assert_false(mx_secret_alloc(&s, 0));
	assert_null(s.p);
	assert_false(mx_secret_alloc(&s, 16u * 1024 * 1024 + 1));
	assert_false(mx_secret_alloc(&s, SIZE_MAX));
	assert_true(mx_secret_alloc(&s, 20000));	/* a mapping of its own */
	assert_true(s.cap >= 20000);
	memset(s.p, 1, s.cap);
	mx_secret_free(&s);
	assert_true(mx_secret_set(&s, "", 0));
	assert_true(s.len == 0 && s.p[0] == '\0');
	mx_secret_free(&s);
}

static void content(void **state)
{
	struct mx_secret a, b, c = { 0 };
	unsigned char *p;

	(void)state;
	assert_true(mx_secret_set(&a, "hunter2", 7));
	assert_string_equal((char *)a.p, "hunter2");
	assert_int_equal(a.len, 7);
	assert_true(mx_secret_set(&b, "hunter2", 7));
	assert_true(mx_secret_equal(&a, &b));
	b.p[6] = '3';
	assert_false(mx_secret_equal(&a, &b));
	b.len = 6;
	assert_false(mx_secret_equal(&a, &b));
	assert_false(mx_secret_equal(&a, &c));
	assert_true(mx_secret_equal(&c, &c));
	p = b.p;
	mx_secret_move(&b, &a);
	assert_null(a.p);
	assert_string_equal((char *)b.p, "hunter2");
	assert_true(wiped(p, 64));
	mx_secret_move(&b, &b);
	assert_string_equal((char *)b.p, "hunter2");
	mx_secret_free(&b);
	mx_secret_free(&c);
}

/* Many of all sizes at once: each keeps its content until the end, in any order of giving back. */
static void no_overlap(void **state)
{
	enum { N = 3000 };
	static struct mx_secret s[N];
	size_t i, k, mapped, unlocked, mapped2;

	(void)state;
	for (i = 0; i < N; i++) {
		k = sizes[i % (sizeof sizes / sizeof sizes[0])];
		assert_true(mx_secret_alloc(&s[i], k));
		assert_int_equal((uintptr_t)s[i].p % sizeof(void *), 0);
		memset(s[i].p, (int)(i % 251), s[i].cap);
		s[i].len = k;
	}
	for (i = 0; i < N; i++)
		for (k = 0; k < s[i].cap; k++)
			if (s[i].p[k] != i % 251)
				fail_msg("secret %zu has another's byte at %zu", i, k);
	mx_secret_stats(&mapped, &unlocked);
	assert_true(mapped > 0 && unlocked <= mapped);
	for (i = 0; i < N; i++)
		mx_secret_free(&s[(i * 7) % N]);
	for (i = 0; i < N; i++)
		assert_true(mx_secret_alloc(&s[i], sizes[i % (sizeof sizes / sizeof sizes[0])]));
	mx_secret_stats(&mapped2, &unlocked);
	assert_int_equal(mapped, mapped2);		/* used again, not mapped anew */
	for (i = 0; i < N; i++)
		mx_secret_free(&s[i]);
}

/* A child has the pages, but not what is in them (MADV_WIPEONFORK, Linux 4.14). */
static void not_inherited(void **state)
{
#ifdef __linux__
	struct mx_secret s;
	int status;
	pid_t pid;

	(void)state;
	assert_true(mx_secret_set(&s, "for the parent alone", 20));
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0)
		_exit(memcmp(s.p, "for the parent alone", 20) == 0 ? 1 : 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_memory_equal(s.p, "for the parent alone", 20);
	mx_secret_free(&s);
#else
	(void)state;
	skip();
#endif
}

/* The kernel says of the mapping: not dumped ("dd" in VmFlags). */
static void not_dumped(void **state)
{
#ifdef __linux__
	struct mx_secret s;
	unsigned long lo, hi;
	char line[512];
	int inside = 0, dd = 0;
	FILE *f;

	(void)state;
	assert_true(mx_secret_set(&s, "x", 1));
	f = fopen("/proc/self/smaps", "re");
	assert_non_null(f);
	while (fgets(line, sizeof line, f) != NULL) {
		char *end;

		lo = strtoul(line, &end, 16);
		if (*end == '-') {
			hi = strtoul(end + 1, NULL, 16);
			inside = (uintptr_t)s.p >= lo && (uintptr_t)s.p < hi;
		} else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
			dd = strstr(line, " dd") != NULL;
		}
	}
	fclose(f);
	assert_true(dd);
	mx_secret_free(&s);
#else
	(void)state;
	skip();
#endif
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(wiped_on_free), cmocka_unit_test(bounds),
		cmocka_unit_test(content),
		cmocka_unit_test(no_overlap), cmocka_unit_test(not_inherited),
		cmocka_unit_test(not_dumped),
	};

	return cmocka_run_group_tests_name("common/secret", tests, NULL, NULL);
}
