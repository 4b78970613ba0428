#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/wire.h"
#include "tokend/accept.h"
#include "tokend/conn.h"
#include "tokend/listen.h"
#include "tokend/log.h"

#define BATCH 64		/* connections taken per wake-up: the rest of the loop has its turn too */
#define PAUSE_MS 100		/* when not even the spare descriptor helps */
#define QUIET_MS 1000		/* between two log lines about the same shortage */

static struct { uid_t uid; unsigned n; } *by_uid;
static size_t nuids, uids_cap;
static int spare = -1;		/* given up for a moment to tell an asker that there are no descriptors */
static struct event *rest;	/* ends a pause */

static unsigned *uid_count(uid_t uid)
{
	size_t i;

	for (i = 0; i < nuids; i++)
		if (by_uid[i].uid == uid)
			return &by_uid[i].n;
	if (nuids == uids_cap) {
		size_t cap = uids_cap == 0 ? 16 : uids_cap * 2;
		void *p = realloc(by_uid, cap * sizeof *by_uid);

		if (p == NULL)
			return NULL;
		by_uid = p;
		uids_cap = cap;
	}
	by_uid[nuids].uid = uid;
	by_uid[nuids].n = 0;
	return &by_uid[nuids++].n;
}

void accept_uid_gone(uid_t uid)
{
	size_t i;

	for (i = 0; i < nuids; i++) {
		if (by_uid[i].uid == uid && --by_uid[i].n == 0) {
			by_uid[i] = by_uid[--nuids];
			return;
		}
	}
}

/* Says busy without having read, and lets go. */
static void turn_away(struct server *s, int fd, const char *code, const char *why, unsigned long who)
{
	static uint64_t quiet_until;
	char line[MX_TEXT_MAX + 128];
	struct mx_err e;
	struct mx_buf b;

	s->count.refused_busy++;
	mx_fail(&e, MX_BUSY, code, "the token daemon is busy: %s; try again", why);
	mx_buf_init(&b, line, sizeof line);
	mx_reply_error(&b, &e, '\t');
	(void)send(fd, line, b.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)recv(fd, line, sizeof line, MSG_DONTWAIT);	/* unread input would turn the answer into a reset */
	close(fd);
	if (mx_now_ms() >= quiet_until) {
		quiet_until = mx_now_ms() + QUIET_MS;
		log_event(LOG_WARNING, "turned_away", "code=%s uid=%lu connections=%zu", code, who, s->nconns);
	}
}

static void take(struct server *s, int fd)
{
	const struct conf *c = s->conf->conf;
	struct peer p;
	unsigned *n;

	if (!peer_of(fd, &p)) {
		log_event(LOG_WARNING, "peer_unknown", "fd=%d", fd);
		close(fd);
		return;
	}
	n = uid_count(p.uid);
	if (n == NULL || s->nconns >= c->max_connections) {
		turn_away(s, fd, "too-many-connections", "all its connections are in use", (unsigned long)p.uid);
	} else if (*n >= c->max_connections_per_uid) {
		turn_away(s, fd, "too-many-of-user", "this user has too many connections open", (unsigned long)p.uid);
	} else {
		++*n;
		if (!conn_open(s, fd, &p)) {
			turn_away(s, fd, "no-memory", "it has no memory left", (unsigned long)p.uid);
			accept_uid_gone(p.uid);
		}
	}
}

static void resume(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;
	struct listener *l;

	(void)fd, (void)what;
	for (l = s->listeners; l != NULL; l = l->next)
		event_add(l->ev, NULL);
}

/* No descriptor left: the spare one answers whoever waits; if even that fails the socket rests a while. */
static void shed(struct server *s, struct listener *l)
{
	static const struct timeval pause = { 0, PAUSE_MS * 1000 };
	int fd;

	if (spare != -1) {
		close(spare);
		spare = -1;
	}
	fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd != -1)
		turn_away(s, fd, "no-descriptors", "it has no file descriptors left", 0);
	spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd == -1 && errno != EAGAIN) {
		event_del(l->ev);
		event_add(rest, &pause);
	}
}

static void on_listener(evutil_socket_t lfd, short what, void *arg)
{
	struct listener *l = arg;
	int i, fd;

	(void)what;
	for (i = 0; i < BATCH; i++) {
		fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd != -1) {
			take(l->server, fd);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			shed(l->server, l);
			return;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			return;
		}
	}
}

bool accept_watch(struct server *s)
{
	struct listener *l;

	if (spare == -1)
		spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (rest == NULL && (rest = event_new(s->base, -1, 0, resume, s)) == NULL)
		return false;
	for (l = s->listeners; l != NULL; l = l->next) {
		if (l->ev != NULL)
			continue;
		l->server = s;
		l->ev = event_new(s->base, l->fd, EV_READ | EV_PERSIST, on_listener, l);
		if (l->ev == NULL || event_add(l->ev, NULL) == -1)
			return false;
		log_event(LOG_INFO, "listening", "path=%s handed_over=%s", l->path, l->inherited ? "yes" : "no");
	}
	return true;
}

void accept_done(void)
{
	if (rest != NULL)
		event_free(rest);
	if (spare != -1)
		close(spare);
	free(by_uid);
	rest = NULL;
	spare = -1;
	by_uid = NULL;
	nuids = uids_cap = 0;
}
