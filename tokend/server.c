/*
 * The loop, its clocks and signals, and the end: what is under way is answered first.
 */
#include "config.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/clock.h"
#include "tokend/accept.h"
#include "tokend/audit.h"
#include "tokend/cache.h"
#include "tokend/conn.h"
#include "tokend/expiry.h"
#include "tokend/feedback.h"
#include "tokend/fetcher.h"
#include "tokend/listen.h"
#include "tokend/log.h"
#include "tokend/metrics_file.h"
#include "tokend/notify.h"
#include "tokend/reload.h"
#include "tokend/renew.h"
#include "tokend/server.h"
#include "tokend/side.h"
#include "tokend/socketmap.h"
#include "tokend/uids.h"
#include "tokend/watch.h"
#include "tokend/watchdog.h"

static void now(void *ctx, uint64_t *boot_ms, uint64_t *wall_ms)
{
	(void)ctx;
	*boot_ms = mx_boot_ms();
	*wall_ms = mx_wall_ms();
}

/* Splitmix64: it only spreads load, nothing can be guessed from it; the seed differs from process to process. */
static uint32_t jitter(void *ctx)
{
	static uint64_t state;
	uint64_t z;

	(void)ctx;
	if (state == 0 && getrandom(&state, sizeof state, GRND_NONBLOCK) != sizeof state)
		state = mx_now_ms() << 20 ^ (uint64_t)getpid();
	z = state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (uint32_t)(z >> 32);
}

static void set_timer(void *ctx, uint64_t in_ms)
{
	struct server *s = ctx;
	struct timeval tv = { (time_t)(in_ms / 1000), (suseconds_t)(in_ms % 1000 * 1000) };

	event_add(s->engine_timer, &tv);
}

static void on_engine_timer(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;

	(void)fd, (void)what;
	engine_tick(s->engine);
}

static void on_note(void *ctx, struct engine_client *c, enum engine_note n, const struct mx_err *err,
    uint64_t in_ms)
{
	struct server *s = ctx;
	const char *name = c != NULL ? engine_client_name(c) : "";
	unsigned long long ms = in_ms;

	switch (n) {
	case EN_GOT:
		log_event(LOG_DEBUG, "refresh_planned", "client=%s in_ms=%llu", name, ms);
		break;
	case EN_FAILED:
		log_event(LOG_NOTICE, "on_hold", "client=%s code=%s in_ms=%llu", name, err->code, ms);
		break;
	case EN_SAME_TOKEN:
		log_event(LOG_WARNING, "same_token", "client=%s text=\"the mail server refused this token and the "
		    "identity provider hands out the same one again; it is not asked anew before it can differ\"",
		    name);
		break;
	case EN_GONE:
		watch_drop(s, c);
		side_free(c);
		break;
	case EN_REJECTED:
	case EN_REJECT_IGNORED:
		break;			/* verbs.c logs reports of rejection */
	case EN_JUMP:
		log_event(LOG_NOTICE, "clock_jump", "refreshes_sooner=%llu", ms);
		break;
	case EN_BUG:
		s->count.bugs++;
		log_event(LOG_ERR, "bug", "client=%s transition=%llx", name, ms);
		break;
	}
}

bool server_init(struct server *s, const char *conf_path)
{
	struct engine_ops ops = {
		.now = now, .random = jitter, .fetch = fetcher_start, .urge = fetcher_urge, .cancel = fetcher_cancel,
		.timer = set_timer, .note = on_note, .ctx = s,
	};

	cache_hooks(&ops);
	s->conf_path = conf_path;
	s->started_wall_ms = mx_wall_ms();
	s->started_boot_ms = mx_boot_ms();
	s->base = event_base_new();
	if (s->base == NULL)
		return false;
	s->engine_timer = event_new(s->base, -1, 0, on_engine_timer, s);
	s->fetcher = fetcher_new(s);
	s->engine = engine_new(&ops);
	return s->engine_timer != NULL && s->fetcher != NULL && s->engine != NULL;
}

void server_last_answer(struct server *s)
{
	if (s->stopping && s->conns == NULL && !renew_busy(s))
		event_base_loopbreak(s->base);
}

#define STOP_S 12		/* longer than an asker waits by default; systemd would kill after 90 */

static void on_stop_late(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;

	(void)fd, (void)what;
	event_base_loopbreak(s->base);	/* those that are left hear that the daemon stops */
}

/* No new connections; those that wait for a token get it, or their deadline. A second signal ends that wait. */
static void on_stop(evutil_socket_t sig, short what, void *arg)
{
	static const struct timeval late = { STOP_S, 0 };
	struct server *s = arg;

	(void)what;
	if (s->stopping) {
		event_base_loopbreak(s->base);
		return;
	}
	log_event(LOG_NOTICE, "stopping", "signal=%d connections=%zu", (int)sig, s->nconns);
	notify("STOPPING=1");
	s->stopping = true;
	listen_close_all(&s->listeners);
	socketmap_stop(s);
	event_base_once(s->base, -1, EV_TIMEOUT, on_stop_late, s, &late);
	server_last_answer(s);
}

static void on_hup(evutil_socket_t sig, short what, void *arg)
{
	struct server *s = arg;

	(void)sig, (void)what;
	if (!s->stopping)
		reload_request(s, NULL);
}

void server_run(struct server *s)
{
	struct event *stop1 = evsignal_new(s->base, SIGTERM, on_stop, s);
	struct event *stop2 = evsignal_new(s->base, SIGINT, on_stop, s);
	struct event *hup = evsignal_new(s->base, SIGHUP, on_hup, s), *dog = watchdog_start(s->base);

	if (stop1 == NULL || stop2 == NULL || hup == NULL || evsignal_add(stop1, NULL) == -1 ||
	    evsignal_add(stop2, NULL) == -1 || evsignal_add(hup, NULL) == -1) {
		log_event(LOG_ERR, "no_memory", "for=signals");
	} else {
		log_event(LOG_NOTICE, "ready", "version=%s clients=%zu accounts=%zu", PACKAGE_VERSION,
		    s->conf->conf->nclients, s->conf->conf->naccounts);
		notify("READY=1");
		event_base_dispatch(s->base);
	}
	if (stop1 != NULL)
		event_free(stop1);
	if (stop2 != NULL)
		event_free(stop2);
	if (hup != NULL)
		event_free(hup);
	if (dog != NULL)
		event_free(dog);
}

void server_done(struct server *s)
{
	s->ending = true;
	listen_close_all(&s->listeners);
	reload_stop(s);
	metrics_file_stop(s);
	expiry_stop(s);
	engine_free(s->engine);		/* askers that are left hear that the daemon stops */
	renew_done(s);
	if (s->watch_timer != NULL)
		event_free(s->watch_timer);
	cache_close(s);
	conn_close_all(s);
	accept_done();
	audit_done();
	uids_reset();
	feedback_reset();
	fetcher_free(s->fetcher);
	conf_ref_drop(s->conf);
	if (s->engine_timer != NULL)
		event_free(s->engine_timer);
	if (s->base != NULL)
		event_base_free(s->base);
	*s = (struct server){ 0 };
}
