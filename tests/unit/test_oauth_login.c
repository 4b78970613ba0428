/*
 * oauth/device.h, and the requests of a login to the byte: RFC 8628.
 */
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

#include "common/base64.h"
#include "oauth/exchange.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static struct oauth_http_reply http(long status, const char *body)
{
	return (struct oauth_http_reply){ .status = status, .content_type = "application/json", .retry_after_s = -1,
		.body = body, .body_len = strlen(body) };
}

/* --- requests -------------------------------------------------------------------------------- */

#define SECRET "s&cret=%"
#define DEVICE_TOKEN "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=d%2B%26%3D1"

static char secret_file[] = "/tmp/mx-login-XXXXXX";

static const struct oauth_credential post = { .auth = OAUTH_AUTH_SECRET_POST, .secret_file = secret_file };
static const struct oauth_credential none = { .auth = OAUTH_AUTH_NONE };
static const struct oauth_credential basic = { .auth = OAUTH_AUTH_SECRET_BASIC, .secret_file = secret_file };

static const struct {
	const char *name;
	enum oauth_purpose purpose;
	const struct oauth_credential *k;
	const char *url, *body;
	bool basic;
	enum oauth_repeat repeat;
} requests[] = {
	{ "codes, public client", OAUTH_FOR_DEVICE, &none, "https://id.test/device",
	    "client_id=the+id&scope=https%3A%2F%2Foutlook.office.com%2FSMTP.Send+offline_access", false,
	    OAUTH_REPEAT_SAME },
	{ "codes, secret in the body", OAUTH_FOR_DEVICE, &post, "https://id.test/device",
	    "client_id=the+id&client_secret=s%26cret%3D%25&"
	    "scope=https%3A%2F%2Foutlook.office.com%2FSMTP.Send+offline_access", false, OAUTH_REPEAT_SAME },
	{ "codes, Basic", OAUTH_FOR_DEVICE, &basic, "https://id.test/device",
	    "scope=https%3A%2F%2Foutlook.office.com%2FSMTP.Send+offline_access", true, OAUTH_REPEAT_SAME },
	{ "token, public client", OAUTH_FOR_DEVICE_TOKEN, &none, "https://id.test/token",
	    DEVICE_TOKEN "&client_id=the+id", false, OAUTH_REPEAT_NEVER },
	{ "token, secret in the body", OAUTH_FOR_DEVICE_TOKEN, &post, "https://id.test/token",
	    DEVICE_TOKEN "&client_id=the+id&client_secret=s%26cret%3D%25", false, OAUTH_REPEAT_NEVER },
	{ "token, Basic", OAUTH_FOR_DEVICE_TOKEN, &basic, "https://id.test/token", DEVICE_TOKEN, true,
	    OAUTH_REPEAT_NEVER },
};

static void test_requests(void **state)
{
	const struct oauth_client c = {
		.name = "c", .grant = OAUTH_GRANT_REFRESH_TOKEN, .token_endpoint = "https://id.test/token",
		.device_authorization_endpoint = "https://id.test/device", .client_id = "the id",
		.scope = "https://outlook.office.com/SMTP.Send offline_access",
	};
	struct oauth_device d;
	struct mx_secret code = { 0 };
	struct oauth_exchange x;
	struct oauth_failure f;

	(void)state;
	assert_true(mx_secret_set(&code, "d+&=1", 5));
	for (size_t i = 0; i < N(requests); i++) {
		const struct oauth_want w = { .purpose = requests[i].purpose, .device = &d, .code = &code };

		if (!oauth_exchange_begin(&x, &c, requests[i].k, &w, &f))
			fail_msg("%s: %s", requests[i].name, f.err.text);
		if (strcmp((char *)x.req.body.p, requests[i].body) != 0 || x.req.body.len != strlen(requests[i].body))
			fail_msg("%s: '%s' instead of '%s'", requests[i].name, (char *)x.req.body.p, requests[i].body);
		assert_string_equal(x.req.url, requests[i].url);
		assert_int_equal(x.req.repeat, requests[i].repeat);
		assert_int_equal(x.req.authorization.len > 0, requests[i].basic);
		if (requests[i].basic)	/* "the+id:s%26cret%3D%25" */
			assert_string_equal((char *)x.req.authorization.p, "Basic dGhlK2lkOnMlMjZjcmV0JTNEJTI1");
		oauth_exchange_free(&x);
	}
	mx_secret_free(&code);
}

