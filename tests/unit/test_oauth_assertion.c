/*
 * oauth/assertion.h: every byte of header and claims, and signatures that the openssl command verifies.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base64.h"
#include "oauth/assertion.h"

#define ENDPOINT "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/oauth2/v2.0/token"
#define CLIENT_ID "66666666-7777-8888-9999-aaaaaaaaaaaa"
#define JTI "01234567-89ab-4cde-8f01-23456789abcd"
#define NOW UINT64_C(1800000000)

static char dir[64], rsa[96], ec[96], crt[96];

static int run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int run(const char *fmt, ...)
{
	char command[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(command, sizeof command, fmt, ap);
	va_end(ap);
	assert_true(n > 0 && n < (int)sizeof command);
	return system(command);
}

static int setup(void **state)
{
	const char *src = getenv("MX_SRC");

	(void)state;
	strcpy(dir, "/tmp/mxjwtXXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(rsa, sizeof rsa, "%s/rsa.pem", dir);
	snprintf(ec, sizeof ec, "%s/ec.pem", dir);
	snprintf(crt, sizeof crt, "%s/rsa.crt", dir);
	assert_int_equal(run("umask 077; cp %s/tests/data/assertion/* %s && chmod 600 %s", src != NULL ? src : ".", dir,
	    rsa), 0);
	assert_int_equal(run("umask 077; openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out %s", ec),
	    0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(run("openssl pkey -in %s -pubout -out %s.pub", i == 0 ? rsa : ec, i == 0 ? rsa : ec),
		    0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return run("rm -rf %s", dir);
}

static struct oauth_key *open_key(const struct oauth_credential *c)
{
	struct oauth_key *k;
	struct mx_err e;

	if (oauth_key_open(c, NOW, &k, &e) != MX_OK)
		fail_msg("%s: %s", e.code, e.text);
	return k;
}

static void make(const struct oauth_credential *c, const struct oauth_key *k, struct mx_secret *out)
{
	struct mx_err e;

	if (oauth_assertion(c, k, CLIENT_ID, ENDPOINT, NOW, JTI, out, &e) != MX_OK)
		fail_msg("%s: %s", e.code, e.text);
	assert_int_equal(strlen((char *)out->p), out->len);
}

/* Part i of three, decoded by another function than the one that encodes; a NUL behind it. */
static size_t part(const struct mx_secret *jwt, int i, unsigned char out[8192])
{
	const char *p = (char *)jwt->p, *dot;
	char text[8192];
	size_t n;
	ssize_t len;

	for (; i > 0; i--) {
		assert_non_null(dot = strchr(p, '.'));
		p = dot + 1;
	}
	n = strcspn(p, ".");
	assert_true(n + 4 < sizeof text);
	for (size_t k = 0; k < n; k++) {
		assert_true(p[k] != '+' && p[k] != '/' && p[k] != '=');
		text[k] = p[k] == '-' ? '+' : p[k] == '_' ? '/' : p[k];
	}
	while (n % 4 != 0)
		text[n++] = '=';
	assert_true((len = mx_b64_decode(out, 8191, text, n)) >= 0);
	out[len] = '\0';
	return (size_t)len;
}

