/* Counting and limiting: histograms, labels, the rate of log lines, the table of users. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tokend/histogram.h"
#include "tokend/label.h"
#include "tokend/limit.h"
#include "tokend/threshold.h"
#include "tokend/uids.h"

static const char *printed(const char *labels, const struct histogram *h, const struct histogram_bounds *bounds)
{
	static char text[4096];
	struct mx_buf b;

	mx_buf_init(&b, text, sizeof text);
	histogram_print(&b, "x", labels, h, bounds);
	assert_non_null(mx_buf_str(&b));
	return text;
}

/* A time that equals a bound is within it; the sums are exact whatever their size. */
static void histogram_buckets(void **state)
{
	static const struct histogram_bounds bounds = { 3, { 1, 250, 2500000 } };
	struct histogram h = { 0 };

	(void)state;
	assert_string_equal(printed("", &h, &bounds), "x_bucket{le=\"0.000001\"} 0\nx_bucket{le=\"0.00025\"} 0\n"
	    "x_bucket{le=\"2.5\"} 0\nx_bucket{le=\"+Inf\"} 0\nx_sum 0\nx_count 0\n");
	histogram_add(&h, &bounds, 0);
	histogram_add(&h, &bounds, 1);
	histogram_add(&h, &bounds, 2);
	histogram_add(&h, &bounds, 250);
	histogram_add(&h, &bounds, 251);
	histogram_add(&h, &bounds, 2500000);
	histogram_add(&h, &bounds, 2500001);
	histogram_add(&h, &bounds, UINT64_C(4000000000000));
	assert_string_equal(printed("a=\"b\"", &h, &bounds), "x_bucket{a=\"b\",le=\"0.000001\"} 2\n"
	    "x_bucket{a=\"b\",le=\"0.00025\"} 4\nx_bucket{a=\"b\",le=\"2.5\"} 6\nx_bucket{a=\"b\",le=\"+Inf\"} 8\n"
	    "x_sum{a=\"b\"} 4000005.000505\nx_count{a=\"b\"} 8\n");
}

/* To the second, on both sides of each. */
static void thresholds(void **state)
{
	static const unsigned days[THRESHOLDS] = { 30, 14, 7, 1, 0 };
	static const struct { int64_t left, whole; } rows[] = {
		{ 0, 0 }, { 1, 0 }, { -1, -1 }, { 86399, 0 }, { 86400, 1 }, { -86400, -1 }, { -86401, -2 },
		    { 30 * 86400, 30 },
	};

	(void)state;
	for (unsigned n = 0; n < THRESHOLDS; n++) {
		int64_t at = (int64_t)days[n] * 86400;

		assert_int_equal(threshold_crossed(at + 1), n);
		assert_int_equal(threshold_crossed(at), n + 1);
		assert_int_equal(threshold_days(n + 1), days[n]);
	}
	assert_int_equal(threshold_crossed(INT64_MAX), 0);
	assert_int_equal(threshold_crossed(INT64_MIN), THRESHOLDS);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(threshold_whole_days(rows[i].left), rows[i].whole);
}

static void histogram_tables(void **state)
{
	static const struct histogram_bounds *const tables[] = { &histogram_answer, &histogram_fetch };
	size_t t, i;

	(void)state;
	for (t = 0; t < 2; t++) {
		assert_in_range(tables[t]->n, 5, HISTOGRAM_BOUNDS_MAX);
		for (i = 1; i < tables[t]->n; i++)
			assert_true(tables[t]->us[i] > tables[t]->us[i - 1]);
	}
}

static void labels(void **state)
{
	static const struct { const char *value, *text; } row[] = {
		{ "", "k=\"\"" }, { "plain-1.0_x", "k=\"plain-1.0_x\"" }, { "a\"b", "k=\"a\\\"b\"" },
		{ "a\\nb\\", "k=\"a\\\\nb\\\\\"" }, { "\n\n", "k=\"\\n\\n\"" },
		    { "\303\244{,}=", "k=\"\303\244{,}=\"" },
	};
	char text[64];
	struct mx_buf b;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof row / sizeof row[0]; i++) {
		mx_buf_init(&b, text, sizeof text);
		label_add(&b, "k", row[i].value);
		assert_string_equal(mx_buf_str(&b), row[i].text);
	}
}

/* A burst, then one for each step; a rest gives the burst back and not more. */
static void limits(void **state)
{
	uint64_t now = 1000000;
	struct limit l = { 0 };
	unsigned n, taken;

	(void)state;
	for (n = 0; limit_take(&l, 20, 500, now); n++)
		assert_in_range(n, 0, 20);
	assert_int_equal(n, 20);
	assert_false(limit_left(&l, 20, 500, now));
	assert_false(limit_take(&l, 20, 500, now + 499));
	assert_true(limit_take(&l, 20, 500, now + 500));
	assert_false(limit_take(&l, 20, 500, now + 500));
	for (n = 0, taken = 0; n < 100; n++, now += 100)
		taken += limit_take(&l, 20, 500, now);
	assert_int_equal(taken, 18);		/* in 9.9 s, the one of 500 ms being gone already */
	now += 3600 * 1000;
	for (n = 0; limit_take(&l, 20, 500, now); n++)
		assert_in_range(n, 0, 20);
	assert_int_equal(n, 20);
	l = (struct limit){ 0 };
	assert_true(limit_take(&l, 1, 500, now));
	assert_false(limit_take(&l, 1, 500, now));
}

