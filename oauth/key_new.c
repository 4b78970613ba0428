#include "config.h"

#include <string.h>

#include "oauth/key-private.h"
#include "oauth/key_new.h"

#define SERIAL_BITS 127
#define EARLY_S 3600
#define DAY_S 86400

static bool add_extension(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	bool ok = ext != NULL && X509_add_ext(x, ext, -1) == 1;

	X509_EXTENSION_free(ext);
	return ok;
}

static bool set_serial(X509 *x)
{
	BIGNUM *n = BN_new();
	bool ok = n != NULL && BN_rand(n, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
	    BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)) != NULL;

	BN_free(n);
	return ok;
}

static bool fill(X509 *x, EVP_PKEY *pkey, const char *cn, uint64_t now_s, unsigned days)
{
	X509_NAME *name = X509_get_subject_name(x);

	return X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) &&
	    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0) == 1 &&
	    X509_set_issuer_name(x, name) == 1 &&
	    ASN1_TIME_set(X509_getm_notBefore(x), (time_t)(now_s - EARLY_S)) != NULL &&
	    ASN1_TIME_set(X509_getm_notAfter(x), (time_t)(now_s + (uint64_t)days * DAY_S)) != NULL &&
	    X509_set_pubkey(x, pkey) == 1 && add_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
	    add_extension(x, NID_key_usage, "critical,digitalSignature") && X509_sign(x, pkey, EVP_sha256()) > 0;
}

enum mx_class oauth_key_new(const char *cn, uint64_t now_s, unsigned days, struct mx_secret *key,
    struct mx_buf *certificate, struct mx_err *e)
{
	EVP_PKEY *pkey = EVP_RSA_gen(OAUTH_KEY_NEW_BITS);
	BIO *private = BIO_new(BIO_s_secmem()), *public = BIO_new(BIO_s_mem());
	X509 *x = X509_new();
	struct key_errors errors;
	char *p;
	long n;
	bool ok;

	ok = pkey != NULL && private != NULL && public != NULL && x != NULL && fill(x, pkey, cn, now_s, days) &&
	    PEM_write_bio_PKCS8PrivateKey(private, pkey, NULL, NULL, 0, NULL, NULL) == 1 &&
	    PEM_write_bio_X509(public, x) == 1;
	if (ok && (n = BIO_get_mem_data(public, &p)) > 0)
		mx_buf_add(certificate, p, (size_t)n);
	if (ok)
		ok = (n = BIO_get_mem_data(private, &p)) > 0 && mx_secret_set(key, p, (size_t)n) && !certificate->bad;
	X509_free(x);
	BIO_free(private);	/* wiped */
	BIO_free(public);
	EVP_PKEY_free(pkey);
	if (ok)
		return MX_OK;
	mx_secret_free(key);
	errors = key_errors();
	if (errors.no_memory)
		return mx_fail(e, MX_TEMP, "no-memory", "no memory for a new key");
	return mx_fail(e, MX_CONFIG, "key-not-made", "OpenSSL cannot make a key and its certificate (%.120s); see what "
	    "\"openssl genpkey -algorithm RSA\" says on this host, or have them made elsewhere", errors.why);
}
