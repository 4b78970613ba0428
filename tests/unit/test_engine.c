/*
 * The token engine's promises, each on a fake clock.
 */
#include "config.h"

#include <stdarg.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "engine/private.h"
#include "fakeengine.h"

#define MIN 60000u

static void one_request_for_a_herd(void **state)
{
	static struct asker a[1000];
	struct fake f;
	struct engine_client *c;
	size_t i;

	(void)state;
	fake_init(&f);
	c = fake_client(&f, "c", 300, 60);
	for (i = 0; i < 1000; i++)
		assert_false(fake_ask(c, &a[i]));
	assert_int_equal(f.started, 1);
	fake_ok(&f, "T1", 3600, 0);
	for (i = 0; i < 1000; i++) {
		assert_true(a[i].answered);
		assert_string_equal(a[i].token, "T1");
		assert_int_equal(a[i].expires_in_s, 3600);
	}
	assert_true(fake_ask(c, &a[0]));
	assert_string_equal(a[0].token, "T1");
	assert_int_equal(f.started, 1);
	fake_done(&f);
}

/* In the background, at half the life; nobody waits for it. */
static void refresh_at_half_life(void **state)
{
	struct fake f;
	struct engine_client *c;
	struct asker a;

	(void)state;
	fake_init(&f);
	c = fake_client(&f, "c", 300, 60);
	fake_ask(c, &a);
	fake_ok(&f, "T1", 3600, 0);
	fake_pass(&f, 30 * MIN - 1);
	assert_int_equal(f.started, 1);
	fake_pass(&f, 1);
	assert_int_equal(f.started, 2);
	assert_true(fake_ask(c, &a));
	assert_string_equal(a.token, "T1");
	fake_ok(&f, "T2", 3600, 0);
	assert_true(fake_ask(c, &a));
	assert_string_equal(a.token, "T2");
	fake_done(&f);
}

