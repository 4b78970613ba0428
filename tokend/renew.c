#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/text.h"
#include "tokend/log.h"
#include "tokend/reload.h"
#include "tokend/renew.h"
#include "tokend/renew_child.h"
#include "tokend/watch.h"

/* Each is a process with libcurl and the CAs in it, a megabyte and more; the others wait. */
#define AT_ONCE 16

struct renewals {
	struct renewal *first;		/* the oldest */
	struct event *reaper;		/* SIGCHLD */
};

struct renewal {
	struct renewal *next;
	struct server *s;
	const struct oauth_client *c;
	const struct oauth_credential *k;
	uint64_t *files;
	oauth_fetch_done *done;		/* NULL: it has been called, or nobody cares any more */
	void *arg;
	uint64_t started;		/* mx_now_ms() */
	pid_t pid;			/* 0: not begun, or reaped */
	struct event *ev;		/* NULL: nothing is to be heard any more */
};

static bool may_begin(const struct server *s)
{
	unsigned n = 0;

	for (const struct renewal *r = s->renewals->first; r != NULL; r = r->next)
		n += r->pid != 0;
	return n < AT_ONCE && !reload_reading(s);
}

static void sweep(struct server *s)
{
	struct renewal **at = &s->renewals->first, *r;

	while ((r = *at) != NULL) {
		if (r->done != NULL || r->pid != 0) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		free(r);
	}
}

static void hang_up(struct renewal *r)
{
	if (r->ev == NULL)
		return;
	close(event_get_fd(r->ev));
	event_free(r->ev);
	r->ev = NULL;
}

/* Calls back; r may be gone afterwards. */
static void conclude(struct renewal *r, struct oauth_token *t, const struct oauth_failure *f)
{
	struct server *s = r->s;
	oauth_fetch_done *done = r->done;
	void *arg = r->arg;
	uint32_t took = (uint32_t)(mx_now_ms() - r->started);

	hang_up(r);
	r->done = NULL;
	sweep(s);
	if (done != NULL)
		done(arg, t, f, took);
	server_last_answer(s);
}

static void lost(struct renewal *r)
{
	struct oauth_token t = { .expires_in_s = 0 };
	struct oauth_failure f = { .retry_after_s = -1 };

	mx_fail(&f.err, MX_TEMP, "renewal-lost", "client \"%.64s\": the process that renews the refresh token has "
	    "ended without a word; if the next tries fail too, look at the daemon's limits on memory and processes",
	    r->c->name);
	conclude(r, &t, &f);
}

static void on_word(evutil_socket_t fd, short what, void *arg)
{
	struct renewal *r = arg;
	struct mx_secret token = { 0 };
	struct renew_word w;

	(void)what;
	if (!renew_hear((int)fd, &w, &token)) {
		if (errno != EAGAIN && errno != EINTR)
			lost(r);
		return;
	}
	if (r->done != NULL && w.replaced)
		*r->files = w.files;
	mx_secret_move(&w.token.access_token, &token);
	conclude(r, &w.token, w.ok ? NULL : &w.failure);
	mx_secret_free(&w.token.access_token);
	mx_wipe(&w, sizeof w);
}

static void on_child(evutil_socket_t sig, short what, void *arg)
{
	struct server *s = arg;

	(void)sig, (void)what;
	for (struct renewal *r = s->renewals->first; r != NULL; r = r->next)
		if (r->pid > 0 && waitpid(r->pid, NULL, WNOHANG) == r->pid)
			r->pid = 0;
	sweep(s);
	renew_go(s);
	server_last_answer(s);
}

static bool ready(struct server *s)
{
	if (s->renewals != NULL)
		return true;
	if ((s->renewals = calloc(1, sizeof *s->renewals)) == NULL)
		return false;
	s->renewals->reaper = evsignal_new(s->base, SIGCHLD, on_child, s);
	if (s->renewals->reaper != NULL && evsignal_add(s->renewals->reaper, NULL) == 0)
		return true;
	renew_done(s);
	return false;
}

/* Signals wait until the child has its own mind about them: libevent's handlers would tell the daemon. */
static bool begin(struct renewal *r)
{
	sigset_t all, was;
	struct oauth_failure f;
	int pair[2], err;
	bool told;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
		return false;
	r->ev = event_new(r->s->base, pair[0], EV_READ | EV_PERSIST, on_word, r);
	if (r->ev == NULL || event_add(r->ev, NULL) == -1 || evutil_make_socket_nonblocking(pair[0]) == -1) {
		if (r->ev != NULL)
			event_free(r->ev);
		r->ev = NULL;
		close(pair[0]);
		close(pair[1]);
		return false;
	}
	if (!renew_prepare(pair[0], r->c, r->k, &f)) {
		told = renew_tell(pair[1], &f);
		close(pair[1]);
		if (!told)
			hang_up(r);
		return told;
	}
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &was);
	if ((pid = fork()) == 0)
		renew_child(pair[1], r->c, r->k);
	err = errno;
	(void)sigprocmask(SIG_SETMASK, &was, NULL);
	close(pair[1]);
	if (pid == -1) {
		log_event(LOG_ERR, "no_process", "client=%s text=\"no process can be made for the renewal (%s); raise "
		    "the limit on processes (TasksMax=, RLIMIT_NPROC)\"", r->c->name, strerror(err));
		hang_up(r);
		return false;
	}
	r->pid = pid;
	return true;
}

struct renewal *renew_start(struct server *s, const struct oauth_client *c, const struct oauth_credential *k,
    uint64_t *files, oauth_fetch_done *done, void *arg)
{
	struct renewal *r, **end;

	if (!ready(s) || (r = malloc(sizeof *r)) == NULL)
		return NULL;
	*r = (struct renewal){
		.s = s, .c = c, .k = k, .files = files, .done = done, .arg = arg, .started = mx_now_ms(),
	};
	if (may_begin(s) && !begin(r)) {
		free(r);
		return NULL;
	}
	for (end = &s->renewals->first; *end != NULL; end = &(*end)->next)
		;
	*end = r;
	return r;
}

void renew_cancel(struct renewal *r)
{
	hang_up(r);
	r->done = NULL;
	sweep(r->s);
}

void renew_go(struct server *s)
{
	struct renewal *r = s->renewals != NULL ? s->renewals->first : NULL;

	while (r != NULL && may_begin(s)) {
		if (r->pid != 0 || r->done == NULL || r->ev != NULL) {
			r = r->next;
			continue;
		}
		r->started = mx_now_ms();
		if (begin(r)) {
			r = r->next;
			continue;
		}
		lost(r);
		r = s->renewals->first;		/* the list has changed */
	}
}

bool renew_busy(const struct server *s)
{
	if (s->renewals == NULL)
		return false;
	for (const struct renewal *r = s->renewals->first; r != NULL; r = r->next)
		if (r->pid != 0)
			return true;
	return false;
}

void renew_done(struct server *s)
{
	struct renewal *r;

	if (s->renewals == NULL)
		return;
	while ((r = s->renewals->first) != NULL) {
		s->renewals->first = r->next;
		hang_up(r);
		free(r);
	}
	if (s->renewals->reaper != NULL)
		event_free(s->renewals->reaper);
	free(s->renewals);
	s->renewals = NULL;
}
