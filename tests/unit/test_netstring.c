/* Netstrings: every form that is none, each prefix, byte by byte. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/netstring.h"

#define MAX 8000

/* Parses a copy of exactly n bytes, so that a sanitizer sees a step beyond. */
static enum mx_netstring parse(const char *p, size_t n, size_t max, size_t *at, size_t *len, size_t *used)
{
	char *copy = malloc(n > 0 ? n : 1);
	const char *s = NULL;
	enum mx_netstring r;

	assert_non_null(copy);
	memcpy(copy, p, n);
	r = mx_netstring_parse(copy, n, max, &s, len, used);
	if (r == MX_NETSTRING_OK)
		*at = (size_t)(s - copy);
	free(copy);
	return r;
}

static void malformed(void **state)
{
	static const struct { const char *in; size_t bad_at; } rows[] = {	/* bad_at: so many bytes show it */
		{ "x", 1 }, { ":", 1 }, { ",", 1 }, { "-1:x,", 1 }, { "+1:x,", 1 }, { " 1:x,", 1 }, { "\n", 1 },
		{ "TOKEND/1\tPING\n", 1 }, { "GET / HTTP/1.1\r\n", 1 },
		{ "1x:a,", 2 }, { "1 :a,", 2 }, { "1,a:", 2 }, { "1\n", 2 },
		{ "01:a,", 2 }, { "00:,", 2 }, { "007:bondage,", 2 },
		{ "3:abcd", 6 }, { "3:abc:", 6 }, { "3:abc\n", 6 }, { "0:x", 3 }, { "0:0:,", 3 },
		{ "8001:", 4 }, { "80000:", 5 }, { "9999:", 4 }, { "99999999999999999999999999:", 4 },
		{ "18446744073709551617:a,", 5 },
	};
	size_t i, n, at, len, used;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof rows[0]; i++)
		for (n = 0; n <= strlen(rows[i].in); n++) {
			enum mx_netstring want = n < rows[i].bad_at ? MX_NETSTRING_MORE : MX_NETSTRING_BAD;

			if (parse(rows[i].in, n, MAX, &at, &len, &used) != want)
				fail_msg("\"%s\", %zu bytes", rows[i].in, n);
		}
}

static void whole_ones(void **state)
{
	static const struct { const char *in; size_t at, len; } rows[] = {
		{ "0:,", 2, 0 }, { "1:a,", 2, 1 }, { "1:,,", 2, 1 }, { "2:1:,", 2, 2 }, { "12:hello world!,", 3, 12 },
		{ "10:0123456789,", 3, 10 },
	};
	size_t i, n, at, len, used;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		size_t all = strlen(rows[i].in);
		char more[64];

		for (n = 0; n < all; n++)
			assert_int_equal(parse(rows[i].in, n, MAX, &at, &len, &used), MX_NETSTRING_MORE);
		snprintf(more, sizeof more, "%s7:further", rows[i].in);
		for (n = all; n <= strlen(more); n++) {
			assert_int_equal(parse(more, n, MAX, &at, &len, &used), MX_NETSTRING_OK);
			assert_int_equal(at, rows[i].at);
			assert_int_equal(len, rows[i].len);
			assert_int_equal(used, all);
		}
	}
}

static void the_longest(void **state)
{
	static char big[MAX + 16];
	size_t n = (size_t)snprintf(big, sizeof big, "%d:", MAX), at, len, used;

	(void)state;
	memset(big + n, 'x', MAX);
	big[n + MAX] = ',';
	assert_int_equal(parse(big, n + MAX, MAX, &at, &len, &used), MX_NETSTRING_MORE);
	assert_int_equal(parse(big, n + MAX + 1, MAX, &at, &len, &used), MX_NETSTRING_OK);
	assert_int_equal(len, MAX);
	assert_int_equal(parse(big, n + MAX + 1, MAX - 1, &at, &len, &used), MX_NETSTRING_BAD);
	assert_int_equal(parse("9:", 2, 9, &at, &len, &used), MX_NETSTRING_MORE);
	assert_int_equal(parse("9:", 2, 8, &at, &len, &used), MX_NETSTRING_BAD);
	assert_int_equal(parse("1:", 2, 0, &at, &len, &used), MX_NETSTRING_BAD);
	assert_int_equal(parse("0:,", 3, 0, &at, &len, &used), MX_NETSTRING_OK);
}

static void written(void **state)
{
	char space[32];
	struct mx_buf b;

	(void)state;
	mx_buf_init(&b, space, sizeof space);
	mx_netstring_add(&b, "NOTFOUND ", 9);
	mx_netstring_add(&b, "", 0);
	assert_string_equal(mx_buf_str(&b), "9:NOTFOUND ,0:,");
	mx_netstring_add(&b, "0123456789abcdef", 16);
	assert_true(b.bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(malformed), cmocka_unit_test(whole_ones), cmocka_unit_test(the_longest),
		cmocka_unit_test(written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
