/*
 * oauth/form.h and oauth/request.h: the bytes of a token request.
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

#include "common/base64.h"
#include "oauth/bearer.h"
#include "oauth/form.h"
#include "oauth/refresh_file.h"
#include "oauth/request.h"

static const struct { const char *name, *in, *want;
} escapes[] = {
	{ "RFC 6749 appendix B", " %&+\xC2\xA3\xE2\x82\xAC", "+%25%26%2B%C2%A3%E2%82%AC" },
	{ "nothing", "", "" },
	{ "unreserved", "AZaz09-._*", "AZaz09-._*" },
	{ "tilde", "~", "%7E" },
	{ "separators", "+&=%~;,/?:@", "%2B%26%3D%25%7E%3B%2C%2F%3F%3A%40" },
	{ "quotes", "\"'`\\", "%22%27%60%5C" },
	{ "already escaped", "%41", "%2541" },
	{ "controls", "\t\r\n\x7f", "%09%0D%0A%7F" },
	{ "scope", "https://outlook.office365.com/.default",
	    "https%3A%2F%2Foutlook.office365.com%2F.default" },
};

static void test_escape(void **state)
{
	char room[128];
	struct mx_buf b;

	(void)state;
	for (size_t i = 0; i < sizeof escapes / sizeof escapes[0]; i++) {
		mx_buf_init(&b, room, sizeof room);
		oauth_form_escape(&b, escapes[i].in, strlen(escapes[i].in));
		if (mx_buf_str(&b) == NULL || strcmp(room, escapes[i].want) != 0)
			fail_msg(
			    "%s: '%s' instead of '%s'", escapes[i].name, room, escapes[i].want);
	}
}

/* Inverse of the encoding, written independently of it. Returns the size. */
static size_t decode(const char *s, size_t n, unsigned char *out)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		if (s[i] == '%') {
			char hex[3] = { s[i + 1], s[i + 2], 0 };

			assert_true(i + 2 < n);
			assert_int_equal(strspn(hex, "0123456789ABCDEF"), 2);
			out[len++] = (unsigned char)strtoul(hex, NULL, 16);
			i += 2;
		} else {
			assert_non_null(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxy"
			                       "z0123456789-._*+",
			    s[i]));
			out[len++] = s[i] == '+' ? ' ' : (unsigned char)s[i];
		}
	}
	return len;
}

static void test_every_byte(void **state)
{
	unsigned char in, out[4];
	char room[8];
	struct mx_buf b;

	(void)state;
	for (int c = 0; c < 256; c++) {
		in = (unsigned char)c;
		mx_buf_init(&b, room, sizeof room);
		oauth_form_escape(&b, &in, 1);
		assert_non_null(mx_buf_str(&b));
		assert_int_equal(decode(room, b.len, out), 1);
		assert_int_equal(out[0], c);
	}
}

static void test_add(void **state)
{
	char room[64];
	struct mx_buf b;

	(void)state;
	mx_buf_init(&b, room, sizeof room);
	oauth_form_add(&b, "a", "1 2");
	oauth_form_add(&b, "none", NULL);
	oauth_form_add(&b, "b&", "");
	oauth_form_add_bytes(&b, "c", "\0=", 2);
	assert_string_equal(mx_buf_str(&b), "a=1+2&b%26=&c=%00%3D");
}

/* Every ceiling below the size that is needed: refused, never cut. */
static void test_ceiling(void **state)
{
	static const char want[] = "a=%2B%2B&b=c";
	char room[sizeof want];
	struct mx_buf b;

	(void)state;
	for (size_t cap = 0; cap <= sizeof want; cap++) {
		mx_buf_init(&b, room, cap);
		oauth_form_add(&b, "a", "++");
		oauth_form_add(&b, "b", "c");
		if (cap < sizeof want)
			assert_null(mx_buf_str(&b));
		else
			assert_string_equal(mx_buf_str(&b), want);
	}
}

static const struct oauth_client contoso = {
	.name = "contoso", .grant = OAUTH_GRANT_CLIENT_CREDENTIALS,
	.token_endpoint = "https://login.example/t/oauth2/v2.0/token",
	.client_id = "11111111-2222-3333-4444-555555555555",
	.scope = "https://outlook.office365.com/.default",
};

