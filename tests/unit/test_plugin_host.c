/*
 * The plugin in the real libsasl2, driven like smtp(8) and mbsync drive it: found by path, ranked
 * among the
 * system's own plugins, asked, refused, forked, interleaved.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sasl/sasl.h>

#include "common/response.h"
#include "common/status.h"
#include "common/wire.h"
#include "tests/unit/fakedaemon.h"
#include "tests/unit/realhost.h"

#define TOKEN "eyJ0eXAi." RH_NEEDLE "-of-it.c2lnbmF0dXJl"
#define XRAW "user=app@contoso.com\001auth=Bearer " TOKEN "\001\001"
#define ORAW "n,a=app@contoso.com,\001auth=Bearer " TOKEN "\001\001"

static struct fake_daemon peer;
static char xok[512], ook[512];

static int start(sasl_conn_t *c, const char *mechs, const char **mech, const char **out,
    unsigned *len)
{
	return sasl_client_start(c, mechs, NULL, out, len, mech);
}

static void serve_turns(const struct fake_turn *turns, size_t n)
{
	fake_stop(&peer);
	fake_start(&peer, turns, n, FAKE_NOW, 0);
	setenv("MTA_XOAUTH2_SOCKET", peer.path, 1);
}

static int setup(void **state)
{
	(void)state;
	fake_ok(xok, sizeof xok, "id-1", XRAW, sizeof XRAW - 1);
	fake_ok(ook, sizeof ook, "id-2", ORAW, sizeof ORAW - 1);
	unsetenv("MTA_XOAUTH2_TIMEOUT");
	setenv("MTA_XOAUTH2_SOCKET", "/nowhere/tokend.sock", 1);
	return 0;
}

static int teardown(void **state)
{
	unsigned i;

	(void)state;
	sasl_client_done();
	fake_stop(&peer);
	for (i = 0; i < rh_nlines; i++)
		assert_null(strstr(rh_lines[i], RH_NEEDLE));
	assert_false(rh_dirty);
	return 0;
}

/* --- tests ----------------------------------------------------------------------------------- */

static void success(void **state)
{
	static const struct fake_turn turns[] = {
		{ FAKE_ANSWER, xok, 0, 0 }, { FAKE_ANSWER, ook, 0, 0 },
	};
	static const char *const mechs[] = { "XOAUTH2", "OAUTHBEARER" };
	const char *out, *mech;
	const void *value;
	sasl_conn_t *c;
	unsigned len;
	int i;

	(void)state;
	serve_turns(turns, 2);
	rh_init(false);
	for (i = 0; i < 2; i++) {
		c = rh_connect(rh_postfix, SASL_SEC_NOANONYMOUS);
		assert_int_equal(start(c, mechs[i], &mech, &out, &len), SASL_CONTINUE);
		assert_string_equal(mech, mechs[i]);
		assert_int_equal(len, strlen(i == 0 ? XRAW : ORAW));
		assert_memory_equal(out, i == 0 ? XRAW : ORAW, len);
		assert_int_equal(sasl_client_step(c, NULL, 0, NULL, &out, &len), SASL_OK);
		assert_int_equal(len, 0);
		assert_int_equal(sasl_getprop(c, SASL_SSF, &value), SASL_OK);
		assert_int_equal(*(const sasl_ssf_t *)value, 0);
		assert_int_equal(sasl_getprop(c, SASL_USERNAME, &value), SASL_OK);
		assert_string_equal(value, "app@contoso.com");
		sasl_dispose(&c);
	}
	assert_int_equal(rh_nlines, 0);
}

