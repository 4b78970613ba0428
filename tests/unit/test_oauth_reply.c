/*
 * oauth/reply.h: tables of good and bad replies, every prefix, every flipped bit.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "catalogue/catalogue.h"
#include "catalogue/refusal.h"
#include "common/text.h"
#include "oauth/refresh_file.h"
#include "oauth/reply.h"

#define T "\"access_token\":\"abc.DEF-1_~+/==\""
#define B "\"token_type\":\"Bearer\""

static const struct { const char *name, *body; uint32_t expires, refresh; } good[] = {
	{ "Entra v2", "{" B ",\"expires_in\":3599,\"ext_expires_in\":3599," T "}", 3599, 0 },
	{ "refresh_in", "{" B ",\"expires_in\":86399,\"refresh_in\":43199," T "}", 86399, 43199 },
	{ "numbers as strings",
	    "{" B ",\"expires_in\":\"3599\",\"refresh_in\":\"1800\"," T "}", 3599, 1800 },
	{ "no expires_in", "{" B "," T "}", OAUTH_LIFETIME_DEFAULT_S, 0 },
	{ "expires_in null", "{" B ",\"expires_in\":null," T "}", OAUTH_LIFETIME_DEFAULT_S, 0 },
	{ "integral float", "{" B ",\"expires_in\":3599.0," T "}", 3599, 0 },
	{ "exponent", "{" B ",\"expires_in\":3.6e3," T "}", 3600, 0 },
	{ "least", "{" B ",\"expires_in\":1," T "}", 1, 0 },
	{ "most", "{" B ",\"expires_in\":2592000," T "}", 2592000, 0 },
	{ "bearer", "{\"token_type\":\"bearer\"," T "}", 3600, 0 },
	{ "BEARER", "{\"token_type\":\"BEARER\"," T "}", 3600, 0 },
	{ "unknown members",
	    "{\"a\":[1,{\"b\":null}],\"scope\":\"x y\",\"id_token\":\"z\"," B "," T
	    ",\"q\":true}", 3600, 0 },
	{ "nested namesake",
	    "{\"user\":{\"access_token\":\"no\",\"error\":\"no\"}," B "," T "}", 3600, 0 },
	{ "blanks around", " \r\n\t{ " B " , " T " } \r\n\t ", 3600, 0 },
	{ "byte order mark", "\xEF\xBB\xBF{" B "," T "}", 3600, 0 },
	{ "escapes",
	    "{\"token\\u005ftype\":\"Be\\u0061rer\","
	    "\"access_token\":\"abc.DEF-1_~+\\/==\"}", 3600, 0 },
	{ "the last namesake counts", "{\"access_token\":\"first\"," B "," T "}", 3600, 0 },
	{ "empty error", "{\"error\":\"\"," B "," T "}", 3600, 0 },
	{ "null error", "{\"error\":null," B "," T "}", 3600, 0 },
	{ "refresh_in not below expires_in",
	    "{" B ",\"expires_in\":60,\"refresh_in\":60," T "}", 60, 0 },
	{ "refresh_in negative", "{" B ",\"expires_in\":60,\"refresh_in\":-1," T "}", 60, 0 },
	{ "refresh_in of another type",
	    "{" B ",\"expires_in\":60,\"refresh_in\":[]," T "}", 60, 0 },
	{ "UTF-8 elsewhere", "{\"x\":\"\xC3\xBC\"," B "," T "}", 3600, 0 },
};

#define E401(n) \
	"{\"error\":\"invalid_client\",\"error_description\":\"AADSTS" #n ": x\"," \
	"\"error_codes\":[" #n "]}"
#define LIFE(v) "{" B ",\"expires_in\":" v "," T "}"

static const struct {
	const char *name;
	long status;
	const char *type, *body;
	enum mx_class cls;
	bool permanent;
	const char *code;
} bad[] = {
	/* lifetimes */
	{ "zero", 200, NULL, LIFE("0"), MX_PROVIDER, true, "reply-lifetime" },
	{ "negative", 200, NULL, LIFE("-1"), MX_PROVIDER, true, "reply-lifetime" },
	{ "a day too long", 200, NULL, LIFE("2592001"), MX_PROVIDER, true, "reply-lifetime" },
	{ "1e99", 200, NULL, LIFE("1e99"), MX_PROVIDER, true, "reply-lifetime" },
	{ "beyond 64 bits", 200, NULL,
	    LIFE("99999999999999999999999"), MX_PROVIDER, true, "reply-lifetime" },
	{ "beyond 32 bits", 200, NULL, LIFE("4294967297"), MX_PROVIDER, true, "reply-lifetime" },
	{ "fraction", 200, NULL, LIFE("3599.5"), MX_PROVIDER, true, "reply-lifetime" },
	{ "small fraction", 200, NULL, LIFE("0.5"), MX_PROVIDER, true, "reply-lifetime" },
	{ "negative string", 200, NULL, LIFE("\"-3599\""), MX_PROVIDER, true, "reply-lifetime" },
	{ "blank string", 200, NULL, LIFE("\"\""), MX_PROVIDER, true, "reply-lifetime" },
	{ "string with unit", 200, NULL, LIFE("\"3599s\""), MX_PROVIDER, true, "reply-lifetime" },
	{ "string 1e99", 200, NULL, LIFE("\"1e99\""), MX_PROVIDER, true, "reply-lifetime" },
	{ "true", 200, NULL, LIFE("true"), MX_PROVIDER, true, "reply-lifetime" },
	{ "array", 200, NULL, LIFE("[3599]"), MX_PROVIDER, true, "reply-lifetime" },
	/* type and token */
	{ "no type", 200, NULL, "{" T "}", MX_PROVIDER, true, "reply-token-type" },
	{ "pop", 200, NULL,
	    "{\"token_type\":\"pop\"," T "}", MX_PROVIDER, true, "reply-token-type" },
	{ "Bearer with NUL", 200, NULL,
	    "{\"token_type\":\"Bearer\\u0000\"," T "}", MX_PROVIDER, true, "reply-token-type" },
	{ "type null", 200, NULL,
	    "{\"token_type\":null," T "}", MX_PROVIDER, true, "reply-token-type" },
	{ "no token", 200, NULL, "{" B "}", MX_PROVIDER, true, "reply-no-token" },
	{ "token null", 200, NULL,
	    "{" B ",\"access_token\":null}", MX_PROVIDER, true, "reply-no-token" },
	{ "token number", 200, NULL,
	    "{" B ",\"access_token\":1}", MX_PROVIDER, true, "reply-no-token" },
	{ "token empty", 200, NULL,
	    "{" B ",\"access_token\":\"\"}", MX_PROVIDER, true, "reply-token-malformed" },
	{ "token with blank", 200, NULL,
	    "{" B ",\"access_token\":\"a b\"}", MX_PROVIDER, true, "reply-token-malformed" },
	{ "token with LF", 200, NULL,
	    "{" B ",\"access_token\":\"a\\nb\"}", MX_PROVIDER, true, "reply-token-malformed" },
	{ "token with 0x01", 200, NULL,
	    "{" B ",\"access_token\":\"a\\u0001b\"}", MX_PROVIDER, true, "reply-token-malformed" },
	{ "token with NUL", 200, NULL,
	    "{" B ",\"access_token\":\"a\\u0000b\"}", MX_PROVIDER, true, "reply-token-malformed" },
	{ "token not ASCII", 200, NULL,
	    "{" B ",\"access_token\":\"\xC3\xBC\"}", MX_PROVIDER, true, "reply-token-malformed" },
	{ "token = inside", 200, NULL,
	    "{" B ",\"access_token\":\"a=b\"}", MX_PROVIDER, true, "reply-token-malformed" },
	/* JSON */
	{ "empty object", 200, NULL, "{}", MX_PROVIDER, true, "reply-no-token" },
	{ "array of objects", 200, NULL, "[{}]", MX_TEMP, false, "reply-malformed" },
	{ "garbage behind", 200, NULL, "{" B "," T "}x", MX_TEMP, false, "reply-malformed" },
	{ "second object", 200, NULL, "{" B "," T "}{}", MX_TEMP, false, "reply-malformed" },
	{ "single quotes", 200, NULL, "{\"a\":'b'}", MX_TEMP, false, "reply-malformed" },
	{ "comma at the end", 200, NULL, "{" B "," T ",}", MX_TEMP, false, "reply-malformed" },
	{ "NaN", 200, NULL, LIFE("NaN"), MX_PROVIDER, true, "?" },
	{ "comment", 200, NULL, "{/* */" B "," T "}", MX_PROVIDER, true, "?" },
	{ "not UTF-8", 200, NULL,
	    "{\"x\":\"\xFF\"," B "," T "}", MX_TEMP, false, "reply-malformed" },
	{ "overlong UTF-8", 200, NULL,
	    "{\"x\":\"\xC0\xAF\"," B "," T "}", MX_TEMP, false, "reply-malformed" },
	{ "control in a string", 200, NULL, "{\"x\":\"\x01\"," B "," T "}", MX_TEMP, false, "?" },
	{ "too deep", 200, NULL,
	    "{\"x\":[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]," B "," T "}",
	    MX_TEMP, false, "reply-malformed" },
	{ "cut", 200, NULL, "{" B ",\"access_tok", MX_TEMP, false, "reply-truncated" },
	{ "cut in the token", 200, NULL,
	    "{" B ",\"access_token\":\"abc", MX_TEMP, false, "reply-truncated" },
	{ "cut error", 401, NULL, "{\"error\":\"invalid_cl", MX_PROVIDER, true, "reply-truncated" },
	/* no JSON at all */
	{ "captive portal", 200, "text/html",
	    "<html>Sign in</html>", MX_TEMP, false, "reply-not-json" },
	{ "wrong address", 404, "text/html; charset=utf-8",
	    "<h1>Not found</h1>", MX_CONFIG, true, "reply-not-json" },
	{ "form", 200, "application/x-www-form-urlencoded",
	    "access_token=abc", MX_TEMP, false, "reply-not-json" },
	{ "empty", 200, NULL, "", MX_TEMP, false, "reply-not-json" },
	{ "blanks", 200, NULL, " \n", MX_TEMP, false, "reply-not-json" },
	{ "JSON string", 200, "application/json", "\"x\"", MX_TEMP, false, "reply-not-json" },
	{ "empty 403", 403, NULL, "", MX_CONFIG, true, "reply-not-json" },
	{ "gateway", 502, "text/html",
	    "<html>Bad gateway</html>", MX_TEMP, false, "provider-unavailable" },
	{ "empty 503", 503, NULL, "", MX_TEMP, false, "provider-unavailable" },
	{ "empty 429", 429, NULL, "", MX_TEMP, false, "provider-throttled" },
	{ "HTML 429", 429, "text/html", "<p>", MX_TEMP, false, "provider-throttled" },
	/* errors */
	{ "secret", 401, NULL, E401(7000215), MX_PROVIDER, true, "client-secret-rejected" },
	{ "expired", 401, NULL, E401(7000222), MX_PROVIDER, true, "client-secret-expired" },
	{ "unknown number", 401, NULL, E401(7999999), MX_PROVIDER, true, "client-rejected" },
	{ "number in the text", 400, NULL,
	    "{\"error\":\"invalid_request\",\"error_description\":\"AADSTS90002: Tenant\"}",
	    MX_PROVIDER, true, "tenant-unknown" },
	{ "wrapped number", 401, NULL,
	    "{\"error\":\"invalid_client\",\"error_codes\":[70002,50012]}",
	    MX_PROVIDER, true, "assertion-rejected" },
	{ "transient number does not count", 400, NULL,
	    "{\"error\":\"invalid_grant\",\"error_codes\":[50196]}",
	    MX_PROVIDER, true, "provider-throttled" },
	{ "RFC 6749", 400, NULL,
	    "{\"error\":\"invalid_scope\"}", MX_PROVIDER, true, "scope-rejected" },
	{ "200 with error", 200, NULL,
	    "{\"error\":\"invalid_scope\"," B "," T "}", MX_PROVIDER, true, "scope-rejected" },
	{ "200 with error object", 200, NULL,
	    "{\"error\":{}," B "," T "}", MX_PROVIDER, true, "provider-refused" },
	{ "Google object", 403, NULL,
	    "{\"error\":{\"code\":403,\"message\":\"no\",\"status\":\"access_denied\"}}",
	    MX_PROVIDER, true, "policy-blocked" },
	{ "temporarily", 400, NULL,
	    "{\"error\":\"temporarily_unavailable\"}", MX_TEMP, false, "provider-unavailable" },
	{ "server error", 500, NULL,
	    "{\"error\":\"server_error\"}", MX_TEMP, false, "provider-unavailable" },
	{ "500 invalid_client", 500, NULL,
	    "{\"error\":\"invalid_client\"}", MX_TEMP, false, "client-rejected" },
	{ "throttled", 429, NULL,
	    "{\"error\":\"too_many\"}", MX_TEMP, false, "provider-throttled" },
	{ "401 without error", 401, NULL,
	    "{\"message\":\"no\"}", MX_PROVIDER, true, "client-rejected" },
	{ "400 without error", 400, NULL,
	    "{\"message\":\"no\"}", MX_PROVIDER, true, "provider-refused" },
	{ "400 with a token", 400, NULL, "{" B "," T "}", MX_PROVIDER, true, "provider-refused" },
	{ "error of another type", 400, NULL,
	    "{\"error\":7}", MX_PROVIDER, true, "provider-refused" },
	/* the way there */
	{ "moved", 301, NULL, "", MX_CONFIG, true, "redirect-refused" },
	{ "temporary redirect with a token", 307, NULL,
	    "{" B "," T "}", MX_CONFIG, true, "redirect-refused" },
	{ "proxy", 407, "text/html", "<html>", MX_CONFIG, true, "proxy-auth" },
};

