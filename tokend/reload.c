#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/text.h"
#include "tokend/accept.h"
#include "tokend/cache.h"
#include "tokend/conn.h"
#include "tokend/expiry.h"
#include "tokend/listen.h"
#include "tokend/log.h"
#include "tokend/metrics_file.h"
#include "tokend/notify.h"
#include "tokend/reload.h"
#include "tokend/renew.h"
#include "tokend/sandbox.h"
#include "tokend/watch.h"

#define SLICE 500			/* clients for each turn of the loop: well below a millisecond */
#define STACK (1024 * 1024)		/* of the thread; name service modules may want some */

enum stage { IDLE, READING, PUTTING, SETTLING };

struct reload {
	enum stage stage;
	uint64_t round;			/* of the reading under way, or of the last one */
	bool again;			/* somebody asked meanwhile */
	bool threaded;
	pthread_t thread;
	const char *path;
	int done[2];			/* pipe: the thread has finished */
	struct event *woken, *slice;
	struct conf *conf;		/* what was read */
	struct conf_report report;
	size_t put;			/* clients of it that the engine has */
	struct conf_ref *old;		/* until the engine has settled */
	uint64_t began_ms;
};

/* Clients from *from on, n of them at most. false: no memory, and the engine has none of them. */
static bool put_clients(struct server *s, struct conf *c, size_t *from, size_t n)
{
	for (; n > 0 && *from < c->nclients; n--, ++*from) {
		struct conf_client *k = &c->clients[*from];
		struct engine_params p = {
			.name = k->oc.name, .fingerprint = k->fingerprint,
			.min_remaining_s = k->min_remaining_s, .stale_until_s = k->stale_until_s,
			.backoff_min_ms = k->backoff_min_ms, .backoff_max_ms = k->backoff_max_ms,
			.each = oauth_grant_each(k->oc.grant), .client = k,
		};

		if (engine_put(s->engine, &p) == NULL) {
			engine_abort(s->engine);
			return false;
		}
	}
	return true;
}

/* Takes back what was added behind the first n: nobody may be left waiting at a socket that is not looked at. */
static void keep_first(struct server *s, size_t n)
{
	struct listener **at = &s->listeners;

	for (; *at != NULL && n > 0; n--)
		at = &(*at)->next;
	listen_close_all(at);
}

/* Sockets the new configuration adds are made; those it no longer names are closed. Systemd's stay. */
static bool adjust_sockets(struct server *s, const struct conf *c)
{
	struct listener **at;
	struct mx_err e;
	char text[MX_TEXT_MAX + 40];
	size_t had = 0, i;

	for (at = &s->listeners; *at != NULL; at = &(*at)->next)
		had++;
	for (i = 0; i < c->nlisten; i++) {
		if (listen_wanted(s->listeners, &c->listen[i]) &&
		    listen_make(&s->listeners, &c->listen[i], c->user, &e) != MX_OK) {
			log_event(LOG_ERR, "listen_failed", "path=%s text=%s", c->listen[i].path,
			    mx_quote(text, sizeof text, e.text, strlen(e.text)));
			keep_first(s, had);
			return false;
		}
	}
	if (!accept_watch(s, c)) {
		keep_first(s, had);
		return false;
	}
	for (at = &s->listeners; *at != NULL;) {
		struct listener *l = *at;

		for (i = 0; i < c->nlisten && strcmp(c->listen[i].path, l->path) != 0; i++)
			;
		if (i < c->nlisten || l->inherited) {
			at = &l->next;
			continue;
		}
		log_event(LOG_NOTICE, "listen_closed", "path=%s", l->path);
		*at = l->next;
		listen_close(l);
	}
	return true;
}