/* A code may be long, and of any bytes: there is room for it, and no byte more is read. */
static void test_long_code(void **state)
{
	const struct oauth_client c = { .name = "c", .token_endpoint = "https://id.test/token", .client_id = "i" };
	struct mx_secret code = { 0 };
	struct oauth_want w = { .purpose = OAUTH_FOR_DEVICE_TOKEN, .code = &code };
	struct oauth_exchange x;
	struct oauth_failure f;

	(void)state;
	assert_true(mx_secret_alloc(&code, OAUTH_DEVICE_CODE_MAX));
	for (code.len = 0; code.len < OAUTH_DEVICE_CODE_MAX; code.len++)
		code.p[code.len] = 0xff;
	assert_true(oauth_exchange_begin(&x, &c, &none, &w, &f));
	assert_int_equal(x.req.body.len, strlen("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&"
	    "device_code=&client_id=i") + 3 * OAUTH_DEVICE_CODE_MAX);
	assert_string_equal((char *)x.req.body.p + x.req.body.len - 15, "%FF&client_id=i");
	oauth_exchange_free(&x);
	mx_secret_free(&code);
}

/* --- replies --------------------------------------------------------------------------------- */

#define CODES "\"device_code\":\"dev-1\",\"user_code\":\"ABCD-EFGH\""
#define URI "\"verification_uri\":\"https://id.test/device\""

static const struct {
	const char *name, *body, *user_code, *uri, *complete;
	uint32_t expires, interval;
} good[] = {
	{ "RFC 8628 section 3.2", "{" CODES "," URI
	    ",\"verification_uri_complete\":\"https://id.test/device?user_code=ABCD-EFGH\","
	    "\"expires_in\":1800,\"interval\":5}", "ABCD-EFGH", "https://id.test/device",
	    "https://id.test/device?user_code=ABCD-EFGH", 1800, 5 },
	{ "Microsoft", "{" CODES "," URI ",\"expires_in\":900,\"interval\":5,\"message\":\"To sign in, use ...\"}",
	    "ABCD-EFGH", "https://id.test/device", "", 900, 5 },
	{ "Google", "{" CODES
	    ",\"verification_url\":\"https://www.google.com/device\",\"expires_in\":1800,\"interval\":5}",
	    "ABCD-EFGH", "https://www.google.com/device", "", 1800, 5 },
	{ "the RFC's name counts", "{" CODES "," URI ",\"verification_url\":\"https://no.test\"}",
	    "ABCD-EFGH", "https://id.test/device", "", 900, 5 },
	{ "no times", "{" CODES "," URI "}", "ABCD-EFGH", "https://id.test/device", "", 900, 5 },
	{ "null times", "{" CODES "," URI ",\"expires_in\":null,\"interval\":null}", "ABCD-EFGH",
	    "https://id.test/device", "", 900, 5 },
	{ "strings", "{" CODES "," URI ",\"expires_in\":\"60\",\"interval\":\"7\"}", "ABCD-EFGH",
	    "https://id.test/device", "", 60, 7 },
	{ "zero", "{" CODES "," URI ",\"expires_in\":0,\"interval\":0}", "ABCD-EFGH", "https://id.test/device", "", 1,
	    1 },
	{ "negative", "{" CODES "," URI ",\"expires_in\":-5,\"interval\":-5}", "ABCD-EFGH",
	    "https://id.test/device", "", 1, 1 },
	{ "a fraction", "{" CODES "," URI ",\"expires_in\":60.9,\"interval\":1.5}", "ABCD-EFGH",
	    "https://id.test/device", "", 60, 1 },
	{ "absurd", "{" CODES "," URI ",\"expires_in\":1e99,\"interval\":86400}", "ABCD-EFGH", "https://id.test/device",
	    "", OAUTH_DEVICE_LIFE_MAX_S, 300 },
	{ "beyond 64 bits", "{" CODES "," URI
	    ",\"expires_in\":99999999999999999999999,\"interval\":-99999999999999999999999}",
	    "ABCD-EFGH", "https://id.test/device", "", OAUTH_DEVICE_LIFE_MAX_S, 1 },
	{ "no numbers", "{" CODES "," URI ",\"expires_in\":\"soon\",\"interval\":[5]}", "ABCD-EFGH",
	    "https://id.test/device", "", 900, 5 },
	{ "control characters", "{\"device_code\":\"d\",\"user_code\":\"A\\u001b[2JB\\u009bC\","
	    "\"verification_uri\":\"https://id.test/\\u0007x\"}", "A?[2JB??C", "https://id.test/?x", "", 900, 5 },
	{ "a second line", "{\"device_code\":\"d\",\"user_code\":\"AB\\nfake: line\"," URI "}", "AB",
	    "https://id.test/device", "", 900, 5 },
	{ "text that turns round", "{\"device_code\":\"d\",\"user_code\":\"A\xE2\x80\xAE" "B\"," URI "}", "A???B",
	    "https://id.test/device", "", 900, 5 },
	{ "a complete URL that is none", "{" CODES "," URI ",\"verification_uri_complete\":\"javascript:alert(1)\"}",
	    "ABCD-EFGH", "https://id.test/device", "", 900, 5 },
	{ "empty error", "{\"error\":\"\"," CODES "," URI "}", "ABCD-EFGH", "https://id.test/device", "", 900, 5 },
};