static enum mx_class parse(long status, const char *type, const void *body, size_t n,
    struct oauth_token *t, struct oauth_failure *f)
{
	struct oauth_http_reply h = {
		.status = status,
		.content_type = type,
		.location = "https://u:p@evil.example:8443/x?y",
		.retry_after_s = -1,
		.body = body,
		.body_len = n,
	};

	return oauth_reply_parse("contoso", &h, t, f);
}

/* What holds for every failure. */
static void check_failure(
    const char *name, const struct oauth_token *t, const struct oauth_failure *f)
{
	if (t->access_token.p != NULL || f->err.cls == MX_OK || f->err.code[0] == '\0' ||
	    strstr(f->err.text, "client \"contoso\"") != f->err.text ||
	    mx_has_ctl(f->err.text, strlen(f->err.text)) ||
	    !mx_utf8_ok(f->err.text, strlen(f->err.text)) ||
	    !mx_utf8_ok(f->description, strlen(f->description)) ||
	    strstr(f->err.text, "abc.DEF") != NULL || strstr(f->description, "abc.DEF") != NULL ||
	    (f->permanent && f->err.cls == MX_TEMP))
		fail_msg(
		    "%s: class %d, code %s, '%s'", name, (int)f->err.cls, f->err.code, f->err.text);
}

