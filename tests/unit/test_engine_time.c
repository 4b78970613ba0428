/*
 * What time does to the token engine: lives counted from the right moment, pauses, clocks that are set.
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

/* The provider hangs: at the asker's deadline a living token is better than none. */
static void deadline(void **state)
{
	struct fake f;
	struct engine_client *c;
	struct asker a;

	(void)state;
	fake_init(&f);
	c = fake_client(&f, "c", 300, 60);
	fake_ask(c, &a);
	fake_give_up(&a);
	assert_string_equal(a.code, "provider-slow");
	fake_ok(&f, "T1", 3600, 0);		/* work nobody waits for still fills the cache */
	assert_true(fake_ask(c, &a));
	fake_pass(&f, 1800000);			/* refresh begins, and hangs */
	fake_pass(&f, 1600000);			/* 200 s left: under the margin */
	assert_false(fake_ask(c, &a));
	fake_give_up(&a);
	assert_string_equal(a.token, "T1");
	assert_int_equal(f.started, 2);
	fake_done(&f);
}

/* Life is counted from when the request was sent, not from when the answer came. */
static void life_from_sending(void **state)
{
	struct fake f;
	struct engine_client *c;
	struct asker a;

	(void)state;
	fake_init(&f);
	c = fake_client(&f, "c", 300, 60);
	fake_ask(c, &a);
	fake_pass(&f, 25000);
	fake_ok(&f, "T1", 3600, 0);
	assert_int_equal(a.expires_in_s, 3575);
	fake_done(&f);
}

/* What waits its turn is not sent yet; and what took longer than the token lives is no success. */
static void life_from_the_turn(void **state)
{
	struct fake f;
	struct engine_client *c;
	struct asker a;

	(void)state;
	fake_init(&f);
	c = fake_client(&f, "c", 300, 60);
	fake_ask(c, &a);
	fake_pass(&f, 25000);
	engine_sent(c);
	fake_pass(&f, 2000);
	fake_ok(&f, "T1", 3600, 0);
	assert_int_equal(a.expires_in_s, 3598);
	engine_flush(c);
	fake_ask(c, &a);
	fake_pass(&f, 9000);
	fake_ok(&f, "T2", 8, 0);
	if (!a.answered)
		fake_give_up(&a);
	assert_string_equal(a.token, "");
	assert_string_equal(a.code, "token-too-late");
	fake_done(&f);
}

/* A paused machine: the token still serves, but what was to renew it in time would come too late. */
static void a_pause_brings_the_refresh_forward(void **state)
{
	struct fake f;
	struct engine_client *c;
	struct engine_status s;
	struct asker a;

	(void)state;
	fake_init(&f);
	c = fake_client(&f, "c", 300, 60);
	fake_ask(c, &a);
	fake_ok(&f, "T1", 3600, 0);
	fake_pass(&f, MIN);
	f.wall += 2500000;
	fake_pass(&f, 31000);			/* a timer is never longer */
	engine_status(c, &s);
	assert_true(s.next_in_ms < (uint64_t)s.expires_in_ms / 2);
	fake_pass(&f, 31000);
	assert_int_equal(f.started, 2);
	assert_int_equal(f.notes[EN_JUMP], 1);
	assert_true(fake_ask(c, &a));
	assert_string_equal(a.token, "T1");	/* nobody waits for it */
	fake_ok(&f, "T2", 3600, 0);
	fake_done(&f);
}

/* A state nobody thought of is noted, and the client starts over. */
static void an_unlisted_transition(void **state)
{
	struct fake f;
	struct engine_client *c;
	struct asker a;

	(void)state;
	fake_init(&f);
	c = fake_client(&f, "c", 300, 60);
	fake_ask(c, &a);
	c->st = ES_EMPTY;			/* as no event can bring about */
	fake_ok(&f, "T1", 3600, 0);
	assert_int_equal(f.notes[EN_BUG], 1);
	f.notes[EN_BUG] = 0;
	assert_int_equal(f.started, 2);
	fake_ok(&f, "T2", 3600, 0);
	assert_string_equal(a.token, "T2");
	fake_done(&f);
}

/* Suspend (both clocks), paused machine (wall alone), wall set back, wall an hour wrong. */
static void clocks(void **state)
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
	f.boot += 7200000, f.wall += 7200000;	/* suspended: the timer did not fire */
	assert_false(fake_ask(c, &a));
	assert_int_equal(f.started, 2);
	fake_ok(&f, "T2", 3600, 0);
	f.wall += 7200000;			/* paused */
	assert_false(fake_ask(c, &a));
	fake_ok(&f, "T3", 3600, 0);
	assert_string_equal(a.token, "T3");
	f.wall -= 86400000;			/* set back: the other clock still counts */
	for (i = 0; i < 100; i++) {
		assert_true(fake_ask(c, &a));
		fake_pass(&f, 1000);
	}
	assert_int_equal(f.started, 3);
	fake_pass(&f, 1800000);
	assert_int_equal(f.started, 4);
	fake_ok(&f, "T4", 3600, 0);
	for (i = 0; i < 10; i++) {		/* a clock that is set to and fro: no storm */
		f.wall = i % 2 ? f.wall - 3600000 : f.wall + 3600000;
		fake_pass(&f, 31000);
		if (f.in_flight != NULL)
			fake_ok(&f, "T5", 3600, 0);
	}
	assert_true(f.started <= 4 + 10);
	fake_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deadline),
		cmocka_unit_test(life_from_sending),
		cmocka_unit_test(life_from_the_turn),
		cmocka_unit_test(a_pause_brings_the_refresh_forward),
		cmocka_unit_test(an_unlisted_transition),
		cmocka_unit_test(clocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