static void test_good(void **state)
{
	struct oauth_device d;
	struct oauth_failure f;

	(void)state;
	for (size_t i = 0; i < N(good); i++) {
		const struct oauth_http_reply h = http(200, good[i].body);

		if (oauth_reply_device("c", &h, &d, &f) != MX_OK)
			fail_msg("%s: %s", good[i].name, f.err.text);
		if (strcmp(d.user_code, good[i].user_code) != 0 || strcmp(d.uri, good[i].uri) != 0 ||
		    strcmp(d.uri_complete, good[i].complete) != 0)
			fail_msg("%s: '%s' '%s' '%s'", good[i].name, d.user_code, d.uri, d.uri_complete);
		if (d.expires_in_s != good[i].expires || d.interval_s != good[i].interval)
			fail_msg("%s: %u %u", good[i].name, d.expires_in_s, d.interval_s);
		assert_true(d.device_code.len > 0);
		oauth_device_free(&d);
		assert_null(d.device_code.p);
	}
}

static const struct { const char *name; long status; const char *body, *code; enum mx_class cls; } bad[] = {
	{ "nothing", 200, "{}", "reply-no-device-code", MX_PROVIDER },
	{ "no device_code", 200, "{\"user_code\":\"A\"," URI "}", "reply-no-device-code", MX_PROVIDER },
	{ "device_code empty", 200, "{\"device_code\":\"\",\"user_code\":\"A\"," URI "}", "reply-no-device-code",
	    MX_PROVIDER },
	{ "device_code a number", 200, "{\"device_code\":1,\"user_code\":\"A\"," URI "}", "reply-no-device-code",
	    MX_PROVIDER },
	{ "no user_code", 200, "{\"device_code\":\"d\"," URI "}", "reply-no-device-code", MX_PROVIDER },
	{ "user_code empty", 200, "{\"device_code\":\"d\",\"user_code\":\"\"," URI "}", "reply-no-device-code",
	    MX_PROVIDER },
	{ "user_code a line end", 200, "{\"device_code\":\"d\",\"user_code\":\"\\n\"," URI "}", "reply-no-device-code",
	    MX_PROVIDER },
	{ "user_code never to be typed", 200, "{\"device_code\":\"d\",\"user_code\":"
	    "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"," URI "}",
	    "reply-no-device-code", MX_PROVIDER },
	{ "no URI", 200, "{" CODES "}", "reply-no-device-code", MX_PROVIDER },
	{ "another scheme", 200, "{" CODES ",\"verification_uri\":\"javascript:alert(1)\"}", "reply-no-device-code",
	    MX_PROVIDER },
	{ "a token in place of codes", 200, "{\"access_token\":\"t\",\"token_type\":\"Bearer\"}",
	    "reply-no-device-code", MX_PROVIDER },
	{ "refused", 400, "{\"error\":\"unauthorized_client\"}", "client-unauthorized", MX_PROVIDER },
	{ "unknown client", 401, "{\"error\":\"invalid_client\"}", "client-rejected", MX_PROVIDER },
	{ "not there", 404, "{}", "provider-refused", MX_PROVIDER },
	{ "an outage", 503, "<html>", "provider-unavailable", MX_TEMP },
	{ "a page", 200, "<html>", "reply-not-json", MX_TEMP },
	{ "an array", 200, "[]", "reply-malformed", MX_TEMP },
	{ "a redirect", 302, "", "redirect-refused", MX_CONFIG },
};