static void test_good(void **state)
{
	struct oauth_token t;
	struct oauth_failure f;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		if (parse(200, "application/json", good[i].body, strlen(good[i].body), &t, &f) !=
		    MX_OK)
			fail_msg("%s: %s", good[i].name, f.err.text);
		assert_string_equal(t.access_token.p, "abc.DEF-1_~+/==");
		assert_int_equal(t.access_token.len, 15);
		if (t.expires_in_s != good[i].expires || t.refresh_in_s != good[i].refresh)
			fail_msg("%s: %u, %u", good[i].name, (unsigned)t.expires_in_s,
			    (unsigned)t.refresh_in_s);
		assert_int_equal(strlen(t.id), OAUTH_TOKEN_ID_LEN);
		mx_secret_free(&t.access_token);
	}
}

static void test_bad(void **state)
{
	struct oauth_token t;
	struct oauth_failure f;
	enum mx_class cls;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		cls = parse(bad[i].status, bad[i].type, bad[i].body, strlen(bad[i].body), &t, &f);
		/* json-c's versions differ: either way, no crash */
		if (strcmp(bad[i].code, "?") == 0) {
			mx_secret_free(&t.access_token);
			continue;
		}
		check_failure(bad[i].name, &t, &f);
		if (cls != bad[i].cls || f.permanent != bad[i].permanent ||
		    strcmp(f.err.code, bad[i].code) != 0 || f.http_status != bad[i].status ||
		    f.retry_after_s != -1)
			fail_msg("%s: class %d, %d, code %s, '%s'", bad[i].name, (int)cls,
			    f.permanent, f.err.code, f.err.text);
	}
}

