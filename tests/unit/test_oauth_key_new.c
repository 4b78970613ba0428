/*
 * oauth/key_new.h: a key and its certificate belong together, and are what Entra takes.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cmocka.h>

#include "common/buf.h"
#include "oauth/key_new.h"

static X509 *certificate_of(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	BIO_free(bio);
	assert_non_null(x);
	return x;
}

static EVP_PKEY *key_of(const struct mx_secret *s)
{
	BIO *bio = BIO_new_mem_buf(s->p, (int)s->len);
	EVP_PKEY *k = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

	BIO_free(bio);
	assert_non_null(k);
	return k;
}

/* Key and certificate belong together, and are what Entra takes. */
static void test_new(void **state)
{
	const time_t now = 2000000000;
	struct mx_secret s = { 0 };
	char pem[8192], cn[80];
	struct mx_buf b;
	struct mx_err e;
	EVP_PKEY *k;
	X509 *x;

	(void)state;
	mx_buf_init(&b, pem, sizeof pem);
	assert_int_equal(oauth_key_new("Mühle 7", (uint64_t)now, 730, &s, &b, &e), MX_OK);
	assert_non_null(mx_buf_str(&b));
	k = key_of(&s);
	x = certificate_of(pem);
	assert_int_equal(EVP_PKEY_get_bits(k), OAUTH_KEY_NEW_BITS);
	assert_true(EVP_PKEY_is_a(k, "RSA"));
	assert_int_equal(X509_check_private_key(x, k), 1);
	assert_int_equal(X509_verify(x, k), 1);
	assert_int_equal(X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, cn, sizeof cn), 8);
	assert_string_equal(cn, "Mühle 7");
	assert_int_equal(ASN1_TIME_cmp_time_t(X509_get0_notBefore(x), now - 3600), 0);
	assert_int_equal(ASN1_TIME_cmp_time_t(X509_get0_notAfter(x), now + 730 * 86400), 0);
	assert_int_equal(X509_check_ca(x), 0);
	assert_null(memmem(pem, b.len, "PRIVATE", 7));
	X509_free(x);
	EVP_PKEY_free(k);
	mx_secret_free(&s);
}

/* There is no key without its certificate. */
static void test_new_without_room(void **state)
{
	struct mx_secret s = { 0 };
	struct mx_err e;
	char pem[100];
	struct mx_buf b;

	(void)state;
	mx_buf_init(&b, pem, sizeof pem);
	assert_int_equal(oauth_key_new("x", 2000000000, 1, &s, &b, &e), MX_CONFIG);
	assert_string_equal(e.code, "key-not-made");
	assert_null(s.p);
	mx_buf_init(&b, pem, sizeof pem);
	assert_int_equal(oauth_key_new("seventy bytes of a name are more than a certificate may have, alas ...", 2000000000, 1,
	    &s, &b, &e), MX_CONFIG);
	assert_null(s.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new), cmocka_unit_test(test_new_without_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