static void refusals(void **state)
{
	static const struct fake_turn turns[] = {
		{ FAKE_ANSWER, xok, 0, 0 }, { FAKE_ANSWER, "OK\n", 0, 0 },
		{ FAKE_ANSWER, ook, 0, 0 },
		{ FAKE_ANSWER, "OK\n", 0, 0 },
	};
	static const char challenge[] = "{\"status\":\"invalid_token\"}";
	const char *out, *mech;
	sasl_conn_t *c;
	unsigned len;
	int i;

	(void)state;
	serve_turns(turns, 4);
	rh_init(false);
	for (i = 0; i < 2; i++) {
		c = rh_connect(rh_postfix, SASL_SEC_NOANONYMOUS);
		assert_int_equal(start(c, i == 0 ? "XOAUTH2" : "OAUTHBEARER", &mech, &out, &len),
		    SASL_CONTINUE);
		assert_int_equal(sasl_client_step(c, challenge, sizeof challenge - 1, NULL, &out,
		    &len), SASL_OK);
		assert_non_null(out);
		assert_int_equal(len, i);
		if (i == 1)
			assert_int_equal(out[0], 1);
		assert_non_null(strstr(fake_request(&peer, (unsigned)i * 2 + 1), i == 0 ?
		    "\ttoken_id=id-1\t" :
		    "\ttoken_id=id-2\t"));
		assert_int_equal(rh_nlines, i * 2 + 1);
		assert_non_null(strstr(rh_lines[rh_nlines - 1],
		    "app@contoso.com at smtp.example.com: the mail server refused"));
		/* after doneflag */
		assert_int_equal(sasl_client_step(c, challenge, 2, NULL, &out, &len), SASL_FAIL);
		sasl_dispose(&c);
	}
}

static void token_sizes(void **state)
{
	static const size_t sizes[] = { 100, 300, 346, 347, 2000, 4000, 6100, 8000, 9000 };
	static char raw[MX_WIRE_RESPONSE_MAX], line[MX_WIRE_REPLY_MAX + 1], tok[9000];
	const char *out, *mech;
	struct mx_buf b;
	struct mx_err e;
	sasl_conn_t *c;
	unsigned len;
	size_t i;
	int m;

	(void)state;
	memset(tok, 't', sizeof tok);
	rh_init(false);
	for (m = MX_MECH_XOAUTH2; m <= MX_MECH_OAUTHBEARER; m++)
		for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
			struct fake_turn turn = { FAKE_ANSWER, line, 0, 0 };

			mx_buf_init(&b, raw, sizeof raw);
			assert_int_equal(mx_response_build(&b, (enum mx_mech)m, rh_app,
			    "smtp.example.com", 0, tok, sizes[i], &e),
			    MX_OK);
			fake_ok(line, sizeof line, "id", raw, b.len);
			serve_turns(&turn, 1);
			c = rh_connect(rh_postfix, SASL_SEC_NOANONYMOUS);
			assert_int_equal(start(c, mx_mech_name((enum mx_mech)m), &mech, &out, &len),
			    SASL_CONTINUE);
			assert_int_equal(len, b.len);
			assert_memory_equal(out, raw, len);
			sasl_dispose(&c);
		}
}

static void prompts(void **state)
{
	static const struct fake_turn turn = { FAKE_ANSWER, xok, 0, 0 };
	sasl_interact_t *need = NULL, *i;
	const char *out, *mech;
	sasl_conn_t *c;
	unsigned len;
	int r, rounds = 0;

	(void)state;
	serve_turns(&turn, 1);
	rh_init(false);
	c = rh_connect(rh_mbsync, SASL_SEC_NOANONYMOUS);
	while ((r = sasl_client_start(c, "XOAUTH2", &need, &out, &len, &mech)) == SASL_INTERACT &&
	    rounds++ < 3) {
		assert_non_null(need);		/* a bare SASL_INTERACT crashes mbsync */
		for (i = need; i->id != SASL_CB_LIST_END; i++) {
			assert_int_not_equal(i->id, SASL_CB_PASS);
			i->result = rh_app;
			i->len = (unsigned)strlen(rh_app);
		}
	}
	assert_int_equal(r, SASL_CONTINUE);
	assert_int_equal(rounds, 1);
	assert_memory_equal(out, XRAW, len);
	assert_non_null(strstr(fake_request(&peer, 0),
	    "\taccount=app@contoso.com\thost=smtp.example.com\t"));
	sasl_dispose(&c);
}