static void test_bad(void **state)
{
	struct oauth_device d;
	struct oauth_failure f;

	(void)state;
	for (size_t i = 0; i < N(bad); i++) {
		const struct oauth_http_reply h = http(bad[i].status, bad[i].body);
		const enum mx_class cls = oauth_reply_device("c", &h, &d, &f);

		if (cls != bad[i].cls || strcmp(f.err.code, bad[i].code) != 0)
			fail_msg("%s: %d %s: %s", bad[i].name, (int)cls, f.err.code, f.err.text);
		assert_null(d.device_code.p);
	}
}

/* A code that is never shown is in no text either. */
static void test_code_is_not_repeated(void **state)
{
	const struct oauth_http_reply h = http(200, "{\"device_code\":\"very-secret-code\",\"user_code\":\"\"," URI
	    "}");
	struct oauth_device d;
	struct oauth_failure f;

	(void)state;
	assert_int_equal(oauth_reply_device("c", &h, &d, &f), MX_PROVIDER);
	assert_null(strstr(f.err.text, "very-secret"));
	assert_null(strstr(f.description, "very-secret"));
}

/* By the way of an exchange a token is none of it. */
static void test_exchange(void **state)
{
	const struct oauth_client c = { .name = "c", .token_endpoint = "https://id.test/token", .client_id = "i",
		.device_authorization_endpoint = "https://id.test/device" };
	const struct oauth_http_reply h = http(200, good[0].body);
	struct oauth_device d;
	const struct oauth_want w = { .purpose = OAUTH_FOR_DEVICE, .device = &d };
	struct oauth_exchange x;
	struct oauth_failure f;
	struct oauth_token t;

	(void)state;
	assert_true(oauth_exchange_begin(&x, &c, &none, &w, &f));
	assert_int_equal(oauth_exchange_reply(&x, &h, &t, &f), OAUTH_GOT);
	assert_null(t.access_token.p);
	assert_int_equal(d.device_code.len, 5);
	assert_memory_equal(d.device_code.p, "dev-1", 5);
	oauth_device_free(&d);
	oauth_exchange_free(&x);
}

/*
 * The client may prove itself with a platform's token: that is fetched first, and the request that follows is the
 * login's.
 */
static void test_platform(void **state)
{
	const struct oauth_client c = { .name = "c", .grant = OAUTH_GRANT_REFRESH_TOKEN, .client_id = "i",
	    .scope = "mail",
		.token_endpoint = "https://id.test/token", .device_authorization_endpoint = "https://id.test/device" };
	const struct oauth_credential k = { .auth = OAUTH_AUTH_FEDERATED, .platform = OAUTH_PLATFORM_IMDS };
	const struct oauth_http_reply h = http(200,
	    "{\"access_token\":\"a.b.c\",\"token_type\":\"Bearer\",\"expires_in\":\"3600\"}"),
		codes = http(200, good[0].body);
	struct oauth_device d;
	const struct oauth_want w = { .purpose = OAUTH_FOR_DEVICE, .device = &d };
	struct oauth_exchange x;
	struct oauth_failure f;
	struct oauth_token t;

	(void)state;
	assert_true(oauth_exchange_begin(&x, &c, &k, &w, &f));
	assert_string_not_equal(x.req.url, "https://id.test/device");
	assert_int_equal(oauth_exchange_reply(&x, &h, &t, &f), OAUTH_MORE);
	assert_string_equal(x.req.url, "https://id.test/device");
	assert_string_equal((char *)x.req.body.p, "client_id=i&client_assertion_type="
	    "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=a.b.c&scope=mail");
	assert_int_equal(oauth_exchange_reply(&x, &codes, &t, &f), OAUTH_GOT);
	assert_int_equal(d.device_code.len, 5);
	oauth_device_free(&d);
	oauth_exchange_free(&x);
}