static const struct {
	const char *name;
	enum oauth_auth auth;
	const char *id, *scope, *resource, *secret, *body, *authorization;
} requests[] = {
	{ "Entra", OAUTH_AUTH_SECRET_POST, "11111111-2222-3333-4444-555555555555",
	    "https://outlook.office365.com/.default", NULL, "Abc8Q~d.e_f-g+h=i&j%k",
	    "grant_type=client_credentials&client_id=11111111-2222-3333-4444-555555555555"
	    "&client_secret=Abc8Q%7Ed.e_f-g%2Bh%3Di%26j%25k&scope=https%3A%2F%2Foutlook.office365."
	    "com%2F.default",
	    "" },
	{ "no scope", OAUTH_AUTH_SECRET_POST, "id", NULL, NULL, "s",
	    "grant_type=client_credentials&client_id=id&client_secret=s", "" },
	{ "resource", OAUTH_AUTH_SECRET_POST, "id", "a b", "https://r/", "\xC3\xBC",
	    "grant_type=client_credentials&client_id=id&client_secret=%C3%BC&scope=a+b&resource="
	    "https%3A%2F%2Fr%2F",
	    "" },
	{ "RFC 6749 section 2.3.1", OAUTH_AUTH_SECRET_BASIC, "s6BhdRkqt3", NULL, NULL,
	    "7Fjfp0ZBr1KtDRbnfVdmIw", "grant_type=client_credentials",
	    "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3" },
	/* a%3Ab:c%3Ad+e%2B%7E */
	{ "colons", OAUTH_AUTH_SECRET_BASIC, "a:b", "s", NULL, "c:d e+~",
	    "grant_type=client_credentials&scope=s", "Basic YSUzQWI6YyUzQWQrZSUyQiU3RQ==" },
};

static void test_vectors(void **state)
{
	struct oauth_request r;
	struct mx_secret secret = { 0 };
	struct mx_err e;

	(void)state;
	for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
		struct oauth_client c = contoso;

		c.client_id = requests[i].id;
		c.scope = requests[i].scope;
		c.resource = requests[i].resource;
		assert_true(mx_secret_set(&secret, requests[i].secret, strlen(requests[i].secret)));
		assert_int_equal(oauth_request_build_with(&c, requests[i].auth, &secret, &r, &e), MX_OK);
		assert_ptr_equal(r.url, c.token_endpoint);
		assert_string_equal(r.body.p, requests[i].body);
		assert_int_equal(r.body.len, strlen(requests[i].body));
		assert_string_equal(r.authorization.p == NULL ? "" : (char *)r.authorization.p,
		    requests[i].authorization);
		assert_int_equal(r.authorization.len, strlen(requests[i].authorization));
		oauth_request_free(&r);
		mx_secret_free(&secret);
	}
}

/* A secret of all 256 byte values, and each of them alone, by both ways. */
static void check_bytes(const unsigned char *bytes, size_t n)
{
	struct oauth_client c = contoso;
	struct mx_secret secret = { 0 };
	struct oauth_request r;
	unsigned char out[512], pair[1024];
	const char *s, *colon;
	struct mx_err e;
	ssize_t len;

	assert_true(mx_secret_set(&secret, bytes, n));
	assert_int_equal(oauth_request_build_with(&c, OAUTH_AUTH_SECRET_POST, &secret, &r, &e), MX_OK);
	assert_int_equal(strlen((char *)r.body.p), r.body.len);
	assert_non_null(s = strstr((char *)r.body.p, "&client_secret="));
	s += strlen("&client_secret=");
	assert_int_equal(decode(s, strcspn(s, "&"), out), n);
	assert_memory_equal(out, bytes, n);
	oauth_request_free(&r);

	assert_int_equal(oauth_request_build_with(&c, OAUTH_AUTH_SECRET_BASIC, &secret, &r, &e), MX_OK);
	assert_null(strstr((char *)r.body.p, "client_id="));
	assert_null(strstr((char *)r.body.p, "client_secret="));
	assert_memory_equal(r.authorization.p, "Basic ", 6);
	len = mx_b64_decode(
	    pair, sizeof pair - 1, (char *)r.authorization.p + 6, r.authorization.len - 6);
	assert_true(len > 0);
	pair[len] = '\0';
	assert_non_null(colon = strchr((char *)pair, ':'));
	assert_null(strchr(colon + 1, ':'));
	assert_int_equal(
	    decode(colon + 1, (size_t)len - (size_t)(colon + 1 - (char *)pair), out), n);
	assert_memory_equal(out, bytes, n);
	oauth_request_free(&r);
	mx_secret_free(&secret);
}

