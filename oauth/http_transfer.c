#include "config.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "common/buf.h"
#include "common/clock.h"
#include "oauth/http-private.h"
#include "oauth/http_error.h"
#include "oauth/proxy.h"
#include "oauth/refusal.h"
#include "oauth/retryafter.h"
#include "oauth/tls.h"

#define BODY_FIRST 4096u		/* bytes: most replies fit */
#define TIMEOUT_MS 30000u		/* where a client gives none */
#define UNACKNOWLEDGED_MS 4000u		/* leaves time for a second try within an asker's 10 s */
#define SCRUB_MIN 8			/* shorter secrets would be found in any text */

static long info(CURL *easy, CURLINFO what)
{
	long v = 0;

	return curl_easy_getinfo(easy, what, &v) == CURLE_OK ? v : 0;
}

/* What belongs to one request. Connections stay with their pool. */
static void request_over(struct oauth_fetch *f)
{
	oauth_pool_remove(f);
	curl_easy_cleanup(f->easy);
	f->easy = NULL;
	curl_slist_free_all(f->headers);
	f->headers = NULL;
	mx_secret_free(&f->body);
	mx_secret_free(&f->proxy_user);
	mx_secret_free(&f->proxy_password);
	f->sent = 0;
	f->too_large = f->reached = f->begun = f->headed = f->again = false;
	f->tried[0] = '\0';
	f->detail[0] = '\0';
}

void oauth_http_fetch_free(struct oauth_fetch *f)
{
	if (f == NULL)
		return;
	oauth_http_unlink(f);
	request_over(f);
	oauth_exchange_free(&f->x);
	free(f->early);
	mx_wipe(f, sizeof *f);
	free(f);
}

size_t oauth_http_on_body(char *p, size_t size, size_t n, void *arg)
{
	struct oauth_fetch *f = arg;
	struct mx_secret bigger = { 0 };
	size_t need = f->body.len + size * n;

	if (need > OAUTH_REPLY_MAX) {
		f->too_large = true;
		return 0;
	}
	if (need > f->body.cap) {
		if (!mx_secret_alloc(&bigger, need < BODY_FIRST ? BODY_FIRST : need * 2))
			return 0;
		if (f->body.len > 0)
			memcpy(bigger.p, f->body.p, f->body.len);
		bigger.len = f->body.len;
		mx_secret_move(&f->body, &bigger);
	}
	memcpy(f->body.p + f->body.len, p, size * n);
	f->body.len = need;
	return size * n;
}

/* No rule is changed here; but that libcurl calls says that TCP is up, which no CURLINFO tells. */
CURLcode oauth_http_on_tls(CURL *easy, void *ctx, void *arg)
{
	struct oauth_fetch *f = arg;

	(void)easy;
	f->reached = true;
	if (f->x.want.seen != NULL)
		oauth_tls_watch(ctx, f->x.want.seen);
	return CURLE_OK;
}

size_t oauth_http_on_header(char *p, size_t size, size_t n, void *arg)
{
	struct oauth_fetch *f = arg;

	f->begun = true;
	n *= size;
	if (n >= 5 && memcmp(p, "HTTP/", 5) == 0)
		f->headed = false;		/* the next one, behind a 1xx */
	else if (n <= 2)
		f->headed = true;		/* the empty line; trailers come behind it */
	return n;
}

size_t oauth_http_on_read(char *p, size_t size, size_t n, void *arg)
{
	struct oauth_fetch *f = arg;
	size_t left = f->x.req.body.len - f->sent, take = size * n < left ? size * n : left;

	if (take > 0)
		memcpy(p, (const char *)f->x.req.body.p + f->sent, take);
	f->sent += take;
	return take;
}

/* The socket that libcurl would make; its address is kept for texts. */
curl_socket_t oauth_http_on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct oauth_fetch *f = arg;
	char address[INET6_ADDRSTRLEN];
	const void *in = to->family == AF_INET6 ? (const void *)&((struct sockaddr_in6 *)(void *)&to->addr)->sin6_addr :
	    (const void *)&((struct sockaddr_in *)(void *)&to->addr)->sin_addr;
	const size_t n = strlen(f->tried);
	struct mx_buf b;

	(void)purpose;
	if ((to->family == AF_INET || to->family == AF_INET6) &&
	    inet_ntop(to->family, in, address, sizeof address) != NULL) {
		mx_buf_init(&b, f->tried + n, sizeof f->tried - n);
		mx_buf_addf(&b, "%s%s", n > 0 ? ", " : "", address);
		if (mx_buf_str(&b) == NULL)
			f->tried[n] = '\0';	/* no room for one more */
	}