static size_t used(void)
{
	size_t i, n = 0;

	for (i = 0; i < UIDS_MAX; i++)
		n += uids_at(i) != NULL;
	return n;
}

/* Thousands of user ids: the table stays as it is, they share the others' entry, and one that is known has its own. */
static void many_users(void **state)
{
	struct uid_entry *u, *others = NULL, *mail;
	uint64_t now = 1000;
	uid_t uid;

	(void)state;
	uids_reset();
	for (uid = 1000; uid < 6000; uid++) {
		u = uids_get(uid, now);
		uids_open(u);
		u->requests++;
		if (uids_is_others(u))
			others = u;
		else
			assert_int_equal(u->uid, uid);
	}
	assert_int_equal(used(), UIDS_STRANGERS);
	assert_non_null(others);
	assert_int_equal(others->open, 5000 - UIDS_STRANGERS);
	assert_ptr_equal(uids_at(UIDS_MAX), others);
	assert_int_equal(uids_strangers(), 5000);

	u = uids_get(7, now);			/* the mail server comes late */
	assert_ptr_equal(u, others);
	uids_open(u);
	mail = uids_known(u, 7);
	assert_ptr_not_equal(mail, others);
	assert_true(mail->known && mail->uid == 7 && mail->open == 1);
	assert_int_equal(uids_strangers(), 5000);
	assert_ptr_equal(uids_get(7, now), mail);
	assert_ptr_equal(uids_known(mail, 7), mail);
	uids_gone(mail);
	assert_int_equal(uids_strangers(), 5000);

	u = uids_get(1000, now);		/* one with an entry becomes known: no stranger any more */
	assert_ptr_equal(uids_known(u, 1000), u);
	assert_int_equal(uids_strangers(), 4999);
	uids_gone(u);
	assert_int_equal(uids_strangers(), 4999);
	uids_reset();
	assert_int_equal(used(), 0);
}

/* Strangers that have gone give their places away after a while, and their counts to the others; the known stay. */
static void places_are_given_away(void **state)
{
	struct uid_entry *u;
	uint64_t now = 1000;
	uid_t uid;

	(void)state;
	uids_reset();
	for (uid = 0; uid < UIDS_STRANGERS; uid++) {
		u = uids_get(uid + 1, now);
		u->requests = 1;
		u->held[UID_DENIED] = 2;
		if (uid == 5)
			(void)uids_known(u, uid + 1);
		if (uid == 6)
			uids_open(u);
	}
	(void)uids_get(5000, now);		/* the place of the one that is known now */
	now += UIDS_IDLE_MS - 1;
	assert_true(uids_is_others(uids_get(6000, now)));
	now += 1 + 100;
	for (uid = 7000; uid < 7000 + UIDS_STRANGERS; uid++, now += 100)
		assert_int_equal(uids_get(uid, now)->used, true);
	assert_int_equal(used(), UIDS_STRANGERS + 1);
	assert_int_equal(uids_get(6, now)->requests, 1);		/* known */
	assert_int_equal(uids_get(7, now)->open, 1);		/* connected */
	u = uids_at(UIDS_MAX);
	assert_non_null(u);
	assert_int_equal(u->requests, UIDS_STRANGERS - 2);
	assert_int_equal(u->held[UID_DENIED], 2 * (UIDS_STRANGERS - 2));
	uids_reset();
}

/* Everything that can happen, at random: sums stay right, and no entry is found under two names. */
static void random_users(void **state)
{
	static struct { struct uid_entry *u; uid_t uid; } conn[900];
	uint32_t x = 2463534242u, i, n = 0;
	uint64_t now = 1;
	size_t k, open, strangers;

	(void)state;
	uids_reset();
	for (i = 0; i < 200000; i++) {
		x ^= x << 13, x ^= x >> 17, x ^= x << 5;
		now += x % 50;
		if (n < 900 && (x & 1)) {
			conn[n].uid = (uid_t)(x >> 8) % 1500;
			conn[n].u = uids_get(conn[n].uid, now);
			uids_open(conn[n].u);
			if (conn[n].uid % 15 == 0)
				conn[n].u = uids_known(conn[n].u, conn[n].uid);
			n++;
		} else if (n > 0) {
			k = (x >> 8) % n;
			uids_gone(conn[k].u);
			conn[k] = conn[--n];
		}
		if (i % 1000 != 0)
			continue;
		for (k = open = strangers = 0; k <= UIDS_MAX; k++) {
			const struct uid_entry *u = uids_at(k);

			open += u != NULL ? u->open : 0;
			strangers += u != NULL && !u->known ? u->open : 0;
			if (u != NULL && !uids_is_others(u))
				assert_ptr_equal(uids_get(u->uid, now), u);
		}
		assert_int_equal(open, n);
		assert_int_equal(strangers, uids_strangers());
		for (k = 0; k < n; k++)
			assert_true(uids_is_others(conn[k].u) || conn[k].u->uid == conn[k].uid);
	}
	uids_reset();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(histogram_buckets), cmocka_unit_test(histogram_tables), cmocka_unit_test(thresholds),
		    cmocka_unit_test(labels),
		cmocka_unit_test(limits), cmocka_unit_test(many_users), cmocka_unit_test(places_are_given_away),
		cmocka_unit_test(random_users),
	};

	return cmocka_run_group_tests_name("observe", tests, NULL, NULL);
}
