#include "config.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "oauth/key-private.h"

/* Without a passphrase for an encrypted certificate: OpenSSL's own function would ask at a terminal. */
static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
	(void)buf, (void)size, (void)rwflag, (void)arg;
	return -1;
}

static enum mx_class certificate_read(const char *path, struct oauth_key *k, struct mx_err *e)
{
	struct mx_secret s = { 0 };
	BIO *bio = NULL;
	enum mx_class cls;

	if ((cls = oauth_file_read_key(&oauth_file_certificate, path, &s, e)) != MX_OK)
		goto out;
	if ((bio = BIO_new_mem_buf(s.p, (int)s.len)) != NULL &&
	    (k->cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) == NULL && BIO_reset(bio) == 1)
		k->cert = d2i_X509_bio(bio, NULL);	/* Windows' and portals' .cer */
	if (k->cert != NULL)
		goto out;
	if (key_errors().no_memory || bio == NULL)
		cls = mx_fail(e, MX_TEMP, "no-memory", "no memory for the certificate %s", path);
	else
		cls = mx_fail(e, MX_CONFIG, "certificate-malformed",
		    "the certificate file holds no certificate that OpenSSL can read; it must be PEM (try openssl x509 "
		    "-noout -subject -in FILE): %s", path);
out:
	BIO_free(bio);
	mx_secret_free(&s);
	return cls;
}

/* Of those beside the key the one that belongs to it; a chain may stand in any order. */
static void certificate_beside(struct oauth_key *k)
{
	for (int i = 0; i < sk_X509_num(k->beside) && k->cert == NULL; i++) {
		X509 *x = sk_X509_value(k->beside, i);

		if (X509_check_private_key(x, k->pkey) == 1 && X509_up_ref(x) == 1)
			k->cert = x;
	}
}

/* --- judging -------------------------------------------------------------------------------- */

/* One name, of the several that P-256 has. */
static bool is_p256(const EVP_PKEY *pkey)
{
	static const char *const names[] = { "prime256v1", "P-256", "secp256r1" };
	char group[64];
	size_t n = 0;

	if (!EVP_PKEY_is_a(pkey, "EC") || EVP_PKEY_get_group_name(pkey, group, sizeof group, &n) != 1)
		return false;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcasecmp(group, names[i]) == 0)
			return true;
	return false;
}

static enum mx_class judge_key(const struct oauth_credential *c, const struct oauth_key *k, struct mx_err *e)
{
	const bool rsa = EVP_PKEY_is_a(k->pkey, "RSA"), pss = EVP_PKEY_is_a(k->pkey, "RSA-PSS");
	const int bits = EVP_PKEY_get_bits(k->pkey);

	if (c->alg == OAUTH_ALG_ES256)
		return is_p256(k->pkey) ? MX_OK : mx_fail(e, MX_CONFIG, "key-wrong-type",
		    "the key is no EC key on the curve P-256, and ES256 needs one; name another key, or set "
		    "assertion_algorithm to PS256 if it is an RSA key: %s", k->shown);
	if (!rsa && !(pss && c->alg == OAUTH_ALG_PS256))
		return mx_fail(e, MX_CONFIG, "key-wrong-type",
		    "the key is %s, and %s needs an RSA key; name another key, or another assertion_algorithm if the "
		    "provider takes it: %s", EVP_PKEY_is_a(k->pkey, "EC") ? "an EC key" : pss ? "for RSA-PSS alone" :
		    "no RSA key", c->alg == OAUTH_ALG_PS256 ? "PS256" : "RS256", k->shown);
	if (bits < OAUTH_KEY_RSA_BITS_MIN)
		return mx_fail(e, MX_CONFIG, "key-too-weak",
		    "the key has %d bits, and providers take no fewer than %d; make a new key and certificate, and "
		    "register the certificate: %s", bits, OAUTH_KEY_RSA_BITS_MIN, k->shown);
	return MX_OK;
}

/* Seconds since the epoch, and as text; false: not a time. */
static bool when(const ASN1_TIME *t, int64_t *s, char text[32])
{
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) != 1 || strftime(text, 32, "%Y-%m-%d %H:%M UTC", &tm) == 0)
		return false;
	*s = timegm(&tm);
	return true;
}

static enum mx_class judge_certificate(const struct oauth_credential *c, uint64_t now_s, struct oauth_key *k,
    struct mx_err *e)
{
	int64_t from, to;
	char text[32];

	k->certificate = c->certificate_file != NULL ? c->certificate_file : k->shown;

	if (k->cert == NULL && sk_X509_num(k->beside) <= 0)
		return c->thumbprint == OAUTH_THUMB_NONE ? MX_OK : mx_fail(e, MX_CONFIG, "certificate-needed",
		    "the provider knows the key by its certificate, and there is none beside it; name it in "
		    "certificate_file: %s", k->shown);
	if (k->cert == NULL || X509_check_private_key(k->cert, k->pkey) != 1)
		return mx_fail(e, MX_CONFIG, "key-certificate-mismatch",
		    "the certificate belongs to another key; name the pair that was made together (%.150s): %s",
		    k->certificate, k->shown);
	if (!when(X509_get0_notBefore(k->cert), &from, text) || !when(X509_get0_notAfter(k->cert), &to, text))
		return mx_fail(e, MX_CONFIG, "certificate-malformed",
		    "the certificate's dates cannot be read; make a new one: %s", k->certificate);
	k->not_before = from > 0 ? (uint64_t)from : 0;
	k->not_after = to > 0 ? (uint64_t)to : 1;
	return now_s == 0 ? MX_OK : oauth_key_in_date(k, now_s, e);
}