static void test_secret_bytes(void **state)
{
	unsigned char all[256];

	(void)state;
	for (int i = 0; i < 256; i++) {
		all[i] = (unsigned char)i;
		check_bytes(all + i, 1);
	}
	check_bytes(all, sizeof all);
}

/* RFC 7523 section 2.1: what Google documents, and what RFC 7521 section 4.1 has beside it. */
static void test_bearer(void **state)
{
	static const struct oauth_credential file = { .auth = OAUTH_AUTH_PRIVATE_KEY_JWT,
	    .service_account_file = "/a" };
	static const struct oauth_credential key = { .auth = OAUTH_AUTH_PRIVATE_KEY_JWT, .key = "/k" };
	static const struct oauth_credential missing = { .auth = OAUTH_AUTH_PRIVATE_KEY_JWT,
	    .service_account_file = "/nonexistent/a" };
	struct oauth_client c = contoso;
	struct mx_secret jwt = { 0 };
	char id[OAUTH_ACCOUNT_ID_MAX];
	struct oauth_request r;
	struct mx_err e;

	(void)state;
	c.client_id = "a b";
	c.scope = "x y";
	assert_true(mx_secret_set(&jwt, "e30.e30.AA-_", 12));
	assert_int_equal(oauth_bearer_build_with(&c, &file, &jwt, &r, &e), MX_OK);
	assert_string_equal(r.body.p,
	    "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=e30.e30.AA-_");
	assert_int_equal(r.body.len, strlen((char *)r.body.p));
	assert_int_equal(r.repeat, OAUTH_REPEAT_ANEW);
	assert_true(mx_secret_equal(&r.secret, &jwt));
	assert_null(r.authorization.p);
	oauth_request_free(&r);
	assert_int_equal(oauth_bearer_build_with(&c, &key, &jwt, &r, &e), MX_OK);
	assert_string_equal(r.body.p,
	    "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=e30.e30.AA-_"
	    "&client_id=a+b&scope=x+y");
	oauth_request_free(&r);
	mx_secret_free(&jwt);
	assert_int_equal(oauth_bearer_build(&c, &key, NULL, &r, id, &e), MX_CONFIG);
	assert_string_equal(e.code, "mailbox-needed");
	assert_int_equal(oauth_bearer_build(&c, &missing, "a@x", &r, id, &e), MX_CONFIG);
	assert_string_equal(e.code, "service-account-missing");
	assert_non_null(strstr(e.text, "client \"contoso\": "));
	assert_null(r.body.p);
}

static void test_refused(void **state)
{
	static const struct oauth_credential missing = { .auth = OAUTH_AUTH_SECRET_POST,
		.secret_file = "/nonexistent/secret" };
	struct oauth_client c = contoso;
	struct mx_secret empty = { 0 };
	struct oauth_request r;
	struct mx_err e;

	(void)state;
	assert_int_equal(oauth_request_build_with(&c, OAUTH_AUTH_SECRET_POST, &empty, &r, &e), MX_CONFIG);
	assert_string_equal(e.code, "secret-empty");
	assert_int_equal(oauth_request_build(&c, &missing, &r, &e), MX_CONFIG);
	assert_string_equal(e.code, "secret-missing");
	assert_non_null(strstr(e.text, "client \"contoso\""));
	assert_non_null(strstr(e.text, "/nonexistent/secret"));
	assert_null(r.body.p);
}

