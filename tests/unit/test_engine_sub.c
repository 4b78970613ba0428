/*
 * Sub-clients of the engine: a token for each mailbox, made on demand, over reloads and restarts, and never too many.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "engine/private.h"
#include "engine/store.h"
#include "fakeengine.h"

#define MIN 60000u

static void *keep(void *ctx, const char *name, uint64_t fp, const struct engine_saved *s, const void *t, size_t n,
    unsigned char **where)
{
	return store_keep(((struct fake *)ctx)->store, name, fp, s, t, n, where);
}

static void *recall(void *ctx, const char *name, uint64_t fp, struct engine_saved *s, unsigned char **where, size_t *n)
{
	return store_recall(((struct fake *)ctx)->store, name, fp, s, where, n);
}

static void forget(void *ctx, void *kept)
{
	store_forget(((struct fake *)ctx)->store, kept);
}

static void put(struct fake *f, const char *name, uint64_t fingerprint, bool each)
{
	struct engine_params p = { .name = name, .fingerprint = fingerprint, .min_remaining_s = 300,
	    .stale_until_s = 60,
		.backoff_min_ms = 1000, .backoff_max_ms = 300000, .each = each };

	assert_non_null(engine_put(f->e, &p));
}

static void commit(struct fake *f)
{
	engine_commit(f->e);
	while (engine_settle(f->e, 1))
		;
}

static struct engine_client *begin(struct fake *f)
{
	fake_init(f);
	put(f, "g", 1, true);
	commit(f);
	return engine_find(f->e, "g");
}

static struct engine_client *sub(struct fake *f, const char *subject)
{
	bool made;
	struct engine_client *c = engine_sub(engine_find(f->e, "g"), subject, true, &made);

	assert_non_null(c);
	return c;
}

static void each_has_its_own_token(void **state)
{
	struct fake f;
	struct engine_client *g = begin(&f), *a, *b;
	struct engine_status st;
	struct engine_subs sum;
	struct asker x, y, z;
	bool made;

	(void)state;
	a = engine_sub(g, "a@x", true, &made);
	assert_true(made);
	assert_ptr_equal(engine_sub(g, "a@x", true, &made), a);
	assert_false(made);
	b = sub(&f, "b@x");
	assert_string_equal(engine_client_name(a), "g/a@x");
	assert_string_equal(engine_client_subject(a), "a@x");
	assert_ptr_equal(engine_client_parent(a), g);
	assert_null(engine_client_subject(g));
	assert_null(engine_find(f.e, "g/a@x"));		/* not of the configuration */
	assert_false(fake_ask(a, &x));
	assert_false(fake_ask(a, &y));
	assert_int_equal(f.started, 1);
	fake_ok(&f, "TA", 3600, 0);
	assert_string_equal(x.token, "TA");
	assert_string_equal(y.token, "TA");
	assert_false(fake_ask(b, &z));
	fake_ok(&f, "TB", 1800, 0);
	assert_string_equal(z.token, "TB");
	assert_true(fake_ask(a, &x));
	assert_string_equal(x.token, "TA");
	engine_status(g, &st);
	assert_int_equal(st.fetches, 2);
	assert_int_equal(st.oks, 2);
	assert_int_equal(st.answers, 4);
	assert_int_equal(st.state, ES_EMPTY);
	assert_true(st.ever_ok);
	engine_sub_sum(g, &sum);
	assert_int_equal(sum.n, 2);
	assert_int_equal(sum.expires_in_ms, 1800000);
	assert_int_equal(engine_sub_count(f.e), 2);
	assert_int_equal(engine_count(f.e), 1);
	fake_done(&f);
}

