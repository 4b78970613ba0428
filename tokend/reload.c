/*
 * Taking a configuration into service, at the start and at every reload: all of it or nothing.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/text.h"
#include "tokend/accept.h"
#include "tokend/listen.h"
#include "tokend/log.h"
#include "tokend/server.h"
#include "tokend/watch.h"

struct conf_ref *conf_ref_new(struct conf *c)
{
	struct conf_ref *r = malloc(sizeof *r);

	if (r != NULL)
		*r = (struct conf_ref){ .conf = c, .refs = 1 };
	return r;
}

void conf_ref_drop(struct conf_ref *r)
{
	if (r == NULL || --r->refs > 0)
		return;
	conf_free(r->conf);
	free(r);
}

static bool put_clients(struct server *s, struct conf *c)
{
	size_t i;

	for (i = 0; i < c->nclients; i++) {
		struct conf_client *k = &c->clients[i];
		struct engine_params p = {
			.name = k->oc.name, .fingerprint = k->fingerprint,
			.min_remaining_s = k->min_remaining_s, .stale_until_s = k->stale_until_s,
			.backoff_min_ms = k->backoff_min_ms, .backoff_max_ms = k->backoff_max_ms, .client = k,
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
	for (i = 0; i < listen_wanted(s->listeners, c); i++) {
		if (listen_make(&s->listeners, &c->listen[i], c->user, &e) != MX_OK) {
			log_event(LOG_ERR, "listen_failed", "path=%s text=%s", c->listen[i].path,
			    mx_quote(text, sizeof text, e.text, strlen(e.text)));
			keep_first(s, had);
			return false;
		}
	}
	if (!accept_watch(s)) {
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

static const char *or_none(const char *s)
{
	return s != NULL ? s : "";
}

bool server_adopt(struct server *s, struct conf *c)
{
	struct conf_ref *ref = conf_ref_new(c), *old = s->conf;

	if (ref == NULL || !put_clients(s, c)) {
		free(ref);
		log_event(LOG_ERR, "no_memory", "for=configuration");
		return false;
	}
	if (!adjust_sockets(s, c)) {
		engine_abort(s->engine);
		free(ref);
		return false;
	}
	if (old != NULL && strcmp(old->conf->user, c->user) != 0)
		log_event(LOG_WARNING, "restart_needed", "text=\"user has changed, which counts from the next start on\"");
	if (old != NULL && strcmp(or_none(old->conf->token_cache), or_none(c->token_cache)) != 0)
		log_event(LOG_WARNING, "restart_needed", "text=\"token_cache has changed, which counts from the next start "
		    "on\"");
	log_level(c->log_level);
	s->conf = ref;
	watch_clear(s);			/* clients may go; permanent holds end at a reload anyway */
	engine_commit(s->engine);	/* may start requests: the new configuration is in place */
	while (engine_settle(s->engine, 1000))
		;
	conf_ref_drop(old);
	s->loaded_wall_ms = mx_wall_ms();
	return true;
}

bool server_reload(struct server *s, struct mx_err *e)
{
	struct conf_report rep;
	char line[1024], first[1024] = "";
	struct conf *c = conf_load(s->conf_path, CONF_CHECK_SECRETS, &rep);
	size_t i;

	for (i = 0; i < rep.n; i++) {
		conf_complaint_str(line, sizeof line, &rep.c[i]);
		log_event(rep.c[i].severity == 'e' ? LOG_ERR : LOG_WARNING, "configuration", "%s", line);
		if (rep.c[i].severity == 'e' && first[0] == '\0')
			memcpy(first, line, sizeof first);
	}
	conf_report_free(&rep);
	if (c == NULL) {
		mx_fail(e, MX_CONFIG, "configuration-wrong", "the old configuration stays in force, the new one is wrong: "
		    "%s", first);
		return false;
	}
	if (!server_adopt(s, c)) {
		conf_free(c);
		mx_fail(e, MX_CONFIG, "reload-failed", "the old configuration stays in force; the daemon's log says why "
		    "the new one cannot be taken");
		return false;
	}
	return true;
}
