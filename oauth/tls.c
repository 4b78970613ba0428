#include "config.h"

#include <string.h>

#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include "oauth/refusal.h"
#include "oauth/tls.h"

/*
 * libcurl compares names itself, before it keeps OpenSSL's verdict: only its words tell that case.
 */
enum oauth_cert_fault oauth_cert_fault(long verify, const char *detail)
{
	if (strcasestr(detail, "subject name") != NULL || strcasestr(detail, "subjectAltName") != NULL)
		return OAUTH_CERT_NAME;
	switch (verify) {
	case X509_V_OK:
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return OAUTH_CERT_NAME;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return OAUTH_CERT_EXPIRED;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return OAUTH_CERT_NOT_YET;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_CERT_UNTRUSTED:
		return OAUTH_CERT_UNTRUSTED;
	default:
		return OAUTH_CERT_OTHER;
	}
}

enum oauth_tls_fault oauth_tls_fault(const char *detail)
{
	static const struct { const char *words; enum oauth_tls_fault fault; } rows[] = {
		{ "unsupported protocol", OAUTH_TLS_VERSION }, { "protocol version", OAUTH_TLS_VERSION },
		{ "no protocols", OAUTH_TLS_VERSION }, { "wrong version number", OAUTH_TLS_NOT_TLS },
		{ "packet length too long", OAUTH_TLS_NOT_TLS }, { "http request", OAUTH_TLS_NOT_TLS },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (strcasestr(detail, rows[i].words) != NULL)
			return rows[i].fault;
	return OAUTH_TLS_OTHER;
}

/* --- the certificate that a peer shows ----------------------------------------------------- */

void oauth_tls_name(const void *name, char *out, size_t cap)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *text;
	long n;

	out[0] = '\0';
	if (b != NULL && name != NULL && X509_NAME_print_ex(b, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >= 0 &&
	    (n = BIO_get_mem_data(b, &text)) > 0)
		oauth_text_copy(out, cap, text, (size_t)n);
	BIO_free(b);
}

/* OpenSSL's own verification, which alone decides; and a look at what it was about. */
static int verify(X509_STORE_CTX *x, void *arg)
{
	struct oauth_seen *s = arg;
	const X509 *leaf = X509_STORE_CTX_get0_cert(x);

	if (leaf != NULL) {
		oauth_tls_name(X509_get_subject_name(leaf), s->subject, sizeof s->subject);
		oauth_tls_name(X509_get_issuer_name(leaf), s->issuer, sizeof s->issuer);
	}
	return X509_verify_cert(x);
}

void oauth_tls_watch(void *ctx, struct oauth_seen *s)
{
	SSL_CTX_set_cert_verify_callback(ctx, verify, s);
}