static void another_mailbox(void **state)
{
	static const struct fake_turn turn = { FAKE_ANSWER, xok, 0, 0 };
	const char *out, *mech;
	sasl_conn_t *c;
	unsigned len;

	(void)state;
	serve_turns(&turn, 1);
	rh_init(false);
	c = rh_connect(rh_with_user, SASL_SEC_NOANONYMOUS);
	assert_int_equal(start(c, "XOAUTH2", &mech, &out, &len), SASL_CONTINUE);
	assert_non_null(strstr(fake_request(&peer, 0),
	    "\taccount=app@contoso.com\tuser=shared@contoso.com\t"));
	sasl_dispose(&c);
}

static void server_address(void **state)
{
	static const struct fake_turn turn = { FAKE_ANSWER, xok, 0, 0 };
	const char *out, *mech;
	sasl_conn_t *c;
	unsigned len;

	(void)state;
	serve_turns(&turn, 1);
	rh_init(false);
	assert_int_equal(sasl_client_new("imap", "imap.example.com", "192.0.2.7;40000",
	    "192.0.2.1;993", rh_postfix, 0, &c),
	    SASL_OK);
	assert_int_equal(start(c, "XOAUTH2", &mech, &out, &len), SASL_CONTINUE);
	assert_non_null(strstr(fake_request(&peer, 0),
	    "\thost=imap.example.com\tport=993\tservice=imap\t"));
	sasl_dispose(&c);
}

/*
 * Each class of the daemon: Cyrus's own text for the result is what Postfix's delivery status
 * shows.
 */
static void daemon_errors(void **state)
{
	static const struct { const char *line; int result; const char *text; } t[] = {
		{ "ERR\ttemp\tcode-a\tsentence\n", SASL_UNAVAIL,
		    "remote authentication server unavailable" },
		{ "ERR\tprovider\tcode-a\tsentence\n", SASL_BADAUTH, "authentication failure" },
		{ "ERR\tconfig\tcode-a\tsentence\n", SASL_UNAVAIL,
		    "remote authentication server unavailable" },
		{ "ERR\tdenied\tcode-a\tsentence\n", SASL_NOAUTHZ, "authorization failure" },
		{ "ERR\tbusy\tcode-a\tsentence\n", SASL_UNAVAIL,
		    "remote authentication server unavailable" },
		{ "ERR\tbad-request\tcode-a\tsentence\n", SASL_FAIL, "generic failure" },
		{ "what is this\n", SASL_FAIL, "generic failure" },
	};
	const char *out, *mech;
	sasl_conn_t *c;
	unsigned len;
	size_t i;

	(void)state;
	rh_init(false);
	for (i = 0; i < sizeof t / sizeof t[0]; i++) {
		struct fake_turn turn = { FAKE_ANSWER, t[i].line, 0, 0 };

		serve_turns(&turn, 1);
		rh_nlines = 0;
		c = rh_connect(rh_postfix, SASL_SEC_NOANONYMOUS);
		assert_int_equal(start(c, "XOAUTH2", &mech, &out, &len), t[i].result);
		assert_string_equal(sasl_errstring(t[i].result, NULL, NULL), t[i].text);
		assert_int_equal(rh_nlines, 1);
		assert_non_null(strstr(rh_lines[0],
		    "mta-xoauth2: app@contoso.com at smtp.example.com: "));
		assert_non_null(strstr(rh_lines[0], i < 6 ?
		    "sentence [code-a]" : "[malformed-reply]"));
		sasl_dispose(&c);
	}
}

/*
 * No daemon, no socket, rubbish in the environment: the plugin loads, and says so when it is
 * asked.
 */
