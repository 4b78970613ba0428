#include "config.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/text.h"
#include "tokend/expiry.h"
#include "tokend/fetcher.h"
#include "tokend/gate.h"
#include "tokend/log.h"
#include "tokend/renew.h"
#include "tokend/side.h"
#include "tokend/watch.h"

struct fetcher {
	struct server *s;
	struct event *timer;
	struct gates gates;
};

struct fetch {
	struct gate_ticket ticket;	/* first member: the gate hands back its address */
	struct server *s;
	struct engine_client *c;
	struct conf_ref *ref;		/* the configuration the request is built from */
	const struct conf_client *cc;	/* of it */
	struct oauth_fetch *transfer;	/* it and renewal NULL: waits its turn */
	struct renewal *renewal;	/* a refresh token is used by another process (renew.h) */
	size_t began, credential;	/* the one it was begun with, and the one in use */
	uint64_t files;			/* all of its client's, as they were when it was begun (watch_look()) */
	uint64_t grant;			/* likewise its refresh token (watch_look_grant()) */
};

static void on_fd(evutil_socket_t fd, short what, void *arg)
{
	struct fetcher *f = arg;
	int w = (what & EV_READ ? OAUTH_HTTP_IN : 0) | (what & EV_WRITE ? OAUTH_HTTP_OUT : 0);

	oauth_http_ready(f->s->http, fd, w);
}

static void watch(void *ctx, int fd, int what, void **slot)
{
	struct fetcher *f = ctx;
	short ev = (short)(EV_PERSIST | (what & OAUTH_HTTP_IN ? EV_READ : 0) | (what & OAUTH_HTTP_OUT ? EV_WRITE : 0));

	if (*slot != NULL) {
		event_free(*slot);
		*slot = NULL;
	}
	if (what == 0)
		return;
	*slot = event_new(f->s->base, fd, ev, on_fd, f);
	if (*slot != NULL)
		event_add(*slot, NULL);		/* without memory the transfer's timeout ends it */
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct fetcher *f = arg;

	(void)fd, (void)what;
	oauth_http_timeout(f->s->http);
}

static void timer(void *ctx, long ms)
{
	struct fetcher *f = ctx;
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	if (ms < 0)
		event_del(f->timer);
	else
		event_add(f->timer, &tv);
}

static bool on_turn(struct gate_ticket *t);

struct fetcher *fetcher_new(struct server *s)
{
	struct fetcher *f = calloc(1, sizeof *f);
	struct oauth_http_loop loop = { .watch = watch, .timer = timer, .ctx = f };

	if (f == NULL)
		return NULL;
	f->s = s;
	f->gates.go = on_turn;
	f->timer = event_new(s->base, -1, 0, on_timer, f);
	if (f->timer != NULL)
		s->http = oauth_http_new(&loop, "mta-xoauth2/" PACKAGE_VERSION);
	if (f->timer == NULL || s->http == NULL) {
		fetcher_free(f);
		return NULL;
	}
	return f;
}

void fetcher_free(struct fetcher *f)
{
	if (f == NULL)
		return;
	oauth_http_free(f->s->http);
	f->s->http = NULL;
	if (f->timer != NULL)
		event_free(f->timer);
	free(f);
}

static void done(void *arg, struct oauth_token *t, const struct oauth_failure *f, uint32_t ms);

static void log_failure(const char *client, const struct oauth_failure *f, uint32_t ms)
{
	char error[80], description[400], trace[64], correlation[64], text[700];

	log_event(LOG_WARNING, "fetch_failed", "client=%s class=%s code=%s http=%ld error=%s aadsts=%u description=%s "
	    "trace_id=%s correlation_id=%s ms=%u text=%s", client, mx_class_info(f->err.cls)->name, f->err.code,
	    f->http_status, mx_quote(error, sizeof error, f->error, strlen(f->error)), (unsigned)f->aadsts,
	    mx_quote(description, sizeof description, f->description, strlen(f->description)),
	    mx_quote(trace, sizeof trace, f->trace_id, strlen(f->trace_id)),
	    mx_quote(correlation, sizeof correlation, f->correlation_id, strlen(f->correlation_id)), (unsigned)ms,
	    mx_quote(text, sizeof text, f->err.text, strlen(f->err.text)));
}

/* Others' turns come from inside. */
static void fetch_free(struct fetch *x)
{
	struct gates *g = &x->s->fetcher->gates;

	conf_ref_drop(x->ref);
	gate_leave(g, &x->ticket);
	free(x);
}

/* false: no memory. */
static bool start(struct fetch *x)
{
	const struct oauth_want want = { .subject = engine_client_subject(x->c) };
	const struct oauth_client *c = &x->cc->oc;
	const struct oauth_credential *k = &c->credential[x->credential];

	if (c->grant == OAUTH_GRANT_REFRESH_TOKEN)
		return (x->renewal = renew_start(x->s, c, k, &x->grant, done, x)) != NULL;
	return (x->transfer = oauth_http_start(x->s->http, c, k, &want, done, x)) != NULL;
}

#define AGAIN_MS (3600 * 1000u)	/* credentials that were refused are tried again so much later */

/* The first, unless it was refused lately and no file has changed since. */
static size_t first_credential(const struct fetch *x)
{
	const struct side *s = side_find(engine_client_parent(x->c));	/* all mailboxes have the same ones */

	if (s == NULL || s->credential >= x->cc->oc.ncredentials || mx_boot_ms() >= s->again_ms || x->files != s->files)
		return 0;
	return s->credential;
}