#ifdef SOCK_CLOEXEC
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
#else
	return socket(to->family, to->socktype, to->protocol);
#endif
}

/*
 * libcurl has lost a kept connection with the request, and starts anew by itself. On a connection
 * of its own that is the second try. On one more kept one it may not: oauth_http_repeat() does it.
 */
int oauth_http_on_rewind(void *arg, curl_off_t offset, int origin)
{
	struct oauth_fetch *f = arg;

	if (offset != 0 || origin != SEEK_SET || f->again || f->begun || f->x.req.repeat != OAUTH_REPEAT_SAME ||
	    info(f->easy, CURLINFO_NUM_CONNECTS) == 0)
		return CURL_SEEKFUNC_FAIL;
	f->again = true;
	f->sent = 0;
	return CURL_SEEKFUNC_OK;
}

/*
 * The connection is kept from here on. A peer that acknowledges nothing is dead then: a NAT that
 * has forgotten us, a laptop that slept. The first request has the limits of connecting.
 */
static void kept(struct oauth_fetch *f)
{
#ifdef TCP_USER_TIMEOUT
	unsigned ms = UNACKNOWLEDGED_MS;
	curl_socket_t fd = CURL_SOCKET_BAD;

	if (curl_easy_getinfo(f->easy, CURLINFO_ACTIVESOCKET, &fd) == CURLE_OK &&
	    fd != CURL_SOCKET_BAD)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
#else
	(void)f;
#endif
}

long oauth_http_left_ms(const struct oauth_fetch *f)
{
	uint64_t limit = f->x.c->timeout_ms > 0 ? f->x.c->timeout_ms : TIMEOUT_MS;
	uint64_t gone = mx_now_ms() - f->started;

	return gone < limit ? (long)(limit - gone) : 1;	/* 0 would be for ever */
}

bool oauth_http_proxied(const struct oauth_fetch *f)
{
	const struct oauth_client *c = f->x.c;

	return !f->x.req.local && c->proxy != NULL && c->proxy[0] != '\0' && !oauth_no_proxy(c->no_proxy, f->x.req.url);
}

CURLcode oauth_http_send(struct oauth_fetch *f)
{
	const struct oauth_client *c = f->x.c;
	struct mx_err why;
	CURLcode r;

	if ((r = oauth_http_judge_url(f)) != CURLE_OK)
		return r;
	if (c->proxy_credentials_file != NULL && oauth_http_proxied(f) &&
	    oauth_proxy_credentials(c->proxy_credentials_file, &f->proxy_user, &f->proxy_password, &why) != MX_OK) {
		mx_fail(&f->proxy_err, why.cls, why.code, "client \"%.64s\": %s", c->name, why.text);
		return CURLE_READ_ERROR;
	}
	if ((f->easy = curl_easy_init()) == NULL)
		return CURLE_OUT_OF_MEMORY;
	if ((r = oauth_http_options(f)) != CURLE_OK)
		return r;
	return oauth_pool_add(f) ? CURLE_OK : CURLE_OUT_OF_MEMORY;
}

/* --- its end ------------------------------------------------------------------------- */

