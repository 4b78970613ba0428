#include "config.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tokend/log.h"
#include "tokend/server.h"
#include "tokend/watch.h"

struct watch {
	struct watch *next;
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
		.ctime_ns = (uint64_t)st.st_ctim.tv_sec * 1000000000u + (uint64_t)st.st_ctim.tv_nsec };
}

void watch_look(const struct oauth_client *c, struct watch_state *st)
{
	stamp(c->secret_file, &st->secret);
	stamp(c->ca_file, &st->ca);
}

/* Changed, or watched no longer: true, and w leaves the list. */
static bool over(struct watch *w)
{
	const struct conf_client *cc = engine_client_of(w->c);
	struct engine_status st;
	struct watch_state now;

	engine_status(w->c, &st);
	if (!st.permanent)
		return true;
	watch_look(&cc->oc, &now);
	if (memcmp(&now, &w->then, sizeof now) == 0)
		return false;
	log_event(LOG_NOTICE, "file_changed", "client=%s text=\"its secret or CA file has changed: tried anew\"",
	    engine_client_name(w->c));
	engine_retry(w->c);
	return true;
}

static void arm(struct server *s)
{
	static const struct timeval tv = { WATCH_MS / 1000, WATCH_MS % 1000 * 1000 };

	if (s->watches != NULL)
		event_add(s->watch_timer, &tv);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;
	struct watch **at = &s->watches;

	(void)fd, (void)what;
	while (*at != NULL) {
		struct watch *w = *at;

		if (over(w)) {
			*at = w->next;
			free(w);
		} else {
			at = &w->next;
		}
	}
	arm(s);
}

void watch_add(struct server *s, struct engine_client *c, const struct watch_state *then)
{
	struct watch *w;

	for (w = s->watches; w != NULL && w->c != c; w = w->next)
		;
	if (w == NULL) {
		if (s->watch_timer == NULL)
			s->watch_timer = event_new(s->base, -1, 0, on_timer, s);
		if (s->watch_timer == NULL || (w = malloc(sizeof *w)) == NULL)
			return;		/* without memory the hold ends by its time */
		w->c = c;
		w->next = s->watches;
		s->watches = w;
	}
	w->then = *then;
	arm(s);
}

void watch_clear(struct server *s)
{
	while (s->watches != NULL) {
		struct watch *w = s->watches;

		s->watches = w->next;
		free(w);
	}
}
