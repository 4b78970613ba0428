#include "config.h"

#include <errno.h>
#include <string.h>

#include "oauth/tls.h"
#include "smtp/dialog-private.h"

static bool says(const struct smtp_dialog *d, const char *part)
{
	return strcasestr(d->detail, part) != NULL;
}

static const enum smtp_fault of_cert[] = { [OAUTH_CERT_OTHER] = SMTP_FAULT_CERT, [OAUTH_CERT_NAME] = SMTP_FAULT_NAME,
	[OAUTH_CERT_EXPIRED] = SMTP_FAULT_EXPIRED, [OAUTH_CERT_NOT_YET] = SMTP_FAULT_NOT_YET,
	[OAUTH_CERT_UNTRUSTED] = SMTP_FAULT_CA };
static const enum smtp_fault of_tls[] = { [OAUTH_TLS_OTHER] = SMTP_FAULT_TLS, [OAUTH_TLS_VERSION] = SMTP_FAULT_TLS_VERSION,
	[OAUTH_TLS_NOT_TLS] = SMTP_FAULT_NOT_TLS };

static enum smtp_fault not_connected(const struct smtp_dialog *d)
{
	long sys = 0;

	(void)curl_easy_getinfo(d->easy, CURLINFO_OS_ERRNO, &sys);
	if (sys == ENETUNREACH || sys == EHOSTUNREACH || sys == EADDRNOTAVAIL)
		return SMTP_FAULT_UNREACHABLE;
	return sys == ETIMEDOUT ? SMTP_FAULT_TIMEOUT : SMTP_FAULT_REFUSED;
}

/* What the server itself said is told as that, whatever libcurl makes of it. */
static bool refused(const struct smtp_dialog *d)
{
	const struct smtp_reply *r = &d->said[d->phase];

	return r->whole && r->code >= 400 && (d->phase != PHASE_STARTTLS || !d->handshake);
}

enum smtp_fault smtp_fault_of(const struct smtp_dialog *d)
{
	const struct smtp_reply *r = &d->said[d->phase];
	size_t n;

	if (refused(d))
		return SMTP_FAULT_REPLY;
	switch (d->code) {
	case CURLE_OUT_OF_MEMORY:
		return SMTP_FAULT_MEMORY;
	case CURLE_COULDNT_RESOLVE_HOST:
		return SMTP_FAULT_DNS;
	case CURLE_COULDNT_CONNECT:
		return not_connected(d);
	case CURLE_OPERATION_TIMEDOUT:
		return SMTP_FAULT_TIMEOUT;
	case CURLE_PEER_FAILED_VERIFICATION:
		return of_cert[oauth_cert_fault(d->verify, d->detail)];
	case CURLE_SSL_ISSUER_ERROR:
		return SMTP_FAULT_CA;
	case CURLE_SSL_CACERT_BADFILE:
		return SMTP_FAULT_CA_FILE;
	case CURLE_SSL_CONNECT_ERROR:
		return of_tls[oauth_tls_fault(d->detail)];
	case CURLE_USE_SSL_FAILED:
		return d->phase == PHASE_HELLO && r->whole && smtp_reply_offer(r, "STARTTLS", &n) == NULL ?
		    SMTP_FAULT_NO_STARTTLS : SMTP_FAULT_TLS;
	case CURLE_WEIRD_SERVER_REPLY:
		return SMTP_FAULT_NOT_SMTP;
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		/* libcurl gives up at a few hundred kB without a reply, "too large response headers" */
		return r->broken != NULL || says(d, "too large") ? SMTP_FAULT_NOT_SMTP : SMTP_FAULT_LOST;
	default:
		return SMTP_FAULT_OTHER;
	}
}