static void put(const char *name, const void *p, size_t n)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	assert_non_null(f = fopen(path, "w"));
	assert_int_equal(fwrite(p, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static size_t signed_length(const struct mx_secret *jwt)
{
	return (size_t)(strrchr((char *)jwt->p, '.') - (char *)jwt->p);
}

/* What the openssl command thinks: of the assertion, and of one with another claim. */
static void verified(const struct mx_secret *jwt, const char *key, const char *options)
{
	unsigned char sig[8192];
	size_t n = part(jwt, 2, sig), len = signed_length(jwt);

	if (strcmp(key, ec) == 0) {
		FILE *f;
		char path[128];

		assert_int_equal(n, 64);
		snprintf(path, sizeof path, "%s/asn1.cnf", dir);
		assert_non_null(f = fopen(path, "w"));
		fputs("asn1=SEQUENCE:s\n[s]\nr=INTEGER:0x", f);
		for (size_t i = 0; i < 64; i++)
			fprintf(f, i == 32 ? "\ns=INTEGER:0x%02x" : "%02x", sig[i]);
		fputs("\n", f);
		assert_int_equal(fclose(f), 0);
		assert_int_equal(run("openssl asn1parse -genconf %s -noout -out %s/sig", path, dir), 0);
	} else {
		put("sig", sig, n);
	}
	put("signed", jwt->p, len);
	assert_int_equal(run("openssl dgst -sha256 -verify %s.pub %s -signature %s/sig %s/signed >%s/log", key, options,
	    dir, dir, dir), 0);
	jwt->p[len - 1] ^= 1;
	put("signed", jwt->p, len);
	jwt->p[len - 1] ^= 1;
	assert_int_not_equal(run("openssl dgst -sha256 -verify %s.pub %s -signature %s/sig %s/signed >%s/log 2>&1", key,
	    options, dir, dir, dir), 0);
}

#define PSS "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 -sigopt rsa_mgf1_md:sha256"

/* RS256 is the same each time: all of it, as the openssl command and Python made it. */
static void test_vector(void **state)
{
	struct oauth_credential c = {
		.auth = OAUTH_AUTH_PRIVATE_KEY_JWT, .key = rsa, .certificate_file = crt, .alg = OAUTH_ALG_RS256,
		.thumbprint = OAUTH_THUMB_SHA1, .key_id = "key-1", .typ = "JWT",
	};
	struct oauth_key *k = open_key(&c);
	struct mx_secret jwt;
	char path[128], want[4096];
	FILE *f;
	size_t n;

	(void)state;
	snprintf(path, sizeof path, "%s/rs256.jwt", dir);
	assert_non_null(f = fopen(path, "r"));
	n = fread(want, 1, sizeof want - 1, f);
	fclose(f);
	assert_true(n > 500 && want[n - 1] == '\n');
	want[n - 1] = '\0';
	for (int i = 0; i < 2; i++) {
		make(&c, k, &jwt);
		assert_string_equal(jwt.p, want);
		mx_secret_free(&jwt);
	}
	oauth_key_free(k);
}

/* A grant for one mailbox, made by the openssl command and Python. */
static void test_grant_vector(void **state)
{
	struct oauth_credential c = {
		.auth = OAUTH_AUTH_PRIVATE_KEY_JWT, .key = rsa, .alg = OAUTH_ALG_RS256,
		.key_id = "0123456789abcdef0123456789abcdef01234567",
	};
	struct oauth_key *k = open_key(&c);
	unsigned char text[8192];
	struct mx_secret jwt;
	char path[128], want[4096];
	struct mx_err e;
	FILE *f;
	size_t n;

	(void)state;
	snprintf(path, sizeof path, "%s/grant.jwt", dir);
	assert_non_null(f = fopen(path, "r"));
	n = fread(want, 1, sizeof want - 1, f);
	fclose(f);
	assert_true(n > 500 && want[n - 1] == '\n');
	want[n - 1] = '\0';
	assert_int_equal(oauth_grant_assertion(&c, k, "mailer@mail-project-4711.iam.gserviceaccount.com",
	    "Scanner.Room+1@example.org", "https://mail.google.com/", "https://oauth2.googleapis.com/token", NOW, &jwt,
	    &e), MX_OK);
	assert_string_equal(jwt.p, want);
	verified(&jwt, rsa, "");
	mx_secret_free(&jwt);
	c.audience = "https://op.example";
	assert_int_equal(oauth_grant_assertion(&c, k, "i", "a\"b@x", NULL, ENDPOINT, 0, &jwt, &e), MX_OK);
	(void)part(&jwt, 1, text);
	assert_string_equal(text,
	    "{\"iss\":\"i\",\"sub\":\"a\\\"b@x\",\"aud\":\"https://op.example\",\"iat\":0,\"exp\":600}");
	mx_secret_free(&jwt);
	assert_int_equal(oauth_grant_assertion(&c, k, "i", "\xff@x", NULL, ENDPOINT, NOW, &jwt, &e), MX_CONFIG);
	assert_string_equal(e.code, "assertion-malformed");
	oauth_key_free(k);
}

#define CLAIMS(aud) "{\"aud\":\"" aud "\",\"iss\":\"" CLIENT_ID "\",\"sub\":\"" CLIENT_ID "\",\"jti\":\"" JTI \
	"\",\"nbf\":1799999940,\"iat\":1800000000,\"exp\":1800000600}"

static const struct {
	struct oauth_credential c;
	const char *options, *header, *claims;
} rows[] = {
	{ { .key = rsa, .certificate_file = crt, .alg = OAUTH_ALG_PS256, .thumbprint = OAUTH_THUMB_S256 }, PSS,
	    "{\"alg\":\"PS256\",\"typ\":\"JWT\",\"x5t#S256\":\"bQryK_tsqvt2ase3-24XjnC0JsnJAmasyza8ptUuQM0\"}",
	    CLAIMS(ENDPOINT) },
	{ { .key = rsa, .certificate_file = crt, .alg = OAUTH_ALG_RS256, .thumbprint = OAUTH_THUMB_SHA1 }, "",
	    "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"x5t\":\"NR7fmP_ivvUrdvYywk3TuxrR9zk\"}", CLAIMS(ENDPOINT) },
	{ { .key = rsa, .alg = OAUTH_ALG_PS256, .typ = "client-authentication+jwt", .audience = "https://op.example" },
	    PSS, "{\"alg\":\"PS256\",\"typ\":\"client-authentication+jwt\"}", CLAIMS("https://op.example") },
	{ { .key = ec, .alg = OAUTH_ALG_ES256, .key_id = "2026" }, "",
	    "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"2026\"}", CLAIMS(ENDPOINT) },
	{ { .key = ec, .alg = OAUTH_ALG_ES256, .key_id = "a\"b\\c\n\x1f\xC3\xBC\x7f/", .audience = "\t\"" }, "",
	    "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"a\\\"b\\\\c\\u000a\\u001f\xC3\xBC\x7f/\"}",
	    CLAIMS("\\u0009\\\"") },
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct oauth_key *k = open_key(&rows[i].c);
		unsigned char text[8192];
		struct mx_secret jwt;

		make(&rows[i].c, k, &jwt);
		(void)part(&jwt, 0, text);
		assert_string_equal(text, rows[i].header);
		(void)part(&jwt, 1, text);
		assert_string_equal(text, rows[i].claims);
		verified(&jwt, rows[i].c.key, rows[i].options);
		mx_secret_free(&jwt);
		oauth_key_free(k);
	}
}

/* r or s with a zero in front, which DER leaves out: one of 128 signatures. */
static void test_es256_zeros(void **state)
{
	struct oauth_credential c = { .key = ec, .alg = OAUTH_ALG_ES256 };
	struct oauth_key *k = open_key(&c);
	unsigned char sig[8192];
	struct mx_secret jwt;
	bool found = false;

	(void)state;
	for (int i = 0; i < 5000 && !found; i++) {
		make(&c, k, &jwt);
		assert_int_equal(part(&jwt, 2, sig), 64);
		if ((found = sig[0] == 0 || sig[32] == 0))
			verified(&jwt, ec, "");
		mx_secret_free(&jwt);
	}
	assert_true(found);
	oauth_key_free(k);
}

/* PS256 with a salt of another length is another signature: the check that verified() makes can fail. */
static void test_pss_salt(void **state)
{
	struct oauth_credential c = { .key = rsa, .alg = OAUTH_ALG_PS256 };
	struct oauth_key *k = open_key(&c);
	struct mx_secret jwt, again;
	unsigned char sig[8192];
	size_t n;

	(void)state;
	make(&c, k, &jwt);
	make(&c, k, &again);
	assert_int_equal(jwt.len, again.len);
	assert_false(mx_secret_equal(&jwt, &again));	/* salted */
	n = part(&jwt, 2, sig);
	put("sig", sig, n);
	put("signed", jwt.p, signed_length(&jwt));
	assert_int_not_equal(run("openssl dgst -sha256 -verify %s.pub -sigopt rsa_padding_mode:pss -sigopt "
	    "rsa_pss_saltlen:20 -signature %s/sig %s/signed >%s/log 2>&1", rsa, dir, dir, dir), 0);
	mx_secret_free(&jwt);
	mx_secret_free(&again);
	oauth_key_free(k);
}

static void test_malformed(void **state)
{
	static char big[9000];
	struct oauth_credential c = { .key = rsa, .alg = OAUTH_ALG_RS256 };
	struct oauth_key *k = open_key(&c);
	struct mx_secret jwt;
	struct mx_err e;

	(void)state;
	memset(big, 'x', sizeof big - 1);
	assert_int_equal(oauth_assertion(&c, k, "\xff", ENDPOINT, NOW, JTI, &jwt, &e), MX_CONFIG);
	assert_string_equal(e.code, "assertion-malformed");
	assert_null(jwt.p);
	assert_int_equal(oauth_assertion(&c, k, big, ENDPOINT, NOW, JTI, &jwt, &e), MX_CONFIG);
	assert_string_equal(e.code, "assertion-malformed");
	c.key_id = big;
	assert_int_equal(oauth_assertion(&c, k, CLIENT_ID, ENDPOINT, NOW, JTI, &jwt, &e), MX_CONFIG);
	assert_string_equal(e.code, "assertion-malformed");
	assert_null(jwt.p);
	c.key_id = NULL;
	big[3900] = '\0';	/* twice is nearly all that there may be */
	assert_int_equal(oauth_assertion(&c, k, big, ENDPOINT, NOW, JTI, &jwt, &e), MX_OK);
	verified(&jwt, rsa, "");
	mx_secret_free(&jwt);
	oauth_key_free(k);
}

static void test_thumbprints(void **state)
{
	struct oauth_credential c = { .key = rsa, .alg = OAUTH_ALG_RS256 };
	struct oauth_key *k = open_key(&c);
	unsigned char out[OAUTH_THUMBPRINT_MAX];

	(void)state;
	assert_int_equal(oauth_key_thumbprint(k, OAUTH_THUMB_S256, out), 0);
	assert_int_equal(oauth_key_not_after(k), 0);
	oauth_key_free(k);
	c.certificate_file = crt;
	k = open_key(&c);
	assert_int_equal(oauth_key_thumbprint(k, OAUTH_THUMB_S256, out), 32);
	assert_int_equal(oauth_key_thumbprint(k, OAUTH_THUMB_SHA1, out), 20);
	assert_int_equal(oauth_key_thumbprint(k, OAUTH_THUMB_NONE, out), 0);
	oauth_key_free(k);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vector), cmocka_unit_test(test_grant_vector), cmocka_unit_test(test_rows),
		    cmocka_unit_test(test_es256_zeros),
		cmocka_unit_test(test_pss_salt), cmocka_unit_test(test_malformed), cmocka_unit_test(test_thumbprints),
	};

	return cmocka_run_group_tests_name("oauth/assertion", tests, setup, teardown);
}