static bool same(const char *a, const char *b)
{
	return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

static void say_what_needs_a_restart(const struct conf *old, const struct conf *c)
{
	static const char text[] = "text=\"%s has changed, which counts from the next start on\"";

	if (!same(old->user, c->user))
		log_event(LOG_WARNING, "restart_needed", text, "user");
	if (!same(old->token_cache, c->token_cache))
		log_event(LOG_WARNING, "restart_needed", text, "token_cache");
}

/*
 * The exchange, with all clients of c put. *old: the one before, which the engine needs until it has settled.
 * false: nothing has changed, and the engine has none of them.
 */
static bool exchange(struct server *s, struct conf *c, struct conf_ref **old)
{
	struct conf_ref *ref = conf_ref_new(c);

	*old = NULL;
	if (ref == NULL || !adjust_sockets(s, c)) {
		engine_abort(s->engine);
		free(ref);
		return false;
	}
	if (s->conf != NULL)
		say_what_needs_a_restart(s->conf->conf, c);
	log_level(c->log_level);
	if (s->conf != NULL)
		sandbox_review(c);
	*old = s->conf;
	s->conf = ref;
	engine_sub_limit(s->engine, c->max_mailboxes);
	engine_commit(s->engine);	/* may start requests: the new configuration is in place */
	s->loaded_wall_ms = mx_wall_ms();
	s->loaded_boot_ms = mx_boot_ms();
	metrics_file_start(s);
	expiry_start(s);
	return true;
}

bool server_adopt(struct server *s, struct conf *c)
{
	struct conf_ref *old;
	size_t from = 0;

	if (!put_clients(s, c, &from, c->nclients)) {
		log_event(LOG_ERR, "no_memory", "for=configuration");
		return false;
	}
	if (!exchange(s, c, &old))
		return false;
	while (engine_settle(s->engine, SLICE))
		;
	conf_ref_drop(old);
	return true;
}

/* --- beside the loop ---------------------------------------------------------------------- */

/* Those who wait for this round or an earlier one. */
static void answer_askers(struct server *s, uint64_t round, const struct mx_err *e)
{
	struct conn *c = s->conns;

	while (c != NULL) {
		if (c->reload_round == 0 || c->reload_round > round) {
			c = c->next;
			continue;
		}
		c->reload_round = 0;
		if (e == NULL)
			conn_answer(c, "OK\n", 3, NULL);
		else
			conn_fail(c, e);
		c = s->conns;		/* the list has changed */
	}
}

static void begin(struct server *s);

/* e: NULL for success. */
static void finish(struct server *s, const struct mx_err *e)
{
	struct reload *r = s->reload;
	unsigned long ms = (unsigned long)(mx_now_ms() - r->began_ms);
	char text[MX_TEXT_MAX + 40];

	if (e == NULL)
		log_event(LOG_NOTICE, "reloaded", "clients=%zu accounts=%zu ms=%lu", s->conf->conf->nclients,
		    s->conf->conf->naccounts, ms);
	else
		log_event(LOG_ERR, "reload_failed", "code=%s ms=%lu text=%s", e->code, ms,
		    mx_quote(text, sizeof text, e->text, strlen(e->text)));
	s->last_reload = (struct reload_result){ .any = true, .failed = e != NULL, .at_boot_ms = mx_boot_ms() };
	if (e != NULL)
		s->last_reload.err = *e;
	if (!s->stopping)
		notify("READY=1");
	r->stage = IDLE;
	answer_askers(s, r->round, e);
	if (r->again && !s->stopping)
		begin(s);
}

/* The daemon stops: nothing new is taken into service, and above all no socket is made. */
static bool too_late(struct server *s)
{
	struct mx_err e;

	if (!s->stopping)
		return false;
	if (s->reload->stage == PUTTING)
		engine_abort(s->engine);
	conf_free(s->reload->conf);
	s->reload->conf = NULL;
	mx_fail(&e, MX_TEMP, "shutting-down", "the token daemon is being stopped; try again");
	finish(s, &e);
	answer_askers(s, UINT64_MAX, &e);
	return true;
}

static void failed(struct server *s)
{
	struct mx_err e;

	conf_free(s->reload->conf);
	s->reload->conf = NULL;
	mx_fail(&e, MX_CONFIG, "reload-failed", "the old configuration stays in force; the daemon's log says why the "
	    "new one cannot be taken");
	finish(s, &e);
}

static void soon(struct reload *r)
{
	static const struct timeval at_once = { 0, 0 };

	(void)event_add(r->slice, &at_once);
}

static void on_slice(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;
	struct reload *r = s->reload;

	(void)fd, (void)what;
	if (r->stage == PUTTING) {
		if (too_late(s))
			return;
		if (!put_clients(s, r->conf, &r->put, SLICE)) {
			log_event(LOG_ERR, "no_memory", "for=configuration");
			failed(s);
			return;
		}
		if (r->put == r->conf->nclients) {
			if (!exchange(s, r->conf, &r->old)) {
				failed(s);
				return;
			}
			r->conf = NULL;
			r->stage = SETTLING;
		}
	} else if (!engine_settle(s->engine, SLICE)) {
		cache_review(s);
		conf_ref_drop(r->old);
		r->old = NULL;
		finish(s, NULL);
		return;
	}
	soon(r);
}

/* What the reading found to say; the first error into first. */
static void tell(const struct conf_report *rep, char first[static 1024])
{
	char line[1024];
	size_t i;

	first[0] = '\0';
	for (i = 0; i < rep->n; i++) {
		conf_complaint_str(line, sizeof line, &rep->c[i]);
		log_event(rep->c[i].severity == 'e' ? LOG_ERR : LOG_WARNING, "configuration", "%s", line);
		if (rep->c[i].severity == 'e' && first[0] == '\0')
			memcpy(first, line, sizeof line);
	}
}

static void have_read(struct server *s)
{
	struct reload *r = s->reload;
	char first[1024];
	struct mx_err e;

	tell(&r->report, first);
	conf_report_free(&r->report);
	if (too_late(s))
		return;
	if (r->conf == NULL) {
		mx_fail(&e, MX_CONFIG, "configuration-wrong", "the old configuration stays in force, the new one is "
		    "wrong: %s", first);
		finish(s, &e);
		return;
	}
	if (!engine_reserve(s->engine, r->conf->nclients)) {
		log_event(LOG_ERR, "no_memory", "for=configuration");
		engine_abort(s->engine);
		failed(s);
		return;
	}
	r->stage = PUTTING;
	r->put = 0;
	soon(r);
}

static void on_woken(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;
	char c;

	(void)what;
	if (read((int)fd, &c, 1) != 1)
		return;
	(void)pthread_join(s->reload->thread, NULL);
	s->reload->threaded = false;
	renew_go(s);
	have_read(s);
}

static void *reader(void *arg)
{
	struct reload *r = arg;

	r->conf = conf_load(r->path, CONF_CHECK_SECRETS, &r->report);
	if (write(r->done[1], "", 1) != 1)
		abort();		/* a pipe of ours with room: cannot be */
	return NULL;
}

/* Signals are the loop's. */
static bool start_thread(struct reload *r)
{
	sigset_t all, was;
	pthread_attr_t attr;
	bool ok;

	if (pthread_attr_init(&attr) != 0)
		return false;
	(void)pthread_attr_setstacksize(&attr, STACK);
	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &was);
	ok = pthread_create(&r->thread, &attr, reader, r) == 0;
	(void)pthread_sigmask(SIG_SETMASK, &was, NULL);
	(void)pthread_attr_destroy(&attr);
	return ok;
}

