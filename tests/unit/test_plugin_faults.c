/*
 * Every system call of an authentication is short, interrupted, or finds no descriptor: the plugin, loaded by the real
 * libsasl2, goes on where one can go on, and else says what is wrong. tests/e2e/faults has the calls.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sasl/sasl.h>

#include "tests/e2e/faults/mxfault.h"
#include "tests/unit/fakedaemon.h"
#include "tests/unit/realhost.h"

#define XRAW "user=app@contoso.com\001auth=Bearer eyJ0eXAi." RH_NEEDLE "-of-it.c2lnbmF0dXJl\001\001"
#define CALLS_MAX 100

static struct fake_daemon peer;
static char xok[512];
static struct mxfault fault;

static int setup(void **state)
{
	static const struct fake_turn turns[] = { { FAKE_ANSWER, xok, 0, 0 }, { FAKE_ANSWER, "OK\n", 0, 0 } };

	(void)state;
	fake_ok(xok, sizeof xok, "id-1", XRAW, sizeof XRAW - 1);
	fake_start(&peer, turns, 2, FAKE_NOW, 0);
	setenv("MTA_XOAUTH2_SOCKET", peer.path, 1);
	unsetenv("MTA_XOAUTH2_TIMEOUT");
	rh_init(false);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mxfault = NULL;
	sasl_client_done();
	fake_stop(&peer);
	assert_false(rh_dirty);
	return 0;
}

/* A login that is refused, so that both questions go to the daemon. Returns what sasl_client_start() did. */
static int refused_login(const struct mxfault *how, uint32_t *struck)
{
	sasl_conn_t *c = rh_connect(rh_postfix, SASL_SEC_NOANONYMOUS);
	const char *out, *mech;
	unsigned len;
	int r;

	fault = *how;
	mxfault = &fault;
	r = sasl_client_start(c, "XOAUTH2", NULL, &out, &len, &mech);
	if (r == SASL_CONTINUE) {
		assert_int_equal(len, sizeof XRAW - 1);
		assert_memory_equal(out, XRAW, len);
		assert_int_equal(sasl_client_step(c, "{}", 2, NULL, &out, &len), SASL_OK);
	}
	mxfault = NULL;
	*struck = fault.struck;
	sasl_dispose(&c);
	return r;
}

static void every_call(uint32_t kind)
{
	uint32_t n, struck = 1;
	int r;

	for (n = 1; struck != 0; n++) {
		struct mxfault how = { .kinds = kind, .at = n };

		assert_true(n < CALLS_MAX);
		fake_stop(&peer);
		assert_int_equal(teardown(NULL), 0);
		assert_int_equal(setup(NULL), 0);
		r = refused_login(&how, &struck);
		if (r == SASL_CONTINUE) {
			assert_non_null(strstr(fake_request(&peer, 0), "\taccount=app@contoso.com\t"));
			/* told to the daemon, or to the log why not; the server's own answer comes to the log in any case */
			if (kind != MXFAULT_EMFILE)
				assert_non_null(strstr(fake_request(&peer, 1), "\tREJECTED\t"));
			assert_in_range(rh_nlines, 1, 2);
		} else {
			assert_int_equal(kind, MXFAULT_EMFILE);
			assert_int_equal(r, SASL_UNAVAIL);
			assert_int_equal(rh_nlines, 1);
			assert_non_null(strstr(rh_lines[0], "(Too many open files)"));
		}
	}
	print_message("# %u calls\n", (unsigned)n - 2);
	assert_true(n > 2);
}

static void by_the_piece(void **state)
{
	(void)state;
	every_call(MXFAULT_SHORT);
}

static void interrupted(void **state)
{
	(void)state;
	every_call(MXFAULT_EINTR);
}

static void no_descriptors(void **state)
{
	(void)state;
	every_call(MXFAULT_EMFILE);
}

/* Most of all calls, in many ways. */
static void at_random(void **state)
{
	struct mxfault how = { .kinds = MXFAULT_SHORT | MXFAULT_EINTR, .per_mille = 700 };
	uint32_t struck;

	(void)state;
	for (how.seed = 1; how.seed <= 300000; how.seed += 3000) {
		assert_int_equal(teardown(NULL), 0);
		assert_int_equal(setup(NULL), 0);
		assert_int_equal(refused_login(&how, &struck), SASL_CONTINUE);
		assert_true(struck > 2);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = { T(by_the_piece), T(interrupted), T(no_descriptors), T(at_random) };
	int r;

	if (rh_open() == -1)
		return 99;
	r = cmocka_run_group_tests_name("plugin, system calls that fail", tests, NULL, NULL);
	rh_close();
	return r;
}