/* One that is refused holds nobody else up; the parent is in trouble only when nobody has a token. */
static void a_refusal_is_of_one(void **state)
{
	struct fake f;
	struct engine_client *g = begin(&f), *a, *b;
	struct engine_status st;
	struct engine_subs sum;
	struct asker x;

	(void)state;
	a = sub(&f, "a@x");
	b = sub(&f, "b@x");
	assert_false(fake_ask(a, &x));
	fake_fail(&f, "mailbox-unknown", true, -1);
	assert_string_equal(x.code, "mailbox-unknown");
	engine_status(g, &st);
	assert_non_null(st.err);
	assert_int_equal(st.permanents, 1);
	assert_false(fake_ask(b, &x));
	fake_ok(&f, "TB", 3600, 0);
	engine_status(g, &st);
	assert_null(st.err);
	assert_non_null(st.past);
	assert_true(fake_ask(a, &x));		/* from memory */
	assert_string_equal(x.code, "mailbox-unknown");
	assert_int_equal(f.started, 2);
	fake_pass(&f, 61000);
	assert_false(fake_ask(a, &x));
	fake_fail(&f, "mailbox-unknown", true, -1);
	engine_status(g, &st);
	assert_null(st.err);			/* b's token lives */
	assert_int_equal(st.failed_ago_ms, 0);
	engine_sub_sum(g, &sum);
	assert_int_equal(sum.failing, 1);
	assert_true(sum.any_token);
	fake_done(&f);
}

/* What each row does between an asker's request and its answer; want: what the asker hears, a token or a code. */
enum stage { BEFORE, PUTTING, COMMITTED, SETTLED, ABORTED };