/* No prefix of a good reply is taken for one, and none crashes. The copy has no byte to spare. */
static void test_prefixes(void **state)
{
	struct oauth_token t;
	struct oauth_failure f;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		size_t full = strlen(good[i].body),
		       whole = (size_t)(strrchr(good[i].body, '}') - good[i].body) + 1;

		for (size_t n = 0; n <= full; n++) {
			char *copy = malloc(n > 0 ? n : 1);

			assert_non_null(copy);
			memcpy(copy, good[i].body, n);
			if ((parse(200, NULL, copy, n, &t, &f) == MX_OK) != (n >= whole))
				fail_msg("%s: %zu bytes of %zu", good[i].name, n, full);
			if (n < whole)
				check_failure(good[i].name, &t, &f);
			mx_secret_free(&t.access_token);
			free(copy);
		}
	}
}

static void flip(const char *body, long status)
{
	size_t n = strlen(body);
	struct oauth_token t;
	struct oauth_failure f;

	for (size_t bit = 0; bit < n * 8; bit++) {
		char *copy = malloc(n);

		assert_non_null(copy);
		memcpy(copy, body, n);
		copy[bit / 8] = (char)(copy[bit / 8] ^ (1 << bit % 8));
		if (parse(status, NULL, copy, n, &t, &f) == MX_OK) {
			assert_true(mx_is_b64token(t.access_token.p, t.access_token.len));
			assert_in_range(t.expires_in_s, 1, OAUTH_LIFETIME_MAX_S);
		} else if (t.access_token.p != NULL || f.err.cls == MX_OK ||
		    mx_has_ctl(f.err.text, strlen(f.err.text))) {
			fail_msg("bit %zu of %s", bit, body);
		}
		mx_secret_free(&t.access_token);
		free(copy);
	}
}

