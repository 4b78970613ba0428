/*
 * What the server's certificates say of themselves, kept while OpenSSL judges them. The verdict stays OpenSSL's and
 * libcurl's: without this, a refused certificate would leave nothing but a number.
 */
#include "config.h"

#include <string.h>

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "common/buf.h"
#include "common/text.h"
#include "oauth/tls.h"
#include "smtp/dialog-private.h"

static int slot = -1;		/* of the dialog in an SSL_CTX */

static void keep_day(char *out, size_t cap, const ASN1_TIME *t)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) != 1 || strftime(out, cap, "%Y-%m-%d", &tm) == 0)
		out[0] = '\0';
}

/* The names that libcurl compares; false: there are none. */
static bool keep_names(char *out, size_t cap, X509 *cert)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	struct mx_buf b;
	size_t fits;

	mx_buf_init(&b, out, cap);
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);

		if (g->type != GEN_DNS)
			continue;
		fits = b.len;
		mx_buf_addf(&b, "%s%.*s", b.len > 0 ? ", " : "", ASN1_STRING_length(g->d.dNSName),
		    (const char *)ASN1_STRING_get0_data(g->d.dNSName));
		if (b.bad || b.len == cap) {
			b.len = fits;
			b.bad = false;
			break;
		}
	}
	GENERAL_NAMES_free(names);
	if (mx_buf_str(&b) == NULL)
		return false;
	mx_clean(out, b.len);
	return b.len > 0;
}

static int on_certificate(int good, X509_STORE_CTX *x)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(x, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct smtp_dialog *d = ssl != NULL ? SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), slot) : NULL;
	const int depth = X509_STORE_CTX_get_error_depth(x);
	X509 *cert = X509_STORE_CTX_get_current_cert(x), *leaf = X509_STORE_CTX_get0_cert(x);

	if (d == NULL || cert == NULL || leaf == NULL)
		return good;
	if (!keep_names(d->seen.subject, sizeof d->seen.subject, leaf))
		oauth_tls_name(X509_get_subject_name(leaf), d->seen.subject, sizeof d->seen.subject);
	oauth_tls_name(X509_get_issuer_name(leaf), d->seen.issuer, sizeof d->seen.issuer);
	if (!good || depth == 0)
		keep_day(d->seen.until, sizeof d->seen.until, X509_get0_notAfter(cert));
	if (!good && d->verify == X509_V_OK)
		d->verify = X509_STORE_CTX_get_error(x);
	return good;
}

CURLcode smtp_cert_watch(CURL *easy, void *ctx, void *arg)
{
	struct smtp_dialog *d = arg;

	(void)easy;
	d->handshake = true;
	if (slot == -1)
		slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	if (slot == -1 || SSL_CTX_set_ex_data(ctx, slot, d) != 1)
		return CURLE_OK;	/* less to tell, and nothing less safe */
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, on_certificate);
	return CURLE_OK;
}
