/*
 * So many at a time to one host: in order, never more, and no host waits for another.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tokend/gate.h"

#define A "https://login.example:8443/tenant-1/token"
#define A2 "https://login.example:8443/tenant-2/token"
#define B "https://other.example/token"

static struct gate_ticket *went[1000];
static size_t nwent;

static struct gate_ticket *cannot;	/* it cannot begin */

static bool go(struct gate_ticket *t)
{
	went[nwent++] = t;
	return t != cannot;
}

static struct gates fresh(void)
{
	nwent = 0;
	cannot = NULL;
	return (struct gates){ .go = go };
}

static void one_host_waits_in_order(void **state)
{
	static struct gate_ticket t[3 * GATE_MAX];
	struct gates g = fresh();
	size_t i;

	(void)state;
	for (i = 0; i < 3 * GATE_MAX; i++)
		assert_int_equal(gate_enter(&g, &t[i], i % 2 == 0 ? A : A2, false), i < GATE_MAX);
	for (i = 0; i < 3 * GATE_MAX; i++) {
		gate_leave(&g, &t[i]);
		assert_int_equal(nwent, i < 2 * GATE_MAX ? i + 1 : 2 * GATE_MAX);
	}
	for (i = 0; i < nwent; i++)
		assert_ptr_equal(went[i], &t[GATE_MAX + i]);
	for (i = 0; i < sizeof g.bucket / sizeof g.bucket[0]; i++)
		assert_null(g.bucket[i]);		/* an idle host is forgotten */
}

static void hosts_do_not_wait_for_each_other(void **state)
{
	static struct gate_ticket t[GATE_MAX + 1], other;
	struct gates g = fresh();
	size_t i;

	(void)state;
	for (i = 0; i < GATE_MAX + 1; i++)
		assert_int_equal(gate_enter(&g, &t[i], A, false), i < GATE_MAX);
	assert_true(gate_enter(&g, &other, B, false));
	gate_leave(&g, &other);
	assert_int_equal(nwent, 0);
	for (i = 0; i < GATE_MAX + 1; i++)
		gate_leave(&g, &t[i]);
	assert_int_equal(nwent, 1);
}

static void who_gives_up_takes_nobodys_place(void **state)
{
	static struct gate_ticket t[GATE_MAX + 3];
	struct gates g = fresh();
	size_t i;

	(void)state;
	for (i = 0; i < GATE_MAX + 3; i++)
		(void)gate_enter(&g, &t[i], A, false);
	gate_leave(&g, &t[GATE_MAX + 1]);	/* of those that wait, the one in the middle */
	gate_leave(&g, &t[GATE_MAX + 1]);	/* twice is fine */
	assert_int_equal(nwent, 0);
	gate_leave(&g, &t[0]);
	gate_leave(&g, &t[1]);
	gate_leave(&g, &t[2]);
	assert_int_equal(nwent, 2);
	assert_ptr_equal(went[0], &t[GATE_MAX]);
	assert_ptr_equal(went[1], &t[GATE_MAX + 2]);
	for (i = 3; i < GATE_MAX + 3; i++)
		gate_leave(&g, &t[i]);
}

static void who_is_waited_for_goes_first(void **state)
{
	static struct gate_ticket t[GATE_MAX], quiet[3], urgent[2];
	struct gates g = fresh();
	size_t i;

	(void)state;
	for (i = 0; i < GATE_MAX; i++)
		assert_true(gate_enter(&g, &t[i], A, false));
	for (i = 0; i < 3; i++)
		assert_false(gate_enter(&g, &quiet[i], A, false));
	assert_false(gate_enter(&g, &urgent[0], A, true));
	assert_false(gate_enter(&g, &urgent[1], A, true));
	gate_urge(&quiet[1], true);
	gate_urge(&quiet[1], false);
	gate_urge(&quiet[2], true);
	gate_urge(&quiet[2], true);
	gate_urge(&t[0], true);		/* inside: nothing to hurry */
	for (i = 0; i < 5; i++)
		gate_leave(&g, &t[i]);
	assert_int_equal(nwent, 5);
	assert_ptr_equal(went[0], &urgent[0]);
	assert_ptr_equal(went[1], &urgent[1]);
	assert_ptr_equal(went[2], &quiet[2]);
	assert_ptr_equal(went[3], &quiet[0]);
	for (i = 5; i < GATE_MAX; i++)
		gate_leave(&g, &t[i]);
	for (i = 0; i < 5; i++)
		gate_leave(&g, went[i]);
	assert_int_equal(g.inside, 0);
}

