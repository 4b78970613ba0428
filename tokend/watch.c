#include "config.h"

#include <event2/event.h>
#include <stdlib.h>

#include "common/hash.h"
#include "oauth/file.h"
#include "tokend/log.h"
#include "tokend/server.h"
#include "tokend/side.h"
#include "tokend/watch.h"

struct watch {
	struct watch *next, *prev;	/* a ring; its head is looked at next */
	struct engine_client *c;
	uint64_t files, grant;
};

uint64_t watch_look(const struct oauth_client *c)
{
	uint64_t h = oauth_file_stamp(oauth_file_stamp(MX_FNV_BASIS, c->ca_file), c->proxy_credentials_file);

	for (size_t i = 0; i < c->ncredentials; i++)
		h = oauth_credential_stamp(h, &c->credential[i]);
	return h;
}

uint64_t watch_look_grant(const struct oauth_client *c)
{
	return oauth_file_stamp(MX_FNV_BASIS, c->refresh_token_file);
}

/* Changed, or to be watched no longer. */
static bool over(struct watch *w)
{
	const struct conf_client *cc = engine_client_of(w->c);
	struct engine_status st;

	engine_status(w->c, &st);
	if (!st.permanent)
		return true;
	return watch_look(&cc->oc) != w->files || watch_look_grant(&cc->oc) != w->grant;
}

static void arm(struct server *s)
{
	static const struct timeval rare = { WATCH_MS / 1000, WATCH_MS % 1000 * 1000 };
	static const struct timeval often = { 0, WATCH_CROWD_MS * 1000 };

	if (s->nwatches > 0)
		event_add(s->watch_timer, s->nwatches > WATCH_BATCH ? &often : &rare);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;
	size_t n = s->nwatches < WATCH_BATCH ? s->nwatches : WATCH_BATCH;

	(void)fd, (void)what;
	for (; n > 0 && s->watches != NULL; n--) {
		struct watch *w = s->watches;
		struct engine_client *c = w->c;
		struct engine_status st;

		s->watches = w->next;		/* its turn comes again behind all others */
		if (!over(w))
			continue;
		watch_drop(s, c);
		engine_status(c, &st);
		if (!st.permanent)
			continue;
		log_event(LOG_NOTICE, "file_changed", "client=%s text=\"a file of its credential, refresh token, proxy "
		    "or CA has changed: tried anew\"", engine_client_name(c));
		engine_retry(c);
	}
	arm(s);
}

void watch_add(struct server *s, struct engine_client *c, uint64_t files, uint64_t grant)
{
	struct side *side = side_make(c);
	struct watch *w;

	if (side == NULL)
		return;			/* without memory the hold ends by its time */
	if ((w = side->watch) == NULL) {
		if (s->watch_timer == NULL)
			s->watch_timer = event_new(s->base, -1, 0, on_timer, s);
		if (s->watch_timer == NULL || (w = malloc(sizeof *w)) == NULL)
			return;
		w->c = c;
		if (s->watches == NULL) {
			w->next = w->prev = s->watches = w;
		} else {
			w->next = s->watches;
			w->prev = s->watches->prev;
			w->next->prev = w->prev->next = w;
		}
		side->watch = w;
		if (s->nwatches++ == 0)
			arm(s);
	}
	w->files = files;
	w->grant = grant;
}

void watch_drop(struct server *s, struct engine_client *c)
{
	struct side *side = side_find(c);
	struct watch *w = side != NULL ? side->watch : NULL;

	if (w == NULL)
		return;
	side->watch = NULL;
	if (s->watches == w)
		s->watches = w->next != w ? w->next : NULL;
	s->nwatches--;
	w->prev->next = w->next;
	w->next->prev = w->prev;
	free(w);
}