static void refresh_in_and_jitter(void **state)
{
	static const struct { uint32_t life, refresh_in, rnd; uint64_t lo, hi; } rows[] = {
		{ 3600, 0, 0, 1800000, 1800000 },
		{ 3600, 0, 4294967295u, 1620000, 1800000 },
		{ 86400, 43200, 0, 43200000, 43200000 },
		{ 3600, 3590, 0, 3300000, 3300000 },	/* later than the margin allows: at the margin */
		{ 60, 0, 0, 30000, 30000 },
		{ 1, 0, 0, 500, 500 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct fake f;
		struct engine_client *c;
		struct asker a;

		fake_init(&f);
		f.rnd = rows[i].rnd;
		c = fake_client(&f, "c", 300, 60);
		fake_ask(c, &a);
		fake_ok(&f, "T1", rows[i].life, rows[i].refresh_in);
		if (rows[i].lo > 1)
			fake_pass(&f, rows[i].lo - 1);
		if (f.started != 1)
			fail_msg("row %zu: too early", i);
		fake_pass(&f, rows[i].hi - rows[i].lo + 1);
		if (f.started != 2)
			fail_msg("row %zu: too late", i);
		fake_done(&f);
	}
}

/* An outage: the token is served until 60 s before its end, and no failure reaches an asker before. */
static void outage_serves_the_old_token(void **state)
{
	struct fake f;
	struct engine_client *c;
	struct asker a;
	uint64_t end;

	(void)state;
	fake_init(&f);
	c = fake_client(&f, "c", 300, 60);
	fake_ask(c, &a);
	fake_ok(&f, "T1", 3600, 0);
	end = f.boot + 3600000;
	while (f.boot < end - 60000) {
		if (f.in_flight != NULL)
			fake_fail(&f, "connect-timeout", false, -1);
		assert_true(fake_ask(c, &a));
		assert_string_equal(a.token, "T1");
		fake_pass(&f, 1000);
	}
	assert_true(f.started < 60);
	fake_pass(&f, 1000);
	if (f.in_flight != NULL)
		fake_fail(&f, "connect-timeout", false, -1);
	if (!fake_ask(c, &a)) {
		fake_fail(&f, "connect-timeout", false, -1);
		if (!a.answered)
			fake_give_up(&a);
	}
	assert_string_equal(a.token, "");
	assert_string_equal(a.code, "connect-timeout");
	fake_done(&f);
}

/* hve: never a token with less than its margin, outage or not. */
static void strict_margin(void **state)
{
	struct fake f;
	struct engine_client *c;
	struct asker a;

	(void)state;
	fake_init(&f);
	c = fake_client(&f, "c", 900, 0);
	fake_ask(c, &a);
	fake_ok(&f, "T1", 3600, 0);
	while (f.boot < 3600000u + 2700000u) {
		assert_true(fake_ask(c, &a));
		assert_string_equal(a.token, "T1");
		fake_pass(&f, 10000);
		if (f.in_flight != NULL)
			fake_fail(&f, "connect-timeout", false, -1);
	}
	fake_pass(&f, 1000);
	if (f.in_flight != NULL)
		fake_fail(&f, "connect-timeout", false, -1);
	if (!fake_ask(c, &a) && !a.answered)
		fake_give_up(&a);
	assert_string_equal(a.token, "");
	fake_done(&f);

	fake_init(&f);
	c = fake_client(&f, "c", 900, 0);
	fake_ask(c, &a);
	fake_ok(&f, "T1", 600, 0);
	assert_true(a.answered);
	assert_string_equal(a.code, "token-too-short");
	fake_done(&f);
}

/* At most three requests in ten minutes for any number of askers: 60 s, 5 min, 15 min. */
static void permanent_errors_are_held(void **state)
{
	static const unsigned want[] = { 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3 };
	struct fake f;
	struct engine_client *c;
	struct asker a;
	unsigned minute, i;

	(void)state;
	fake_init(&f);
	c = fake_client(&f, "c", 300, 60);
	for (minute = 0; minute <= 10; minute++) {
		for (i = 0; i < 20; i++) {
			if (!fake_ask(c, &a))
				fake_fail(&f, "client-secret-rejected", true, -1);
			assert_true(a.answered);
			assert_string_equal(a.code, "client-secret-rejected");
		}
		assert_int_equal(f.started, want[minute]);
		fake_pass(&f, MIN);
	}
	fake_pass(&f, 20 * MIN);
	assert_int_equal(f.started, 3);		/* nobody asked: nobody is bothered */
	assert_false(fake_ask(c, &a));
	fake_ok(&f, "T1", 3600, 0);
	assert_string_equal(a.token, "T1");
	fake_done(&f);
}

/* The file behind a permanent error has been changed: tried at once, and again held when it was in vain. */
static void retry_of_what_was_held(void **state)
{
	struct engine_status s;
	struct fake f;
	struct engine_client *c;
	struct asker a;

	(void)state;
	fake_init(&f);
	c = fake_client(&f, "c", 300, 60);
	engine_retry(c);
	assert_int_equal(f.started, 0);
	fake_ask(c, &a);
	fake_fail(&f, "client-secret-rejected", true, -1);
	engine_status(c, &s);
	assert_true(s.permanent);
	engine_retry(c);
	engine_retry(c);
	assert_int_equal(f.started, 2);
	fake_fail(&f, "client-secret-rejected", true, -1);
	fake_pass(&f, 60000);
	assert_true(fake_ask(c, &a));		/* the second hold is the longer one */
	assert_string_equal(a.code, "client-secret-rejected");
	engine_retry(c);
	fake_ok(&f, "T1", 3600, 0);
	assert_true(fake_ask(c, &a));
	engine_status(c, &s);
	assert_false(s.permanent);
	fake_done(&f);
}

/* What happened last night is still there in the morning; one block of memory at most. */
static void what_status_says(void **state)
{
	struct engine_status s;
	struct engine_client *c;
	uint64_t epoch;
	struct fake f;
	struct asker a;

	(void)state;
	fake_init(&f);
	epoch = engine_epoch(f.e);
	c = fake_client(&f, "c", 300, 60);
	assert_int_not_equal(engine_epoch(f.e), epoch);
	assert_int_equal(engine_count(f.e), 1);
	assert_ptr_equal(engine_at(f.e, 0), c);
	engine_status(c, &s);
	assert_true(s.err == NULL && s.past == NULL && s.oks == 0 && !s.ever_ok);
	fake_ask(c, &a);
	fake_fail(&f, "dns-failed", false, 0);
	engine_status(c, &s);
	assert_string_equal(s.err->code, "dns-failed");
	assert_true(s.past == NULL && s.failures == 1 && s.permanents == 0 && s.oks == 0);
	fake_pass(&f, 10000);
	fake_ok(&f, "T1", 3600, 0);
	fake_pass(&f, 7 * MIN);
	engine_status(c, &s);
	assert_null(s.err);
	assert_string_equal(s.past->code, "dns-failed");
	assert_int_equal(s.failed_ago_ms, 7 * MIN + 10000);
	assert_int_equal(s.ok_ago_ms, 7 * MIN);
	assert_true(s.oks == 1 && s.fetches == 2 && s.ever_ok);
	assert_int_equal(s.margin_ms, 300000);
	fake_pass(&f, 23 * MIN);
	fake_fail(&f, "client-secret-rejected", true, -1);
	engine_status(c, &s);
	assert_string_equal(s.err->code, "client-secret-rejected");
	assert_true(s.past == NULL && s.permanents == 1 && s.failures == 2 && s.failed_ago_ms == 0);
	assert_int_equal(s.margin_ms, 60000);
	engine_flush(c);
	engine_status(c, &s);
	assert_true(s.err == NULL && s.past != NULL);
	assert_string_equal(s.past->code, "client-secret-rejected");
	fake_done(&f);
}

/* Short faults are waited for: the asker hears of the second try. Long ones are told at once. */
static void transient_errors(void **state)
{
	struct fake f;
	struct engine_client *c;
	struct asker a, b;
	unsigned n;

	(void)state;
	fake_init(&f);
	c = fake_client(&f, "c", 300, 60);
	assert_false(fake_ask(c, &a));
	fake_fail(&f, "connection-lost", false, -1);
	assert_false(a.answered);
	fake_pass(&f, 1000);
	assert_int_equal(f.started, 2);
	fake_ok(&f, "T1", 3600, 0);
	assert_string_equal(a.token, "T1");
	fake_done(&f);

	fake_init(&f);
	c = fake_client(&f, "c", 300, 60);
	f.rnd = 4294967295u;
	fake_ask(c, &a);
	for (n = 0; !a.answered; n++) {
		assert_true(n < 5);
		fake_fail(&f, "connection-lost", false, -1);
		if (!a.answered)
			fake_pass(&f, ENGINE_PATIENCE_MS);
	}
	assert_string_equal(a.code, "connection-lost");
	assert_true(fake_ask(c, &b));
	assert_string_equal(b.code, "connection-lost");
	fake_done(&f);
}

static void retry_after_is_obeyed(void **state)
{
	static const struct { int32_t given; uint64_t hold; } rows[] = {
		{ 60, 60000 }, { 7200, 3600000 }, { 0, 500 }, { 5, 5000 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct fake f;
		struct engine_client *c;
		struct asker a;

		fake_init(&f);
		c = fake_client(&f, "c", 300, 60);
		fake_ask(c, &a);
		fake_fail(&f, "throttled", false, rows[i].given);
		fake_pass(&f, rows[i].hold - 1);
		if (!a.answered)
			fake_give_up(&a);
		if (f.started != 1)
			fail_msg("row %zu: too early", i);
		fake_pass(&f, 1);
		fake_ask(c, &a);
		if (f.started != 2)
			fail_msg("row %zu: too late", i);
		fake_done(&f);
	}
}

/* No hold is longer than a quarter of what is left of a token in use. */
static void holds_shrink_with_the_token(void **state)
{
	struct fake f;
	struct engine_client *c;
	struct asker a;

	(void)state;
	fake_init(&f);
	c = fake_client(&f, "c", 300, 60);
	fake_ask(c, &a);
	fake_ok(&f, "T1", 400, 0);
	fake_pass(&f, 200000);		/* 200 s left */
	fake_fail(&f, "client-secret-rejected", true, -1);
	fake_pass(&f, 49999);
	assert_int_equal(f.started, 2);
	fake_pass(&f, 1);
	assert_int_equal(f.started, 3);
	assert_true(fake_ask(c, &a));
	assert_string_equal(a.token, "T1");
	fake_done(&f);
}

static void rejected_tokens(void **state)
{
	struct fake f;
	struct engine_client *c;
	struct asker a;
	unsigned i;

	(void)state;
	fake_init(&f);
	c = fake_client(&f, "c", 300, 60);
	fake_ask(c, &a);
	fake_ok(&f, "T1", 3600, 0);
	assert_false(engine_rejected(c, "id-other"));
	assert_int_equal(f.started, 1);
	assert_true(engine_rejected(c, "id-T1"));
	assert_int_equal(f.started, 2);
	assert_false(fake_ask(c, &a));		/* the refused one is not handed out */
	fake_ok(&f, "T2", 3600, 0);
	assert_string_equal(a.token, "T2");
	for (i = 0; i < 1000; i++)		/* a flood changes nothing within the minute */
		assert_false(engine_rejected(c, i % 2 ? "id-T2" : "id-T1"));
	assert_int_equal(f.started, 2);
	fake_pass(&f, 61000);
	assert_true(engine_rejected(c, "id-T2"));
	fake_ok(&f, "T2", 3600, 0);		/* the provider hands back the same one */
	assert_int_equal(f.notes[EN_SAME_TOKEN], 1);
	fake_pass(&f, 61000);
	assert_false(engine_rejected(c, "id-T2"));
	assert_int_equal(f.started, 3);
	assert_true(fake_ask(c, &a));
	fake_done(&f);
}

/* A refused token whose successor cannot be had: used again for want of a better one, unless that is final. */
static void rejected_in_an_outage(void **state)
{
	struct fake f;
	struct engine_client *c;
	struct asker a;

	(void)state;
	fake_init(&f);
	c = fake_client(&f, "c", 300, 60);
	fake_ask(c, &a);
	fake_ok(&f, "T1", 3600, 0);
	engine_rejected(c, NULL);
	fake_fail(&f, "connect-refused", false, -1);
	assert_true(fake_ask(c, &a));
	assert_string_equal(a.token, "T1");
	fake_done(&f);

	fake_init(&f);
	c = fake_client(&f, "c", 300, 60);
	fake_ask(c, &a);
	fake_ok(&f, "T1", 3600, 0);
	engine_rejected(c, NULL);
	fake_fail(&f, "client-secret-expired", true, -1);
	assert_true(fake_ask(c, &a));
	assert_string_equal(a.code, "client-secret-expired");
	fake_done(&f);
}

static void reload(void **state)
{
	struct engine_params same = { .name = "a", .fingerprint = 1, .min_remaining_s = 300, .stale_until_s = 60,
	    .backoff_min_ms = 1000, .backoff_max_ms = 300000 }, changed = same;
	struct fake f;
	struct engine_client *c;
	struct asker a, b;

	(void)state;
	fake_init(&f);
	c = fake_client(&f, "a", 300, 60);
	fake_ask(c, &a);
	fake_ok(&f, "T1", 3600, 0);
	engine_put(f.e, &same);			/* unchanged: token stays */
	engine_commit(f.e);
	while (engine_settle(f.e, 1))
		;
	assert_true(fake_ask(engine_find(f.e, "a"), &a));
	assert_string_equal(a.token, "T1");
	changed.fingerprint = 2;		/* another secret: askers go on with the new one */
	engine_flush(engine_find(f.e, "a"));
	assert_false(fake_ask(engine_find(f.e, "a"), &a));
	engine_put(f.e, &changed);
	engine_commit(f.e);
	while (engine_settle(f.e, 1))
		;
	assert_int_equal(f.cancelled, 1);
	assert_false(a.answered);
	fake_ok(&f, "T2", 3600, 0);
	assert_string_equal(a.token, "T2");
	engine_flush(engine_find(f.e, "a"));
	assert_false(fake_ask(engine_find(f.e, "a"), &b));
	same.name = "other";			/* removed: its askers hear of it */
	engine_put(f.e, &same);
	engine_commit(f.e);
	while (engine_settle(f.e, 1))
		;
	assert_string_equal(b.code, "client-removed");
	assert_null(engine_find(f.e, "a"));
	engine_put(f.e, &changed);		/* a reload that fails half-way changes nothing */
	engine_abort(f.e);
	assert_null(engine_find(f.e, "a"));
	assert_non_null(engine_find(f.e, "other"));
	fake_done(&f);
}

static void start_without_memory(void **state)
{
	struct fake f;
	struct engine_client *c;
	struct asker a;

	(void)state;
	fake_init(&f);
	c = fake_client(&f, "c", 300, 60);
	f.refuse_to_start = true;
	assert_false(fake_ask(c, &a));
	fake_pass(&f, 600);
	f.refuse_to_start = false;
	fake_pass(&f, 2000);
	assert_int_equal(f.started, 1);
	fake_ok(&f, "T1", 3600, 0);
	assert_string_equal(a.token, "T1");
	fake_done(&f);
}

/* A client nobody uses any more stops bothering the provider. */
static void idle_clients_rest(void **state)
{
	struct fake f;
	struct engine_client *c;
	struct asker a;
	unsigned i, n;

	(void)state;
	fake_init(&f);
	c = fake_client(&f, "c", 300, 60);
	fake_ask(c, &a);
	fake_ok(&f, "T1", 3600, 0);
	for (i = 0; i < 60; i++) {
		fake_pass(&f, 1800000);
		if (f.in_flight != NULL)	/* the same one twice would not be asked for again so soon */
			fake_ok(&f, i % 2 ? "T2" : "T3", 3600, 0);
	}
	n = f.started;
	if (n < 45 || n > 56)
		fail_msg("%u requests", n);
	fake_pass(&f, 86400000);
	assert_int_equal(f.started, n);
	assert_false(fake_ask(c, &a));
	fake_ok(&f, "T3", 3600, 0);
	fake_done(&f);
}

/* Every event in random order for a long time: no transition nobody thought of, never a dead token. */
static void random_walk(void **state)
{
	uint32_t seed = 20261123, i;
	struct fake f;
	struct engine_client *c;
	static struct asker a[16];
	char token[16];

	(void)state;
	fake_init(&f);
	c = fake_client(&f, "c", 300, 60);
	for (i = 0; i < 200000; i++) {
		uint32_t r = seed = seed * 1664525u + 1013904223u, what = r >> 28, k = r >> 8 & 15;

		f.rnd = r;
		if (what < 5) {
			if (a[k].w.client == NULL && fake_ask(c, &a[k]) && a[k].code[0] == '\0')
				assert_true(a[k].expires_in_s >= 15);
		} else if (what < 7) {
			if (a[k].w.client != NULL)
				fake_give_up(&a[k]);
		} else if (what < 9 && f.in_flight != NULL) {
			snprintf(token, sizeof token, "T%u", (unsigned)i);
			fake_ok(&f, token, 60 + r % 4000, r % 3 == 0 ? 30 : 0);
		} else if (what < 11 && f.in_flight != NULL) {
			fake_fail(&f, "x", r % 2 == 0, r % 5 == 0 ? (int32_t)(r % 4000) : -1);
		} else if (what == 11) {
			engine_rejected(c, NULL);
		} else if (what == 12 && r % 7 == 0) {
			engine_flush(c);
		} else if (what == 13 && r % 11 == 0) {
			f.wall += (r >> 4) % 10000000;
		} else {
			fake_pass(&f, (r >> 4) % 120000);
		}
	}
	fake_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_request_for_a_herd),
		cmocka_unit_test(refresh_at_half_life),
		cmocka_unit_test(refresh_in_and_jitter),
		cmocka_unit_test(outage_serves_the_old_token),
		cmocka_unit_test(strict_margin),
		cmocka_unit_test(permanent_errors_are_held),
		cmocka_unit_test(retry_of_what_was_held),
		cmocka_unit_test(what_status_says),
		cmocka_unit_test(transient_errors),
		cmocka_unit_test(retry_after_is_obeyed),
		cmocka_unit_test(holds_shrink_with_the_token),
		cmocka_unit_test(rejected_tokens),
		cmocka_unit_test(rejected_in_an_outage),
		cmocka_unit_test(reload),
		cmocka_unit_test(start_without_memory),
		cmocka_unit_test(idle_clients_rest),
		cmocka_unit_test(random_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
