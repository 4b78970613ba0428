#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/text.h"
#include "tokend/audit.h"
#include "tokend/conn.h"
#include "tokend/socketmap.h"

#define GRACE_TRIES 16		/* an asker that has just connected is about to send: see about_to_send() */
#define SPARES 32		/* connection structures kept for the next ones */
#define DRAIN_MAX 4		/* reads before a close, lest unread input turn the answer into a reset */
#define GRACE_BURST 32		/* graces in vain that one user has at once ... */
#define GRACE_STEP_MS 50	/* ... and one more each so often */
#define WRITE_MS 2000		/* an asker that does not take its answer is let go */
#define STREAM_MS 60000		/* and one that takes a long one too slowly */

/* A report on its way. */
struct stream {
	struct report report;
	enum report_step step;		/* of the piece in data: MORE if others follow */
	uint64_t until_ms;
	bool begun;
	size_t len, done;		/* a piece may be empty: clients that have nothing to show */
	char data[REPORT_PIECE];
};

static struct conn *spares;
static unsigned nspares;
static char scratch[MX_WIRE_REQUEST_MAX + 1];	/* one thread, one request at a time */

static void on_event(evutil_socket_t fd, short what, void *arg);

void conn_free(struct conn *c)
{
	struct server *s = c->s;

	engine_cancel(&c->waiter);
	if (c->ev != NULL)
		event_free(c->ev);
	if (c->fd != -1)
		close(c->fd);
	mx_secret_free(&c->out);
	if (c->in != NULL)
		mx_wipe(c->in, MX_WIRE_REQUEST_MAX + 1);
	free(c->in);
	free(c->stream);
	*c->prev = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	s->nconns--;
	uids_gone(c->who);
	if (nspares < SPARES) {
		c->next = spares;
		spares = c;
		nspares++;
	} else {
		free(c);
	}
	server_last_answer(s);
}

bool conn_wait_on(struct conn *c, short what, uint64_t ms)
{
	struct timeval tv = { (time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000) };

	if (c->ev != NULL)
		event_free(c->ev);
	c->ev = event_new(c->s->base, what == 0 ? -1 : c->fd, what, on_event, c);
	return c->ev != NULL && event_add(c->ev, &tv) == 0;
}

/* Reads away what the asker sent beyond its request; a half-closed one has nothing more. */
static void drain(int fd)
{
	int i;

	for (i = 0; i < DRAIN_MAX; i++)
		if (recv(fd, scratch, sizeof scratch, MSG_DONTWAIT) <= 0)
			break;
}

static void finish(struct conn *c)
{
	if (c->ev != NULL)
		event_free(c->ev);	/* first: the number may be another thread's next file */
	c->ev = NULL;
	drain(c->fd);
	close(c->fd);
	c->fd = -1;
}

void conn_count(struct conn *c, const struct mx_err *err)
{
	uint64_t us = mx_now_us() - c->since_us;
	bool token = c->verb == MX_VERB_SASL || c->verb == MX_VERB_RAW || c->verb == MX_VERB_TOKEN;

	c->s->count.requests[c->verb]++;
	c->s->count.results[err == NULL ? MX_OK : err->cls]++;
	histogram_add(&c->s->answer_time[!token], &histogram_answer, us);
	c->who->requests++;
	c->who->answers += err == NULL;
	c->who->denied += err != NULL && err->cls == MX_DENIED;
}

/* Once the answer is out. */
void conn_settle(struct conn *c, const struct mx_err *err)
{
	uint64_t ms = (mx_now_us() - c->since_us) / 1000;

	conn_count(c, err);
	audit_request(c, err, ms);
}

