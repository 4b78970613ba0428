/* Socket and deadline: where they come from, what is refused, and that time is kept. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "tests/unit/fakedaemon.h"
#include "tests/unit/fakesasl.h"

static const char raw[] = "user=app@contoso.com\001auth=Bearer THE-TOKEN\001\001";

static struct fake_daemon peer;
static struct fakesasl fs;
static char ok[256];

static int setup(void **state)
{
	static struct fake_turn turn = { FAKE_ANSWER, ok, 0, 0 };

	(void)state;
	unsetenv("MTA_XOAUTH2_SOCKET");
	unsetenv("MTA_XOAUTH2_TIMEOUT");
	fake_ok(ok, sizeof ok, "id-1", raw, sizeof raw - 1);
	fake_start(&peer, &turn, 1, FAKE_NOW, 0);
	fs_init(&fs, peer.path);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unsetenv("MTA_XOAUTH2_SOCKET");
	unsetenv("MTA_XOAUTH2_TIMEOUT");
	fake_stop(&peer);
	return 0;
}

static void socket_from_option(void **state)
{
	(void)state;
	assert_int_equal(fs_start(&fs, "XOAUTH2"), SASL_CONTINUE);
	assert_int_equal(fs.nlogs, 0);
	fs_end(&fs);
}

static void socket_from_environment(void **state)
{
	(void)state;
	fs.opt_socket = "/nowhere/at/all";
	setenv("MTA_XOAUTH2_SOCKET", peer.path, 1);
	assert_int_equal(fs_start(&fs, "XOAUTH2"), SASL_CONTINUE);
	fs_end(&fs);
	setenv("MTA_XOAUTH2_SOCKET", "", 1);		/* empty is as good as unset */
	fs_init(&fs, peer.path);
	assert_int_equal(fs_start(&fs, "XOAUTH2"), SASL_CONTINUE);
	fs_end(&fs);
}

/* Nothing set, or nothing usable: the compiled-in path, which the error then names. */
static void socket_default(void **state)
{
	static char too_long[200];
	const char *const bad[] = { NULL, "relative/path", "sock", "/a\nb", too_long };
	size_t i;

	(void)state;
	if (access(MX_SOCKET, F_OK) == 0)
		skip();					/* a daemon is installed here */
	memset(too_long, 'l', sizeof too_long - 1);
	too_long[0] = '/';
	for (i = 0; i < 5; i++) {
		fs_init(&fs, bad[i]);
		fs.opt_timeout = "1";
		assert_int_equal(fs_start(&fs, "XOAUTH2"), SASL_UNAVAIL);
		assert_int_equal(fs.nerrors, 1);
		assert_non_null(strstr(fs.errors[0], MX_SOCKET));
		assert_non_null(strstr(fs.errors[0], "[socket-unreachable]"));
		assert_int_equal(fs.nlogs, bad[i] == NULL ? 0 : 1);
		if (bad[i] != NULL) {
			assert_int_equal(fs.log_level, SASL_LOG_WARN);
			assert_non_null(strstr(fs.logs[0], "mta_xoauth2_socket is \""));
			assert_non_null(strstr(fs.logs[0], "using " MX_SOCKET " instead"));
		}
		fs_end(&fs);
	}
}

static void timeout_values(void **state)
{
	static const struct { const char *env, *option; const char *ms; const char *warns; } t[] = {
		{ NULL, NULL, "10000", NULL }, { NULL, "3", "3000", NULL },
		{ "4", "3", "4000", NULL },
		{ "", "3", "3000", NULL }, { "1", NULL, "1000", NULL },
		{ "600", NULL, "600000", NULL },
		{ "0", NULL, "10000", "MTA_XOAUTH2_TIMEOUT is \"0\"" },
		{ "601", "3", "10000", "is \"601\"" },
		{ "10s", NULL, "10000", "is \"10s\"" },
		{ NULL, "-1", "10000", "mta_xoauth2_timeout is \"-1\"" },
		{ NULL, "1.5", "10000", "is \"1.5\"" }, { " 5", NULL, "10000", "is \" 5\"" },
		{ "99999999999999999999999", NULL, "10000", "a number of seconds from 1 to 600" },
		{ "5\nx", NULL, "10000", "\\x0a" },
	};
	char want[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof t / sizeof t[0]; i++) {
		fs_init(&fs, peer.path);
		fs.opt_timeout = t[i].option;
		if (t[i].env != NULL)
			setenv("MTA_XOAUTH2_TIMEOUT", t[i].env, 1);
		else
			unsetenv("MTA_XOAUTH2_TIMEOUT");
		assert_int_equal(fs_start(&fs, "XOAUTH2"), SASL_CONTINUE);
		snprintf(want, sizeof want, "\tdeadline_ms=%s\n", t[i].ms);
		if (strstr(fake_request(&peer, (unsigned)i), want) == NULL ||
		    fs.nlogs != (t[i].warns != NULL))
			fail_msg("row %zu: %u warnings, %s", i, fs.nlogs, fake_request(&peer,
			    (unsigned)i));
		if (t[i].warns != NULL && strstr(fs.logs[0], t[i].warns) == NULL)
			fail_msg("row %zu: %s", i, fs.logs[0]);
		assert_int_equal(fs.nerrors, 0);	/* a warning is not a failure */
		fs_end(&fs);
	}
}

static void deadline_kept(void **state)
{
	struct fake_turn hang = { FAKE_HANG, NULL, 0, 0 };
	uint64_t start;

	(void)state;
	fake_stop(&peer);
	fake_start(&peer, &hang, 1, FAKE_NOW, 0);
	fs_init(&fs, peer.path);
	fs.opt_timeout = "1";
	start = mx_now_ms();
	assert_int_equal(fs_start(&fs, "XOAUTH2"), SASL_UNAVAIL);
	assert_in_range(mx_now_ms() - start, 980, 1400);
	assert_non_null(strstr(fs.errors[0], "[daemon-timeout]"));
	assert_non_null(strstr(fs.errors[0], peer.path));
	fs_end(&fs);
}

static void daemon_restarts(void **state)
{
	static struct fake_turn turn = { FAKE_ANSWER, ok, 0, 0 };

	(void)state;
	fake_stop(&peer);
	fake_start(&peer, &turn, 1, FAKE_ABSENT, 500);
	fs_init(&fs, peer.path);
	assert_int_equal(fs_start(&fs, "XOAUTH2"), SASL_CONTINUE);
	assert_int_equal(fs.nerrors + fs.nlogs, 0);
	fs_end(&fs);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		T(socket_from_option), T(socket_from_environment), T(socket_default),
		T(timeout_values), T(deadline_kept),
		T(daemon_restarts),
	};

	return cmocka_run_group_tests_name("plugin/settings", tests, NULL, NULL);
}
