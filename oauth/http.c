#include "config.h"

#include <dirent.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <unistd.h>

#include <curl/curl.h>

#include "common/buf.h"
#include "common/clock.h"
#include "oauth/http.h"
#include "oauth/http_error.h"
#include "oauth/request.h"
#include "oauth/wipe.h"

#define CONNECT_TIMEOUT_MS 5000u	/* where a client gives none */
#define TIMEOUT_MS 30000u
#define BODY_FIRST 4096u		/* bytes: most replies fit */
#define RETRY_AFTER_MAX_S 3600
#define SCRUB_MIN 8			/* shorter secrets would be found in any text */
#define HOST_CONNECTIONS 64L		/* more requests wait; HTTP/2 takes a hundred on one */
#define ALL_CONNECTIONS 512L		/* stays below the usual limit of 1024 descriptors */
#define NEVER UINT64_MAX

struct list { struct oauth_fetch *head, *tail; };

struct oauth_fetch {
	struct oauth_fetch *prev, *next;
	struct list *in;			/* NULL: in neither */
	struct oauth_http *h;
	const struct oauth_client *c;
	oauth_fetch_done *done;
	void *arg;
	uint64_t started;			/* mx_now_ms() */
	CURL *easy;
	struct oauth_failure *early;		/* failed at the start; NULL otherwise */
	struct curl_slist *headers;
	struct oauth_request req;
	struct mx_secret body;
	bool too_large;
	char host[280];				/* "host:port" for texts */
	char detail[CURL_ERROR_SIZE];
};

struct oauth_http {
	CURLM *m;
	struct oauth_http_loop loop;
	char *user_agent;
	struct list live;			/* with libcurl */
	struct list failed;			/* at the start; told of at the next timeout */
	/* mx_now_ms() at which libcurl wants to be called */
	uint64_t due;
	bool ca_dir;				/* the system's CAs are to be had one by one */
};

/* --- the loop ------------------------------------------------------------------------ */

/* The one timer serves two purposes: libcurl's own, and failures found at the start. */
static void arm(struct oauth_http *h)
{
	uint64_t now = mx_now_ms();

	if (h->failed.head != NULL)
		h->loop.timer(h->loop.ctx, 0);
	else if (h->due == NEVER)
		h->loop.timer(h->loop.ctx, -1);
	else
		h->loop.timer(h->loop.ctx, h->due > now ? (long)(h->due - now) : 0);
}

/* Called by libcurl, also from inside our calls into it: only arms (R10 of the house rules). */
static int on_timer(CURLM *m, long ms, void *arg)
{
	struct oauth_http *h = arg;

	(void)m;
	/*
	 * One more than asked for: libcurl's clock is finer than ours, and early would be in vain.
	 */
	h->due = ms < 0 ? NEVER : mx_now_ms() + (uint64_t)ms + (ms > 0);
	arm(h);
	return 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *mine)
{
	struct oauth_http *h = arg;
	void *slot = mine;
	int want = (what == CURL_POLL_IN || what == CURL_POLL_INOUT ? OAUTH_HTTP_IN : 0) |
	    (what == CURL_POLL_OUT || what == CURL_POLL_INOUT ? OAUTH_HTTP_OUT : 0);

	(void)easy;
	h->loop.watch(h->loop.ctx, fd, what == CURL_POLL_REMOVE ? 0 : want, &slot);
	if (what != CURL_POLL_REMOVE && slot != mine)
		curl_multi_assign(h->m, fd, slot);
	return 0;
}

/* --- one fetch ----------------------------------------------------------------------- */

static void link_last(struct list *l, struct oauth_fetch *f)
{
	f->in = l;
	if ((f->prev = l->tail) != NULL)
		f->prev->next = f;
	else
		l->head = f;
	l->tail = f;
}

static void unlink_fetch(struct oauth_fetch *f)
{
	if (f->in == NULL)
		return;
	*(f->prev != NULL ? &f->prev->next : &f->in->head) = f->next;
	*(f->next != NULL ? &f->next->prev : &f->in->tail) = f->prev;
	f->in = NULL;
}

