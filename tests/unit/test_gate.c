/*
 * So many at a time to one host: in order, never more, and no host waits for another.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tokend/gate.h"

#define A "https://login.example:8443/tenant-1/token"
#define A2 "https://login.example:8443/tenant-2/token"
#define B "https://other.example/token"

static struct gate_ticket *went[1000];
static size_t nwent;

static void go(struct gate_ticket *t)
{
	went[nwent++] = t;
}

static struct gates fresh(void)
{
	nwent = 0;
	return (struct gates){ .go = go };
}

static void one_host_waits_in_order(void **state)
{
	static struct gate_ticket t[3 * GATE_MAX];
	struct gates g = fresh();
	size_t i;

	(void)state;
	for (i = 0; i < 3 * GATE_MAX; i++)
		assert_int_equal(gate_enter(&g, &t[i], i % 2 == 0 ? A : A2), i < GATE_MAX);
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
		assert_int_equal(gate_enter(&g, &t[i], A), i < GATE_MAX);
	assert_true(gate_enter(&g, &other, B));
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
		(void)gate_enter(&g, &t[i], A);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_host_waits_in_order), cmocka_unit_test(hosts_do_not_wait_for_each_other),
		cmocka_unit_test(who_gives_up_takes_nobodys_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
