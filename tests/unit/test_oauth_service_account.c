/*
 * oauth/service_account.h: the file as Google makes it, and whatever may lie in its place.
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

#include "oauth/key.h"
#include "oauth/service_account.h"

#define EMAIL "mailer@mail-project-4711.iam.gserviceaccount.com"
#define NUMBER "109876543210987654321"
#define URI "https://oauth2.googleapis.com/token"

static char dir[64], path[128], key[4096];	/* key: a PEM as it stands in JSON */

static int setup(void **state)
{
	const char *src = getenv("MX_SRC");
	char file[512];
	FILE *f;
	size_t n = 0;
	int c;

	(void)state;
	strcpy(dir, "/tmp/mxsaXXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/account.json", dir);
	snprintf(file, sizeof file, "%s/tests/data/assertion/rsa.pem", src != NULL ? src : ".");
	assert_non_null(f = fopen(file, "r"));
	while ((c = getc(f)) != EOF && n + 3 < sizeof key) {
		if (c == '\n')
			key[n++] = '\\', key[n++] = 'n';
		else
			key[n++] = (char)c;
	}
	key[n] = '\0';
	fclose(f);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static void put(const char *text, size_t n, mode_t mode)
{
	FILE *f;

	unlink(path);
	assert_non_null(f = fopen(path, "w"));
	assert_int_equal(fwrite(text, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

/* The text with the key in place of its "%s". */
static void fill(char text[8192], const char *with)
{
	const char *gap = strstr(with, "%s");
	size_t n = gap != NULL ? (size_t)(gap - with) : strlen(with);

	assert_true(snprintf(text, 8192, "%.*s%s%s", (int)n, with, gap != NULL ? key : "",
	    gap != NULL ? gap + 2 : "") < 8192);
}

static const struct oauth_client google = { .name = "g", .grant = OAUTH_GRANT_JWT_BEARER, .token_endpoint = URI };

#define MEMBERS(type, id, uri) "{\n  \"type\": \"" type "\",\n  \"project_id\": \"mail-project-4711\",\n" \
	"  \"private_key_id\": \"" \
	id "\",\n  \"private_key\": \"%s\",\n  \"client_email\": \"" EMAIL "\",\n  \"client_id\": \"" NUMBER "\",\n" \
	"  \"token_uri\": \"" uri "\",\n  \"universe_domain\": \"googleapis.com\"\n}\n"
#define GOOD MEMBERS("service_account", "kid-1", URI)

static void test_good(void **state)
{
	static const char *const ids[] = { NULL, EMAIL, NUMBER };
	static char text[8192];
	struct oauth_client c = google;
	struct oauth_service_account a;
	struct oauth_credential k;
	struct oauth_key *open;
	struct mx_err e;

	(void)state;
	fill(text, GOOD);
	put(text, strlen(text), 0640);
	for (size_t i = 0; i < 3; i++) {
		c.client_id = ids[i];
		assert_int_equal(oauth_service_account_read(&c, path, &a, &e), MX_OK);
		assert_string_equal(a.email, EMAIL);
		assert_string_equal(a.client_id, NUMBER);
		assert_string_equal(a.key_id, "kid-1");
		assert_string_equal(a.token_uri, URI);
		assert_memory_equal(a.private_key.p, "-----BEGIN PRIVATE KEY-----\n", 28);
		assert_int_equal(oauth_service_account_key(&a, path, &k, &open, &e), MX_OK);
		assert_int_equal(k.alg, OAUTH_ALG_RS256);
		assert_ptr_equal(k.key_id, a.key_id);
		assert_ptr_equal(k.audience, a.token_uri);
		assert_ptr_equal(k.issuer, a.email);
		oauth_key_free(open);
		oauth_service_account_free(&a);
		assert_null(a.private_key.p);
		assert_int_equal(oauth_service_account_try(&c, path, &e), MX_OK);
	}
	c.client_id = "somebody else";
	assert_int_equal(oauth_service_account_read(&c, path, &a, &e), MX_CONFIG);
	assert_string_equal(e.code, "service-account-mismatch");
	assert_null(a.private_key.p);
	/* the host counts, its port too, and not the path */
	c = google;
	c.token_endpoint = "https://OAUTH2.googleapis.com/other";
	assert_int_equal(oauth_service_account_read(&c, path, &a, &e), MX_OK);
	oauth_service_account_free(&a);
	c.token_endpoint = "https://oauth2.googleapis.com:444/token";
	assert_int_equal(oauth_service_account_read(&c, path, &a, &e), MX_CONFIG);
	assert_string_equal(e.code, "service-account-foreign");
}

static const struct { const char *text, *code, *says; mode_t mode; } rows[] = {
	{ GOOD, "service-account-world-readable", "chmod o-r", 0604 },
	{ GOOD, "service-account-world-readable", "chmod o-rw", 0602 },
	{ "", "service-account-malformed", "is empty", 0600 },
	{ "{", "service-account-malformed", "ends too early", 0600 },
	{ "{\"type\": \"service_account\", }", "service-account-malformed", "is no JSON", 0600 },
	{ "-----BEGIN PRIVATE KEY-----\n", "service-account-malformed", "the bare key", 0600 },
	{ "\xff\xfe", "service-account-malformed", "no UTF-8", 0600 },
	{ "[]", "service-account-wrong-kind", "another kind", 0600 },
	{ "\"service_account\"", "service-account-wrong-kind", "another kind", 0600 },
	{ "{\"installed\":{\"client_id\":\"x\",\"client_secret\":\"y\"}}", "service-account-wrong-kind",
	    "client_secret_", 0600 },
	{ "{\"web\":{\"client_id\":\"x\"}}", "service-account-wrong-kind", "with which people sign in", 0600 },
	{ "{\"type\":\"authorized_user\",\"refresh_token\":\"x\"}", "service-account-wrong-kind", "a person's login",
	    0600 },
	{ "{\"type\":\"external_account\"}", "service-account-wrong-kind", "workload identity federation", 0600 },
	{ "{\"type\":\"impersonated_service_account\"}", "service-account-wrong-kind", "without a key", 0600 },
	{ "{\"type\":1}", "service-account-wrong-kind", "IAM & Admin, Service Accounts, Keys", 0600 },
	{ "{\"type\":\"service_account\",\"private_key\":\"x\"}", "service-account-malformed", "lacks client_email",
	    0600 },
	{ "{\"type\":\"service_account\",\"client_email\":\"a@b\",\"private_key_id\":\"k\",\"token_uri\":\"" URI "\"}",
	    "service-account-malformed", "lacks private_key", 0600 },
	{ "{\"type\":\"service_account\",\"client_email\":\"a\\u0000b\",\"private_key_id\":\"k\",\"token_uri\":\"" URI
	    "\",\"private_key\":\"x\"}", "service-account-malformed", "no text", 0600 },
	{ "{\"type\":\"service_account\",\"client_email\":\"a@b\",\"private_key_id\":\"k\",\"token_uri\":\"" URI
	    "\",\"private_key\":\"x\"}", "service-account-malformed", "cannot read", 0600 },
	{ MEMBERS("service_account", "", URI), "service-account-malformed", "private_key_id", 0600 },
	{ MEMBERS("service_account", "k", "https://oauth2.googleapis.com.evil.test/token"), "service-account-foreign",
	    "not followed", 0600 },
	{ MEMBERS("service_account", "k", "https://oauth2.googleapis.com@evil.test/token"), "service-account-foreign",
	    "not followed", 0600 },
	{ MEMBERS("service_account", "k", "http://oauth2.googleapis.com/token"), "service-account-foreign",
	    "not followed", 0600 },
	{ MEMBERS("service_account", "k", "https://accounts.google.com/o/oauth2/token"), "service-account-foreign",
	    "not followed", 0600 },
};

static void test_bad(void **state)
{
	static char text[8192];
	struct mx_err e;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		fill(text, rows[i].text);
		put(text, strlen(text), rows[i].mode);
		if (oauth_service_account_try(&google, path, &e) != MX_CONFIG || strcmp(e.code, rows[i].code) != 0 ||
		    strstr(e.text, rows[i].says) == NULL || strstr(e.text, path) == NULL ||
		    strstr(e.text, "MII") != NULL)
			fail_msg("row %zu: %s: %s", i, e.code, e.text);
	}
	unlink(path);
	assert_int_equal(oauth_service_account_try(&google, path, &e), MX_CONFIG);
	assert_string_equal(e.code, "service-account-missing");
	assert_int_equal(oauth_service_account_try(&google, dir, &e), MX_CONFIG);
	assert_string_equal(e.code, "service-account-unreadable");
}

/* No prefix is taken for the whole, and none crashes. */
static void test_prefixes(void **state)
{
	static char text[8192];
	struct mx_err e;
	size_t n;

	(void)state;
	fill(text, GOOD);
	n = strlen(text) - 1;		/* its last line feed may be missing */
	for (size_t i = 0; i < n; i += i < 400 || i + 400 > n ? 1 : 37) {
		put(text, i, 0600);
		assert_int_equal(oauth_service_account_try(&google, path, &e), MX_CONFIG);
		assert_string_equal(e.code, "service-account-malformed");
	}
	put(text, n, 0600);
	assert_int_equal(oauth_service_account_try(&google, path, &e), MX_OK);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good), cmocka_unit_test(test_bad), cmocka_unit_test(test_prefixes),
	};

	return cmocka_run_group_tests_name("oauth/service_account", tests, setup, teardown);
}