enum mx_class oauth_key_in_date(const struct oauth_key *k, uint64_t now_s, struct mx_err *e)
{
	int64_t at;
	char text[32];

	if (k->cert == NULL || (k->not_before <= now_s && now_s <= k->not_after))
		return MX_OK;
	if (now_s > k->not_after && when(X509_get0_notAfter(k->cert), &at, text))
		return mx_fail(e, MX_CONFIG, "certificate-expired",
		    "the certificate ended on %s; make a new one, register it with the provider, and name it here: %s",
		    text, k->certificate);
	(void)when(X509_get0_notBefore(k->cert), &at, text);
	return mx_fail(e, MX_CONFIG, "certificate-not-yet-valid",
	    "the certificate is valid from %s on; check this host's clock, or wait: %s", text, k->certificate);
}

/* The public half for verifying: a device need not do that. */
static enum mx_class publish(struct oauth_key *k, struct mx_err *e)
{
	unsigned char *der = NULL;
	const unsigned char *p;
	int n;

	if ((n = i2d_PUBKEY(k->pkey, &der)) > 0) {
		p = der;
		k->pub = d2i_PUBKEY_ex(NULL, &p, n, NULL, "?provider=default");
	}
	OPENSSL_free(der);
	if (k->pub != NULL)
		return MX_OK;
	return key_errors().no_memory ? mx_fail(e, MX_TEMP, "no-memory", "no memory for the key %s", k->shown) :
	    mx_fail(e, MX_CONFIG, "key-malformed", "the key's public half cannot be had; make a new key: %s", k->shown);
}

/*
 * One key at a time: providers of devices (tpm2-openssl 1.1) share a session between threads without a lock, and a
 * configuration is read by a thread while the loop signs. Recursive, for whoever has two keys open.
 */
static pthread_mutex_t one_key;

static void make_lock(void)
{
	pthread_mutexattr_t a;

	(void)pthread_mutexattr_init(&a);
	(void)pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE);
	(void)pthread_mutex_init(&one_key, &a);
	(void)pthread_mutexattr_destroy(&a);
}

static void lock(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, make_lock);
	(void)pthread_mutex_lock(&one_key);	/* until oauth_key_free() */
	ERR_clear_error();
}

static enum mx_class open_key(const struct oauth_credential *c, const struct mx_secret *pem, uint64_t now_s,
    struct oauth_key **out, struct mx_err *e)
{
	struct oauth_key *k;
	enum mx_class cls;

	*out = NULL;
	if (c->key == NULL || c->key[0] == '\0')
		return mx_fail(e, MX_CONFIG, "key-missing", "no private key is named; set key");
	if ((k = calloc(1, sizeof *k)) == NULL)
		return mx_fail(e, MX_TEMP, "no-memory", "no memory to open a key");
	lock();
	if ((cls = key_store_load(c, pem, k, e)) != MX_OK || (cls = judge_key(c, k, e)) != MX_OK)
		goto out;
	if (c->certificate_file == NULL)
		certificate_beside(k);
	else if ((cls = certificate_read(c->certificate_file, k, e)) != MX_OK)
		goto out;
	if ((cls = judge_certificate(c, now_s, k, e)) != MX_OK || (cls = publish(k, e)) != MX_OK)
		goto out;
	*out = k;
	k = NULL;
out:
	oauth_key_free(k);
	ERR_clear_error();
	return cls;
}

enum mx_class oauth_key_open(const struct oauth_credential *c, uint64_t now_s, struct oauth_key **k, struct mx_err *e)
{
	return open_key(c, NULL, now_s, k, e);
}

enum mx_class oauth_key_open_pem(const struct oauth_credential *c, const struct mx_secret *pem, struct oauth_key **k,
    struct mx_err *e)
{
	return open_key(c, pem, 0, k, e);
}

void oauth_key_free(struct oauth_key *k)
{
	if (k == NULL)
		return;
	EVP_PKEY_free(k->pkey);
	EVP_PKEY_free(k->pub);
	X509_free(k->cert);
	sk_X509_pop_free(k->beside, X509_free);
	free(k);
	(void)pthread_mutex_unlock(&one_key);
}

uint64_t oauth_key_not_after(const struct oauth_key *k)
{
	return k->not_after;
}

enum mx_class oauth_certificate_ends(const struct oauth_credential *c, uint64_t *ends, struct mx_err *e)
{
	struct oauth_key *k;
	enum mx_class cls;
	int64_t to = 0;
	char text[32];

	*ends = 0;
	if (c->key == NULL)
		return MX_OK;
	if (c->certificate_file == NULL) {
		if (key_in_device(c->key))
			return MX_OK;
		if ((cls = oauth_key_open(c, 0, &k, e)) == MX_OK)
			*ends = k->not_after;
		oauth_key_free(k);
		return cls;
	}
	if ((k = calloc(1, sizeof *k)) == NULL)
		return mx_fail(e, MX_TEMP, "no-memory", "no memory to open a certificate");
	lock();
	if ((cls = certificate_read(c->certificate_file, k, e)) == MX_OK &&
	    when(X509_get0_notAfter(k->cert), &to, text))
		*ends = to > 0 ? (uint64_t)to : 1;
	oauth_key_free(k);
	return cls;
}
