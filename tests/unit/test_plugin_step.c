/* One authentication from new to dispose: settings, requests, replies, errors, challenges. */
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
#include "common/response.h"
#include "common/wire.h"
#include "tests/unit/fakedaemon.h"
#include "tests/unit/fakesasl.h"

#define TOKEN "eyJ0eXAiOiJKV1Qi.secret-body-of-the-token.c2lnbmF0dXJl"
#define XRAW "user=app@contoso.com\001auth=Bearer " TOKEN "\001\001"
#define ORAW "n,a=app@contoso.com,\001host=smtp.example.com\001auth=Bearer " TOKEN "\001\001"

static struct fake_daemon peer;
static struct fakesasl fs;
static char xok[512], ook[512];

static void begin(const struct fake_turn *turns, size_t n)
{
	fake_start(&peer, turns, n, FAKE_NOW, 0);
	fs_init(&fs, peer.path);
	fs.needle = "secret-body";
}

static int setup(void **state)
{
	(void)state;
	fake_ok(xok, sizeof xok, "id-1", XRAW, sizeof XRAW - 1);
	fake_ok(ook, sizeof ook, "id-2", ORAW, sizeof ORAW - 1);
	unsetenv("MTA_XOAUTH2_SOCKET");
	unsetenv("MTA_XOAUTH2_TIMEOUT");
	return 0;
}

static int teardown(void **state)
{
	unsigned i;

	(void)state;
	/* whatever happened: not a piece of the token */
	for (i = 0; i < fs.nerrors; i++)
		assert_null(strstr(fs.errors[i], "secret"));
	fake_stop(&peer);
	return 0;
}

static void xoauth2(void **state)
{
	struct fake_turn t = { FAKE_ANSWER, xok, 0, 0 };

	(void)state;
	begin(&t, 1);
	assert_int_equal(fs_start(&fs, "XOAUTH2"), SASL_CONTINUE);
	assert_int_equal(fs.out_len, sizeof XRAW - 1);
	assert_memory_equal(fs.out, XRAW, fs.out_len);
	assert_int_equal(fs.op.doneflag, 0);
	assert_int_equal(fs_step(&fs, "", 0), SASL_OK);		/* mbsync, after success */
	assert_int_equal(fs.op.doneflag, 1);
	assert_int_equal(fs.out_len, 0);
	assert_int_equal(fs.live, 1);				/* the token is gone already */
	assert_int_equal(fs.nerrors + fs.nlogs, 0);
	assert_int_equal(fake_count(&peer), 1);
	assert_int_equal(fs_step(&fs, "", 0), SASL_BADPROT);
	assert_int_equal(fs.nerrors, 1);
	fs_end(&fs);
}

static void oauthbearer(void **state)
{
	struct fake_turn t = { FAKE_ANSWER, ook, 0, 0 };

	(void)state;
	begin(&t, 1);
	fs.params.ipremoteport = "192.0.2.1;587";
	fs.params.service = "imap";
	assert_int_equal(fs_start(&fs, "OAUTHBEARER"), SASL_CONTINUE);
	assert_int_equal(fs.out_len, sizeof ORAW - 1);
	assert_memory_equal(fs.out, ORAW, fs.out_len);
	assert_string_equal(fake_request(&peer, 0),
	    "TOKEND/1\tSASL\tmech=OAUTHBEARER\taccount=app@contoso.com\t"
	    "host=smtp.example.com\tport=587\tservice=imap\tdeadline_ms=10000\n");
	assert_int_equal(fs_step(&fs, NULL, 0), SASL_OK);
	fs_end(&fs);
}

/* Port and host are what the host program said, or nothing. */
static void addresses(void **state)
{
	static const struct { const char *ip, *host, *want; } t[] = {
		{ NULL, "h", "host=h\tservice" },
		{ "192.0.2.1;25", "h", "host=h\tport=25\tservice" },
		{ "2001:db8::1;465", "h", "host=h\tport=465\tservice" },
		{ "192.0.2.1", "h", "host=h\tservice" },
		{ "192.0.2.1;", "h", "host=h\tservice" },
		{ "192.0.2.1;smtp", "h", "host=h\tservice" },
		{ "192.0.2.1;0", "h", "host=h\tservice" },
		{ "192.0.2.1;65536", "h", "host=h\tservice" },
		{ NULL, NULL, "account=app@contoso.com\tservice" },
	};
	struct fake_turn turn = { FAKE_ANSWER, xok, 0, 0 };
	size_t i;

	(void)state;
	begin(&turn, 1);
	for (i = 0; i < sizeof t / sizeof t[0]; i++) {
		fs_init(&fs, peer.path);
		fs.params.ipremoteport = t[i].ip;
		fs.params.serverFQDN = t[i].host;
		assert_int_equal(fs_start(&fs, "XOAUTH2"), SASL_CONTINUE);
		if (strstr(fake_request(&peer, (unsigned)i), t[i].want) == NULL)
			fail_msg("row %zu: %s", i, fake_request(&peer, (unsigned)i));
		fs_end(&fs);
	}
}