static void test_flips(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		flip(good[i].body, 200);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		flip(bad[i].body, bad[i].status);
}

#define TRACE "0f0f0f0f-1111-2222-3333-444444444444"
#define CORRELATION "aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb"
static const char entra[] =
    "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: Invalid client secret "
    "provided. Trace ID: " TRACE " Correlation ID: " CORRELATION " Timestamp: 2026-01-01 "
                                                                 "00:00:00Z\","
    "\"error_codes\":[7000215],\"timestamp\":\"2026-01-01 00:00:01Z\",\"trace_id\":\"" TRACE "\","
    "\"correlation_id\":\"" CORRELATION "\",\"error_uri\":\"https://x\"}";

static void test_entra(void **state)
{
	static const char lines[] =
	    "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000222: Old.\\r\\nTrace "
	    "ID: " TRACE "\\r\\nCorrelation ID: " CORRELATION "\\r\\nTimestamp: 2026-01-01 "
	                                                      "00:00:00Z\"}";
	struct oauth_token t;
	struct oauth_failure f;

	(void)state;
	assert_int_equal(
	    parse(401, "application/json", entra, sizeof entra - 1, &t, &f), MX_PROVIDER);
	assert_string_equal(f.error, "invalid_client");
	assert_int_equal(f.aadsts, 7000215);
	assert_string_equal(f.trace_id, TRACE);
	assert_string_equal(f.correlation_id, CORRELATION);
	assert_string_equal(f.timestamp, "2026-01-01 00:00:01Z");
	assert_string_equal(f.description, "AADSTS7000215: Invalid client secret provided.");
	assert_string_equal(f.err.text,
	    "client \"contoso\": HTTP 401 invalid_client AADSTS7000215: the secret is not one "
	    "of this application's; create a new client secret in Entra and store its Value (not "
	    "its Secret ID) in "
	    "client_secret_file (trace " TRACE ")");

	assert_int_equal(parse(401, NULL, lines, sizeof lines - 1, &t, &f), MX_PROVIDER);
	assert_int_equal(f.aadsts, 7000222);
	assert_string_equal(f.trace_id, TRACE);
	assert_string_equal(f.correlation_id, CORRELATION);
	assert_string_equal(f.timestamp, "2026-01-01 00:00:00Z");
	assert_string_equal(f.description, "AADSTS7000222: Old.");
}

