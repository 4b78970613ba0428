#include "config.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/buf.h"
#include "oauth/guid.h"
#include "oauth/http-private.h"

#define CONNECT_TIMEOUT_MS 5000u	/* where a client gives none */
#define LOCAL_CONNECT_MS 2000u		/* nothing on the way there can be slow: where nothing is, that shows at once */
#define OTHER_FAMILY_MS 200L		/* IPv6 that does not answer costs no more: then IPv4 is tried beside it */
#define DNS_CACHE_S 5L			/* a new connection asks anew; a herd of them asks once */

static bool add_header(struct oauth_fetch *f, const char *name, const char *value, size_t cap)
{
	struct mx_secret line = { 0 };
	struct curl_slist *more = NULL;
	struct mx_buf b;

	if (mx_secret_alloc(&line, cap)) {
		mx_buf_init(&b, line.p, line.cap);
		mx_buf_adds(&b, name);
		mx_buf_adds(&b, value);
		if (mx_buf_str(&b) != NULL && (more = curl_slist_append(f->headers, b.p)) != NULL)
			f->headers = more;
	}
	mx_secret_free(&line);
	return more != NULL;
}

static bool add_request_id(struct oauth_fetch *f)
{
	char guid[OAUTH_GUID_LEN + 1];

	return oauth_guid(guid) && add_header(f, "client-request-id: ", guid, 128);
}

/* A platform gets what it asks for and nothing else. */
static bool local_headers(struct oauth_fetch *f)
{
	const struct oauth_request *r = &f->x.req;

	return add_header(f, "Accept: application/json", "", 128) &&
	    (r->header == NULL || add_header(f, r->header, "", strlen(r->header) + 1)) &&
	    (r->secret_header.len == 0 ||
	        add_header(f, (const char *)r->secret_header.p, "", r->secret_header.len + 1)) &&
	    (r->authorization.len == 0 ||
	        add_header(f, "Authorization: ", (const char *)r->authorization.p, r->authorization.len + 32));
}

static bool headers(struct oauth_fetch *f)
{
	const struct mx_secret *a = &f->x.req.authorization;

	return add_header(f, "Accept: application/json", "", 128) &&
	    add_header(f, "Content-Type: application/x-www-form-urlencoded", "", 128) &&
	    add_header(f, "Expect:", "", 128) &&
	    add_header(f, "return-client-request-id: true", "", 128) && add_request_id(f) &&
	    (a->len == 0 || add_header(f, "Authorization: ", (const char *)a->p, a->len + 32));
}

