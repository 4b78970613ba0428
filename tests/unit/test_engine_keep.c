/*
 * What the engine does with tokens that outlive it (a real store behind it), and how refreshes are spread.
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

#include "fakeengine.h"
#include "engine/store.h"

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

static int new_file(void)
{
	char path[] = "/tmp/mx-keep-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

static void begin(struct fake *f, int fd)
{
	fake_init_with(f, keep, recall, forget);
	assert_int_equal(store_open(dup(fd), "boot", &f->store), STORE_FINE);
}

/* The process ends as by SIGKILL: nothing is tidied up in the store. */
static void killed(struct fake *f)
{
	struct store *s = f->store;

	fake_done(f);
	store_close(s);
}

static void begin_again(struct fake *f, int fd, uint64_t later_ms)
{
	uint64_t boot = f->boot, wall = f->wall;

	begin(f, fd);
	f->boot = boot + later_ms;
	f->wall = wall + later_ms;
}

static void a_token_survives(void **state)
{
	int fd = new_file();
	struct engine_status st;
	struct fake f;
	struct engine_client *c;
	struct asker a;

	(void)state;
	begin(&f, fd);
	c = fake_client(&f, "c", 300, 60);
	fake_ask(c, &a);
	fake_ok(&f, "T1", 3600, 0);
	killed(&f);

	begin_again(&f, fd, 10 * MIN);
	c = fake_client(&f, "c", 300, 60);
	store_settle(f.store);
	assert_true(fake_ask(c, &a));
	assert_string_equal(a.token, "T1");
	assert_string_equal(a.id, "id-T1");
	assert_int_equal(a.expires_in_s, 3000);
	assert_int_equal(f.started, 0);
	engine_status(c, &st);
	assert_true(st.ever_ok && st.ok_ago_ms == 10 * MIN && st.oks == 0);
	fake_pass(&f, 20 * MIN - 1);		/* its refresh comes when it would have come */
	assert_int_equal(f.started, 0);
	fake_pass(&f, 1);
	assert_int_equal(f.started, 1);
	fake_ok(&f, "T2", 3600, 0);
	killed(&f);

	begin_again(&f, fd, 1000);
	c = fake_client(&f, "c", 300, 60);
	assert_int_equal(store_settle(f.store), 0);	/* the old one is not there any more */
	assert_true(fake_ask(c, &a));
	assert_string_equal(a.token, "T2");
	killed(&f);
	close(fd);
}

static void a_dead_or_foreign_token_does_not(void **state)
{
	static const struct { const char *what; uint64_t later_ms; uint64_t fingerprint; int64_t wall_ms; bool there; } rows[] = {
		{ "at once", 0, 1, 0, true },
		{ "late", 54 * MIN, 1, 0, true },
		{ "in its last minute", 59 * MIN + 1, 1, 0, false },
		{ "days later", 5000 * MIN, 1, 0, false },
		{ "another scope or secret", 0, 2, 0, false },
		{ "the machine was paused", 0, 1, 60 * MIN, false },
		{ "the wall clock was set back", 0, 1, -600 * (int64_t)MIN, true },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct engine_params p = { .name = "c", .fingerprint = rows[i].fingerprint, .min_remaining_s = 300,
			.stale_until_s = 60, .backoff_min_ms = 1000, .backoff_max_ms = 300000 };
		int fd = new_file();
		struct engine_status s;
		struct fake f;
		struct asker a;

		begin(&f, fd);
		fake_ask(fake_client(&f, "c", 300, 60), &a);
		fake_ok(&f, "T1", 3600, 0);
		killed(&f);
		begin_again(&f, fd, rows[i].later_ms);
		f.wall = (uint64_t)((int64_t)f.wall + rows[i].wall_ms);
		assert_non_null(engine_put(f.e, &p));
		engine_commit(f.e);
		engine_status(engine_find(f.e, "c"), &s);
		if ((s.token_id != NULL) != rows[i].there)
			fail_msg("%s: %s", rows[i].what, rows[i].there ? "lost" : "still there");
		if (s.token_id == NULL && fake_ask(engine_find(f.e, "c"), &a))
			fail_msg("%s: answered without a token", rows[i].what);
		assert_int_equal(f.started, !rows[i].there);
		store_settle(f.store);
		killed(&f);
		close(fd);
	}
}