static void bad_host(void **state)
{
	static char too_long[260];
	const char *const hosts[] = { "a\tb", "a\001", "\377", too_long };
	struct fake_turn turn = { FAKE_ANSWER, xok, 0, 0 };
	size_t i;

	(void)state;
	memset(too_long, 'h', 256);
	begin(&turn, 1);
	for (i = 0; i < 4; i++) {
		fs_init(&fs, peer.path);
		fs.params.serverFQDN = hosts[i];
		assert_int_equal(fs_start(&fs, "XOAUTH2"), SASL_FAIL);
		assert_int_equal(fs.nerrors, 1);
		assert_non_null(strstr(fs.errors[0], "[bad-host]"));
		fs_end(&fs);
	}
	assert_int_equal(fake_count(&peer), 0);
}

/*
 * The daemon's errors: its sentence as it is, the account and relay where it lacks them, the
 * right result.
 */
static void errors(void **state)
{
	static const struct { const char *line; int sasl; const char *want; } t[] = {
		{ "ERR\ttemp\tprovider-unreachable\taccount app@contoso.com: no route\n",
		    SASL_UNAVAIL,
		    "mta-xoauth2: smtp.example.com: account app@contoso.com: no route "
		    "[provider-unreachable]" },
		{ "ERR\tprovider\tclient-secret-rejected\tthe secret is wrong; renew it\n",
		    SASL_BADAUTH,
		    "mta-xoauth2: app@contoso.com at smtp.example.com: the secret is wrong; renew "
		    "it [client-secret-rejected]" },
		{ "ERR\tconfig\tno-client\tapp@contoso.com may not go to smtp.example.com; see "
		    "relays\n", SASL_UNAVAIL,
		    "mta-xoauth2: app@contoso.com may not go to smtp.example.com; see relays "
		    "[no-client]" },
		{ "ERR\tdenied\tdenied\tdenied\n", SASL_NOAUTHZ,
		    "mta-xoauth2: app@contoso.com at smtp.example.com: denied [denied]" },
		{ "ERR\tbusy\ttoo-many\ttoo many connections\n", SASL_UNAVAIL,
		    "mta-xoauth2: app@contoso.com at smtp.example.com: too many connections "
		    "[too-many]" },
		{ "ERR\tbad-request\tunknown-verb\tbad request\n", SASL_FAIL,
		    "mta-xoauth2: app@contoso.com at smtp.example.com: bad request "
		    "[unknown-verb]" },
		{ "ERR\tnovel\ta-code\ttry later\n", SASL_UNAVAIL,
		    "mta-xoauth2: app@contoso.com at smtp.example.com: try later [a-code]" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof t / sizeof t[0]; i++) {
		struct fake_turn turn = { FAKE_ANSWER, t[i].line, 0, 0 };

		begin(&turn, 1);
		if (fs_start(&fs, "XOAUTH2") != t[i].sasl || fs.nerrors != 1)
			fail_msg("%s", t[i].line);
		assert_string_equal(fs.errors[0], t[i].want);
		assert_int_equal(fs.live, 1);
		assert_null(fs.out);
		fs_end(&fs);
		fake_stop(&peer);
	}
}

/*
 * Whatever does not decode to a whole response of the mechanism: no byte of it goes to the
 * server.
 */
static void malformed(void **state)
{
	static char big[MX_WIRE_REPLY_MAX + 10], cut[sizeof xok], longer[600], other[600],
	    no_end[600], foreign[600];
	const char *const replies[] = {
		"OK\n", "OK\t1\tid\t*\n", "OK\t1\tid\tdXNlcj0\n", "OK\t1\tid\tdXNlcj0=\n",
		    "OK\t1\tid\t\n", "HTTP/1.1 200 OK\r\n",
		"OK\t1\tid\tdXNlcj1hAWF1dGg9QmVhcmVyIFQBAQ==", "x", "\n", big, cut, longer, other,
		    no_end, foreign,
	};
	size_t i;

	(void)state;
	memset(big, 'A', sizeof big - 1);
	memcpy(big, "OK\t1\tid\t", 8);
	big[sizeof big - 2] = '\n';
	memcpy(cut, xok, strlen(xok) - 8);
	snprintf(longer, sizeof longer, "%sx", xok);
	memcpy(other, ook, sizeof ook);
	fake_ok(no_end, sizeof no_end, "id", "user=a\001auth=Bearer secret-body\001", 31);
	fake_ok(foreign, sizeof foreign, "id", "pass=a\001auth=Bearer secret-body\001\001", 32);
	for (i = 0; i < sizeof replies / sizeof replies[0]; i++) {
		struct fake_turn turn = { FAKE_ANSWER, replies[i], 0, 0 };

		begin(&turn, 1);
		if (fs_start(&fs, "XOAUTH2") != SASL_FAIL || fs.nerrors != 1 || fs.out != NULL ||
		    fs.out_len != 0)
			fail_msg("row %zu: %s", i, fs.nerrors > 0 ? fs.errors[0] : "believed");
		assert_non_null(strstr(fs.errors[0], "another program"));
		assert_int_equal(fs.live, 1);
		fs_end(&fs);
		fake_stop(&peer);
	}
}

/* Every prefix of a good answer, and every single bit of it flipped. */
static void damaged(void **state)
{
	size_t n = strlen(xok), i;
	char bent[sizeof xok];

	(void)state;
	for (i = 1; i < n; i += 7) {
		struct fake_turn turn = { FAKE_ANSWER, xok, i, 0 };

		begin(&turn, 1);
		assert_int_equal(fs_start(&fs, "XOAUTH2"), SASL_FAIL);
		assert_null(fs.out);
		fs_end(&fs);
		fake_stop(&peer);
	}
	for (i = 0; i < n * 8; i += 5) {
		struct fake_turn turn = { FAKE_ANSWER, bent, n, 0 };
		int r;

		memcpy(bent, xok, n);
		bent[i / 8] = (char)(bent[i / 8] ^ 1 << i % 8);
		begin(&turn, 1);
		r = fs_start(&fs, "XOAUTH2");
		if (r == SASL_CONTINUE)
			assert_true(fs.out_len == sizeof XRAW - 1 &&
			    memcmp(fs.out, "user=", 5) == 0);
		else
			assert_true(fs.out == NULL && fs.nerrors == 1);
		fs_end(&fs);
		fake_stop(&peer);
	}
}

static void sizes(void **state)
{
	static const size_t token[] = { 100, 346, 347, 1000, 2048, 4096, 6100, 9000, 9150 };
	static char raw[MX_WIRE_RESPONSE_MAX], line[MX_WIRE_REPLY_MAX + 1], tok[10000];
	struct mx_buf b;
	struct mx_err e;
	size_t i;

	(void)state;
	memset(tok, 'T', sizeof tok);
	for (i = 0; i < sizeof token / sizeof token[0]; i++) {
		struct fake_turn turn = { FAKE_ANSWER, line, 0, 0 };

		mx_buf_init(&b, raw, sizeof raw);
		assert_int_equal(mx_response_build(&b, MX_MECH_OAUTHBEARER, "app@contoso.com",
		    "smtp.example.com", 0, tok,
		    token[i], &e), MX_OK);
		fake_ok(line, sizeof line, "id", raw, b.len);
		begin(&turn, 1);
		assert_int_equal(fs_start(&fs, "OAUTHBEARER"), SASL_CONTINUE);
		assert_int_equal(fs.out_len, b.len);
		assert_memory_equal(fs.out, raw, b.len);
		fs_end(&fs);
		fake_stop(&peer);
	}
}

static void refusal(const char *mech, const char *line, const char *challenge, const char *answer,
    const char *says,
    const char *challenge64)
{
	struct fake_turn turns[] = { { FAKE_ANSWER, line, 0, 0 }, { FAKE_ANSWER, "OK\n", 0, 0 } };
	char want[512];

	begin(turns, 2);
	assert_int_equal(fs_start(&fs, mech), SASL_CONTINUE);
	assert_int_equal(fs_step(&fs, challenge, (unsigned)strlen(challenge)), SASL_OK);
	assert_int_equal(fs.op.doneflag, 1);
	assert_non_null(fs.out);
	assert_int_equal(fs.out_len, strlen(answer));
	assert_memory_equal(fs.out, answer, fs.out_len);
	assert_int_equal(fs.nerrors, 1);
	if (strstr(fs.errors[0], says) == NULL)
		fail_msg("does not say '%s': %s", says, fs.errors[0]);
	snprintf(want, sizeof want,
	    "TOKEND/1\tREJECTED\taccount=app@contoso.com\thost=smtp.example.com\ttoken_id=%s\t"
	    "challenge=%s\n", line == xok ? "id-1" : "id-2", challenge64);
	assert_string_equal(fake_request(&peer, 1), want);
	assert_int_equal(fs.live, 1);
	fs_end(&fs);
	fake_stop(&peer);
}

static void challenges(void **state)
{
	(void)state;
	refusal("XOAUTH2", xok, "{\"status\":\"401\",\"schemes\":\"bearer\"}", "",
	    "mta-xoauth2: app@contoso.com at smtp.example.com: the mail server refused the access "
	    "token (status \"401\", "
	    "scope not given); the daemon was told",
	    "eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIn0=");
	refusal("OAUTHBEARER", ook, "{\"status\":\"invalid_token\",\"scope\":\"mail\"}", "\001",
	    "(status \"invalid_token\", scope \"mail\")",
	    "eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIiwic2NvcGUiOiJtYWlsIn0=");
	refusal("XOAUTH2", xok, "not JSON\r\n", "", "(status not given, scope not given)",
	    "bm90IEpTT04NCg==");
	refusal("XOAUTH2", xok, "\001", "", "(status not given", "AQ==");
	refusal("XOAUTH2", xok, "{\"status\":\"a\nb\\u0007\"}", "", "(status \"a\\x0ab?\"",
	    "eyJzdGF0dXMiOiJhCmJcdTAwMDcifQ==");
	/* A server that sends the token back does not get it into the log. */
	refusal("XOAUTH2", xok, "{\"status\":\"bad: secret-body-of-the-\"}", "", "withheld",
	    "eyJzdGF0dXMiOiJiYWQ6IHNlY3JldC1ib2R5LW9mLXRoZS0ifQ==");
}

/*
 * A challenge that is too long for the wire is left out; the daemon still learns of the
 * rejection.
 */
static void long_challenge(void **state)
{
	static char challenge[5001];
	struct fake_turn turns[] = { { FAKE_ANSWER, xok, 0, 0 }, { FAKE_ANSWER, "OK\n", 0, 0 } };

	(void)state;
	memset(challenge, 'c', 5000);
	begin(turns, 2);
	assert_int_equal(fs_start(&fs, "XOAUTH2"), SASL_CONTINUE);
	assert_int_equal(fs_step(&fs, challenge, 5000), SASL_OK);
	assert_string_equal(fake_request(&peer, 1),
	    "TOKEND/1\tREJECTED\taccount=app@contoso.com\thost=smtp.example.com\ttoken_id=id-1\n");
	assert_int_equal(fs.nerrors, 1);
	fs_end(&fs);
	fake_stop(&peer);

	begin(turns, 2);
	assert_int_equal(fs_start(&fs, "XOAUTH2"), SASL_CONTINUE);
	assert_int_equal(fs_step(&fs, challenge, 4096), SASL_OK);
	assert_non_null(strstr(fake_request(&peer, 1), "\tchallenge=Y2Nj"));
	fs_end(&fs);
	fake_stop(&peer);

	begin(turns, 2);		/* another mailbox: it may have a token of its own */
	fs.user_how = FS_CALLBACK;
	fs.user = "shared@contoso.com";
	assert_int_equal(fs_start(&fs, "XOAUTH2"), SASL_CONTINUE);
	assert_int_equal(fs_step(&fs, challenge, 5000), SASL_OK);
	assert_string_equal(fake_request(&peer, 1),
	    "TOKEND/1\tREJECTED\taccount=app@contoso.com\tuser=shared@contoso.com\t"
	    "host=smtp.example.com\ttoken_id=id-1\n");
	fs_end(&fs);
}

/*
 * The daemon is gone or hangs when the refusal is to be told: the answer to the server comes all
 * the same.
 */
static void daemon_lost(void **state)
{
	struct fake_turn turns[] = { { FAKE_ANSWER, xok, 0, 0 }, { FAKE_HANG, NULL, 0, 0 } };
	uint64_t start;
	int round;

	(void)state;
	for (round = 0; round < 2; round++) {
		begin(turns, 2);
		assert_int_equal(fs_start(&fs, "XOAUTH2"), SASL_CONTINUE);
		if (round == 0)
			assert_int_equal(unlink(peer.path), 0);
		start = mx_now_ms();
		assert_int_equal(fs_step(&fs, "{}", 2), SASL_OK);
		/* no 2 s of retries here */
		assert_true(mx_now_ms() - start < (round == 0 ? 300 : 1500));
		assert_true(fs.out != NULL && fs.out_len == 0 && fs.op.doneflag == 1);
		assert_int_equal(fs.nerrors, 1);
		assert_non_null(strstr(fs.errors[0], "could not be told"));
		fs_end(&fs);
		fake_stop(&peer);
	}
}

static void server_speaks_first(void **state)
{
	struct fake_turn t = { FAKE_ANSWER, xok, 0, 0 };

	(void)state;
	begin(&t, 1);
	fs.plug = fs_plug("XOAUTH2");
	assert_int_equal(fs.plug->mech_new(fs.plug->glob_context, &fs.params, &fs.conn), SASL_OK);
	assert_int_equal(fs_step(&fs, "VXNlcm5hbWU6", 12), SASL_BADPROT);
	assert_int_equal(fs.nerrors, 1);
	assert_int_equal(fake_count(&peer), 0);
	fs_end(&fs);
	/*
	 * An empty "334 " before the response is how SMTP asks for one that was too long to go
	 * along.
	 */
	fs_init(&fs, peer.path);
	fs.plug = fs_plug("XOAUTH2");
	assert_int_equal(fs.plug->mech_new(fs.plug->glob_context, &fs.params, &fs.conn), SASL_OK);
	assert_int_equal(fs_step(&fs, "", 0), SASL_CONTINUE);
	fs_end(&fs);
}

/* Disposed of in the middle, with the token in hand; fs_end() looks for what was not wiped. */
static void abandoned(void **state)
{
	struct fake_turn t = { FAKE_ANSWER, xok, 0, 0 };

	(void)state;
	begin(&t, 1);
	assert_int_equal(fs_start(&fs, "XOAUTH2"), SASL_CONTINUE);
	assert_int_equal(fs.live, 2);
	fs_end(&fs);
	fs.plug->mech_dispose(NULL, &fs.utils);
	assert_int_equal(fs.plug->mech_step(NULL, &fs.params, NULL, 0, NULL, &fs.out, &fs.out_len,
	    &fs.op), SASL_BADPARAM);
}

static void no_memory(void **state)
{
	struct fake_turn t = { FAKE_ANSWER, xok, 0, 0 };
	int n;

	(void)state;
	begin(&t, 1);
	for (n = 1; n <= 2; n++) {
		fs_init(&fs, peer.path);
		fs.fail_malloc = n;
		assert_int_equal(fs_start(&fs, "XOAUTH2"), SASL_NOMEM);
		assert_int_equal(fs.nerrors, 1);
		assert_non_null(strstr(fs.errors[0], "out of memory"));
		fs_end(&fs);
	}
	fs_init(&fs, peer.path);
	fs.fail_malloc = 3;				/* there is no third */
	assert_int_equal(fs_start(&fs, "XOAUTH2"), SASL_CONTINUE);
	fs_end(&fs);
}

static void security_layer(void **state)
{
	struct fake_turn t = { FAKE_ANSWER, xok, 0, 0 };

	(void)state;
	begin(&t, 1);
	/* below the SSF that is claimed for ranking */
	fs.params.props.min_ssf = 56;
	assert_int_equal(fs_start(&fs, "XOAUTH2"), SASL_TOOWEAK);
	assert_int_equal(fs.nerrors, 1);
	assert_null(fs.conn);
	fs_end(&fs);
	fs_init(&fs, peer.path);
	fs.params.props.min_ssf = 56;
	fs.params.external_ssf = 256;			/* TLS gives it */
	assert_int_equal(fs_start(&fs, "XOAUTH2"), SASL_CONTINUE);
	fs_end(&fs);
}

/* The flags that decide rank and visibility. */
static void promises(void **state)
{
	const sasl_client_plug_t *x = fs_plug("XOAUTH2"), *o = fs_plug("OAUTHBEARER");

	(void)state;
	fake_stop(&peer);
	assert_true(x->max_ssf > o->max_ssf && o->max_ssf > 60);
	assert_int_equal(x->security_flags, SASL_SEC_NOANONYMOUS | SASL_SEC_PASS_CREDENTIALS);
	assert_int_equal(o->security_flags, x->security_flags);
	assert_int_equal(x->features, SASL_FEAT_WANT_CLIENT_FIRST | SASL_FEAT_ALLOWS_PROXY);
	assert_int_equal(x->required_prompts[0], SASL_CB_AUTHNAME);
	assert_int_equal(x->required_prompts[1], SASL_CB_LIST_END);
	assert_null(x->mech_free);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		T(xoauth2), T(oauthbearer), T(addresses), T(bad_host), T(errors), T(malformed),
		T(damaged), T(sizes),
		T(challenges), T(long_challenge), T(daemon_lost), T(server_speaks_first),
		T(abandoned), T(no_memory),
		T(security_layer), T(promises),
	};

	return cmocka_run_group_tests_name("plugin/step", tests, NULL, NULL);
}
