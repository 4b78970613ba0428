/* Who is authenticated: callbacks, prompts, mailbox, judgement. Driven through a scripted host. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/fakedaemon.h"
#include "tests/unit/fakesasl.h"

static const char raw[] = "user=app@contoso.com\001auth=Bearer THE-TOKEN-ITSELF\001\001";

static struct fake_daemon peer;
static struct fakesasl fs;
static char ok[256];

static int setup(void **state)
{
	static struct fake_turn turn = { FAKE_ANSWER, ok, 0, 0 };

	(void)state;
	fake_ok(ok, sizeof ok, "id-1", raw, sizeof raw - 1);
	fake_start(&peer, &turn, 1, FAKE_NOW, 0);
	fs_init(&fs, peer.path);
	fs.needle = "THE-TOKEN-ITSELF";
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_stop(&peer);
	return 0;
}

static void expect_fields(const char *fields)
{
	char want[1024];

	snprintf(want, sizeof want,
	    "TOKEND/1\tSASL\tmech=XOAUTH2\t%s\thost=smtp.example.com\tservice=smtp\t"
	    "deadline_ms=10000\n", fields);
	assert_string_equal(fake_request(&peer, 0), want);
}

static void by_callback(void **state)
{
	(void)state;
	fs.no_prompts = true;		/* Postfix */
	assert_int_equal(fs_start(&fs, "XOAUTH2"), SASL_CONTINUE);
	expect_fields("account=app@contoso.com");
	assert_string_equal(fs.op.authid, "app@contoso.com");
	assert_string_equal(fs.op.user, "app@contoso.com");
	assert_int_equal(fs.op.doneflag, 0);
	assert_int_equal(fs.op.mech_ssf, 0);
	assert_int_equal(fs.nerrors + fs.nlogs, 0);
	fs_end(&fs);
}

static void by_prompt(void **state)
{
	(void)state;
	fs.authname_how = FS_PROMPT;
	assert_int_equal(fs_start(&fs, "XOAUTH2"), SASL_CONTINUE);
	assert_int_equal(fs.interactions, 1);
	assert_string_equal(fs.prompted, "A");
	assert_null(fs.prompt_need);
	expect_fields("account=app@contoso.com");
	fs_end(&fs);
}

static void both_by_prompt(void **state)		/* mbsync */
{
	(void)state;
	fs.authname_how = fs.user_how = FS_PROMPT;
	fs.user = "app@contoso.com";
	assert_int_equal(fs_start(&fs, "XOAUTH2"), SASL_CONTINUE);
	assert_int_equal(fs.interactions, 1);
	assert_string_equal(fs.prompted, "AU");
	expect_fields("account=app@contoso.com");	/* the same name twice is one */
	fs_end(&fs);
}

static void mailbox_by_prompt_not_answered(void **state)
{
	(void)state;
	fs.user_how = FS_PROMPT;
	fs.user = NULL;
	assert_int_equal(fs_start(&fs, "XOAUTH2"), SASL_CONTINUE);
	assert_string_equal(fs.prompted, "U");
	expect_fields("account=app@contoso.com");
	fs_end(&fs);
}

static void mailbox(void **state)
{
	(void)state;
	fs.user_how = FS_CALLBACK;
	fs.user = " shared@contoso.com ";
	assert_int_equal(fs_start(&fs, "XOAUTH2"), SASL_CONTINUE);
	expect_fields("account=app@contoso.com\tuser=shared@contoso.com");
	assert_string_equal(fs.op.authid, "app@contoso.com");
	assert_string_equal(fs.op.user, "shared@contoso.com");
	fs_end(&fs);
}

static void mailbox_empty(void **state)
{
	(void)state;
	fs.user_how = FS_CALLBACK;
	fs.user = "";
	assert_int_equal(fs_start(&fs, "XOAUTH2"), SASL_CONTINUE);
	expect_fields("account=app@contoso.com");
	fs_end(&fs);
}

static void mailbox_prompt_without_prompts(void **state)
{
	(void)state;
	fs.user_how = FS_PROMPT;
	fs.no_prompts = true;
	assert_int_equal(fs_start(&fs, "XOAUTH2"), SASL_CONTINUE);
	expect_fields("account=app@contoso.com");
	fs_end(&fs);
}

static void canonical_form(void **state)
{
	(void)state;
	fs.authname = "  app@contoso.com";
	assert_int_equal(fs_start(&fs, "XOAUTH2"), SASL_CONTINUE);
	expect_fields("account=app@contoso.com");
	fs_end(&fs);
}

static void longest_name(void **state)
{
	static char name[321], fields[400];

	(void)state;
	memset(name, 'n', 320);
	snprintf(fields, sizeof fields, "account=%s", name);
	fs.authname = name;
	assert_int_equal(fs_start(&fs, "XOAUTH2"), SASL_CONTINUE);
	expect_fields(fields);
	fs_end(&fs);
}

static void utf8_name(void **state)
{
	(void)state;
	fs.authname = "j\303\274rgen@contoso.com";
	assert_int_equal(fs_start(&fs, "XOAUTH2"), SASL_CONTINUE);
	expect_fields("account=j\303\274rgen@contoso.com");
	fs_end(&fs);
}