/* That a mail server refused it is known after the crash as well. */
static void a_rejection_survives(void **state)
{
	int fd = new_file();
	struct fake f;
	struct engine_client *c;
	struct asker a;

	(void)state;
	begin(&f, fd);
	c = fake_client(&f, "c", 300, 60);
	fake_ask(c, &a);
	fake_ok(&f, "T1", 3600, 0);
	assert_true(engine_rejected(c, "id-T1"));
	assert_int_equal(f.started, 2);
	killed(&f);

	begin_again(&f, fd, 1000);
	c = fake_client(&f, "c", 300, 60);
	store_settle(f.store);
	assert_false(fake_ask(c, &a));
	assert_int_equal(f.started, 1);
	fake_ok(&f, "T2", 3600, 0);
	assert_string_equal(a.token, "T2");
	assert_false(engine_rejected(c, "id-T2"));	/* the minute counts on */
	killed(&f);
	close(fd);
}

static void what_goes_is_wiped(void **state)
{
	static const char *const how[] = { "flush", "removed", "changed", "expired" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof how / sizeof how[0]; i++) {
		struct engine_params other = { .name = i == 2 ? "c" : "other", .fingerprint = 9, .min_remaining_s = 300,
			.stale_until_s = 60, .backoff_min_ms = 1000, .backoff_max_ms = 300000 };
		int fd = new_file();
		struct engine_client *c;
		struct store *s;
		struct fake f;
		struct asker a;

		begin(&f, fd);
		c = fake_client(&f, "c", 300, 60);
		fake_ask(c, &a);
		fake_ok(&f, "T1", 3600, 0);
		if (i == 0) {
			engine_flush(c);
		} else if (i == 3) {
			fake_pass(&f, 30 * MIN);
			while (f.boot < 3600000 + 60 * MIN) {
				if (f.in_flight != NULL)
					fake_fail(&f, "connect-timeout", false, -1);
				fake_pass(&f, 1000);
			}
		} else {
			assert_non_null(engine_put(f.e, &other));
			engine_commit(f.e);
			while (engine_settle(f.e, 1))
				;
		}
		killed(&f);
		assert_int_equal(store_open(dup(fd), "boot", &s), STORE_FINE);
		if (store_found(s) != 0)
			fail_msg("%s: the token is still there", how[i]);
		store_close(s);
		close(fd);
	}
}

/* No room to keep it: it lives in private memory, and the next one is kept again. */
static void without_room(void **state)
{
	int fd = new_file();
	struct fake f;
	struct engine_client *c;
	struct asker a;

	(void)state;
	begin(&f, fd);
	f.no_room = true;
	c = fake_client(&f, "c", 300, 60);
	fake_ask(c, &a);
	fake_ok(&f, "T1", 3600, 0);
	assert_true(fake_ask(c, &a));
	assert_string_equal(a.token, "T1");
	assert_int_equal(store_generation(f.store), 0);
	f.no_room = false;
	fake_pass(&f, 30 * MIN);
	fake_ok(&f, "T2", 3600, 0);
	assert_true(fake_ask(c, &a));
	assert_string_equal(a.token, "T2");
	assert_int_equal(store_generation(f.store), 1);
	killed(&f);
	close(fd);
}

/* --- many clients ------------------------------------------------------------------------- */

#define MANY 20000u

static uint64_t seed = 1;

static uint32_t chance(void *ctx)
{
	(void)ctx;
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(seed >> 33);
}

