#include "config.h"

#include <errno.h>
#include <string.h>

#include <curl/curl.h>

#include "catalogue/catalogue.h"
#include "oauth/http_error.h"
#include "oauth/tls.h"

struct row {
	enum mx_class cls;	/* MX_CONFIG: held as permanent; MX_TEMP: backed off */
	const char *code;
	const char *cause;
	const char *fix;
};

enum what {
	W_OTHER = 0, W_NOT_HTTPS, W_URL, W_MEMORY, W_DNS, W_REFUSED, W_UNREACHABLE,
	W_CONNECT_TIMEOUT, W_TIMEOUT, W_UNTRUSTED, W_EXPIRED, W_NOT_YET, W_NAME, W_CERT,
	W_TLS_VERSION, W_TLS, W_NOT_TLS, W_CA_FILE, W_PROXY, W_PROXY_DNS, W_PROXY_AUTH, W_PROXY_REFUSED, W_LOST,
	W_NOT_HTTP, W_TOO_LARGE, W_HEADERS, W_TLS_TIMEOUT, W_N
};

/* What is here in place of NULL is more exact than what the catalogue has for the code. */
static const struct row rows[W_N] = {
	[W_OTHER] = { MX_TEMP, "transfer-failed", NULL, NULL },
	[W_NOT_HTTPS] = { MX_CONFIG, "endpoint-not-https", NULL, NULL },
	[W_URL] = { MX_CONFIG, "endpoint-malformed", NULL, NULL },
	[W_MEMORY] = { MX_TEMP, "no-memory", "no memory for the request", "look at the daemon's memory limit" },
	[W_DNS] = { MX_TEMP, "dns-failed", NULL, NULL },
	[W_REFUSED] = { MX_TEMP, "connect-refused", NULL, NULL },
	[W_UNREACHABLE] = { MX_TEMP, "network-unreachable", NULL, NULL },
	[W_CONNECT_TIMEOUT] = { MX_TEMP, "connect-timeout", NULL, NULL },
	[W_TIMEOUT] = { MX_TEMP, "provider-timeout", NULL, NULL },
	[W_TLS_TIMEOUT] = { MX_TEMP, "tls-timeout", NULL, NULL },
	[W_UNTRUSTED] = { MX_TEMP, "tls-untrusted-ca", NULL, NULL },
	[W_EXPIRED] = { MX_TEMP, "tls-cert-expired", NULL, NULL },
	[W_NOT_YET] = { MX_TEMP, "tls-cert-expired", "its certificate is not valid yet",
	    "check this host's clock (timedatectl)" },
	[W_NAME] = { MX_TEMP, "tls-name-mismatch", NULL, NULL },
	[W_CERT] = { MX_TEMP, "tls-cert-refused", NULL, NULL },
	[W_TLS_VERSION] = { MX_TEMP, "tls-version", NULL, NULL },
	[W_TLS] = { MX_TEMP, "tls-handshake-failed", NULL, NULL },
	[W_NOT_TLS] = { MX_TEMP, "tls-handshake-failed", "it does not speak TLS",
	    "check the port in token_endpoint, and for a filter or captive portal in between" },
	[W_CA_FILE] = { MX_CONFIG, "ca-file-unusable", NULL, NULL },
	[W_PROXY] = { MX_TEMP, "proxy-failed", NULL, NULL },
	[W_PROXY_DNS] = { MX_TEMP, "proxy-failed", "the proxy's name cannot be resolved",
	    "check the proxy key and this host's resolver" },
	[W_PROXY_AUTH] = { MX_CONFIG, "proxy-auth", NULL, NULL },
	[W_PROXY_REFUSED] = { MX_CONFIG, "proxy-auth", "the proxy refuses the user name or the password",
	    "mend the file that proxy_credentials_file names" },
	[W_LOST] = { MX_TEMP, "connection-lost", NULL, NULL },
	[W_NOT_HTTP] = { MX_TEMP, "reply-not-http", NULL, NULL },
	[W_TOO_LARGE] = { MX_TEMP, "reply-too-large", NULL, NULL },
	[W_HEADERS] = { MX_TEMP, "reply-too-large", "the reply's headers are too large", NULL },
};

/* libcurl's codes that mean one thing each. The rest is told apart below. */
static const struct { int curl; enum what what; } plain[] = {
	{ CURLE_URL_MALFORMAT, W_URL },
	{ CURLE_OUT_OF_MEMORY, W_MEMORY },
	{ CURLE_COULDNT_RESOLVE_HOST, W_DNS },
	{ CURLE_COULDNT_RESOLVE_PROXY, W_PROXY_DNS },
	{ CURLE_PROXY, W_PROXY },
	{ CURLE_SSL_CACERT_BADFILE, W_CA_FILE },
	{ CURLE_SSL_CRL_BADFILE, W_CA_FILE },
	{ CURLE_SSL_ISSUER_ERROR, W_UNTRUSTED },
	{ CURLE_SSL_CIPHER, W_TLS },
	{ CURLE_WEIRD_SERVER_REPLY, W_NOT_HTTP },
	{ CURLE_PARTIAL_FILE, W_LOST },
	{ CURLE_GOT_NOTHING, W_LOST },
	{ CURLE_SEND_ERROR, W_LOST },
	{ CURLE_SEND_FAIL_REWIND, W_LOST },
	{ CURLE_HTTP2, W_LOST },
	{ CURLE_HTTP2_STREAM, W_LOST },
};

