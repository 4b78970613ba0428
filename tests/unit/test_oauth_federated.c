/*
 * oauth/federated.h: the file of an assertion, and refusals that come of it.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base64.h"
#include "oauth/exchange.h"
#include "oauth/federated.h"

static char path[64];

static void put(const void *text, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static const char blanks[70000] = { [0 ... 69998] = ' ' };

static const struct {
	const char *name, *text;
	size_t n;
	const char *want, *code;
} files[] = {
	{ "bare", "a.b.c", 5, "a.b.c", NULL },
	{ "a line", "a.b.c\n", 6, "a.b.c", NULL },
	{ "much behind it", "a.b-_c \t\r\n\n", 11, "a.b-_c", NULL },
	{ "opaque", "AB+/~==", 7, "AB+/~==", NULL },
	{ "empty", "", 0, NULL, "federated-token-malformed" },
	{ "blanks", "\n\n", 2, NULL, "federated-token-malformed" },
	{ "a blank in front", " a.b.c", 6, NULL, "federated-token-malformed" },
	{ "two", "a.b.c\na.b.c\n", 12, NULL, "federated-token-malformed" },
	{ "NUL", "a.b\0c", 5, NULL, "federated-token-malformed" },
	{ "JSON", "{\"a\":1}", 7, NULL, "federated-token-malformed" },
	{ "not ASCII", "a.\xC3\xBC.c", 6, NULL, "federated-token-malformed" },
	{ "too long", blanks, 69999, NULL, "federated-token-malformed" },
};

static void test_files(void **state)
{
	struct mx_secret s;
	struct mx_err e;

	(void)state;
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		put(files[i].text, files[i].n);
		if (files[i].want != NULL) {
			if (oauth_federated_read(path, &s, &e) != MX_OK ||
			    strcmp((char *)s.p, files[i].want) != 0)
				fail_msg("%s: %s", files[i].name, e.text);
			mx_secret_free(&s);
		} else if (oauth_federated_read(path, &s, &e) != MX_CONFIG ||
		    strcmp(e.code, files[i].code) != 0 || s.p != NULL ||
		    strstr(e.text, path) == NULL || strstr(e.text, "a.b") != NULL) {
			fail_msg("%s: %s", files[i].name, e.text);
		}
	}
	assert_int_equal(unlink(path), 0);
	assert_int_equal(oauth_federated_read(path, &s, &e), MX_CONFIG);
	assert_string_equal(e.code, "federated-token-missing");
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(oauth_federated_read(path, &s, &e), MX_CONFIG);
	assert_string_equal(e.code, "federated-token-unreadable");
	assert_int_equal(unlink(path), 0);
}

/* The request is made of what is in the file now. */
static void test_read_anew(void **state)
{
	const struct oauth_credential k = { .auth = OAUTH_AUTH_FEDERATED, .assertion_file = path };
	const struct oauth_client c = { .name = "c",
		.grant = OAUTH_GRANT_CLIENT_CREDENTIALS,
		.token_endpoint = "https://e.example/t",
		.client_id = "id",
		.scope = "s",
		.credential = &k,
		.ncredentials = 1 };
	struct oauth_exchange x;
	struct oauth_failure f;

	(void)state;
	for (int i = 0; i < 2; i++) {
		put(i == 0 ? "a.b.c\n" : "d.e.f\n", 6);
		assert_true(oauth_exchange_begin(&x, &c, &k, NULL, &f));
		assert_string_equal(x.req.body.p,
		    i == 0 ? "grant_type=client_credentials&client_id=id&client_assertion_type=urn%"
			     "3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type"
			     "%3Ajwt-bearer&client_assertion=a.b.c&scope=s"
			   : "grant_type=client_credentials&client_id=id&client_assertion_type=urn%"
			     "3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type"
			     "%3Ajwt-bearer&client_assertion=d.e.f&scope=s");
		assert_int_equal(x.req.repeat, OAUTH_REPEAT_SAME);
		assert_false(x.req.local);
		oauth_exchange_free(&x);
	}
	assert_int_equal(unlink(path), 0);
	assert_false(oauth_exchange_begin(&x, &c, &k, NULL, &f));
	assert_true(f.permanent && f.credential);
	assert_non_null(strstr(f.err.text, "client \"c\": the federated token does not exist"));
}

static void jwt(struct mx_secret *s, const char *claims)
{
	struct mx_buf b;

	assert_true(mx_secret_alloc(s, 4096));
	mx_buf_init(&b, s->p, s->cap);
	mx_buf_adds(&b, "e30.");
	mx_b64url_encode(&b, claims, strlen(claims));
	mx_buf_adds(&b, ".c2lnbmF0dXJl");
	assert_non_null(mx_buf_str(&b));
	s->len = b.len;
}

static const char plain_claims[] = "{\"iss\":\"https://i/\",\"sub\":\"s:a:b\",\"aud\":\"api://AzureADTokenExchange\","
				   "\"exp\":1764000000}";

static void test_mismatches(void **state)
{
	static const struct {
		unsigned code;
		long status;
		const char *error;
		bool shown;
	} row[] = {
		{ 70021, 400, "invalid_request", true },
		{ 700211, 401, "invalid_client", true },
		{ 700212, 401, "invalid_client", true },
		{ 700213, 401, "invalid_client", true },
		{ 7002137, 401, "invalid_client", true },
		{ 7002138, 401, "invalid_client", true },
		{ 700016, 400, "unauthorized_client", false },
		{ 7000215, 401, "invalid_client", false },
		{ 70021, 503, "temporarily_unavailable", false },
	};
	char text[256], long_claims[2048];
	struct oauth_failure f;
	struct oauth_token t;
	struct mx_secret s;

	(void)state;
	snprintf(long_claims, sizeof long_claims,
	    "{\"iss\":\"https://issuer.example/"
	    "%0400d\",\"sub\":\"system:serviceaccount:mail:%0400d\","
	    "\"aud\":\"api://AzureADTokenExchange\"}",
	    1, 1);
	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
		struct oauth_http_reply h = {
			.status = row[i].status, .retry_after_s = -1, .body = text
		};

		h.body_len = (size_t)snprintf(text, sizeof text,
		    "{\"error\":\"%s\",\"error_codes\":[%u],\"error_description\":\"AADSTS%u: "
		    "no\"}",
		    row[i].error, row[i].code, row[i].code);
		assert_int_not_equal(oauth_reply_parse("a-client-with-quite-a-long-name-as-some-"
						       "people-like-them-to-be",
					 &h, &t, &f),
		    MX_OK);
		for (int k = 0; k < 2; k++) {
			jwt(&s, k == 0 ? plain_claims : long_claims);
			oauth_federated_explain("a-client-with-quite-a-long-name-as-some-people-"
						"like-them-to-be",
			    &s, &f);
			mx_secret_free(&s);
			if ((strstr(f.err.text,
				 k == 0 ? "issuer https://i/, subject s:a:b, audience "
					  "api://AzureADTokenExchange"
					: "audience api://AzureADTokenExchange") != NULL) !=
				row[i].shown ||
			    (row[i].shown &&
				(!f.credential || strcmp(f.err.code, "federation-mismatch") != 0)))
				fail_msg("%u: %s", row[i].code, f.err.text);
			assert_null(strstr(f.err.text, "c2lnbmF0"));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_read_anew),
		cmocka_unit_test(test_mismatches),
	};
	int fd, failed;

	strcpy(path, "/tmp/mxfedXXXXXX");
	if ((fd = mkstemp(path)) == -1)
		return 1;
	close(fd);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}