static void fetch_free(struct oauth_fetch *f)
{
	if (f == NULL)
		return;
	unlink_fetch(f);
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

static size_t on_body(char *p, size_t size, size_t n, void *arg)
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

/* A random GUID (RFC 4122 version 4): Microsoft's support finds a request by it. */
static bool add_request_id(struct oauth_fetch *f)
{
	unsigned char r[16];
	char guid[40];
	struct mx_buf b;

	if (getentropy(r, sizeof r) != 0)
		return false;
	r[6] = (unsigned char)((r[6] & 0x0f) | 0x40);
	r[8] = (unsigned char)((r[8] & 0x3f) | 0x80);
	mx_buf_init(&b, guid, sizeof guid);
	for (size_t i = 0; i < sizeof r; i++)
		mx_buf_addf(&b, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", r[i]);
	return mx_buf_str(&b) != NULL && add_header(f, "client-request-id: ", guid, 128);
}

static bool headers(struct oauth_fetch *f)
{
	const struct mx_secret *a = &f->req.authorization;

	return add_header(f, "Accept: application/json", "", 128) &&
	    add_header(f, "Content-Type: application/x-www-form-urlencoded", "", 128) &&
	    add_header(f, "Expect:", "", 128) &&
	    add_header(f, "return-client-request-id: true", "", 128) && add_request_id(f) &&
	    (a->len == 0 || add_header(f, "Authorization: ", (const char *)a->p, a->len + 32));
}

/* Every option in one place, and the first that libcurl refuses refuses the transfer. */
static CURLcode harden(struct oauth_fetch *f)
{
	const struct oauth_client *c = f->c;
	CURLcode r = CURLE_OK;
#define SET(o, v) do { if (r == CURLE_OK) r = curl_easy_setopt(f->easy, (o), (v)); } while (0)
	SET(CURLOPT_URL, f->req.url);
	SET(CURLOPT_PROTOCOLS_STR, "https");
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
	SET(CURLOPT_PROXY, c->proxy != NULL ? c->proxy : "");
	SET(CURLOPT_NOPROXY, c->no_proxy != NULL ? c->no_proxy : "");
	SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(c->connect_timeout_ms > 0 ? c->connect_timeout_ms :
	    CONNECT_TIMEOUT_MS));
	SET(CURLOPT_TIMEOUT_MS, (long)(c->timeout_ms > 0 ? c->timeout_ms : TIMEOUT_MS));
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
	SET(CURLOPT_POST, 1L);
	SET(CURLOPT_POSTFIELDSIZE, (long)f->req.body.len);
	SET(CURLOPT_POSTFIELDS, f->req.body.p);	/* not copied */
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, f);
	SET(CURLOPT_ERRORBUFFER, f->detail);
	SET(CURLOPT_PRIVATE, f);
#undef SET
	return r;
}

/*
 * Judges the endpoint before the secret is read: https, and no user name in it. Keeps "host:port"
 * for texts. CURLE_OK: fine.
 */
