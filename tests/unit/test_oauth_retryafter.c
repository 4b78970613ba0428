/*
 * oauth/retryafter.h: every form that is seen, and what is none.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "oauth/retryafter.h"

#define NOON "Sun, 06 Nov 1994 12:00:00 GMT"
#define NOON_S 784123200
#define PM_1 "Sun, 06 Nov 1994 13:00:00 GMT"

static const struct {
	const char *value, *date;
	int64_t now_s;
	int32_t want;
} rows[] = {
	{ NULL, NULL, NOON_S, -1 },
	/* seconds */
	{ "0", NULL, NOON_S, 0 },
	{ "17", NULL, NOON_S, 17 },
	{ "17", PM_1, NOON_S, 17 },
	{ " 17\t", NULL, NOON_S, 17 },
	{ "0017", NULL, NOON_S, 17 },
	{ "3600", NULL, NOON_S, 3600 },
	{ "3601", NULL, NOON_S, 3600 },
	{ "86400", NULL, NOON_S, 3600 },
	{ "99999999999999999999999999999999999999", NULL, NOON_S, 3600 },
	/* a date, by the reply's own clock */
	{ "Sun, 06 Nov 1994 12:02:00 GMT", NOON, NOON_S, 120 },
	{ "Sun, 06 Nov 1994 12:02:00 GMT", NOON, NOON_S + 3600, 120 },
	{ "Sun, 06 Nov 1994 12:02:00 GMT", NOON, NOON_S - 3600, 120 },
	{ "Sun, 06 Nov 1994 12:02:00 GMT", NOON, 0, 120 },
	{ NOON, NOON, 0, 0 },
	{ "Sun, 06 Nov 1994 11:00:00 GMT", NOON, 0, 0 },
	{ "Mon, 07 Nov 1994 12:00:00 GMT", NOON, NOON_S, 3600 },
	{ "Sun, 06 Nov 2044 12:00:00 GMT", NOON, NOON_S, 3600 },
	/* the obsolete forms */
	{ "Sunday, 06-Nov-94 12:02:00 GMT", NOON, 0, 120 },
	{ "Sun Nov  6 12:02:00 1994", NOON, 0, 120 },
	{ "Sun, 06 Nov 1994 12:02:00 GMT", "Sunday, 06-Nov-94 12:00:00 GMT", 0, 120 },
	/* no Date, or none that can be read: this host's clock */
	{ "Sun, 06 Nov 1994 12:02:00 GMT", NULL, NOON_S, 120 },
	{ "Sun, 06 Nov 1994 12:02:00 GMT", "soon", NOON_S, 120 },
	{ "Sun, 06 Nov 1994 12:02:00 GMT", "", NOON_S + 3600, 0 },
	/* garbage */
	{ "", NULL, NOON_S, -1 },
	{ "   ", NULL, NOON_S, -1 },
	{ "-1", NULL, NOON_S, -1 },
	{ "+17", NULL, NOON_S, -1 },
	{ "1.5", NULL, NOON_S, -1 },
	{ "17s", NULL, NOON_S, -1 },
	{ "17, 18", NULL, NOON_S, -1 },
	{ "0x11", NULL, NOON_S, -1 },
	{ "soon", NULL, NOON_S, -1 },
	{ "tomorrow", NULL, NOON_S, -1 },
	{ "Sun", NULL, NOON_S, -1 },
	{ "Sun, 99 Nov 1994 12:00:00 GMT", NULL, NOON_S, -1 },
	{ "Sun, 06 Nov 1994 25:00:00 GMT", NULL, NOON_S, -1 },
	{ "19941106120000", NULL, NOON_S, 3600 },	/* digits are seconds */
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int32_t got = oauth_retry_after(rows[i].value, rows[i].date, rows[i].now_s);

		if (got != rows[i].want)
			fail_msg("row %zu, '%s' at '%s': %d", i,
			    rows[i].value != NULL ? rows[i].value : "none",
			    rows[i].date != NULL ? rows[i].date : "none", (int)got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