static void alone(void **state)
{
	const char *out, *mech;
	sasl_conn_t *c;
	unsigned len;

	(void)state;
	setenv("MTA_XOAUTH2_SOCKET", "not/absolute", 1);
	setenv("MTA_XOAUTH2_TIMEOUT", "soon", 1);
	rh_init(false);
	assert_int_equal(rh_nlines, 0);
	setenv("MTA_XOAUTH2_SOCKET", "/nowhere/tokend.sock", 1);
	setenv("MTA_XOAUTH2_TIMEOUT", "1", 1);
	c = rh_connect(rh_postfix, SASL_SEC_NOANONYMOUS);
	assert_int_equal(start(c, "XOAUTH2", &mech, &out, &len), SASL_UNAVAIL);
	assert_int_equal(rh_nlines, 1);
	assert_string_equal(rh_lines[0],
	    "mta-xoauth2: app@contoso.com at smtp.example.com: the token "
	    "daemon's socket /nowhere/tokend.sock cannot be reached (No such file or directory); "
	    "is mta-xoauth2-tokend running? (systemctl status mta-xoauth2-tokend) and, for a "
	    "chrooted mail server, does it listen inside the chroot? [socket-unreachable]");
	sasl_dispose(&c);
	unsetenv("MTA_XOAUTH2_TIMEOUT");
}

/*
 * Chosen before LOGIN and PLAIN in whatever order the server names them; XOAUTH2 before
 * OAUTHBEARER.
 */
static void rank(void **state)
{
	static const struct { const char *offered, *chosen; } t[] = {
		{ "LOGIN XOAUTH2", "XOAUTH2" }, { "XOAUTH2 LOGIN", "XOAUTH2" },
		{ "PLAIN LOGIN XOAUTH2", "XOAUTH2" },
		{ "LOGIN PLAIN XOAUTH2 PLAIN-CLIENTTOKEN OAUTHBEARER XOAUTH", "XOAUTH2" },
		{ "OAUTHBEARER XOAUTH2", "XOAUTH2" }, { "XOAUTH2 OAUTHBEARER", "XOAUTH2" },
		{ "PLAIN OAUTHBEARER LOGIN", "OAUTHBEARER" },
		{ "OAUTHBEARER PLAIN", "OAUTHBEARER" },
	};
	const char *mech = NULL;
	sasl_conn_t *c;
	size_t i;

	(void)state;
	rh_init(true);
	c = rh_connect(rh_postfix, SASL_SEC_NOANONYMOUS);
	if (sasl_client_start(c, "PLAIN LOGIN", NULL, NULL, NULL, &mech) == SASL_NOMECH) {
		sasl_dispose(&c);
		print_message("SKIP: the system has neither PLAIN nor LOGIN (Debian: "
		    "libsasl2-modules)\n");
		skip();
	}
	sasl_dispose(&c);
	for (i = 0; i < sizeof t / sizeof t[0]; i++) {
		c = rh_connect(rh_postfix, SASL_SEC_NOANONYMOUS);
		mech = NULL;
		assert_int_equal(sasl_client_start(c, t[i].offered, NULL, NULL, NULL, &mech),
		    SASL_CONTINUE);
		if (strcmp(mech, t[i].chosen) != 0)
			fail_msg("%s: %s", t[i].offered, mech);
		sasl_dispose(&c);
	}
}

/* Postfix's default options hide both, with and without the others: no token without TLS. */
static void hidden(void **state)
{
	static const struct fake_turn turn = { FAKE_ANSWER, xok, 0, 0 };
	static const char *const offered[] = { "XOAUTH2", "OAUTHBEARER",
	    "PLAIN LOGIN XOAUTH2 OAUTHBEARER" };
	const char *out, *mech;
	sasl_conn_t *c;
	unsigned len;
	size_t i;

	(void)state;
	serve_turns(&turn, 1);
	rh_init(true);
	for (i = 0; i < 3; i++) {
		c = rh_connect(rh_postfix, SASL_SEC_NOPLAINTEXT | SASL_SEC_NOANONYMOUS);
		assert_int_equal(start(c, offered[i], &mech, &out, &len), SASL_NOMECH);
		sasl_dispose(&c);
	}
	assert_int_equal(fake_count(&peer), 0);
	c = rh_connect(rh_postfix, SASL_SEC_NOANONYMOUS);
	assert_int_equal(start(c, offered[2], &mech, &out, &len), SASL_CONTINUE);
	sasl_dispose(&c);
}