static CURLcode judge_url(struct oauth_fetch *f)
{
	CURLU *u = curl_url();
	char *host = NULL, *port = NULL, *user = NULL;
	const char *url = f->c->token_endpoint;
	CURLcode r = CURLE_OK;
	struct mx_buf b;

	if (u == NULL)
		return CURLE_OUT_OF_MEMORY;
	mx_buf_init(&b, f->host, sizeof f->host);
	if (url == NULL || strncasecmp(url, "https://", 8) != 0) {
		mx_buf_adds(&b, "token_endpoint");
		r = CURLE_UNSUPPORTED_PROTOCOL;
	} else if (curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_USER, &user, 0) == CURLUE_OK) {
		mx_buf_adds(&b, "token_endpoint");
		r = CURLE_URL_MALFORMAT;
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

/* --- the end of a fetch -------------------------------------------------------------- */

static long info(CURL *easy, CURLINFO what)
{
	long v = 0;

	return curl_easy_getinfo(easy, what, &v) == CURLE_OK ? v : 0;
}

static void transfer_failed(struct oauth_fetch *f, CURLcode code, struct oauth_failure *why)
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

static enum mx_class judge(struct oauth_fetch *f, CURLcode code, struct oauth_token *t,
    struct oauth_failure *why)
{
	struct oauth_http_reply reply = { .retry_after_s = -1 };
	char *type = NULL, *location = NULL;
	curl_off_t after = 0;

	if (code != CURLE_OK) {
		transfer_failed(f, code, why);
		return why->err.cls;
	}
	curl_easy_getinfo(f->easy, CURLINFO_CONTENT_TYPE, &type);
	curl_easy_getinfo(f->easy, CURLINFO_REDIRECT_URL, &location);
	if (curl_easy_getinfo(f->easy, CURLINFO_RETRY_AFTER, &after) == CURLE_OK && after > 0)
		reply.retry_after_s =
		    after > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : (int32_t)after;
	reply.status = info(f->easy, CURLINFO_RESPONSE_CODE);
	reply.content_type = type;
	reply.location = location;
	if (reply.status != 200)
		scrub(f);
	reply.body = f->body.p != NULL ? (const char *)f->body.p : "";
	reply.body_len = f->body.len;
	return oauth_reply_parse(f->c->name, &reply, t, why);
}

static void finish(struct oauth_fetch *f, CURLcode code)
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
	fetch_free(f);			/* before the callback: it may start the next one */
	done(arg, &t, ok ? NULL : &why, took);
	mx_secret_free(&t.access_token);
}

static void reap(struct oauth_http *h)
{
	CURLMsg *g;
	char *f;
	int left;

	while ((g = curl_multi_info_read(h->m, &left)) != NULL)
		if (g->msg == CURLMSG_DONE) {
			CURLcode code = g->data.result;

			if (curl_easy_getinfo(g->easy_handle, CURLINFO_PRIVATE, &f) == CURLE_OK)
				finish((struct oauth_fetch *)(void *)f, code);
		}
}

/* --- what http.h offers -------------------------------------------------------------- */

bool oauth_http_global_init(void)
{
	return oauth_wipe_install() &&
	    curl_global_init_mem(CURL_GLOBAL_DEFAULT, oauth_wipe_malloc, oauth_wipe_free,
	    oauth_wipe_realloc, oauth_wipe_strdup, oauth_wipe_calloc) == CURLE_OK;
}

/*
 * Has libcurl's directory of CAs the names by hash that OpenSSL looks for (c_rehash(1))? Then the
 * one CA that is needed is read; the bundle of all of them takes 2 MB of memory and 50 ms in the
 * loop.
 */
static bool has_ca_dir(void)
{
	CURL *easy = curl_easy_init();
	char *path = NULL;
	struct dirent *d;
	DIR *dir = NULL;
	bool found = false;

	if (easy != NULL && curl_easy_getinfo(easy, CURLINFO_CAPATH, &path) == CURLE_OK &&
	    path != NULL)
		dir = opendir(path);
	while (dir != NULL && !found && (d = readdir(dir)) != NULL)
		found =
		    strspn(d->d_name, "0123456789abcdef") == 8 && strcmp(d->d_name + 8, ".0") == 0;
	if (dir != NULL)
		closedir(dir);
	curl_easy_cleanup(easy);
	return found;
}

struct oauth_http *oauth_http_new(const struct oauth_http_loop *loop, const char *user_agent)
{
	const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);
	struct oauth_http *h = NULL;

	if (!(v->features & CURL_VERSION_SSL) || (h = calloc(1, sizeof *h)) == NULL)
		return NULL;
	h->loop = *loop;
	h->due = NEVER;
	h->ca_dir = has_ca_dir();
	if ((h->user_agent = strdup(user_agent)) == NULL || (h->m = curl_multi_init()) == NULL ||
	    curl_multi_setopt(h->m, CURLMOPT_SOCKETFUNCTION, on_socket) != CURLM_OK ||
	    curl_multi_setopt(h->m, CURLMOPT_SOCKETDATA, h) != CURLM_OK ||
	    curl_multi_setopt(h->m, CURLMOPT_TIMERFUNCTION, on_timer) != CURLM_OK ||
	    curl_multi_setopt(h->m, CURLMOPT_TIMERDATA, h) != CURLM_OK ||
	    curl_multi_setopt(h->m, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX) != CURLM_OK ||
	    curl_multi_setopt(h->m, CURLMOPT_MAX_HOST_CONNECTIONS, HOST_CONNECTIONS) != CURLM_OK ||
	    curl_multi_setopt(h->m, CURLMOPT_MAX_TOTAL_CONNECTIONS, ALL_CONNECTIONS) != CURLM_OK) {
		oauth_http_free(h);
		return NULL;
	}
	return h;
}