void oauth_http_failed(struct oauth_fetch *f, CURLcode code, struct oauth_failure *why)
{
	curl_off_t tls_up = 0;
	struct oauth_transfer x = {
		.code = (int)code, .too_large = f->too_large,
		.host = f->host, .ca_file = f->x.c->ca_file,
		.detail = f->detail, .tried = f->tried, .proxied = oauth_http_proxied(f),
		.proxy_credentials = f->x.c->proxy_credentials_file,
	};
	long proxy_verify;

	if (f->proxy_err.cls != MX_OK) {	/* no fault of the client's credential */
		*why = (struct oauth_failure){ .err = f->proxy_err, .permanent = f->proxy_err.cls == MX_CONFIG,
			.retry_after_s = -1 };
		return;
	}
	if (f->easy != NULL) {
		curl_easy_getinfo(f->easy, CURLINFO_APPCONNECT_TIME_T, &tls_up);
		x.reached = f->reached;
		x.verify = info(f->easy, CURLINFO_SSL_VERIFYRESULT);
		if ((proxy_verify = info(f->easy, CURLINFO_PROXY_SSL_VERIFYRESULT)) != 0) {
			x.verify = proxy_verify;
			x.of_proxy = true;
		}
		x.proxy_error = info(f->easy, CURLINFO_PROXY_ERROR);
		x.os_errno = info(f->easy, CURLINFO_OS_ERRNO);
		x.proxy_status = info(f->easy, CURLINFO_HTTP_CONNECTCODE);
		/* A request that went out used a connection that was up, be it an older one's. */
		x.connected = tls_up > 0 || info(f->easy, CURLINFO_REQUEST_SIZE) > 0;
		if (x.proxy_status >= 200 && x.proxy_status < 300)
			x.proxy_status = 0;
	}
	oauth_transfer_failed(f->x.c->name, &x, why);
	oauth_exchange_failed(&f->x, why);
}

static bool unanswered(const struct oauth_fetch *f, CURLcode code)
{
	if (f->begun)
		return false;
	switch (code) {
	case CURLE_SEND_FAIL_REWIND:	/* of oauth_http_on_rewind() */
		return true;
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:	/* of HTTP/2: the connection ended before the stream */
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return info(f->easy, CURLINFO_NUM_CONNECTS) == 0;
	default:
		return false;
	}
}

/*
 * "Unanswered" is as libcurl sees it: without one whole line. What it says of less than that is
 * the same as of nothing.
 */
bool oauth_http_repeat(struct oauth_fetch *f, CURLcode code)
{
	long left = oauth_http_left_ms(f);
	struct oauth_pool *failed = f->pool;

	if (f->again || left <= 1 || !unanswered(f, code) || !oauth_exchange_again(&f->x))
		return false;
	f->again = true;
	f->sent = 0;
	f->body.len = 0;
	f->reached = false;
	f->tried[0] = '\0';
	f->detail[0] = '\0';
	if (curl_easy_setopt(f->easy, CURLOPT_TIMEOUT_MS, left) != CURLE_OK ||
	    (!f->x.req.get && curl_easy_setopt(f->easy, CURLOPT_POSTFIELDSIZE, (long)f->x.req.body.len) != CURLE_OK))
		return false;
	oauth_pool_remove(f);
	/*
	 * Others of its pool may be as dead. In a pool that is newer the second try shares a
	 * connection with whoever lost the same one.
	 */
	curl_easy_setopt(f->easy, CURLOPT_FRESH_CONNECT,
	    oauth_pool_distrust(f->h, failed) ? 0L : 1L);
	return oauth_pool_add(f);
}

/* The character at p as JSON has it in a string: plain, "\/", or "\u002b". *n: its bytes. -1: none of ASCII. */
static int character(const unsigned char *p, size_t left, size_t *n)
{
	int c = 0;

	*n = 1;
	if (p[0] != '\\' || left < 2)
		return p[0];
	*n = 2;
	if (p[1] != 'u')
		return p[1];
	for (*n = 2; *n < 6 && *n < left && isxdigit(p[*n]); ++*n)
		c = c << 4 | (isdigit(p[*n]) ? p[*n] - '0' : (p[*n] | 0x20) - 'a' + 10);
	return *n == 6 && c < 0x80 ? c : -1;
}

/* How many bytes at p say s; 0: they say something else. */
static size_t says(const unsigned char *p, size_t left, const struct mx_secret *s)
{
	size_t at = 0, n;

	for (size_t i = 0; i < s->len; i++, at += n)
		if (at >= left || character(p + at, left - at, &n) != s->p[i])
			return 0;
	return at;
}

/* Should a provider repeat a secret in an error, then that must not reach a log. */
static void scrub(struct oauth_fetch *f, const struct mx_secret *s)
{
	unsigned char *p = f->body.p;
	size_t n;

	if (s->len < SCRUB_MIN || p == NULL)
		return;
	for (size_t i = 0; i < f->body.len; i += n > 0 ? n : 1)
		if ((n = says(p + i, f->body.len - i, s)) > 0)
			memset(p + i, '*', n);
}

