#include "config.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/client.h"
#include "common/clock.h"
#include "ctl/ask.h"
#include "ctl/child.h"
#include "ctl/out.h"
#include "ctl/setup/run.h"

#define PING_MS 3000

struct answered { enum mx_class cls; uint64_t left_s; struct mx_err err; size_t n; };

/* The payload stays in buf, which is the caller's to wipe. */
static enum mx_class ask_here(const struct su_asker *a, const struct su_question *q, char *buf, size_t cap,
    struct answered *r)
{
	const struct mx_endpoint ep = { .path = a->socket, .deadline = q->deadline_ms, .retry_ms = q->retry_ms };
	char line[MX_WIRE_REQUEST_MAX];
	struct mx_reply reply;
	const char *more;
	enum mx_class cls;
	struct mx_buf req;
	size_t got = 0, n;

	mx_buf_init(&req, line, sizeof line);
	mx_request_begin(&req, q->verb);
	if (q->verb == MX_VERB_SASL) {
		mx_request_field(&req, "mech", q->mech != NULL ? q->mech : "XOAUTH2");
		mx_request_field(&req, "account", q->account);
		mx_request_field(&req, "host", q->host);
		if (q->port != 0)
			mx_request_number(&req, "port", q->port);
		if (q->max != 0)
			mx_request_number(&req, "max", q->max);
	}
	mx_request_end(&req);
	if (req.bad)
		return mx_fail(&r->err, MX_BAD_REQUEST, "bad-request", "the request is too long");
	if ((cls = mx_ask(&ep, req.p, req.len, buf, cap, &got, &r->err)) != MX_OK)
		return cls;
	if (q->verb != MX_VERB_SASL)
		return mx_reply_plain(buf, got, &more, &n, &r->err);
	if ((cls = mx_reply_parse(buf, got, &reply, &r->err)) == MX_OK) {
		r->left_s = reply.expires_in_s;
		r->n = reply.payload_len;
		memmove(buf, reply.payload, reply.payload_len);
	}
	return cls;
}

/* In the child: as smtp(8) does it, into the chroot first, then away from root. */
static void become(const struct su_asker *a, struct answered *r)
{
	if ((a->root != NULL && (chroot(a->root) == -1 || chdir("/") == -1)) || setgroups(0, NULL) == -1 ||
	    setgid(a->gid) == -1 || setuid(a->uid) == -1)
		r->cls = mx_fail(&r->err, MX_CONFIG, "unknown-user", "cannot become uid %lu (%s)",
		    (unsigned long)a->uid, strerror(errno));
}

struct asking {
	const struct su_asker *a;
	const struct su_question *q;
	struct mx_secret *payload;	/* NULL: not wanted */
	struct answered r;
	bool room;
};

/* In the child. */
static void answer(int fd, void *arg)
{
	static char buf[MX_WIRE_REPLY_MAX];
	const struct asking *k = arg;
	struct answered r = { 0 };

	if (geteuid() == 0)
		become(k->a, &r);
	if (r.cls == MX_OK)
		r.cls = ask_here(k->a, k->q, buf, sizeof buf, &r);
	if (k->payload == NULL || r.cls != MX_OK)
		r.n = 0;
	if (child_put(fd, &r, sizeof r))
		(void)child_put(fd, buf, r.n);
	mx_wipe(buf, sizeof buf);
}

static bool take(int fd, void *arg)
{
	struct asking *k = arg;
	bool ok = child_take(fd, &k->r, sizeof k->r);

	if (ok && k->payload != NULL && k->r.cls == MX_OK) {
		k->room = mx_secret_alloc(k->payload, MX_WIRE_REPLY_MAX);
		ok = k->room && k->r.n < k->payload->cap && child_take(fd, k->payload->p, k->r.n);
		k->payload->len = ok ? k->r.n : 0;
	}
	return ok;
}

enum mx_class su_ask(const struct su_asker *a, const struct su_question *q, struct mx_secret *payload, uint64_t *left_s,
    struct mx_err *e)
{
	struct asking k = { .a = a, .q = q, .payload = payload, .room = true };
	int status;

	if (child_ask(answer, take, &k, &status)) {
		*left_s = k.r.left_s;
		*e = k.r.err;
		return k.r.cls;
	}
	if (status == -1)
		return mx_fail(e, MX_TEMP, "no-memory", "no process to ask the token daemon (%s)", strerror(errno));
	return mx_fail(e, MX_TEMP, "no-memory", k.room ? "the process that asks the token daemon died" :
	    "no memory for a response");
}

void su_find_answer(struct su_found *found, const struct su_asker *a)
{
	const struct su_question q = { .verb = MX_VERB_PING, .deadline_ms = mx_now_ms() + PING_MS,
		.retry_ms = MX_RETRY_MS };
	const char *where = a->root != NULL ? " in the chroot" : "";
	uint64_t left;
	struct mx_err e;

	if (geteuid() != 0)
		su_find(found, SU_ODD, "socket", "not tried: only root can become %s", a->user);
	else if (su_ask(a, &q, NULL, &left, &e) == MX_OK)
		su_find(found, SU_GOOD, "socket", "the token daemon answers %s at %s%s", a->user, a->socket, where);
	else
		su_find(found, SU_ODD, "socket", "%s%s: %s", a->root != NULL ? "in the chroot, " : "", a->socket, e.text);
}

int su_try_login(const struct su_asker *a, const char *account, const char *host, uint32_t port)
{
	const struct su_question q = { .verb = MX_VERB_SASL, .account = account, .host = host, .port = port,
		.deadline_ms = mx_now_ms() + MX_TIMEOUT_MS, .retry_ms = MX_RETRY_MS };
	struct mx_err e;
	uint64_t left = 0;

	if (geteuid() != 0)
		return CTL_FINE;
	if (su_ask(a, &q, NULL, &left, &e) != MX_OK) {
		out_error("all is set up, but the token daemon has no login for user %s yet: %s", a->user, e.text);
		return ask_exit(&e, strcmp(e.code, "socket-unreachable") != 0);
	}
	printf("token daemon: user %s gets a login for ", a->user);
	out_text(stdout, account, strlen(account));
	printf(" at %s; its token lives %llu s\n", host, (unsigned long long)left);
	return CTL_FINE;
}