void conn_answer(struct conn *c, const void *answer, size_t n, const struct mx_err *err)
{
	ssize_t r;

	do
		r = send(c->fd, answer, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (r == -1 && errno == EINTR);
	if ((r >= 0 && (size_t)r < n) || (r == -1 && errno == EAGAIN)) {
		size_t sent = r < 0 ? 0 : (size_t)r;

		if (mx_secret_set(&c->out, (const char *)answer + sent, n - sent) &&
		    conn_wait_on(c, EV_WRITE | EV_PERSIST, WRITE_MS)) {
			conn_settle(c, err);
			return;
		}
	}
	finish(c);
	conn_settle(c, err);		/* after the asker has gone on */
	conn_free(c);
}

void conn_fail(struct conn *c, const struct mx_err *err)
{
	char line[MX_TEXT_MAX + 128];
	struct mx_buf b;

	mx_buf_init(&b, line, sizeof line);
	mx_reply_error(&b, err, c->verb == MX_VERB_RAW ? ' ' : '\t');
	conn_answer(c, line, b.len, err);
}

static void fail_with(struct conn *c, enum mx_class cls, const char *code, const char *text)
{
	struct mx_err e;

	mx_fail(&e, cls, code, "%s", text);
	conn_fail(c, &e);
}

/* More of an answer that did not fit. */
static void write_more(struct conn *c)
{
	while (c->out_done < c->out.len) {
		ssize_t r = send(c->fd, c->out.p + c->out_done, c->out.len - c->out_done,
		    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (r > 0)
			c->out_done += (size_t)r;
		else if (r == -1 && errno == EAGAIN)
			return;
		else if (r == 0 || errno != EINTR)
			break;
	}
	finish(c);
	conn_free(c);
}

static bool refill(struct stream *t)
{
	struct mx_buf b;

	if (t->step != REPORT_MORE)
		return false;
	mx_buf_init(&b, t->data, sizeof t->data);
	if (!t->begun)
		mx_buf_adds(&b, "OK\n");
	t->begun = true;
	t->step = report_next(&t->report, &b);
	if (t->step == REPORT_CHANGED)
		mx_buf_adds(&b, "...");		/* an end without LF: the asker sees that there should be more */
	t->len = b.len;
	t->done = 0;
	return true;
}

static void end_stream(struct conn *c)
{
	finish(c);
	conn_settle(c, NULL);
	conn_free(c);
}

/* Sends what is at hand, and makes at most one piece more: the others of the loop have their turn between two. */
static void stream_some(struct conn *c)
{
	struct stream *t = c->stream;
	bool more = t->done < t->len || refill(t);

	while (more && t->done < t->len) {
		ssize_t r = send(c->fd, t->data + t->done, t->len - t->done, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (r > 0)
			t->done += (size_t)r;
		else if (r == -1 && errno == EAGAIN)
			break;
		else if (r == 0 || errno != EINTR)
			more = false;
	}
	if (more && (t->done < t->len || t->step == REPORT_MORE) && mx_now_ms() < t->until_ms &&
	    (c->ev != NULL || conn_wait_on(c, EV_WRITE | EV_PERSIST, WRITE_MS)))
		return;
	end_stream(c);
}

void conn_report(struct conn *c, const struct report_kind *kind)
{
	if (c->ev != NULL)
		event_free(c->ev);	/* it was for reading */
	c->ev = NULL;
	if ((c->stream = malloc(sizeof *c->stream)) == NULL) {
		fail_with(c, MX_BUSY, "no-memory", "the token daemon has no memory left; try again");
		return;
	}
	report_begin(&c->stream->report, c->s, kind);
	c->stream->step = REPORT_MORE;
	c->stream->until_ms = mx_now_ms() + STREAM_MS;
	c->stream->begun = false;
	c->stream->len = c->stream->done = 0;
	stream_some(c);
}

/*
 * connect() wakes this daemon before the asker has got to its send(): without a moment's grace most requests
 * would go the long way by the event loop. It yields rather than sleeps, since to be woken on another
 * processor takes longer than the whole request. A silent connection costs so many tries, once; a user of many
 * silent ones is not waited for any more, since on a busy machine each yield can take milliseconds.
 */
static bool about_to_send(const struct conn *c)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	int i;

	if (c->ev != NULL || c->in_len != 0 ||
	    !limit_left(&c->who->grace, GRACE_BURST, GRACE_STEP_MS, c->since_us / 1000))
		return false;
	for (i = 0; i < GRACE_TRIES; i++) {
		sched_yield();
		if (poll(&p, 1, 0) == 1)
			return true;
	}
	(void)limit_take(&c->who->grace, GRACE_BURST, GRACE_STEP_MS, c->since_us / 1000);
	return false;
}

/*
 * Takes what is there. A line that came whole is handled in the scratch buffer; else its beginning is kept
 * and the loop waits for the rest until the request's time is over.
 */
static void read_some(struct conn *c)
{
	char *buf = c->in != NULL ? c->in : scratch;
	uint64_t limit = c->s->conf->conf->request_timeout_ms, spent;
	ssize_t r;
	char *lf;

	for (;;) {
		r = recv(c->fd, buf + c->in_len, MX_WIRE_REQUEST_MAX - c->in_len, 0);
		if (r == -1 && errno == EINTR)
			continue;
		if (r == -1 && errno == EAGAIN) {
			if (about_to_send(c))
				continue;
			break;
		}
		if (r <= 0) {
			if (r == 0 && c->in_len > 0) {	/* no LF, but the asker has closed its side: that ends it too */
				verbs_handle(c, buf, c->in_len);
			} else {
				conn_free(c);		/* gone without a word */
			}
			return;
		}
		lf = memchr(buf + c->in_len, '\n', (size_t)r);
		c->in_len += (size_t)r;
		if (lf != NULL) {
			verbs_handle(c, buf, (size_t)(lf + 1 - buf));
			return;
		}
		if (c->in_len == MX_WIRE_REQUEST_MAX) {
			fail_with(c, MX_BAD_REQUEST, "request-too-long", "bad request: longer than 8192 bytes");
			return;
		}
	}
	if (c->in == NULL && c->in_len > 0) {	/* one that is silent costs no buffer */
		if ((c->in = malloc(MX_WIRE_REQUEST_MAX + 1)) == NULL) {
			conn_free(c);
			return;
		}
		memcpy(c->in, buf, c->in_len);
	}
	spent = (mx_now_us() - c->since_us) / 1000;
	if (spent >= limit || !conn_wait_on(c, EV_READ, limit - spent))
		fail_with(c, MX_BAD_REQUEST, "request-too-slow", "bad request: it did not arrive in time");
}

static void on_waiter(struct engine_waiter *w, const struct engine_answer *a)
{
	struct conn *c = (struct conn *)(void *)w;

	(c->socketmap ? socketmap_token : verbs_token)(c, a);
}

void conn_wait(struct conn *c, uint32_t deadline_ms)
{
	if (!conn_wait_on(c, 0, deadline_ms))
		fail_with(c, MX_BUSY, "no-memory", "the token daemon has no memory left; try again");
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	struct engine_answer a;

	(void)fd;
	if (c->socketmap) {
		socketmap_event(c, (what & EV_TIMEOUT) != 0);
	} else if (c->out.p != NULL || c->stream != NULL) {
		if (c->stream != NULL)
			(what & EV_TIMEOUT ? end_stream : stream_some)(c);
		else if (what & EV_TIMEOUT)
			conn_free(c);
		else
			write_more(c);
	} else if (c->waiter.client != NULL) {
		engine_give_up(&c->waiter, &a);
		verbs_token(c, &a);
	} else if (what & EV_TIMEOUT) {
		fail_with(c, MX_BAD_REQUEST, "request-too-slow", "bad request: it did not arrive in time");
	} else {
		read_some(c);
	}
}

void conn_clear_request(struct conn *c)
{
	/* The large text fields need no clearing but for their first byte. */
	c->account[0] = c->user[0] = c->host[0] = c->client[0] = c->token_id[0] = '\0';
	c->reason = c->mend = "";
	c->verb = MX_VERB_NONE;
	c->mech = MX_MECH_NONE;
	c->expires_in_s = 0;
	c->since_us = mx_now_us();
}

bool conn_open(struct server *s, int fd, const struct peer *p, struct uid_entry *who, bool socketmap)
{
	struct conn *c = spares;

	if (c != NULL) {
		spares = c->next;
		nspares--;
	} else if ((c = malloc(sizeof *c)) == NULL) {
		return false;
	}
	memset(c, 0, offsetof(struct conn, account));
	conn_clear_request(c);
	c->waiter.done = on_waiter;
	c->s = s;
	c->fd = fd;
	c->socketmap = socketmap;
	c->peer = *p;
	c->who = who;
	c->next = s->conns;
	c->prev = &s->conns;
	if (c->next != NULL)
		c->next->prev = &c->next;
	s->conns = c;
	s->nconns++;
	(socketmap ? socketmap_read : read_some)(c);
	return true;
}

void conn_close_all(struct server *s)
{
	while (s->conns != NULL)
		conn_free(s->conns);
	while (spares != NULL) {
		struct conn *c = spares;

		spares = c->next;
		free(c);
	}
	nspares = 0;
}