/* Of the reply itself, not of a 100 or a 103 before it. NULL: there is none. */
static const char *header(CURL *easy, const char *name)
{
	struct curl_header *h;

	return curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK ? h->value : NULL;
}

/* Copied to out: libcurl keeps one answer at a time. NULL: none. */
static const char *copied(CURL *easy, const char *name, char *out, size_t cap)
{
	const char *v = header(easy, name);

	if (v == NULL)
		return NULL;
	oauth_text_copy(out, cap, v, strlen(v));
	return out;
}

/* NULL: none, or "identity". */
static const char *encoding(CURL *easy, char *out, size_t cap)
{
	const char *v = copied(easy, "Content-Encoding", out, cap);

	return v == NULL || strcasecmp(v, "identity") == 0 ? NULL : v;
}

static int32_t retry_after(CURL *easy)
{
	char date[64];
	const char *d;
	struct mx_buf b;

	/* Copied: libcurl keeps one answer at a time. */
	mx_buf_init(&b, date, sizeof date);
	if ((d = header(easy, "Date")) != NULL)
		mx_buf_adds(&b, d);
	d = d != NULL ? mx_buf_str(&b) : NULL;
	return oauth_retry_after(header(easy, "Retry-After"), d, (int64_t)(mx_wall_ms() / 1000));
}

static enum oauth_next judge(struct oauth_fetch *f, CURLcode code, struct oauth_token *t,
    struct oauth_failure *why)
{
	struct oauth_http_reply reply = { .retry_after_s = -1 };
	char *type = NULL, *location = NULL, coding[32], challenge[600];
	enum oauth_next next;
	bool fine;

	if (code != CURLE_OK) {
		oauth_http_failed(f, code, why);
		return OAUTH_REFUSED;
	}
	curl_easy_getinfo(f->easy, CURLINFO_CONTENT_TYPE, &type);
	curl_easy_getinfo(f->easy, CURLINFO_REDIRECT_URL, &location);
	reply.retry_after_s = retry_after(f->easy);
	reply.status = info(f->easy, CURLINFO_RESPONSE_CODE);
	reply.content_type = type;
	reply.content_encoding = encoding(f->easy, coding, sizeof coding);
	reply.location = location;
	reply.www_authenticate = copied(f->easy, "WWW-Authenticate", challenge, sizeof challenge);
	reply.body = f->body.p != NULL ? (const char *)f->body.p : "";
	reply.body_len = f->body.len;
	fine = reply.status >= 200 && reply.status < 300;
	if (!fine)
		scrub(f, &f->x.req.secret), scrub(f, &f->x.req.grant);
	next = oauth_exchange_reply(&f->x, &reply, t, why);
	/* A grant that comes back as its own successor stays whole; where no token is, this was an error all the same. */
	if (!fine || next != OAUTH_REFUSED || t->access_token.len > 0 || t->refresh_token.len > 0)
		return next;
	scrub(f, &f->x.req.secret), scrub(f, &f->x.req.grant);
	return oauth_exchange_reply(&f->x, &reply, t, why);
}

void oauth_http_finish(struct oauth_fetch *f, CURLcode code)
{
	struct oauth_token t = { .expires_in_s = 0 };
	struct oauth_failure why = { .retry_after_s = -1 };
	oauth_fetch_done *done = f->done;
	void *arg = f->arg;
	uint32_t took = (uint32_t)(mx_now_ms() - f->started);
	enum oauth_next next = OAUTH_REFUSED;
	const bool local = f->x.req.local;

	if (f->early != NULL)
		why = *f->early;
	else
		next = judge(f, code, &t, &why);
	if (f->x.want.seen != NULL)
		oauth_http_seen(f, local);
	if (f->pool != NULL && code == CURLE_OK)
		kept(f);
	if (next == OAUTH_MORE) {
		request_over(f);
		if ((code = oauth_http_send(f)) == CURLE_OK)
			return;
		oauth_http_failed(f, code, &why);
	}
	oauth_http_fetch_free(f);		/* before the callback: it may start the next one */
	done(arg, &t, next == OAUTH_GOT ? NULL : &why, took);
	mx_secret_free(&t.access_token);
	mx_secret_free(&t.refresh_token);
}