static bool says(const struct oauth_transfer *x, const char *part)
{
	return strcasestr(x->detail, part) != NULL;
}

/* Of a certificate, and of a handshake. */
static const enum what of_cert[] = { [OAUTH_CERT_OTHER] = W_CERT, [OAUTH_CERT_NAME] = W_NAME, [OAUTH_CERT_EXPIRED] = W_EXPIRED,
	[OAUTH_CERT_NOT_YET] = W_NOT_YET, [OAUTH_CERT_UNTRUSTED] = W_UNTRUSTED };
static const enum what of_tls[] = { [OAUTH_TLS_OTHER] = W_TLS, [OAUTH_TLS_VERSION] = W_TLS_VERSION, [OAUTH_TLS_NOT_TLS] = W_NOT_TLS };

static enum what tell(const struct oauth_transfer *x)
{
	if (x->too_large)
		return W_TOO_LARGE;
	/* tinyproxy says 401 to a wrong password */
	if (x->proxy_status == 407 || x->proxy_status == 401 ||
	    (x->code == CURLE_PROXY && (x->proxy_error == CURLPX_NO_AUTH ||
	    x->proxy_error == CURLPX_USER_REJECTED)))
		return x->proxy_credentials != NULL ? W_PROXY_REFUSED : W_PROXY_AUTH;
	if (x->proxy_status >= 300)
		return W_PROXY;
	switch (x->code) {
	case CURLE_UNSUPPORTED_PROTOCOL:	/* of the URL, or "HTTP/0.9" from something else */
		return x->connected ? W_NOT_HTTP : W_NOT_HTTPS;
	case CURLE_PEER_FAILED_VERIFICATION:
		return of_cert[oauth_cert_fault(x->verify, x->detail)];
	case CURLE_COULDNT_CONNECT:
		if (x->proxied)
			return W_PROXY;
		if (x->os_errno == ENETUNREACH || x->os_errno == EHOSTUNREACH ||
		    x->os_errno == EADDRNOTAVAIL)
			return W_UNREACHABLE;
		return x->os_errno == ETIMEDOUT ? W_CONNECT_TIMEOUT : W_REFUSED;
	case CURLE_OPERATION_TIMEDOUT:
		if (x->connected)
			return W_TIMEOUT;
		if (says(x, "resolv"))
			return x->proxied ? W_PROXY_DNS : W_DNS;
		return x->reached ? W_TLS_TIMEOUT : x->proxied ? W_PROXY : W_CONNECT_TIMEOUT;
	case CURLE_SSL_CONNECT_ERROR:
		return of_tls[oauth_tls_fault(x->detail)];
	case CURLE_RECV_ERROR:
		if (says(x, "response headers"))
			return W_HEADERS;
		return x->proxied && !x->connected ? W_PROXY : W_LOST;
	case CURLE_WRITE_ERROR:
		return W_MEMORY;
	default:
		break;
	}
	for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
		if (plain[i].curl == x->code)
			return plain[i].what;
	return W_OTHER;
}

void oauth_transfer_failed(const char *client, const struct oauth_transfer *x,
    struct oauth_failure *f)
{
	enum what w = tell(x);
	const struct row *r = &rows[w];
	const struct cat_row *c = cat_get(r->code);
	const char *cause = r->cause != NULL ? r->cause : c->cause, *fix = r->fix != NULL ? r->fix : c->fix;
	const struct cat_value endpoint = { "endpoint", x->host };
	char filled[CAT_FIX_MAX + 320];
	struct mx_buf b;
	const char *detail = "", *sep = "", *end = "";

	mx_buf_init(&b, filled, sizeof filled);
	if (cat_fill(&b, fix, &endpoint, 1) && mx_buf_str(&b) != NULL)
		fix = filled;
	/* libcurl's own words only where they help: they may quote the proxy's or the server's. */
	if (w == W_OTHER || w == W_TLS || w == W_CERT || w == W_CA_FILE) {
		detail = x->detail[0] != '\0' ? x->detail : curl_easy_strerror((CURLcode)x->code);
		sep = " (";
		end = ")";
	}
	if ((w == W_REFUSED || w == W_UNREACHABLE || w == W_CONNECT_TIMEOUT || w == W_TLS_TIMEOUT || w == W_PROXY) &&
	    x->tried != NULL && x->tried[0] != '\0') {
		detail = x->tried;
		sep = " (tried ";
		end = ")";
	}
	*f = (struct oauth_failure){ .retry_after_s = -1, .permanent = r->cls == MX_CONFIG };
	if (w == W_PROXY_REFUSED && strlen(x->proxy_credentials) < 200)
		mx_fail(&f->err, r->cls, r->code, "client \"%.64s\": %s; %s: %s", client, cause, fix,
		    x->proxy_credentials);
	else if (x->of_proxy && x->code == CURLE_PEER_FAILED_VERIFICATION)
		mx_fail(&f->err, r->cls, r->code, "client \"%.64s\": the https proxy on the way to %.80s: %s; "
		    "%s%s%.159s%s", client, x->host, cause, fix, sep, detail, end);
	else if (w == W_CA_FILE && x->ca_file != NULL && strlen(x->ca_file) < 200)
		mx_fail(&f->err, r->cls, r->code, "client \"%.64s\": %s: %s: %s", client, cause,
		    fix, x->ca_file);
	else
		mx_fail(&f->err, r->cls, r->code, "client \"%.64s\": %.80s: %s; %s%s%.159s%s",
		    client, x->host, cause, fix, sep, detail, end);
}
