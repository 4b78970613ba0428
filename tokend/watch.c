#include "config.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tokend/log.h"
#include "tokend/server.h"
#include "tokend/watch.h"

struct watch {
	struct watch *next, *prev;	/* a ring; its head is looked at next */
	struct engine_client *c;
	struct watch_state then;
};

static void stamp(const char *path, struct watch_stamp *s)
{
	struct stat st;

	memset(s, 0, sizeof *s);
	if (path == NULL || *path != '/' || stat(path, &st) == -1)
		return;
	*s = (struct watch_stamp){ .dev = (uint64_t)st.st_dev, .ino = (uint64_t)st.st_ino, .size = (uint64_t)st.st_size,
		.mtime_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec,
		.mode = st.st_mode, .uid = st.st_uid, .gid = st.st_gid };	/* not ctime: to set the same mode again changes nothing */
}

void watch_look(const struct oauth_client *c, struct watch_state *st)
{
	stamp(c->secret_file, &st->secret);
	stamp(c->ca_file, &st->ca);
}

/* Changed, or to be watched no longer. */
static bool over(struct watch *w)
{
	const struct conf_client *cc = engine_client_of(w->c);
	struct engine_status st;
	struct watch_state now;

	engine_status(w->c, &st);
	if (!st.permanent)
		return true;
	watch_look(&cc->oc, &now);
	return memcmp(&now, &w->then, sizeof now) != 0;
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
		log_event(LOG_NOTICE, "file_changed", "client=%s text=\"its secret or CA file has changed: tried anew\"",
		    engine_client_name(c));
		engine_retry(c);
	}
	arm(s);
}

void watch_add(struct server *s, struct engine_client *c, const struct watch_state *then)
{
	struct watch *w = *engine_client_side(c);

	if (w == NULL) {
		if (s->watch_timer == NULL)
			s->watch_timer = event_new(s->base, -1, 0, on_timer, s);
		if (s->watch_timer == NULL || (w = malloc(sizeof *w)) == NULL)
			return;		/* without memory the hold ends by its time */
		w->c = c;
		if (s->watches == NULL) {
			w->next = w->prev = s->watches = w;
		} else {
			w->next = s->watches;
			w->prev = s->watches->prev;
			w->next->prev = w->prev->next = w;
		}
		*engine_client_side(c) = w;
		if (s->nwatches++ == 0)
			arm(s);
	}
	w->then = *then;
}

void watch_drop(struct server *s, struct engine_client *c)
{
	struct watch *w = *engine_client_side(c);

	if (w == NULL)
		return;
	*engine_client_side(c) = NULL;
	if (s->watches == w)
		s->watches = w->next != w ? w->next : NULL;
	s->nwatches--;
	w->prev->next = w->next;
	w->next->prev = w->prev;
	free(w);
}