/* A host that demands a security layer gets a sentence, not a mechanism that has none. */
static void layer_demanded(void **state)
{
	sasl_security_properties_t props = { .min_ssf = 1, .max_ssf = 256, .maxbufsize = 4096 };
	const char *out, *mech;
	sasl_conn_t *c;
	unsigned len;

	(void)state;
	rh_init(false);
	c = rh_connect(rh_postfix, 0);
	assert_int_equal(sasl_setprop(c, SASL_SEC_PROPS, &props), SASL_OK);
	assert_int_equal(start(c, "XOAUTH2", &mech, &out, &len), SASL_TOOWEAK);
	assert_int_equal(rh_nlines, 1);
	assert_non_null(strstr(rh_lines[0], "[no-security-layer]"));
	sasl_dispose(&c);
}

static int whole_exchange(const char *challenge)
{
	const char *out, *mech;
	sasl_conn_t *c = rh_connect(rh_postfix, SASL_SEC_NOANONYMOUS);
	unsigned len;
	int ok;

	ok = start(c, "XOAUTH2", &mech, &out, &len) == SASL_CONTINUE && len == sizeof XRAW - 1 &&
	    memcmp(out, XRAW, len) == 0 &&
	    sasl_client_step(c, challenge, (unsigned)strlen(challenge), NULL, &out, &len) ==
	    SASL_OK;
	sasl_dispose(&c);
	return ok ? 0 : 1;
}

/* Initialized once, used in children and in the parent, at the same time. */
static void forked(void **state)
{
	static const struct fake_turn turn = { FAKE_ANSWER, xok, 0, 5 };
	pid_t pid[4];
	int i, k, status;

	(void)state;
	serve_turns(&turn, 1);
	rh_init(false);
	for (i = 0; i < 4; i++) {
		pid[i] = fork();
		assert_int_not_equal(pid[i], -1);
		if (pid[i] == 0) {
			for (k = 0, status = 0; k < 3; k++)
				status |= whole_exchange("");
			_exit(status | rh_dirty);
		}
	}
	for (k = 0; k < 3; k++)
		assert_int_equal(whole_exchange(""), 0);
	for (i = 0; i < 4; i++) {
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(fake_count(&peer), 15);
}

static void interleaved(void **state)
{
	static const struct fake_turn turns[] = {
		{ FAKE_ANSWER, xok, 0, 0 }, { FAKE_ANSWER, ook, 0, 0 },
		{ FAKE_ANSWER, "OK\n", 0, 0 },
	};
	const char *xout, *oout, *out, *mech;
	unsigned xlen, olen, len;
	sasl_conn_t *x, *o;

	(void)state;
	serve_turns(turns, 3);
	rh_init(false);
	x = rh_connect(rh_postfix, SASL_SEC_NOANONYMOUS);
	o = rh_connect(rh_with_user, SASL_SEC_NOANONYMOUS);
	assert_int_equal(start(x, "XOAUTH2", &mech, &xout, &xlen), SASL_CONTINUE);
	assert_int_equal(start(o, "OAUTHBEARER", &mech, &oout, &olen), SASL_CONTINUE);
	/* the first one's response is still whole */
	assert_memory_equal(xout, XRAW, xlen);
	assert_memory_equal(oout, ORAW, olen);
	assert_int_equal(sasl_client_step(x, "{}", 2, NULL, &out, &len), SASL_OK);
	assert_int_equal(len, 0);
	assert_memory_equal(oout, ORAW, olen);
	assert_non_null(strstr(fake_request(&peer, 2), "\ttoken_id=id-1\t"));
	sasl_dispose(&x);
	assert_int_equal(sasl_client_step(o, "", 0, NULL, &out, &len), SASL_OK);
	sasl_dispose(&o);
	assert_int_equal(rh_nlines, 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		T(success), T(refusals), T(token_sizes), T(prompts), T(another_mailbox),
		T(server_address),
		T(daemon_errors), T(alone), T(rank), T(hidden), T(layer_demanded), T(forked),
		T(interleaved),
	};
	int r;

	if (rh_open() == -1)
		return 99;
	r = cmocka_run_group_tests_name("plugin in libsasl2", tests, NULL, NULL);
	rh_close();
	return r;
}