void oauth_http_free(struct oauth_http *h)
{
	if (h == NULL)
		return;
	while (h->live.head != NULL)
		fetch_free(h->live.head);
	while (h->failed.head != NULL)
		fetch_free(h->failed.head);
	if (h->m != NULL)
		/* closes connections: the loop is still told to forget them */
		curl_multi_cleanup(h->m);
	free(h->user_agent);
	free(h);
}

/* What can go wrong before libcurl has the request. CURLE_OK: f->easy is ready to go. */
static CURLcode prepare(struct oauth_fetch *f, struct mx_err *e)
{
	CURLcode r;

	e->cls = MX_OK;
	if ((r = judge_url(f)) != CURLE_OK)
		return r;
	if (oauth_request_build(f->c, &f->req, e) != MX_OK)
		return CURLE_READ_ERROR;
	if (!headers(f) || (f->easy = curl_easy_init()) == NULL)
		return CURLE_OUT_OF_MEMORY;
	if ((r = harden(f)) != CURLE_OK)
		return r;
	return curl_multi_add_handle(f->h->m, f->easy) == CURLM_OK ? CURLE_OK : CURLE_OUT_OF_MEMORY;
}

struct oauth_fetch *oauth_http_start(struct oauth_http *h, const struct oauth_client *c,
    oauth_fetch_done *done, void *arg)
{
	struct oauth_fetch *f = calloc(1, sizeof *f);
	struct mx_err e;
	CURLcode r;

	if (f == NULL)
		return NULL;
	f->h = h, f->c = c, f->done = done, f->arg = arg;
	f->started = mx_now_ms();
	if ((r = prepare(f, &e)) == CURLE_OK) {
		link_last(&h->live, f);
		return f;
	}
	if ((f->early = calloc(1, sizeof *f->early)) == NULL) {
		fetch_free(f);
		return NULL;
	}
	if (e.cls != MX_OK)
		*f->early = (struct oauth_failure){
			.err = e, .permanent = e.cls == MX_CONFIG, .retry_after_s = -1,
		};
	else
		transfer_failed(f, r, f->early);
	link_last(&h->failed, f);
	arm(h);
	return f;
}

void oauth_http_cancel(struct oauth_fetch *f)
{
	fetch_free(f);
}

void oauth_http_ready(struct oauth_http *h, int fd, int what)
{
	int running;

	curl_multi_socket_action(h->m, fd, (what & OAUTH_HTTP_IN ? CURL_CSELECT_IN : 0) |
	    (what & OAUTH_HTTP_OUT ? CURL_CSELECT_OUT : 0), &running);
	reap(h);
}

/* Those that are there now; what a callback adds waits for the next round. */
static void deliver_failed(struct oauth_http *h)
{
	struct oauth_fetch *f, *last = h->failed.tail;
	bool more = last != NULL;

	while (more && (f = h->failed.head) != NULL) {
		more = f != last;
		finish(f, CURLE_OK);
	}
}

void oauth_http_timeout(struct oauth_http *h)
{
	int running;
	long ms = -1;

	deliver_failed(h);
	if (h->due <= mx_now_ms()) {
		h->due = NEVER;
		curl_multi_socket_action(h->m, CURL_SOCKET_TIMEOUT, 0, &running);
		reap(h);
		/*
		 * libcurl tells of changes only; ask, so that nothing is lost between its clock
		 * and ours.
		 */
		if (h->due == NEVER && curl_multi_timeout(h->m, &ms) == CURLM_OK && ms >= 0)
			h->due = mx_now_ms() + (uint64_t)ms + 1;
	}
	arm(h);
}