/* Foreign text is sanitized, and never pushes the next step out of the sentence. */
static void test_foreign_text(void **state)
{
	static char body[8192];
	char name[200], error[700], description[3000], fix[MX_TEXT_MAX];
	static const char client[] = "11111111-2222-3333-4444-555555555555", tenant[] = "99999999-8888-7777-6666-555555555555";
	const struct cat_value values[] = { { "client_id", client }, { "tenant", tenant } };
	struct cat_refusal h;
	struct mx_buf b;
	struct oauth_http_reply reply = { .status = 400, .retry_after_s = 7, .body = body,
		.client_id = client,
		.token_endpoint = "https://login.microsoftonline.com/99999999-8888-7777-6666-555555555555/oauth2/v2.0/token" };
	struct oauth_token t;
	struct oauth_failure f;

	(void)state;
	memset(name, 'n', sizeof name - 1), name[sizeof name - 1] = '\0';
	memset(error, 'e', sizeof error - 1), error[sizeof error - 1] = '\0';
	memset(description, 'd', sizeof description - 1),
	    description[sizeof description - 1] = '\0';
	for (size_t i = 0; cat_refusal_at(i, &h); i++) {
		assert_true(snprintf(body, sizeof body,
		                "{\"error\":\"%s\",\"error_description\":\"%s%s\",\"trace_id\":"
		                "\"" TRACE "\",\"error_codes\":[%u]}",
		                h.error != NULL ? h.error : error, h.said != NULL ? h.said : "", description,
		                (unsigned)h.aadsts) > 0);
		reply.body_len = strlen(body);
		assert_int_equal(oauth_reply_parse(name, &reply, &t, &f) == MX_OK, false);
		mx_buf_init(&b, fix, sizeof fix);
		assert_true(cat_fill(&b, h.fix, values, 2));
		assert_non_null(mx_buf_str(&b));
		if (strstr(f.err.text, h.cause) == NULL || strstr(f.err.text, fix) == NULL ||
		    strstr(f.err.text, "(trace " TRACE ")") == NULL)
			fail_msg("%s: '%s' lacks '%s'", h.code, f.err.text, fix);
		assert_int_equal(f.retry_after_s, 7);
	}
	assert_true(snprintf(body, sizeof body,
	                "{\"error\":\"a\\u001bb\\nc\",\"error_description\":"
	                "\"\\u0007x\\u007f%%s\xC3\xBC\\nsecond\",\"trace_id\":\"bad id\"}") > 0);
	reply.body_len = strlen(body);
	reply.retry_after_s = 99999;
	assert_int_equal(oauth_reply_parse("c", &reply, &t, &f), MX_PROVIDER);
	assert_string_equal(f.error, "a?b");
	assert_string_equal(f.description, "?x?%s\xC3\xBC");
	assert_string_equal(f.trace_id, "");
	assert_int_equal(f.retry_after_s, 3600);
	assert_non_null(strstr(f.err.text, "[provider: ?x?%s\xC3\xBC]"));
}