/* Nothing of this reaches the daemon; each leaves one line that says what is wrong. */
static void refused(void **state)
{
	static char too_long[322];
	static const struct {
		const char *name;
		enum fs_how authname_how;
		const char *authname;
		enum fs_how user_how;
		const char *user, *canon_as;
		int canon_result;
		bool no_prompts;
		const char *says;
	} t[] = {
		{ "empty", FS_CALLBACK, "", FS_NONE, NULL, NULL, 0, 0, "is empty" },
		{ "blanks", FS_CALLBACK, " \t ", FS_NONE, NULL, NULL, 0, 0, "is empty" },
		{ "nothing", FS_CALLBACK, NULL, FS_NONE, NULL, NULL, 0, 0, "gave no user name" },
		{ "no callback", FS_NONE, NULL, FS_NONE, NULL, NULL, 0, 0, "gave no user name" },
		{ "callback fails", FS_FAIL, NULL, FS_NONE, NULL, NULL, 0, 0,
		    "its callback failed" },
		{ "prompt not answered", FS_PROMPT, NULL, FS_NONE, NULL, NULL, 0, 0,
		    "gave no user name" },
		{ "prompt answered with nothing", FS_PROMPT, "", FS_NONE, NULL, NULL, 0, 0,
		    "is empty" },
		{ "prompt where there are none", FS_PROMPT, "a@b", FS_NONE, NULL, NULL, 0, true,
		    "gave no user name" },
		{ "0x01", FS_CALLBACK, "a\001auth=Bearer x", FS_NONE, NULL, NULL, 0, 0,
		    "\\x01auth" },
		{ "CR LF", FS_CALLBACK, "a@b\r\nQUIT", FS_NONE, NULL, NULL, 0, 0,
		    "control characters" },
		{ "TAB", FS_CALLBACK, "a@b\thost=x", FS_NONE, NULL, NULL, 0, 0,
		    "control characters" },
		{ "DEL", FS_CALLBACK, "a\177@b", FS_NONE, NULL, NULL, 0, 0, "control characters" },
		{ "not UTF-8", FS_CALLBACK, "j\374rgen@b", FS_NONE, NULL, NULL, 0, 0,
		    "is not UTF-8" },
		{ "too long", FS_CALLBACK, too_long, FS_NONE, NULL, NULL, 0, 0,
		    "longer than an address" },
		{ "canon fails", FS_CALLBACK, "a@b", FS_NONE, NULL, NULL, SASL_BADPROT, 0,
		    "refused by the mail program" },
		{ "canon makes rubbish", FS_CALLBACK, "a@b", FS_NONE, NULL, "x\001", 0, 0,
		    "the mail program's form" },
		{ "canon makes nothing", FS_CALLBACK, "a@b", FS_NONE, NULL, "", 0, 0, "is empty" },
		{ "mailbox 0x01", FS_CALLBACK, "a@b", FS_CALLBACK, "m\001", NULL, 0, 0,
		    "control characters" },
		{ "mailbox blanks", FS_CALLBACK, "a@b", FS_CALLBACK, "  ", NULL, 0, 0, "is empty" },
		{ "mailbox too long", FS_CALLBACK, "a@b", FS_CALLBACK, too_long, NULL, 0, 0,
		    "longer than an address" },
		{ "mailbox fails", FS_CALLBACK, "a@b", FS_FAIL, NULL, NULL, 0, 0,
		    "nothing is sent" },
	};
	size_t i;

	(void)state;
	memset(too_long, 'n', 321);
	for (i = 0; i < sizeof t / sizeof t[0]; i++) {
		fs_init(&fs, peer.path);
		fs.authname_how = t[i].authname_how;
		fs.authname = t[i].authname;
		fs.user_how = t[i].user_how;
		fs.user = t[i].user;
		fs.canon_as = t[i].canon_as;
		fs.canon_result = t[i].canon_result;
		fs.no_prompts = t[i].no_prompts;
		if (fs_start(&fs, "XOAUTH2") != SASL_BADPARAM || fs.nerrors != 1)
			fail_msg("%s: %u lines", t[i].name, fs.nerrors);
		if (strstr(fs.errors[0], t[i].says) == NULL ||
		    strncmp(fs.errors[0], "mta-xoauth2: ", 13) != 0 ||
		    strstr(fs.errors[0], "smtp.example.com") == NULL)
			fail_msg("%s: %s", t[i].name, fs.errors[0]);
		/* no second try with the same connection */
		if (fs_step(&fs, NULL, 0) != SASL_BADPROT)
			fail_msg("%s: goes on", t[i].name);
		fs_end(&fs);
	}
	assert_int_equal(fake_count(&peer), 0);
}

/* Asked once, not for ever. */
static void lost_prompts(void **state)
{
	(void)state;
	fs.authname_how = fs.user_how = FS_PROMPT;
	fs.loses_prompts = true;
	assert_int_equal(fs_start(&fs, "XOAUTH2"), SASL_BADPARAM);
	assert_int_equal(fs.interactions, 1);
	assert_int_equal(fs.nerrors, 1);
	fs_end(&fs);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		T(by_callback), T(by_prompt), T(both_by_prompt), T(mailbox_by_prompt_not_answered),
		T(mailbox),
		T(mailbox_empty), T(mailbox_prompt_without_prompts), T(canonical_form),
		T(longest_name), T(utf8_name),
		T(refused), T(lost_prompts),
	};

	unsetenv("MTA_XOAUTH2_SOCKET");
	unsetenv("MTA_XOAUTH2_TIMEOUT");
	return cmocka_run_group_tests_name("plugin/identity", tests, NULL, NULL);
}
