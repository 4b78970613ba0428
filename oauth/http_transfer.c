#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "oauth/http-private.h"
#include "oauth/http_error.h"
#include "oauth/retryafter.h"

#define BODY_FIRST 4096u		/* bytes: most replies fit */
#define SCRUB_MIN 8			/* shorter secrets would be found in any text */

void oauth_http_fetch_free(struct oauth_fetch *f)
{
	if (f == NULL)
		return;
	oauth_http_unlink(f);
	if (f->easy != NULL) {
		curl_multi_remove_handle(f->h->m, f->easy);
		curl_easy_cleanup(f->easy);
	}
	curl_slist_free_all(f->headers);
	oauth_request_free(&f->req);
	mx_secret_free(&f->body);
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

CURLcode oauth_http_prepare(struct oauth_fetch *f, struct mx_err *e)
{
	CURLcode r;

	e->cls = MX_OK;
	if ((r = oauth_http_judge_url(f)) != CURLE_OK)
		return r;
	if (oauth_request_build(f->c, &f->req, e) != MX_OK)
		return CURLE_READ_ERROR;
	if ((f->easy = curl_easy_init()) == NULL)
		return CURLE_OUT_OF_MEMORY;
	if ((r = oauth_http_options(f)) != CURLE_OK)
		return r;
	return curl_multi_add_handle(f->h->m, f->easy) == CURLM_OK ? CURLE_OK : CURLE_OUT_OF_MEMORY;
}

/* --- its end ------------------------------------------------------------------------- */

static long info(CURL *easy, CURLINFO what)
{
	long v = 0;

	return curl_easy_getinfo(easy, what, &v) == CURLE_OK ? v : 0;
}

void oauth_http_failed(struct oauth_fetch *f, CURLcode code, struct oauth_failure *why)
{
	curl_off_t tls_up = 0;
	struct oauth_transfer x = {
		.code = (int)code, .too_large = f->too_large,
		.host = f->host, .ca_file = f->c->ca_file,
		.detail = f->detail, .proxied = f->c->proxy != NULL && f->c->proxy[0] != '\0',
	};

	if (f->easy != NULL) {
		curl_easy_getinfo(f->easy, CURLINFO_APPCONNECT_TIME_T, &tls_up);
		x.verify = info(f->easy, CURLINFO_SSL_VERIFYRESULT);
		x.os_errno = info(f->easy, CURLINFO_OS_ERRNO);
		x.proxy_status = info(f->easy, CURLINFO_HTTP_CONNECTCODE);
		/* A request that went out used a connection that was up, be it an older one's. */
		x.connected = tls_up > 0 || info(f->easy, CURLINFO_REQUEST_SIZE) > 0;
		if (x.proxy_status >= 200 && x.proxy_status < 300)
			x.proxy_status = 0;
	}
	oauth_transfer_failed(f->c->name, &x, why);
}

/* Should a provider repeat the secret in an error, then that must not reach a log. */
static void scrub(struct oauth_fetch *f)
{
	const struct mx_secret *s = &f->req.secret;
	unsigned char *p = f->body.p, *end = p + f->body.len;

	if (s->len < SCRUB_MIN || p == NULL)
		return;
	while ((p = memmem(p, (size_t)(end - p), s->p, s->len)) != NULL) {
		memset(p, '*', s->len);
		p += s->len;
	}
}

/* Of the reply itself, not of a 100 or a 103 before it. NULL: there is none. */
static const char *header(CURL *easy, const char *name)
{
	struct curl_header *h;

	return curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK ? h->value : NULL;
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

static enum mx_class judge(struct oauth_fetch *f, CURLcode code, struct oauth_token *t,
    struct oauth_failure *why)
{
	struct oauth_http_reply reply = { .retry_after_s = -1 };
	char *type = NULL, *location = NULL;

	if (code != CURLE_OK) {
		oauth_http_failed(f, code, why);
		return why->err.cls;
	}
	curl_easy_getinfo(f->easy, CURLINFO_CONTENT_TYPE, &type);
	curl_easy_getinfo(f->easy, CURLINFO_REDIRECT_URL, &location);
	reply.retry_after_s = retry_after(f->easy);
	reply.status = info(f->easy, CURLINFO_RESPONSE_CODE);
	reply.content_type = type;
	reply.location = location;
	if (reply.status != 200)
		scrub(f);
	reply.body = f->body.p != NULL ? (const char *)f->body.p : "";
	reply.body_len = f->body.len;
	return oauth_reply_parse(f->c->name, &reply, t, why);
}

void oauth_http_finish(struct oauth_fetch *f, CURLcode code)
{
	struct oauth_token t = { .expires_in_s = 0 };
	struct oauth_failure why = { .retry_after_s = -1 };
	oauth_fetch_done *done = f->done;
	void *arg = f->arg;
	uint32_t took = (uint32_t)(mx_now_ms() - f->started);
	bool ok = false;

	if (f->early != NULL)
		why = *f->early;
	else
		ok = judge(f, code, &t, &why) == MX_OK;
	oauth_http_fetch_free(f);			/* before the callback: it may start the next one */
	done(arg, &t, ok ? NULL : &why, took);
	mx_secret_free(&t.access_token);
}