static void begin(struct server *s)
{
	struct reload *r = s->reload;

	r->round++;
	r->again = false;
	r->stage = READING;
	r->began_ms = mx_now_ms();
	r->path = s->conf_path;
	notify_reloading();
	if ((r->threaded = start_thread(r)))
		return;
	r->conf = conf_load(r->path, CONF_CHECK_SECRETS, &r->report);	/* with a pause, then */
	have_read(s);
}

/* NULL: errno says why. */
static struct reload *reload_new(struct server *s)
{
	struct reload *r = calloc(1, sizeof *r);

	if (r == NULL)
		return NULL;
	if (pipe(r->done) == -1) {
		int sys = errno;

		free(r);
		errno = sys;
		return NULL;
	}
	(void)fcntl(r->done[0], F_SETFD, FD_CLOEXEC);
	(void)fcntl(r->done[1], F_SETFD, FD_CLOEXEC);
	r->woken = event_new(s->base, r->done[0], EV_READ | EV_PERSIST, on_woken, s);
	r->slice = event_new(s->base, -1, 0, on_slice, s);
	s->reload = r;
	if (r->woken == NULL || r->slice == NULL || event_add(r->woken, NULL) == -1) {
		reload_stop(s);
		errno = ENOMEM;
	}
	return s->reload;
}

void reload_request(struct server *s, struct conn *asker)
{
	struct reload *r = s->reload != NULL ? s->reload : reload_new(s);
	struct mx_err e;

	if (r == NULL) {
		log_event(LOG_ERR, "reload_failed", "code=no-memory ms=0 text=\"no memory or file descriptors left (%s); "
		    "the earlier configuration stays in force; reload again when there are\"", strerror(errno));
		mx_fail(&e, MX_BUSY, "no-memory", "the token daemon has no memory or file descriptors left; try again");
		if (asker != NULL)
			conn_fail(asker, &e);
		return;
	}
	if (asker != NULL)
		asker->reload_round = r->round + 1;
	if (r->stage == IDLE)
		begin(s);
	else
		r->again = true;
}

bool reload_reading(const struct server *s)
{
	return s->reload != NULL && s->reload->threaded;
}

void reload_stop(struct server *s)
{
	struct reload *r = s->reload;
	struct mx_err e;

	if (r == NULL)
		return;
	mx_fail(&e, MX_TEMP, "shutting-down", "the token daemon is being stopped; try again");
	answer_askers(s, UINT64_MAX, &e);
	if (r->threaded) {
		(void)pthread_join(r->thread, NULL);
		conf_report_free(&r->report);
	}
	if (r->woken != NULL)
		event_free(r->woken);
	if (r->slice != NULL)
		event_free(r->slice);
	close(r->done[0]);
	close(r->done[1]);
	if (r->stage == PUTTING)
		engine_abort(s->engine);
	conf_free(r->conf);
	while (r->old != NULL && engine_settle(s->engine, SLICE))
		;
	conf_ref_drop(r->old);
	free(r);
	s->reload = NULL;
}
