/*
 * oauth/code.h: addresses to the byte, with RFC 7636's own example; what may come back, and what may not.
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

#include "common/buf.h"
#include "oauth/exchange.h"
#include "oauth/form.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* RFC 7636 appendix B. */
#define VERIFIER "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
#define CHALLENGE "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
#define STATE "0123456789012345678901234567890123456789012"

static const struct oauth_client client = {
	.name = "c", .token_endpoint = "https://id.test/token", .authorization_endpoint = "https://id.test:8443/auth",
	.client_id = "the id", .scope = "https://mail.google.com/ a+b",
};
static struct oauth_code asked = { .state = STATE, .redirect_uri = "http://127.0.0.1:4711/" };

static int setup(void **state)
{
	(void)state;
	return mx_secret_set(&asked.verifier, VERIFIER, strlen(VERIFIER)) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	mx_secret_free(&asked.verifier);
	return 0;
}

#define REST "response_type=code&client_id=the+id&redirect_uri=http%3A%2F%2F127.0.0.1%3A4711%2F" \
	"&scope=https%3A%2F%2Fmail.google.com%2F+a%2Bb&state=" STATE "&code_challenge=" CHALLENGE \
	"&code_challenge_method=S256&access_type=offline&prompt=consent"

static void test_url(void **state)
{
	struct oauth_client c = client;
	char url[1024];

	(void)state;
	assert_string_equal(oauth_code_url(url, sizeof url, &c, &asked, "me@x.test"),
	    "https://id.test:8443/auth?" REST "&login_hint=me%40x.test");
	c.authorization_endpoint = "https://id.test/auth?policy=1";
	assert_string_equal(oauth_code_url(url, sizeof url, &c, &asked, NULL), "https://id.test/auth?policy=1&" REST);
	for (size_t cap = 0; cap <= strlen("https://id.test/auth?policy=1&" REST); cap++)
		assert_null(oauth_code_url(url, cap, &c, &asked, NULL));
}

static void test_begin(void **state)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	struct oauth_code a, b;
	struct mx_err e;

	(void)state;
	assert_int_equal(oauth_code_begin(&a, 65535, &e), MX_OK);
	assert_int_equal(oauth_code_begin(&b, 1, &e), MX_OK);
	assert_string_equal(a.redirect_uri, "http://127.0.0.1:65535/");
	assert_int_equal(strspn(a.state, alphabet), 43);
	assert_int_equal(a.verifier.len, 43);
	assert_int_equal(strspn((char *)a.verifier.p, alphabet), 43);
	assert_string_not_equal(a.state, b.state);
	assert_memory_not_equal(a.verifier.p, b.verifier.p, 43);
	assert_memory_not_equal(a.verifier.p, a.state, 43);
	oauth_code_free(&a);
	oauth_code_free(&b);
	assert_null(a.verifier.p);
}

static void test_request(void **state)
{
	const struct oauth_credential k = { .auth = OAUTH_AUTH_NONE };
	struct mx_secret code = { 0 };
	const struct oauth_want w = { .purpose = OAUTH_FOR_CODE, .code = &code, .asked = &asked };
	struct oauth_exchange x;
	struct oauth_failure f;

	(void)state;
	assert_true(mx_secret_set(&code, "4/0A+b", 6));
	assert_true(oauth_exchange_begin(&x, &client, &k, &w, &f));
	assert_string_equal((char *)x.req.body.p, "grant_type=authorization_code&code=4%2F0A%2Bb&"
	    "redirect_uri=http%3A%2F%2F127.0.0.1%3A4711%2F&code_verifier=" VERIFIER "&client_id=the+id");
	assert_string_equal(x.req.url, "https://id.test/token");
	assert_int_equal(x.req.repeat, OAUTH_REPEAT_NEVER);
	oauth_exchange_free(&x);
	mx_secret_free(&code);
}

#define S "state=" STATE

