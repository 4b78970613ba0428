#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/wire.h"
#include "tokend/accept.h"
#include "tokend/audit.h"
#include "tokend/conn.h"
#include "tokend/listen.h"
#include "tokend/log.h"
#include "tokend/socketmap.h"
#include "tokend/uids.h"

#define BATCH 64		/* connections taken per wake-up: the rest of the loop has its turn too */
#define PAUSE_MS 100		/* when not even the spare descriptor helps */
#define QUIET_MS 1000		/* between two log lines about peers without a name */
#define DESCRIPTORS_KEPT 512	/* for everything but connections, token requests above all */

static int spare = -1;		/* given up for a moment to tell an asker that there are no descriptors */
static struct event *rest;	/* ends a pause */
static rlim_t descriptors;	/* how many connections there may be by RLIMIT_NOFILE */

/* Says busy without having read, and lets go. u: whose connection it is; it is not counted as open. */
static void turn_away(struct listener *l, int fd, struct uid_entry *u, unsigned long uid, const char *code,
    const char *why)
{
	struct server *s = l->server;
	char line[MX_TEXT_MAX + 128];
	struct mx_err e;
	struct mx_buf b;

	s->count.refused_busy++;
	u->turned_away++;
	mx_fail(&e, MX_BUSY, code, "the token daemon is busy: %s; try again", why);
	mx_buf_init(&b, line, sizeof line);
	if (l->protocol == CONF_PROTOCOL_SOCKETMAP)
		socketmap_error(&b, &e);
	else
		mx_reply_error(&b, &e, '\t');
	(void)send(fd, line, b.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)recv(fd, line, sizeof line, MSG_DONTWAIT);	/* unread input would turn the answer into a reset */
	close(fd);
	if (audit_may(s, u, UID_TURNED_AWAY, LOG_WARNING))
		log_event(LOG_WARNING, "turned_away", "code=%s uid=%lu connections=%zu", code, uid, s->nconns);
}

static bool who_is(struct server *s, int fd, struct peer *p, struct uid_entry **u)
{
	static uint64_t quiet_until;
	uint64_t now = mx_now_ms();

	if (peer_of(fd, p)) {
		*u = uids_get(p->uid, now);
		return true;
	}
	close(fd);
	if (now >= quiet_until) {
		quiet_until = now + QUIET_MS;
		log_event(LOG_WARNING, "peer_unknown", "connections=%zu", s->nconns);
	}
	return false;
}

static void take(struct listener *l, int fd)
{
	struct server *s = l->server;
	const struct conf *c = s->conf->conf;
	struct uid_entry *u;
	size_t most = descriptors < c->max_connections ? (size_t)descriptors : c->max_connections;
	unsigned long uid;
	struct peer p;

	if (!who_is(s, fd, &p, &u))
		return;
	uid = (unsigned long)p.uid;
	/* One person may have thousands of user ids: a quarter of all places is not for strangers. */
	if (s->nconns >= most || (!u->known && uids_strangers() >= most - most / 4)) {
		if (most < c->max_connections)
			turn_away(l, fd, u, uid, "no-descriptors", "it has no file descriptors left");
		else
			turn_away(l, fd, u, uid, "too-many-connections", "all its connections are in use");
	} else if (u->open >= c->max_connections_per_uid) {
		turn_away(l, fd, u, uid, "too-many-of-user", "this user has too many connections open");
	} else {
		uids_open(u);
		if (!conn_open(s, fd, &p, u, l->protocol == CONF_PROTOCOL_SOCKETMAP)) {
			uids_gone(u);
			turn_away(l, fd, u, uid, "no-memory", "it has no memory left");
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
	struct uid_entry *u;
	struct peer p;
	int fd, why;

	if (spare != -1) {
		close(spare);
		spare = -1;
	}
	fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	why = errno;
	if (fd != -1 && who_is(s, fd, &p, &u))
		turn_away(l, fd, u, (unsigned long)p.uid, "no-descriptors", "it has no file descriptors left");
	spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd == -1 && why != EAGAIN) {
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
			take(l, fd);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			shed(l->server, l);
			return;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			return;
		}
	}
}

/*
 * As many descriptors as the connections need, if this process may have them, and some more: token requests,
 * secret files and name service must not lack them because of connections.
 */
static void enough_descriptors(const struct conf *c)
{
	struct rlimit r;
	rlim_t want = (rlim_t)c->max_connections + DESCRIPTORS_KEPT;

	descriptors = RLIM_INFINITY;
	if (getrlimit(RLIMIT_NOFILE, &r) == -1 || r.rlim_cur == RLIM_INFINITY || r.rlim_cur >= want)
		return;
	r.rlim_cur = r.rlim_max == RLIM_INFINITY || r.rlim_max > want ? want : r.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &r);
	if (getrlimit(RLIMIT_NOFILE, &r) == 0)
		descriptors = r.rlim_cur > 2 * DESCRIPTORS_KEPT ? r.rlim_cur - DESCRIPTORS_KEPT : r.rlim_cur / 2;
}

bool accept_watch(struct server *s, const struct conf *c)
{
	struct listener *l;

	enough_descriptors(c);
	if (spare == -1)
		spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (rest == NULL && (rest = event_new(s->base, -1, 0, resume, s)) == NULL)
		return false;
	listen_protocols(s->listeners, c);
	for (l = s->listeners; l != NULL; l = l->next) {
		if (l->ev != NULL)
			continue;
		l->server = s;
		l->ev = event_new(s->base, l->fd, EV_READ | EV_PERSIST, on_listener, l);
		if (l->ev == NULL || event_add(l->ev, NULL) == -1)
			return false;
		log_event(LOG_INFO, "listening", "path=%s handed_over=%s protocol=%s", l->path,
		    l->inherited ? "yes" : "no", l->protocol == CONF_PROTOCOL_SOCKETMAP ? "socketmap" : "tokend");
	}
	return true;
}

void accept_done(void)
{
	if (rest != NULL)
		event_free(rest);
	if (spare != -1)
		close(spare);
	rest = NULL;
	spare = -1;
}