/* It got a token: with which credential will be known next time. */
static void works(struct fetch *x)
{
	struct engine_client *of = engine_client_parent(x->c);
	struct side *s = x->credential > 0 ? side_make(of) : side_find(of);

	if (s == NULL)
		return;
	if (x->credential == 0 && s->credential != 0)
		log_event(LOG_NOTICE, "credential_works", "client=%s credential=1", engine_client_name(of));
	if (x->credential != s->credential || mx_boot_ms() >= s->again_ms)
		s->again_ms = mx_boot_ms() + AGAIN_MS;
	s->credential = x->credential;
	s->files = x->files;
}

enum next { NEXT_NONE, NEXT_BEGUN, NEXT_NO_MEMORY };

/*
 * Is it the credential that was refused, or cannot be used, and is there one that has not been tried? Then that one
 * is tried at once; behind the last comes the first. NEXT_NONE: f is what became of it.
 */
static enum next next_credential(struct fetch *x, const struct oauth_failure *f)
{
	size_t n = x->cc->oc.ncredentials, next = (x->credential + 1) % n;
	char text[MX_TEXT_MAX + 40];
	struct side *side;

	if (x->s->ending || !f->credential)
		return NEXT_NONE;
	if ((side = side_make(engine_client_parent(x->c))) != NULL)
		side->failed++;
	if (next == x->began)
		return NEXT_NONE;
	log_event(LOG_ERR, "credential_failed", "client=%s credential=%zu code=%s next=%zu text=%s",
	    engine_client_name(x->c), x->credential + 1, f->err.code, next + 1,
	    mx_quote(text, sizeof text, f->err.text, strlen(f->err.text)));
	x->credential = next;
	engine_sent(x->c);
	return start(x) ? NEXT_BEGUN : NEXT_NO_MEMORY;
}

static void no_memory(const struct fetch *x, struct engine_result *r, struct mx_err *err)
{
	mx_fail(err, MX_TEMP, "no-memory", "client \"%s\": no memory for a token request", engine_client_name(x->c));
	*r = (struct engine_result){ .err = err, .retry_after_s = -1 };
}

static void done(void *arg, struct oauth_token *t, const struct oauth_failure *f, uint32_t ms)
{
	struct fetch *x = arg;
	struct server *s = x->s;
	struct engine_client *c = x->c;
	struct engine_result r = { .retry_after_s = -1 };
	enum next next = NEXT_NONE;
	struct mx_err err;

	x->transfer = NULL;
	x->renewal = NULL;
	histogram_add(&s->fetch_time, &histogram_fetch, (uint64_t)ms * 1000);
	if (f == NULL) {
		s->count.fetch_ok++;
		r.token = &t->access_token;
		r.id = t->id;
		r.expires_in_s = t->expires_in_s;
		r.refresh_in_s = t->refresh_in_s;
		works(x);
		log_event(LOG_INFO, "fetch_ok", "client=%s token=%s expires_in=%u bytes=%zu ms=%u",
		    engine_client_name(c), t->id, (unsigned)t->expires_in_s, t->access_token.len, (unsigned)ms);
	} else {
		*(f->permanent ? &s->count.fetch_perm : &s->count.fetch_temp) += 1;
		r.err = &f->err;
		r.permanent = f->permanent;
		r.retry_after_s = f->retry_after_s;
		log_failure(engine_client_name(c), f, ms);
		if ((next = next_credential(x, f)) == NEXT_BEGUN)
			return;
		if (next == NEXT_NO_MEMORY)
			no_memory(x, &r, &err);		/* of the next credential nothing is known yet */
	}
	engine_fetched(c, &r);
	if (f == NULL)
		expiry_look(engine_client_parent(c));
	if (r.permanent)
		watch_add(s, c, x->files, x->grant);
	fetch_free(x);
	server_last_answer(s);
}

/* false: no memory. */
static bool launch(struct fetch *x)
{
	engine_sent(x->c);
	x->files = watch_look(&x->cc->oc);
	x->grant = watch_look_grant(&x->cc->oc);
	x->began = x->credential = first_credential(x);
	return start(x);
}

static bool on_turn(struct gate_ticket *t)
{
	struct fetch *x = (struct fetch *)(void *)t;
	struct engine_result r;
	struct mx_err err;

	if (x->s->ending || launch(x))
		return true;
	no_memory(x, &r, &err);
	x->ticket.gate = NULL;		/* the place goes back by our answer */
	engine_fetched(x->c, &r);
	fetch_free(x);
	return false;
}

void fetcher_urge(void *ctx, void *fetch, bool urgent)
{
	(void)ctx;
	gate_urge(&((struct fetch *)fetch)->ticket, urgent);
}

void *fetcher_start(void *ctx, struct engine_client *c, void *client, bool urgent)
{
	struct server *s = ctx;
	const struct conf_client *cc = client;
	struct fetch *x = calloc(1, sizeof *x);

	if (x == NULL)
		return NULL;
	*x = (struct fetch){ .s = s, .c = c, .ref = s->conf, .cc = cc };
	x->ref->refs++;
	if (s->ending)
		return x;		/* never sent; its askers hear that the daemon stops */
	if (!gate_enter(&s->fetcher->gates, &x->ticket,
	    cc->oc.token_endpoint != NULL ? cc->oc.token_endpoint : "the platform", urgent) || launch(x))
		return x;
	fetch_free(x);
	return NULL;
}

void fetcher_cancel(void *ctx, void *fetch)
{
	struct fetch *x = fetch;

	(void)ctx;
	if (x->transfer != NULL)
		oauth_http_cancel(x->transfer);
	if (x->renewal != NULL)
		renew_cancel(x->renewal);
	fetch_free(x);
}