static const struct { const char *name, *query; enum oauth_code_answer want; const char *code; } answers[] = {
	{ "code", "code=abc-1&" S, OAUTH_CODE_GOT, "abc-1" },
	{ "encoded", S "&code=4%2F0Ax%2b+y", OAUTH_CODE_GOT, "4/0Ax+ y" },
	{ "others beside", "a=b&&" S "&session_state=x&code=abc&scope=y", OAUTH_CODE_GOT, "abc" },
	{ "the issuer", "code=abc&" S "&iss=https%3A%2F%2Fid.test%3A8443", OAUTH_CODE_GOT, "abc" },
	{ "the issuer, with a path", "code=abc&" S "&iss=HTTPS%3A%2F%2Fid.test%3A8443%2Ftenant", OAUTH_CODE_GOT,
	    "abc" },
	{ "another issuer", "code=abc&" S "&iss=https%3A%2F%2Fevil.test", OAUTH_CODE_NONE, NULL },
	{ "an issuer that only begins so", "code=abc&" S "&iss=https%3A%2F%2Fid.test%3A84431", OAUTH_CODE_NONE, NULL },
	{ "an issuer without a port", "code=abc&" S "&iss=https%3A%2F%2Fid.test", OAUTH_CODE_NONE, NULL },
	{ "an empty issuer", "code=abc&" S "&iss=", OAUTH_CODE_NONE, NULL },
	{ "two issuers", "code=abc&" S "&iss=https%3A%2F%2Fid.test%3A8443&iss=x", OAUTH_CODE_NONE, NULL },
	{ "no state", "code=abc", OAUTH_CODE_NONE, NULL },
	{ "another state", "code=abc&state=0123456789012345678901234567890123456789013", OAUTH_CODE_NONE, NULL },
	{ "a longer state", "code=abc&" S "0", OAUTH_CODE_NONE, NULL },
	{ "a shorter state", "code=abc&state=012345678901234567890123456789012345678901", OAUTH_CODE_NONE, NULL },
	{ "two states", "code=abc&" S "&" S, OAUTH_CODE_NONE, NULL },
	{ "two codes", "code=abc&code=def&" S, OAUTH_CODE_NONE, NULL },
	{ "a code of nothing", "code=&" S, OAUTH_CODE_NONE, NULL },
	{ "no code", S, OAUTH_CODE_NONE, NULL },
	{ "nothing", "", OAUTH_CODE_NONE, NULL },
	{ "half an escape", "code=abc%2&" S, OAUTH_CODE_NONE, NULL },
	{ "a NUL", "code=abc%00d&" S, OAUTH_CODE_NONE, NULL },
	{ "a name that ends so", "xcode=abc&" S, OAUTH_CODE_NONE, NULL },
	{ "declined", "error=access_denied&error_description=no+way&" S, OAUTH_CODE_REFUSED, "consent-declined" },
	{ "declined, without state", "error=access_denied", OAUTH_CODE_NONE, NULL },
	{ "refused", "error=invalid_scope&" S, OAUTH_CODE_REFUSED, "authorization-refused" },
	{ "refused, with a code", "error=server_error&code=abc&" S, OAUTH_CODE_REFUSED, "authorization-refused" },
	{ "refused, with controls", "error=x%1b%5b2J&error_description=%07%9b&" S, OAUTH_CODE_REFUSED,
	    "authorization-refused" },
};

static void check(const char *name, enum oauth_code_answer got, enum oauth_code_answer want, struct mx_secret *code,
    const struct mx_err *e, const char *text)
{
	if (got != want)
		fail_msg("%s: %d", name, (int)got);
	if (got == OAUTH_CODE_GOT && (code->len != strlen(text) || memcmp(code->p, text, code->len) != 0))
		fail_msg("%s: '%s'", name, (char *)code->p);
	if (got != OAUTH_CODE_GOT && code->p != NULL)
		fail_msg("%s: left a code", name);
	if (got == OAUTH_CODE_REFUSED && strcmp(e->code, text) != 0)
		fail_msg("%s: %s", name, e->code);
	if (got == OAUTH_CODE_REFUSED && (strchr(e->text, 0x1b) != NULL || e->cls != MX_PROVIDER))
		fail_msg("%s: %s", name, e->text);
	mx_secret_free(code);
}

static void test_take(void **state)
{
	struct mx_secret code;
	struct mx_err e;

	(void)state;
	for (size_t i = 0; i < N(answers); i++) {
		const enum oauth_code_answer r = oauth_code_take(&client, &asked, answers[i].query,
		    strlen(answers[i].query), &code, &e);

		check(answers[i].name, r, answers[i].want, &code, &e, answers[i].code);
	}
}