/* Clients c0, c1, ... */
static void put_many(struct fake *f, unsigned n)
{
	char name[16];
	unsigned i;

	for (i = 0; i < n; i++) {
		struct engine_params p = { .name = name, .fingerprint = i, .min_remaining_s = 300, .stale_until_s = 60,
			.backoff_min_ms = 1000, .backoff_max_ms = 300000 };

		snprintf(name, sizeof name, "c%u", i);
		assert_non_null(engine_put(f->e, &p));
	}
	engine_commit(f->e);
	while (engine_settle(f->e, 100))
		;
}

/* All fetched within a minute, as after a cold start: from then on no second has more than twice the mean. */
static void a_cold_start_is_spread(void **state)
{
	static struct asker a[MANY];
	static unsigned by_second[3 * 3600];
	struct fake f;
	unsigned i, second, worst = 0, total = 0;
	char name[16];

	(void)state;
	fake_init(&f);
	f.rnd_fn = chance;
	f.answer_at_once = true;
	put_many(&f, MANY);
	for (i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "c%u", i);
		fake_ask(engine_find(f.e, name), &a[i]);
		fake_answer_all(&f);
		if (i % (MANY / 60) == 0)
			fake_pass(&f, 1000);
	}
	f.started = 0;
	for (second = 0; second < 2 * 3600; second++) {
		fake_pass(&f, 1000);
		fake_answer_all(&f);
		by_second[second] = f.started;
		total += f.started;
		worst = f.started > worst ? f.started : worst;
		f.started = 0;
	}
	print_message("# %u refreshes in two hours, mean %.1f a second, most %u\n", total, total / 7200.0, worst);
	assert_in_range(total, 4 * MANY, 6 * MANY);	/* not much more often than twice an hour */
	for (second = 0, worst = 0, total = 0; second < 2 * 3600; second++) {
		total += by_second[second];
		worst = by_second[second] > worst ? by_second[second] : worst;
	}
	assert_true(worst <= 2.0 * total / 7200);
	for (i = 0; i < MANY; i++)
		assert_true(a[i].answered);
	fake_done(&f);
}

/* The clock is set forward beyond all tokens' lives: no storm, though all are late. */
static void a_jump_is_spread(void **state)
{
	static struct asker a[MANY];
	struct fake f;
	unsigned i, second, worst = 0;
	char name[16];

	(void)state;
	fake_init(&f);
	f.rnd_fn = chance;
	f.answer_at_once = true;
	put_many(&f, MANY);
	for (i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "c%u", i);
		fake_ask(engine_find(f.e, name), &a[i]);
	}
	fake_answer_all(&f);
	fake_pass(&f, 31000);
	f.wall += 2 * 3600000;
	f.started = 0;
	for (second = 0; second < 1000; second++) {
		fake_pass(&f, 1000);
		worst = f.started > worst ? f.started : worst;
		f.started = 0;
		fake_answer_all(&f);
	}
	print_message("# %u clients late at once: most in a second %u\n", MANY, worst);
	assert_true(worst <= 4 * MANY / 900);
	fake_done(&f);
}

/* Few clients keep their own time: half the life, a tenth earlier at most. */
static void few_clients_are_not_moved(void **state)
{
	struct fake f;
	struct engine_status s;
	struct asker a;
	unsigned i;
	char name[16];

	(void)state;
	fake_init(&f);
	f.rnd_fn = chance;
	put_many(&f, 10);
	for (i = 0; i < 10; i++) {
		snprintf(name, sizeof name, "c%u", i);
		fake_ask(engine_find(f.e, name), &a);
		fake_ok(&f, "T", 3600, 0);
		engine_status(engine_find(f.e, name), &s);
		assert_in_range(s.next_in_ms, 27 * MIN, 30 * MIN);
	}
	fake_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_survives), cmocka_unit_test(a_dead_or_foreign_token_does_not),
		cmocka_unit_test(a_rejection_survives), cmocka_unit_test(what_goes_is_wiped),
		cmocka_unit_test(without_room), cmocka_unit_test(a_cold_start_is_spread),
		cmocka_unit_test(a_jump_is_spread), cmocka_unit_test(few_clients_are_not_moved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