/* Hosts that hang leave places for others; and one that cannot begin gives its place to the next. */
static void a_crowd_leaves_room(void **state)
{
	static struct gate_ticket t[10][GATE_MAX];
	struct gates g = fresh();
	char url[40];
	size_t h, i, in = 0, of[10] = { 0 };

	(void)state;
	for (h = 0; h < 10; h++)
		for (i = 0; i < GATE_MAX; i++) {
			snprintf(url, sizeof url, "https://host-%zu.example/token", h);
			of[h] += gate_enter(&g, &t[h][i], url, false);
		}
	for (h = 0; h < 10; h++)
		assert_int_equal(of[h], h < 3 ? GATE_MAX : GATE_FEW);
	assert_int_equal(g.inside, 3 * GATE_MAX + 7 * GATE_FEW);
	for (h = 0; h < 3; h++)			/* the hanging ones end: the others may have more */
		for (i = 0; i < GATE_MAX; i++)
			gate_leave(&g, &t[h][i]);
	for (h = 3; h < 10; h++)
		for (i = 0; i < GATE_MAX; i++) {
			in += t[h][i].inside;
			gate_leave(&g, &t[h][i]);
		}
	assert_int_equal(g.inside, 0);
	assert_int_equal(in, 7 * GATE_MAX);	/* each had its turn */
}

/*
 * Three hosts make a crowd; of a fourth all but a few wait, and nothing of its own ends: they proceed when the crowd
 * ends.
 */
static void the_end_of_a_crowd_is_told(void **state)
{
	static struct gate_ticket crowd[3][GATE_MAX], t[GATE_MAX], u[GATE_MAX];
	struct gates g = fresh();
	char url[40];
	size_t h, i;

	(void)state;
	for (h = 0; h < 3; h++)
		for (i = 0; i < GATE_MAX; i++) {
			snprintf(url, sizeof url, "https://host-%zu.example/token", h);
			assert_true(gate_enter(&g, &crowd[h][i], url, false));
		}
	for (i = 0; i < GATE_MAX; i++)
		assert_int_equal(gate_enter(&g, &t[i], A, false), i < GATE_FEW);
	for (i = 0; i < GATE_MAX; i++)
		assert_int_equal(gate_enter(&g, &u[i], B, i == GATE_MAX - 1), i < GATE_FEW);
	cannot = &t[GATE_FEW];
	for (i = 0; i < 2 * GATE_FEW; i++)
		gate_leave(&g, &crowd[0][i]);
	assert_int_equal(nwent, 0);		/* still a crowd */
	gate_leave(&g, &crowd[0][i++]);
	assert_int_equal(g.inside, GATE_CROWD);
	assert_in_range(nwent, 1, 2);
	for (; i < GATE_MAX; i++)
		gate_leave(&g, &crowd[0][i]);
	assert_int_equal(g.inside, GATE_CROWD);
	assert_in_range(nwent, GATE_MAX - 2 * GATE_FEW, GATE_MAX - 2 * GATE_FEW + 1);
	/* neither host has all of it */
	for (h = 0, i = 0; i < GATE_MAX; i++)
		h += t[i].inside;
	assert_in_range(h, GATE_MAX / 2 - 2, GATE_MAX / 2 + 2);
	assert_true(u[GATE_MAX - 1].inside);	/* somebody waits for it */
	for (h = 1; h < 3; h++)
		for (i = 0; i < GATE_MAX; i++)
			gate_leave(&g, &crowd[h][i]);
	assert_int_equal(g.waiting, 0);
	assert_int_equal(g.inside, 2 * GATE_MAX - 1);	/* all but the one that could not */
	for (i = 0; i < GATE_MAX; i++) {
		if (&t[i] != cannot)
			gate_leave(&g, &t[i]);
		gate_leave(&g, &u[i]);
	}
	assert_int_equal(g.inside, 0);
	for (i = 0; i < sizeof g.bucket / sizeof g.bucket[0]; i++)
		assert_null(g.bucket[i]);
}

static void one_that_cannot_begin(void **state)
{
	static struct gate_ticket t[GATE_MAX + 3];
	struct gates g = fresh();
	size_t i;

	(void)state;
	for (i = 0; i < GATE_MAX + 3; i++)
		(void)gate_enter(&g, &t[i], A, false);
	cannot = &t[GATE_MAX];
	gate_leave(&g, &t[0]);
	assert_int_equal(nwent, 2);
	assert_ptr_equal(went[1], &t[GATE_MAX + 1]);
	for (i = 1; i < GATE_MAX; i++)
		gate_leave(&g, &t[i]);
	gate_leave(&g, &t[GATE_MAX + 1]);
	gate_leave(&g, &t[GATE_MAX + 2]);
	assert_int_equal(g.inside, 0);
	for (i = 0; i < sizeof g.bucket / sizeof g.bucket[0]; i++)
		assert_null(g.bucket[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_host_waits_in_order), cmocka_unit_test(hosts_do_not_wait_for_each_other),
		cmocka_unit_test(who_gives_up_takes_nobodys_place), cmocka_unit_test(who_is_waited_for_goes_first),
		cmocka_unit_test(a_crowd_leaves_room), cmocka_unit_test(the_end_of_a_crowd_is_told),
		cmocka_unit_test(one_that_cannot_begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