/* Every option in one place, and the first that libcurl refuses refuses the transfer. */
static CURLcode harden(struct oauth_fetch *f)
{
	const struct oauth_client *c = f->x.c;
	const bool local = f->x.req.local;
	uint32_t connect_ms = c->connect_timeout_ms > 0 ? c->connect_timeout_ms : CONNECT_TIMEOUT_MS;
	CURLcode r = CURLE_OK;

	if (local && connect_ms > LOCAL_CONNECT_MS)
		connect_ms = LOCAL_CONNECT_MS;
#define SET(o, v) do { if (r == CURLE_OK) r = curl_easy_setopt(f->easy, (o), (v)); } while (0)
	SET(CURLOPT_URL, f->x.req.url);
	SET(CURLOPT_PROTOCOLS_STR, local ? "http" : "https");
	SET(CURLOPT_REDIR_PROTOCOLS_STR, "https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_PROXY_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_PROXY_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	/* that file, and not the system's directory beside it */
	if (c->ca_file != NULL) {
		SET(CURLOPT_CAINFO, c->ca_file);
		SET(CURLOPT_CAPATH, NULL);
	} else if (f->h->ca_dir) {
		SET(CURLOPT_CAINFO, NULL);
	}
#if LIBCURL_VERSION_NUM >= 0x075700
	/* a mended file counts at once */
	SET(CURLOPT_CA_CACHE_TIMEOUT, c->ca_file != NULL ? 0L : 3600L);
	/* a hanging resolver thread is left alone, not waited for */
	SET(CURLOPT_QUICK_EXIT, 1L);
#endif
	if (c->ca_file != NULL && c->proxy != NULL && strncasecmp(c->proxy, "https:", 6) == 0)
		SET(CURLOPT_PROXY_CAINFO, c->ca_file);	/* beside the system's: the proxy may have it from either */
	SET(CURLOPT_PROXY, c->proxy != NULL && !local ? c->proxy : "");
	if (f->proxy_user.len > 0) {
		/* never the ticket of whoever started the daemon, which is what GSS-API would take */
		SET(CURLOPT_PROXYAUTH, (long)(CURLAUTH_BASIC | CURLAUTH_DIGEST | CURLAUTH_NTLM));
		SET(CURLOPT_SOCKS5_AUTH, (long)CURLAUTH_BASIC);
		SET(CURLOPT_PROXYUSERNAME, (char *)f->proxy_user.p);
		SET(CURLOPT_PROXYPASSWORD, f->proxy_password.p != NULL ? (char *)f->proxy_password.p : "");
	}
	SET(CURLOPT_NOPROXY, local ? "*" : c->no_proxy != NULL ? c->no_proxy : "");
	SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
	SET(CURLOPT_TIMEOUT_MS, oauth_http_left_ms(f));
	SET(CURLOPT_HAPPY_EYEBALLS_TIMEOUT_MS, OTHER_FAMILY_MS);
	SET(CURLOPT_OPENSOCKETFUNCTION, oauth_http_on_socket);
	SET(CURLOPT_OPENSOCKETDATA, f);
	SET(CURLOPT_DNS_CACHE_TIMEOUT, DNS_CACHE_S);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	/* replies and requests are small, and there may be many */
	SET(CURLOPT_BUFFERSIZE, 8192L);
	SET(CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	/* rather a stream of a connection than one more connection */
	SET(CURLOPT_PIPEWAIT, 1L);
	SET(CURLOPT_USERAGENT, f->h->user_agent);
	SET(CURLOPT_HTTPHEADER, f->headers);
	SET(CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);	/* none of them to a proxy */
	if (f->x.req.get) {
		SET(CURLOPT_HTTPGET, 1L);
	} else {
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDSIZE, (long)f->x.req.body.len);
	}
	/*
	 * Not POSTFIELDS: libcurl repeats these by itself, up to five times, on whichever kept
	 * connection comes next. Thus it has to ask.
	 */
	SET(CURLOPT_READFUNCTION, oauth_http_on_read);
	SET(CURLOPT_READDATA, f);
	SET(CURLOPT_SEEKFUNCTION, oauth_http_on_rewind);
	SET(CURLOPT_SEEKDATA, f);
	SET(CURLOPT_HEADERFUNCTION, oauth_http_on_header);
	SET(CURLOPT_HEADERDATA, f);
	SET(CURLOPT_WRITEFUNCTION, oauth_http_on_body);
	SET(CURLOPT_WRITEDATA, f);
	SET(CURLOPT_ERRORBUFFER, f->detail);
	SET(CURLOPT_PRIVATE, f);
#undef SET
	/* For the text of one error alone; a libcurl without OpenSSL has not got it. */
	(void)curl_easy_setopt(f->easy, CURLOPT_SSL_CTX_FUNCTION, oauth_http_on_tls);
	(void)curl_easy_setopt(f->easy, CURLOPT_SSL_CTX_DATA, f);
	return r;
}

/* A literal address of this machine or its link: no name, which a resolver could lead elsewhere. */
static bool is_local(const char *host)
{
	unsigned char a[16];
	static const unsigned char one[16] = { [15] = 1 };
	char bare[64];
	size_t n = strlen(host);

	if (inet_pton(AF_INET, host, a) == 1)
		return a[0] == 127 || (a[0] == 169 && a[1] == 254);
	if (n < 2 || n >= sizeof bare || host[0] != '[' || host[n - 1] != ']')
		return false;
	memcpy(bare, host + 1, n - 2);
	bare[n - 2] = '\0';
	return inet_pton(AF_INET6, bare, a) == 1 &&
	    (memcmp(a, one, 16) == 0 || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80));
}

CURLcode oauth_http_judge_url(struct oauth_fetch *f)
{
	const bool local = f->x.req.local;
	CURLU *u = curl_url();
	char *host = NULL, *port = NULL, *user = NULL;
	const char *url = f->x.req.url;
	CURLcode r = CURLE_OK;
	struct mx_buf b;
	CURLUcode e;

	if (u == NULL)
		return CURLE_OUT_OF_MEMORY;
	mx_buf_init(&b, f->host, sizeof f->host);
	if (url == NULL || (local ? strncasecmp(url, "http://", 7) : strncasecmp(url, "https://", 8)) != 0) {
		mx_buf_adds(&b, "token_endpoint");
		r = CURLE_UNSUPPORTED_PROTOCOL;
	} else if ((e = curl_url_set(u, CURLUPART_URL, url, 0)) != CURLUE_OK ||
	    (e = curl_url_get(u, CURLUPART_HOST, &host, 0)) != CURLUE_OK ||
	    (e = curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT)) != CURLUE_OK ||
	    (e = curl_url_get(u, CURLUPART_USER, &user, 0)) != CURLUE_NO_USER) {
		mx_buf_adds(&b, "token_endpoint");
		r = e == CURLUE_OUT_OF_MEMORY ? CURLE_OUT_OF_MEMORY : CURLE_URL_MALFORMAT;
	} else if (local && !is_local(host)) {
		mx_buf_addf(&b, "%s:%s", host, port);
		r = CURLE_UNSUPPORTED_PROTOCOL;
	} else {
		mx_buf_addf(&b, "%s:%s", host, port);
	}
	if (mx_buf_str(&b) == NULL)
		f->host[0] = '\0';
	curl_free(host);
	curl_free(port);
	curl_free(user);
	curl_url_cleanup(u);
	return r;
}

CURLcode oauth_http_options(struct oauth_fetch *f)
{
	CURLcode r = (f->x.req.local ? local_headers(f) : headers(f)) ? harden(f) : CURLE_OUT_OF_MEMORY;

	mx_secret_free(&f->proxy_user);
	mx_secret_free(&f->proxy_password);
	return r;
}