/* --- asking again ---------------------------------------------------------------------------- */

struct turn { const char *error; enum mx_class cls; int32_t retry_after_s; enum oauth_poll_next next; uint64_t pause_s;
    };

/* Plays the turns; the clock is at each one's due time. */
static void play(const char *name, uint32_t interval, uint32_t life, const struct turn *turn, size_t n)
{
	const struct oauth_device d = { .interval_s = interval, .expires_in_s = life };
	uint64_t now = 1000000, due;
	struct oauth_poll p;

	oauth_poll_begin(&p, &d, now);
	now = oauth_poll_first(&p, now);
	assert_int_equal(now, 1000000 + 1000 * (interval < life ? interval : life));
	for (size_t i = 0; i < n; i++) {
		struct oauth_failure f = { .err.cls = turn[i].cls, .retry_after_s = turn[i].retry_after_s };

		strncpy(f.error, turn[i].error, sizeof f.error - 1);
		due = 0;
		if (oauth_poll_after(&p, &f, now, &due) != turn[i].next)
			fail_msg("%s: turn %zu goes elsewhere", name, i);
		if (turn[i].next != OAUTH_POLL_AGAIN)
			return;
		if (due - now != turn[i].pause_s * 1000)
			fail_msg("%s: turn %zu waits %llu ms", name, i, (unsigned long long)(due - now));
		now = due;
	}
}

#define PENDING { "authorization_pending", MX_PROVIDER, -1, OAUTH_POLL_AGAIN, 5 }
#define LOST(s) { "", MX_TEMP, -1, OAUTH_POLL_AGAIN, s }

static void test_poll(void **state)
{
	static const struct turn slower[] = { PENDING, { "slow_down", MX_TEMP, -1, OAUTH_POLL_AGAIN, 10 },
		{ "authorization_pending", MX_PROVIDER, -1, OAUTH_POLL_AGAIN, 10 },
		{ "slow_down", MX_PROVIDER, -1, OAUTH_POLL_AGAIN, 15 },
		{ "authorization_pending", MX_PROVIDER, -1, OAUTH_POLL_AGAIN, 15 } };
	static const struct turn away[] = { PENDING, LOST(10), LOST(20), LOST(40), LOST(60), LOST(60), PENDING,
	    LOST(10) };
	static const struct turn told[] = { { "", MX_TEMP, 120, OAUTH_POLL_AGAIN, 120 },
	    { "", MX_TEMP, 1, OAUTH_POLL_AGAIN, 20 } };
	static const struct turn declined[] = { PENDING, { "access_denied", MX_PROVIDER, -1, OAUTH_POLL_OVER, 0 } };
	static const struct turn entra[] = { { "authorization_declined", MX_PROVIDER, -1, OAUTH_POLL_OVER, 0 } };
	static const struct turn expired[] = { { "expired_token", MX_PROVIDER, -1, OAUTH_POLL_EXPIRED, 0 } };
	static const struct turn other[] = { { "invalid_grant", MX_PROVIDER, -1, OAUTH_POLL_OVER, 0 } };
	static const struct turn tls[] = { { "", MX_CONFIG, -1, OAUTH_POLL_OVER, 0 } };
	static const struct turn by_clock[] = { PENDING, { "authorization_pending", MX_PROVIDER, -1, OAUTH_POLL_AGAIN,
	    2 },
		{ "authorization_pending", MX_PROVIDER, -1, OAUTH_POLL_EXPIRED, 0 } };
	static const struct turn lost_by_clock[] = { LOST(7), { "", MX_TEMP, -1, OAUTH_POLL_EXPIRED, 0 } };
	static const struct turn once[] = { { "authorization_pending", MX_PROVIDER, -1, OAUTH_POLL_EXPIRED, 0 } };
	static const struct turn seldom[] = { { "slow_down", MX_PROVIDER, -1, OAUTH_POLL_AGAIN, 300 }, LOST(300) };

	(void)state;
	play("slow_down is for good", 5, 900, slower, N(slower));
	play("backoff", 5, 900, away, N(away));
	play("Retry-After", 5, 900, told, N(told));
	play("declined", 5, 900, declined, N(declined));
	play("declined, as Microsoft says it", 5, 900, entra, N(entra));
	play("expired", 5, 900, expired, N(expired));
	play("another end", 5, 900, other, N(other));
	play("a failure that stays", 5, 900, tls, N(tls));
	play("expired by the clock", 5, 12, by_clock, N(by_clock));
	play("expired while away", 5, 12, lost_by_clock, N(lost_by_clock));
	play("a life below the interval", 5, 2, once, N(once));
	play("the longest interval", 298, 86400, seldom, N(seldom));
}