static void asked_at_each_stage(void **state)
{
	static const struct { const char *what; enum stage at; uint64_t fingerprint; bool there, each; const char *want;
	    } rows[] = {
		{ "kept, before", BEFORE, 1, true, true, "T" }, { "kept, putting", PUTTING, 1, true, true, "T" },
		{ "kept, committed", COMMITTED, 1, true, true, "T" }, { "kept, settled", SETTLED, 1, true, true, "T" },
		{ "changed, before", BEFORE, 2, true, true, "T" }, { "changed, putting", PUTTING, 2, true, true, "T" },
		{ "changed, committed", COMMITTED, 2, true, true, "T" },
		{ "changed, settled", SETTLED, 2, true, true, "T" },
		{ "aborted, putting", ABORTED, 2, true, true, "T" },
		{ "removed, before", BEFORE, 1, false, true, "client-removed" },
		{ "removed, putting", PUTTING, 1, false, true, "client-removed" },
		{ "another grant, before", BEFORE, 2, true, false, "client-removed" },
		{ "another grant, putting", PUTTING, 2, true, false, "client-removed" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		enum stage at = rows[i].at;
		struct fake f;
		struct asker x, other;
		unsigned before;

		(void)begin(&f);
		assert_false(fake_ask(sub(&f, "other@x"), &other));	/* in flight all the time */
		if (at == BEFORE)
			assert_false(fake_ask(sub(&f, "a@x"), &x));
		if (rows[i].there)
			put(&f, "g", rows[i].fingerprint, rows[i].each);
		put(&f, "h", 7, false);
		if (at == PUTTING || at == ABORTED)
			assert_false(fake_ask(sub(&f, "a@x"), &x));
		before = f.started;
		if (at == ABORTED) {
			engine_abort(f.e);
		} else {
			engine_commit(f.e);
			/* beside the old one, if there is one, that is not settled yet */
			if (at == COMMITTED)
				assert_false(fake_ask(sub(&f, "a@x"), &x));
			while (engine_settle(f.e, 1))
				;
		}
		if (at == SETTLED)
			assert_false(fake_ask(sub(&f, "a@x"), &x));
		if (strcmp(rows[i].want, "T") != 0) {
			if (!x.answered || strcmp(x.code, rows[i].want) != 0)
				fail_msg("%s: %s", rows[i].what, x.answered ? x.code : "no answer");
			assert_string_equal(other.code, rows[i].want);
			assert_int_equal(engine_sub_count(f.e), 0);
			assert_int_equal(f.cancelled, at == BEFORE || at == PUTTING ? 2 : 1);
		} else {
			if (x.answered)
				fail_msg("%s: answered with %s%s", rows[i].what, x.token, x.code);
			assert_int_equal(engine_sub_count(f.e), 2);
			/* nobody asks twice unless its client is another one */
			if (rows[i].fingerprint == 1 && (at == BEFORE || at == PUTTING))
				assert_int_equal(f.started, before);
			while (!x.answered || !other.answered) {
				struct engine_client *c = engine_sub_find(engine_find(f.e, "g"),
				    !x.answered ? "a@x" : "other@x");

				assert_non_null(c);
				assert_true(c->in_flight);
				f.in_flight = c;
				fake_ok(&f, "T", 3600, 0);
			}
			assert_string_equal(x.token, "T");
			assert_string_equal(other.token, "T");
		}
		fake_done(&f);
	}
}

/* A reload that keeps the client keeps tokens; one that changes it takes them away, and wipes them. */
static void tokens_over_a_reload(void **state)
{
	struct fake f;
	struct asker x;

	(void)state;
	(void)begin(&f);
	fake_ask(sub(&f, "a@x"), &x);
	fake_ok(&f, "T1", 3600, 0);
	put(&f, "g", 1, true);
	commit(&f);
	assert_true(fake_ask(sub(&f, "a@x"), &x));
	assert_string_equal(x.token, "T1");
	put(&f, "g", 2, true);
	commit(&f);
	assert_int_equal(engine_sub_count(f.e), 0);	/* nobody waited */
	assert_null(engine_sub_find(engine_find(f.e, "g"), "a@x"));
	assert_false(fake_ask(sub(&f, "a@x"), &x));
	fake_ok(&f, "T2", 3600, 0);
	assert_string_equal(x.token, "T2");
	fake_done(&f);
}

/* A reload ends the hold of a permanent error, as it does for all others. */
static void a_reload_ends_a_hold(void **state)
{
	struct fake f;
	struct asker x;

	(void)state;
	(void)begin(&f);
	fake_ask(sub(&f, "a@x"), &x);
	fake_fail(&f, "key-rejected", true, -1);
	assert_true(fake_ask(sub(&f, "a@x"), &x));
	fake_pass(&f, 1000);
	put(&f, "g", 1, true);
	commit(&f);
	assert_false(fake_ask(sub(&f, "a@x"), &x));
	fake_ok(&f, "T1", 3600, 0);
	assert_string_equal(x.token, "T1");
	fake_done(&f);
}

/* One that nobody asks for goes, whether it has a token, a hold or nothing; one that is asked for stays. */
static void idle_ones_go(void **state)
{
	struct fake f;
	struct asker x, y, z;
	unsigned hours;

	(void)state;
	(void)begin(&f);
	f.answer_at_once = true;
	fake_ask(sub(&f, "token@x"), &x);
	fake_answer_all(&f);
	f.answer_at_once = false;
	fake_ask(sub(&f, "hold@x"), &y);
	fake_fail(&f, "mailbox-unknown", true, -1);
	engine_flush(sub(&f, "flushed@x"));
	(void)sub(&f, "nothing@x");
	f.answer_at_once = true;
	fake_ask(sub(&f, "asked@x"), &z);
	assert_int_equal(engine_sub_count(f.e), 5);
	for (hours = 0; hours < 27; hours++) {
		fake_answer_all(&f);
		fake_pass(&f, 30 * MIN);
		fake_answer_all(&f);
		fake_pass(&f, 30 * MIN);
		if (hours == 24) {
			assert_int_equal(engine_sub_count(f.e), 5);
			fake_answer_all(&f);
			(void)fake_ask(sub(&f, "asked@x"), &z);
		}
	}
	assert_int_equal(engine_sub_count(f.e), 1);
	assert_non_null(engine_sub_find(engine_find(f.e, "g"), "asked@x"));
	fake_done(&f);
}

/* What was never granted goes first, then what was asked for longest ago; what somebody waits for stays. */
static void there_is_a_limit(void **state)
{
	struct fake f;
	struct engine_client *g = begin(&f);
	struct asker x, y;
	char name[32];
	bool made;
	unsigned i;

	(void)state;
	engine_sub_limit(f.e, 10);
	for (i = 0; i < 5; i++) {
		snprintf(name, sizeof name, "good%u@x", i);
		fake_ask(sub(&f, name), &x);
		fake_ok(&f, "T", 3600, 0);
		fake_pass(&f, 10);
	}
	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof name, "invented%u@x", i);
		fake_ask(sub(&f, name), &x);
		fake_fail(&f, "mailbox-unknown", true, -1);
		fake_pass(&f, 10);
		assert_true(engine_sub_count(f.e) <= 10);
	}
	assert_true(engine_sub_places(f.e) <= 16);
	for (i = 0; i < 5; i++) {		/* all tokens are there */
		snprintf(name, sizeof name, "good%u@x", i);
		assert_true(fake_ask(sub(&f, name), &x));
		fake_pass(&f, 10);
	}
	assert_int_equal(f.started, 105);
	assert_non_null(engine_sub_find(g, "invented99@x"));
	assert_null(engine_sub_find(g, "invented94@x"));
	for (i = 0; i < 5; i++) {		/* now with tokens: good0 is the next to go */
		snprintf(name, sizeof name, "more%u@x", i);
		fake_ask(sub(&f, name), &x);
		fake_ok(&f, "T", 3600, 0);
	}
	assert_non_null(engine_sub_find(g, "good0@x"));
	fake_ask(sub(&f, "last@x"), &x);
	assert_null(engine_sub_find(g, "good0@x"));
	assert_non_null(engine_sub_find(g, "good1@x"));
	engine_sub_limit(f.e, 1);		/* those that are there stay, and the one in flight cannot go */
	assert_int_equal(engine_sub_count(f.e), 10);
	fake_ok(&f, "T", 3600, 0);
	fake_done(&f);

	g = begin(&f);
	engine_sub_limit(f.e, 1);
	fake_ask(sub(&f, "a@x"), &x);
	assert_null(engine_sub(g, "b@x", true, &made));
	fake_ok(&f, "T", 3600, 0);
	assert_string_equal(x.token, "T");
	assert_null(engine_sub(g, "b@x", false, &made));	/* may not be made: nobody goes for it */
	assert_non_null(engine_sub_find(g, "a@x"));
	assert_non_null(engine_sub(g, "b@x", true, &made));
	assert_null(engine_sub_find(g, "a@x"));
	assert_false(fake_ask(engine_sub_find(g, "b@x"), &y));
	fake_ok(&f, "U", 3600, 0);
	fake_done(&f);
}

