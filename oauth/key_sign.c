/*
 * What libcrypto computes: signatures, and the digests by which a certificate and a token are named.
 */
#include "config.h"

#include "common/buf.h"
#include "oauth/code.h"
#include "oauth/key-private.h"
#include "oauth/reply.h"

#define ES256_HALF 32		/* bytes of r and of s: RFC 7518 section 3.4 */

/* RFC 7518 section 3.5: MGF1 with SHA-256, a salt as long as the hash. */
static bool padding(EVP_PKEY_CTX *ctx, enum oauth_alg alg)
{
	if (alg == OAUTH_ALG_PS256)
		return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0 &&
		    EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) > 0;
	return alg != OAUTH_ALG_RS256 || EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) > 0;
}

/*
 * MGF1's hash is the signature's unless it is set. OpenSSL 3.0 hands a device's key to the default provider,
 * which has but the public half, unless it is told whose the key is.
 */
static bool make(EVP_PKEY *pkey, enum oauth_alg alg, const void *data, size_t n, unsigned char *sig, size_t *len)
{
	const OSSL_PROVIDER *whose = EVP_PKEY_get0_provider(pkey);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *ctx = NULL;
	char query[128];
	struct mx_buf b;
	bool ok;

	mx_buf_init(&b, query, sizeof query);
	mx_buf_addf(&b, "?provider=%s", whose != NULL ? OSSL_PROVIDER_get0_name(whose) : "default");
	ok = md != NULL && mx_buf_str(&b) != NULL &&
	    EVP_DigestSignInit_ex(md, &ctx, "SHA256", NULL, query, pkey, NULL) > 0 &&
	    padding(ctx, alg) && EVP_DigestSign(md, sig, len, data, n) > 0;
	EVP_MD_CTX_free(md);
	return ok;
}

static bool verify(EVP_PKEY *pub, enum oauth_alg alg, const void *data, size_t n, const unsigned char *sig, size_t len)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *ctx = NULL;
	bool ok;

	ok = md != NULL && EVP_DigestVerifyInit_ex(md, &ctx, "SHA256", NULL, NULL, pub, NULL) > 0 &&
	    padding(ctx, alg) && EVP_DigestVerify(md, sig, len, data, n) == 1;
	EVP_MD_CTX_free(md);
	return ok;
}

/* DER to r and s, as in RFC 7518 section 3.4. */
static bool raw(unsigned char *sig, size_t *len)
{
	const unsigned char *p = sig;
	ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &p, (long)*len);
	bool ok;

	ok = s != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(s), sig, ES256_HALF) == ES256_HALF &&
	    BN_bn2binpad(ECDSA_SIG_get0_s(s), sig + ES256_HALF, ES256_HALF) == ES256_HALF;
	ECDSA_SIG_free(s);
	*len = (size_t)2 * ES256_HALF;
	return ok;
}

enum mx_class oauth_key_sign(const struct oauth_key *k, enum oauth_alg alg, const void *data, size_t n,
    unsigned char *sig, size_t cap, size_t *len, struct mx_err *e)
{
	bool signed_it, right;
	struct key_errors x;

	ERR_clear_error();
	*len = cap;
	signed_it = cap >= (size_t)2 * ES256_HALF && make(k->pkey, alg, data, n, sig, len);
	right = signed_it && verify(k->pub, alg, data, n, sig, *len) && (alg != OAUTH_ALG_ES256 || raw(sig, len));
	if (right)
		return MX_OK;
	*len = 0;
	x = key_errors();
	if (x.no_memory)
		return mx_fail(e, MX_TEMP, "no-memory", "no memory to sign with the key %s", k->shown);
	if (signed_it)
		return mx_fail(e, MX_CONFIG, "key-signature-wrong",
		    "what the key signs is no %s signature (%.80s): a device may not know its salt length of 32; set "
		    "assertion_algorithm to RS256, or use another key: %s",
		    alg == OAUTH_ALG_PS256 ? "PS256" : alg == OAUTH_ALG_RS256 ? "RS256" : "ES256", x.why, k->shown);
	if (x.away)
		return key_away(k, &x, e);
	if (k->asked && k->pin == 0)
		return mx_fail(e, MX_CONFIG, "key-passphrase-needed",
		    "the key does not sign without a PIN (%.80s); name the file that holds it in key_passphrase_file: "
		    "%s", x.why, k->shown);
	if (k->asked) {
		key_pin_refused(k->pin);
		return mx_fail(e, MX_CONFIG, "key-pin-refused",
		    "the key does not sign (%.80s): check the PIN in key_passphrase_file; the device gets none again "
		    "before that file has changed, for it locks itself after a few: %s", x.why, k->shown);
	}
	return mx_fail(e, MX_CONFIG, "key-sign-failed",
	    "the key does not sign (%.80s); check what it may be used for, and its device: %s", x.why, k->shown);
}

enum mx_class oauth_key_try(const struct oauth_key *k, enum oauth_alg alg, struct mx_err *e)
{
	unsigned char sig[OAUTH_SIGNATURE_MAX];
	size_t len;

	return oauth_key_sign(k, alg, "try", 3, sig, sizeof sig, &len, e);
}

size_t oauth_key_thumbprint(const struct oauth_key *k, enum oauth_thumbprint which,
    unsigned char out[OAUTH_THUMBPRINT_MAX])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (k->cert == NULL || which == OAUTH_THUMB_NONE ||
	    X509_digest(k->cert, which == OAUTH_THUMB_S256 ? EVP_sha256() : EVP_sha1(), md, &n) != 1 ||
	    n > OAUTH_THUMBPRINT_MAX) {
		ERR_clear_error();
		return 0;
	}
	for (unsigned i = 0; i < n; i++)
		out[i] = md[i];
	return n;
}

bool oauth_sha256(unsigned char out[32], const void *p, size_t n)
{
	unsigned len = 0;

	return EVP_Digest(p, n, out, &len, EVP_sha256(), NULL) == 1 && len == 32;
}

void oauth_token_id(char out[OAUTH_TOKEN_ID_LEN + 1], const void *token, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char md[32];

	/*
	 * Cannot fail but for memory; then the id is that of nothing, and no comparison will
	 * match.
	 */
	if (!oauth_sha256(md, token, n)) {
		out[0] = '\0';
		return;
	}
	for (size_t i = 0; i < OAUTH_TOKEN_ID_LEN; i++)
		out[i] = hex[i % 2 == 0 ? md[i / 2] >> 4 : md[i / 2] & 15];
	out[OAUTH_TOKEN_ID_LEN] = '\0';
}