/* The client's own values stand in what to do, where they are known and leave room; else their names in capitals. */
static void test_own_values(void **state)
{
	static const char body[] = "{\"error\":\"invalid_client\",\"error_codes\":[7000229]}";
	static char id[300];
	struct { const char *client_id, *want; } rows[] = {
		{ "11111111-2222-3333-4444-555555555555", "az ad sp create --id 11111111-2222-3333-4444-555555555555" },
		{ "a b'; reboot", "az ad sp create --id 'a b'\\''; reboot'" },
		{ NULL, "az ad sp create --id CLIENT_ID" },
		{ id, "az ad sp create --id CLIENT_ID" },
		{ "-x\ny", "az ad sp create --id CLIENT_ID" },
	};
	struct oauth_token t;
	struct oauth_failure f;

	(void)state;
	memset(id, 'i', sizeof id - 1);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct oauth_http_reply r = { .status = 401, .retry_after_s = -1, .body = body, .body_len = sizeof body - 1,
			.client_id = rows[i].client_id };

		assert_int_equal(oauth_reply_parse("c", &r, &t, &f), MX_PROVIDER);
		assert_string_equal(f.err.code, "no-service-principal");
		if (strstr(f.err.text, rows[i].want) == NULL)
			fail_msg("'%s' lacks '%s'", f.err.text, rows[i].want);
	}
}

static void test_redirect_text(void **state)
{
	struct oauth_token t;
	struct oauth_failure f;

	(void)state;
	assert_int_equal(parse(302, NULL, "", 0, &t, &f), MX_CONFIG);
	assert_non_null(strstr(f.err.text, "evil.example:8443"));
	assert_null(strstr(f.err.text, "u:p"));
	assert_null(strstr(f.err.text, "/x"));
}

static void test_sizes(void **state)
{
	static const char head[] = "{" B ",\"access_token\":\"";
	size_t cap = OAUTH_REPLY_MAX + 64;
	char *body = malloc(cap);
	struct oauth_token t;
	struct oauth_failure f;

	(void)state;
	assert_non_null(body);
	for (size_t n = OAUTH_TOKEN_MAX - 1; n <= OAUTH_TOKEN_MAX + 1; n++) {
		memcpy(body, head, sizeof head - 1);
		memset(body + sizeof head - 1, 'a', n);
		memcpy(body + sizeof head - 1 + n, "\"}", 2);
		if (n <= OAUTH_TOKEN_MAX) {
			assert_int_equal(
			    parse(200, NULL, body, sizeof head + 1 + n, &t, &f), MX_OK);
			assert_int_equal(t.access_token.len, n);
			mx_secret_free(&t.access_token);
		} else {
			assert_int_equal(
			    parse(200, NULL, body, sizeof head + 1 + n, &t, &f), MX_PROVIDER);
			assert_string_equal(f.err.code, "reply-token-too-long");
		}
	}
	memset(body, ' ', cap);
	memcpy(body, "{" B "," T "}", strlen("{" B "," T "}"));
	assert_int_equal(parse(200, NULL, body, OAUTH_REPLY_MAX, &t, &f), MX_OK);
	mx_secret_free(&t.access_token);
	assert_int_equal(parse(200, NULL, body, OAUTH_REPLY_MAX + 1, &t, &f), MX_TEMP);
	assert_string_equal(f.err.code, "reply-too-large");
	free(body);
}

