#include "config.h"

#include <poll.h>
#include <stdlib.h>

#include "common/clock.h"
#include "oauth/http.h"
#include "oauth/http_wait.h"

#define FDS 16			/* one request has a few: two families of addresses, libcurl's own */

struct waiting {
	struct pollfd fd[FDS];
	nfds_t n;
	uint64_t due;		/* mx_now_ms(); UINT64_MAX: never */
	bool over, crowded;
	struct oauth_token *t;
	struct oauth_failure *f;
	enum mx_class cls;
};

static void watch(void *ctx, int fd, int what, void **slot)
{
	struct waiting *w = ctx;
	nfds_t i = 0;

	(void)slot;
	while (i < w->n && w->fd[i].fd != fd)
		i++;
	if (what == 0) {
		if (i < w->n)
			w->fd[i] = w->fd[--w->n];
		return;
	}
	if (i == FDS) {
		w->crowded = true;	/* the transfer's own time ends it */
		return;
	}
	if (i == w->n)
		w->n++;
	w->fd[i] = (struct pollfd){
		.fd = fd,
		.events = (short)((what & OAUTH_HTTP_IN ? POLLIN : 0) | (what & OAUTH_HTTP_OUT ? POLLOUT : 0)),
	};
}

static void timer(void *ctx, long ms)
{
	struct waiting *w = ctx;

	w->due = ms < 0 ? UINT64_MAX : mx_now_ms() + (uint64_t)ms;
}

static void done(void *arg, struct oauth_token *t, const struct oauth_failure *f, uint32_t took_ms)
{
	struct waiting *w = arg;

	(void)took_ms;
	w->over = true;
	*w->t = *t;
	t->access_token = t->refresh_token = (struct mx_secret){ 0 };
	if (f != NULL) {
		*w->f = *f;
		w->cls = f->err.cls;
		return;
	}
	w->cls = MX_OK;
}

/* Handlers may take descriptors out of the list: they are asked by number, as they were found. */
static void turn(struct oauth_http *h, struct waiting *w)
{
	uint64_t now = mx_now_ms();
	int ms = w->due == UINT64_MAX ? 1000 : w->due <= now ? 0 : w->due - now > 1000 ? 1000 : (int)(w->due - now);
	struct pollfd then[FDS];
	nfds_t n;

	if (w->crowded && ms > 50)
		ms = 50;
	if (poll(w->fd, w->n, ms) > 0) {
		n = w->n;
		for (nfds_t i = 0; i < n; i++)
			then[i] = w->fd[i];
		for (nfds_t i = 0; i < n && !w->over; i++)
			if (then[i].revents != 0)
				oauth_http_ready(h, then[i].fd, (then[i].revents & (POLLIN | POLLHUP | POLLERR) ?
				    OAUTH_HTTP_IN : 0) | (then[i].revents & POLLOUT ? OAUTH_HTTP_OUT : 0));
	}
	if (!w->over && w->due <= mx_now_ms()) {
		w->due = UINT64_MAX;
		oauth_http_timeout(h);
	}
}

static bool stopped(const struct oauth_want *w)
{
	return w != NULL && w->stop != NULL && *w->stop != 0;
}

enum mx_class oauth_http_wait(const char *user_agent, const struct oauth_client *c, const struct oauth_credential *k,
    const struct oauth_want *want, struct oauth_token *t, struct oauth_failure *f)
{
	struct waiting w = { .due = UINT64_MAX, .t = t, .f = f };
	struct oauth_http_loop loop = { .watch = watch, .timer = timer, .ctx = &w };
	struct oauth_http *h = oauth_http_new(&loop, user_agent);

	*t = (struct oauth_token){ 0 };
	*f = (struct oauth_failure){ .retry_after_s = -1 };
	if (h == NULL || oauth_http_start(h, c, k, want, done, &w) == NULL)
		w.cls = mx_fail(&f->err, MX_TEMP, "no-memory", "client \"%.64s\": no memory for a token request",
		    c->name);
	else
		while (!w.over && !stopped(want))
			turn(h, &w);
	if (!w.over && stopped(want))
		w.cls = mx_fail(&f->err, MX_TEMP, "interrupted", "client \"%.64s\": the request was given up, as this "
		    "process was told to end; run it again", c->name);
	oauth_http_free(h);
	return w.cls;
}