/* --- over a restart ----------------------------------------------------------------------- */

static int new_file(void)
{
	char path[] = "/tmp/mx-sub-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

static void begin_kept(struct fake *f, int fd, uint64_t fingerprint)
{
	fake_init_with(f, keep, recall, forget);
	assert_int_equal(store_open(dup(fd), "boot", &f->store), STORE_FINE);
	put(f, "g", fingerprint, true);
	commit(f);
}

static void killed(struct fake *f)
{
	struct store *s = f->store;

	fake_done(f);
	store_close(s);
}

static bool of_client_one(void *ctx, uint64_t fingerprint, const struct engine_saved *d)
{
	(void)d;
	++*(unsigned *)ctx;
	return fingerprint == 1;
}

static void recalled_when_asked_for(void **state)
{
	int fd = new_file();
	struct engine_client *c;
	struct fake f;
	struct asker x;
	unsigned looks = 0;
	bool made;

	(void)state;
	begin_kept(&f, fd, 1);
	store_settle(f.store);
	fake_ask(sub(&f, "a@x"), &x);
	fake_ok(&f, "TA", 3600, 0);
	fake_ask(sub(&f, "b@x"), &x);
	fake_ok(&f, "TB", 3600, 0);
	fake_ask(sub(&f, "c@x"), &x);
	fake_ok(&f, "TC", 3600, 0);
	killed(&f);

	begin_kept(&f, fd, 1);
	f.boot += 10 * MIN;
	f.wall += 10 * MIN;
	assert_int_equal(store_review(f.store, of_client_one, &looks), 0);
	assert_int_equal(looks, 3);
	assert_int_equal(store_unclaimed(f.store), 3);
	c = engine_sub(engine_find(f.e, "g"), "a@x", false, &made);	/* it needs no leave */
	assert_non_null(c);
	assert_false(made);
	assert_true(fake_ask(c, &x));
	assert_string_equal(x.token, "TA");
	assert_int_equal(x.expires_in_s, 3000);
	assert_null(engine_sub(engine_find(f.e, "g"), "stranger@x", false, &made));
	assert_int_equal(store_unclaimed(f.store), 2);
	assert_int_equal(store_review(f.store, of_client_one, &looks), 0);
	engine_flush(sub(&f, "b@x"));		/* wiped, though nobody had asked for it */
	assert_int_equal(store_unclaimed(f.store), 1);
	assert_false(fake_ask(sub(&f, "b@x"), &x));
	fake_ok(&f, "TB2", 3600, 0);
	assert_int_equal(store_review(f.store, NULL, NULL), 1);		/* c's: it goes at last */
	assert_int_equal(store_unclaimed(f.store), 0);
	assert_int_equal(store_review(f.store, of_client_one, &looks), 0);
	assert_false(fake_ask(sub(&f, "c@x"), &x));
	fake_ok(&f, "TC2", 3600, 0);
	fake_pass(&f, 20 * MIN);		/* a's refresh comes when it would have come */
	assert_int_equal(f.started, 3);
	fake_ok(&f, "TA2", 3600, 0);
	killed(&f);

	begin_kept(&f, fd, 2);			/* of another client */
	assert_int_equal(store_review(f.store, of_client_one, &looks), 0);
	assert_false(fake_ask(sub(&f, "a@x"), &x));
	fake_ok(&f, "TA3", 3600, 0);
	assert_int_equal(store_settle(f.store), 3);
	killed(&f);
	close(fd);
}

/* What goes for lack of room or demand is wiped where it was kept. */
static void what_goes_is_wiped(void **state)
{
	int fd = new_file();
	struct store *s;
	struct fake f;
	struct asker x;

	(void)state;
	begin_kept(&f, fd, 1);
	engine_sub_limit(f.e, 1);
	fake_ask(sub(&f, "a@x"), &x);
	fake_ok(&f, "TA", 3600, 0);
	fake_ask(sub(&f, "b@x"), &x);
	fake_ok(&f, "TB", 3600, 0);
	killed(&f);
	assert_int_equal(store_open(dup(fd), "boot", &s), STORE_FINE);
	assert_int_equal(store_found(s), 1);
	store_close(s);

	begin_kept(&f, fd, 1);
	assert_true(fake_ask(sub(&f, "b@x"), &x));
	assert_string_equal(x.token, "TB");
	put(&f, "other", 5, false);
	commit(&f);
	killed(&f);
	assert_int_equal(store_open(dup(fd), "boot", &s), STORE_FINE);
	assert_int_equal(store_found(s), 0);
	store_close(s);
	close(fd);
}

/* The same mailbox below another client is another one's, also where the two share a bucket: of so many some do. */
static void parents(void **state)
{
	struct fake f;
	struct engine_client *g = begin(&f);
	char name[16];
	unsigned i;
	bool made;

	(void)state;
	put(&f, "g", 1, true);
	for (i = 0; i < 200; i++) {
		snprintf(name, sizeof name, "h%u", i);
		put(&f, name, 1, true);
	}
	commit(&f);
	(void)sub(&f, "m@x");
	for (i = 0; i < 200; i++) {
		snprintf(name, sizeof name, "h%u", i);
		assert_null(engine_sub_find(engine_find(f.e, name), "m@x"));
	}
	assert_ptr_not_equal(engine_sub(engine_find(f.e, "h1"), "m@x", true, &made), engine_sub_find(g, "m@x"));
	assert_true(made);
	fake_done(&f);
}

/* Places stay while one visits them, and are used again; many are found. */
static void places(void **state)
{
	struct fake f;
	struct engine_client *g = begin(&f), *c;
	char name[32];
	unsigned i, n = 0;

	(void)state;
	for (i = 0; i < 1000; i++) {
		snprintf(name, sizeof name, "m%u@x", i);
		c = sub(&f, name);
		assert_ptr_equal(engine_sub_at(f.e, i), c);
	}
	for (i = 0; i < 1000; i += 2)
		engine_sub_drop(engine_sub_at(f.e, i));
	assert_int_equal(engine_sub_count(f.e), 500);
	assert_int_equal(engine_sub_places(f.e), 1000);
	for (i = 0; i < 1000; i++) {
		snprintf(name, sizeof name, "m%u@x", i);
		assert_true((engine_sub_find(g, name) != NULL) == (i % 2 == 1));
	}
	for (i = 0; i < 500; i++) {
		snprintf(name, sizeof name, "n%u@x", i);
		(void)sub(&f, name);
	}
	assert_int_equal(engine_sub_places(f.e), 1000);
	for (i = 0; i < engine_sub_places(f.e); i++)
		n += engine_sub_at(f.e, i) != NULL;
	assert_int_equal(n, 1000);
	fake_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_has_its_own_token), cmocka_unit_test(a_refusal_is_of_one),
		cmocka_unit_test(asked_at_each_stage), cmocka_unit_test(tokens_over_a_reload),
		cmocka_unit_test(a_reload_ends_a_hold), cmocka_unit_test(idle_ones_go),
		cmocka_unit_test(there_is_a_limit), cmocka_unit_test(recalled_when_asked_for),
		cmocka_unit_test(what_goes_is_wiped), cmocka_unit_test(parents), cmocka_unit_test(places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