/* FIPS 180-2's vectors. */
static void test_token_id(void **state)
{
	char id[OAUTH_TOKEN_ID_LEN + 1];

	(void)state;
	oauth_token_id(id, "abc", 3);
	assert_string_equal(id, "ba7816bf8f01cfea");
	oauth_token_id(id, "", 0);
	assert_string_equal(id, "e3b0c44298fc1c14");
}

#define R(json) "{" B "," T ",\"refresh_token\":" json "}"
static const struct { const char *name, *body, *want; bool malformed; } successors[] = {
	{ "none", "{" B "," T "}", NULL, false },
	{ "one", R("\"M.C1_a*b!$-._~+/=\""), "M.C1_a*b!$-._~+/=", false },
	{ "a blank within", R("\"a b\""), "a b", false },
	{ "empty", R("\"\""), NULL, false },
	{ "null", R("null"), NULL, false },
	{ "a number", R("1"), NULL, true },
	{ "an object", R("{\"a\":\"b\"}"), NULL, true },
	{ "a line end", R("\"a\\nb\""), NULL, true },
	{ "a NUL", R("\"a\\u0000b\""), NULL, true },
	{ "beyond ASCII", R("\"\xC3\xBC\""), NULL, true },
};

static void test_successors(void **state)
{
	static const char useless[] = "{" B ",\"access_token\":\"a b\",\"refresh_token\":\"next\"}";
	static char big[OAUTH_REFRESH_MAX + 200];
	struct oauth_token t;
	struct oauth_failure f;

	(void)state;
	for (size_t i = 0; i < sizeof successors / sizeof successors[0]; i++) {
		const char *body = successors[i].body, *want = successors[i].want;

		assert_int_equal(parse(200, NULL, body, strlen(body), &t, &f), MX_OK);
		if (t.refresh_malformed != successors[i].malformed || (t.refresh_token.p != NULL) != (want != NULL) ||
		    (want != NULL && strcmp((char *)t.refresh_token.p, want) != 0))
			fail_msg("%s: '%s'", successors[i].name,
			    t.refresh_token.p == NULL ? "" : (char *)t.refresh_token.p);
		mx_secret_free(&t.access_token);
		mx_secret_free(&t.refresh_token);
	}
	/* It has ended its predecessor, whatever the access token is like; an error brings none. */
	assert_int_equal(parse(200, NULL, useless, strlen(useless), &t, &f), MX_PROVIDER);
	assert_string_equal((char *)t.refresh_token.p, "next");
	mx_secret_free(&t.refresh_token);
	assert_int_equal(parse(400, NULL, useless, strlen(useless), &t, &f), MX_PROVIDER);
	assert_null(t.refresh_token.p);
	for (size_t n = OAUTH_REFRESH_MAX; n <= OAUTH_REFRESH_MAX + 1; n++) {
		(void)snprintf(big, sizeof big, "{" B "," T ",\"refresh_token\":\"%0*d\"}", (int)n, 0);
		assert_int_equal(parse(200, NULL, big, strlen(big), &t, &f), MX_OK);
		assert_int_equal(t.refresh_malformed, n > OAUTH_REFRESH_MAX);
		assert_int_equal(t.refresh_token.len, n > OAUTH_REFRESH_MAX ? 0 : n);
		mx_secret_free(&t.access_token);
		mx_secret_free(&t.refresh_token);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_entra),
		cmocka_unit_test(test_foreign_text),
		cmocka_unit_test(test_own_values),
		cmocka_unit_test(test_redirect_text),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_token_id),
		cmocka_unit_test(test_successors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