/* --- scopes ---------------------------------------------------------------------------------- */

static const struct { const char *wanted, *granted, *lacks; } scopes[] = {
	{ "mail offline_access", "mail", NULL },
	{ "mail offline_access", "", NULL },
	{ NULL, "x", NULL },
	{ "https://outlook.office.com/SMTP.Send offline_access", "https://outlook.office.com/smtp.send", NULL },
	{ "https://outlook.office.com/SMTP.Send", "SMTP.Send User.Read", NULL },
	{ "SMTP.Send", "https://outlook.office.com/SMTP.Send", NULL },
	{ "https://outlook.office.com/SMTP.Send offline_access", "User.Read profile "
	    "openid", "https://outlook.office.com/SMTP.Send" },
	{ "  openid   a  b ", " a ", "b" },
	{ "Send", "https://x/SMTP.Send", "Send" },
	{ "https://mail.google.com/", "https://mail.google.com/", NULL },
	{ "https://mail.google.com/", "openid", "https://mail.google.com/" },
};

static void test_scopes(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(scopes); i++) {
		size_t n = 0;
		const char *lacks = oauth_scope_lacks(scopes[i].wanted, scopes[i].granted, &n);

		if ((lacks == NULL) != (scopes[i].lacks == NULL) ||
		    (lacks != NULL && (n != strlen(scopes[i].lacks) || strncmp(lacks, scopes[i].lacks, n) != 0)))
			fail_msg("row %zu: %.*s", i, (int)n, lacks == NULL ? "" : lacks);
	}
}

static void test_granted(void **state)
{
	const struct oauth_http_reply h = http(200,
	    "{\"access_token\":\"t\",\"token_type\":\"Bearer\",\"scope\":\"a\\u001bb c\"}");
	struct oauth_failure f;
	struct oauth_token t;

	(void)state;
	assert_int_equal(oauth_reply_parse("c", &h, &t, &f), MX_OK);
	assert_string_equal(t.scope, "a?b c");
	mx_secret_free(&t.access_token);
}

static int make_secret(void **state)
{
	int fd = mkstemp(secret_file);

	(void)state;
	if (fd == -1 || write(fd, SECRET "\n", strlen(SECRET) + 1) != (ssize_t)strlen(SECRET) + 1)
		return -1;
	return close(fd);
}

static int drop_secret(void **state)
{
	(void)state;
	return unlink(secret_file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_long_code),
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_code_is_not_repeated),
		cmocka_unit_test(test_exchange),
		cmocka_unit_test(test_platform),
		cmocka_unit_test(test_poll),
		cmocka_unit_test(test_scopes),
		cmocka_unit_test(test_granted),
	};

	return cmocka_run_group_tests(tests, make_secret, drop_secret);
}