/* Every cut of a good answer: a code only from what has all of it. Bytes behind n are not looked at. */
static void test_cut(void **state)
{
	static const char whole[] = S "&code=abc";
	struct mx_secret code;
	struct mx_err e;

	(void)state;
	for (size_t n = 0; n < sizeof whole; n++) {
		const enum oauth_code_answer r = oauth_code_take(&client, &asked, whole, n, &code, &e);

		assert_int_equal(r, n > sizeof whole - 4 ? OAUTH_CODE_GOT : OAUTH_CODE_NONE);
		mx_secret_free(&code);
	}
}

static void test_long(void **state)
{
	static char query[OAUTH_CODE_MAX + 128];
	struct mx_secret code;
	struct mx_err e;
	struct mx_buf b;

	(void)state;
	for (size_t n = OAUTH_CODE_MAX - 1; n <= OAUTH_CODE_MAX; n++) {
		mx_buf_init(&b, query, sizeof query);
		mx_buf_adds(&b, S "&code=");
		for (size_t i = 0; i < n; i++)
			mx_buf_addc(&b, 'x');
		assert_int_equal(oauth_code_take(&client, &asked, mx_buf_str(&b), b.len, &code, &e),
		    n < OAUTH_CODE_MAX ? OAUTH_CODE_GOT : OAUTH_CODE_NONE);
		mx_secret_free(&code);
	}
}

static const struct { const char *name, *text; enum oauth_code_answer want; const char *code; } pasted[] = {
	{ "the address", "http://127.0.0.1:4711/?code=abc&" S, OAUTH_CODE_GOT, "abc" },
	{ "with blanks and a line end", "  http://127.0.0.1:4711/?code=abc&" S " \r\n", OAUTH_CODE_GOT, "abc" },
	{ "what stands behind the ?", "?code=abc&" S, OAUTH_CODE_GOT, "abc" },
	{ "declined", "http://127.0.0.1:4711/?error=access_denied&" S, OAUTH_CODE_REFUSED, "consent-declined" },
	{ "an address of before", "http://127.0.0.1:4711/?code=abc&state=x", OAUTH_CODE_NONE, NULL },
	{ "the code alone", "4/0AeanS0abcdef", OAUTH_CODE_GOT, "4/0AeanS0abcdef" },
	{ "the code alone, encoded", "4%2F0AeanS0abcdef\n", OAUTH_CODE_GOT, "4/0AeanS0abcdef" },
	{ "badly encoded", "4%2F0AeanS0abcd%f", OAUTH_CODE_NONE, NULL },
	{ "nothing", "", OAUTH_CODE_NONE, NULL },
	{ "blanks", "   ", OAUTH_CODE_NONE, NULL },
	{ "a word", "yes", OAUTH_CODE_NONE, NULL },
	{ "words", "what am I to paste?", OAUTH_CODE_NONE, NULL },
	{ "an address without a query", "http://127.0.0.1:4711/", OAUTH_CODE_NONE, NULL },
	{ "the address that was to be opened", "https://id.test:8443/auth?" REST, OAUTH_CODE_NONE, NULL },
	{ "part of a query", "code=abc&state=x", OAUTH_CODE_NONE, NULL },
};

static void test_pasted(void **state)
{
	struct mx_secret code;
	struct mx_err e;

	(void)state;
	for (size_t i = 0; i < N(pasted); i++) {
		const enum oauth_code_answer r = oauth_code_pasted(&client, &asked, pasted[i].text,
		    strlen(pasted[i].text), &code, &e);

		check(pasted[i].name, r, pasted[i].want, &code, &e, pasted[i].code);
	}
}

static void test_every_byte(void **state)
{
	char in[8], out[8];
	struct mx_buf b;

	(void)state;
	for (int c = 1; c < 256; c++) {
		const unsigned char byte = (unsigned char)c;

		mx_buf_init(&b, in, sizeof in);
		oauth_form_escape(&b, &byte, 1);
		assert_non_null(mx_buf_str(&b));
		size_t n = b.len;
		mx_buf_init(&b, out, sizeof out);
		assert_true(oauth_form_decode(&b, in, n));
		assert_int_equal(b.len, 1);
		assert_int_equal((unsigned char)out[0], byte);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_url),
		cmocka_unit_test(test_begin),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_pasted),
		cmocka_unit_test(test_every_byte),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