/* RFC 6749 section 6, with each way to prove oneself. proof: a secret, or an assertion made elsewhere. */
static const struct {
	const char *name;
	enum oauth_auth auth;
	const char *scope, *token, *proof, *body, *authorization;
} refreshes[] = {
	{ "public", OAUTH_AUTH_NONE, NULL, "M.C1_a*b!$", "",
	    "grant_type=refresh_token&refresh_token=M.C1_a*b%21%24&client_id=id", "" },
	{ "public, scope", OAUTH_AUTH_NONE, "https://outlook.office.com/SMTP.Send offline_access", "t", "",
	    "grant_type=refresh_token&refresh_token=t&client_id=id&scope=https%3A%2F%2Foutlook.office.com%2FSMTP.Send+"
	    "offline_access", "" },
	{ "post", OAUTH_AUTH_SECRET_POST, "a", "1//0e-x_y/+=", "s~",
	    "grant_type=refresh_token&refresh_token=1%2F%2F0e-x_y%2F%2B%3D&client_id=id&client_secret=s%7E&scope=a",
	    "" },
	{ "basic", OAUTH_AUTH_SECRET_BASIC, "a", "t & u", "s", "grant_type=refresh_token&refresh_token=t+%26+u&scope=a",
	    "Basic aWQ6cw==" },
	{ "private_key_jwt", OAUTH_AUTH_PRIVATE_KEY_JWT, NULL, "t", "h.c.s",
	    "grant_type=refresh_token&refresh_token=t&client_id=id"
	    "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
	    "&client_assertion=h.c.s", "" },
};

static void test_refresh(void **state)
{
	struct mx_secret proof = { 0 }, token = { 0 };
	struct oauth_request r;
	struct mx_err e;

	(void)state;
	for (size_t i = 0; i < sizeof refreshes / sizeof refreshes[0]; i++) {
		struct oauth_client c = contoso;

		c.grant = OAUTH_GRANT_REFRESH_TOKEN;
		c.client_id = "id";
		c.scope = refreshes[i].scope;
		assert_true(mx_secret_set(&token, refreshes[i].token, strlen(refreshes[i].token)));
		if (refreshes[i].proof[0] != '\0')
			assert_true(mx_secret_set(&proof, refreshes[i].proof, strlen(refreshes[i].proof)));
		assert_int_equal(oauth_request_refresh_with(&c, refreshes[i].auth, &proof, &token, &r, &e), MX_OK);
		if (strcmp((char *)r.body.p, refreshes[i].body) != 0)
			fail_msg("%s: '%s'", refreshes[i].name, (char *)r.body.p);
		assert_int_equal(r.body.len, strlen(refreshes[i].body));
		assert_string_equal(r.authorization.p == NULL ? "" : (char *)r.authorization.p,
		    refreshes[i].authorization);
		assert_int_equal(r.repeat, OAUTH_REPEAT_NEVER);
		assert_true(mx_secret_equal(&r.grant, &token));
		oauth_request_free(&r);
		assert_null(r.grant.p);
		if (refreshes[i].auth != OAUTH_AUTH_NONE) {	/* a secret that is empty is a mistake here too */
			mx_secret_free(&proof);
			assert_int_equal(oauth_request_refresh_with(&c, refreshes[i].auth, &proof, &token, &r, &e),
			    MX_CONFIG);
			assert_string_equal(e.code, "secret-empty");
		}
		mx_secret_free(&token);
	}
}

/* A token of the greatest length, each byte of it escaped, has room. */
static void test_refresh_room(void **state)
{
	static const struct oauth_credential none = { .auth = OAUTH_AUTH_NONE };
	struct oauth_client c = contoso;
	struct mx_secret token;
	struct oauth_request r;
	struct mx_err e;

	(void)state;
	assert_true(mx_secret_alloc(&token, OAUTH_REFRESH_MAX));
	memset(token.p, '%', OAUTH_REFRESH_MAX);
	token.len = OAUTH_REFRESH_MAX;
	assert_int_equal(oauth_request_refresh(&c, &none, &token, &r, &e), MX_OK);
	assert_true(r.body.len > 3 * OAUTH_REFRESH_MAX);
	oauth_request_free(&r);
	mx_secret_free(&token);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_secret_bytes),
		cmocka_unit_test(test_bearer),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_refresh),
		cmocka_unit_test(test_refresh_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
