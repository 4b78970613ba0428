#include "config.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/client.h"
#include "common/clock.h"
#include "ctl/ask.h"
#include "ctl/out.h"
#include "ctl/setup/run.h"

#define PING_MS 3000

struct answered { enum mx_class cls; uint64_t left_s; struct mx_err err; };

static enum mx_class ask_here(const struct su_asker *a, enum mx_verb v, const char *account, const char *host,
    uint32_t port, uint64_t deadline_ms, struct answered *r)
{
	static char buf[MX_WIRE_REPLY_MAX];
	const struct mx_endpoint ep = { .path = a->socket, .deadline = deadline_ms, .retry_ms = MX_RETRY_MS };
	char line[MX_WIRE_REQUEST_MAX];
	struct mx_reply reply;
	const char *more;
	enum mx_class cls;
	struct mx_buf req;
	size_t got = 0, n;

	mx_buf_init(&req, line, sizeof line);
	mx_request_begin(&req, v);
	if (v == MX_VERB_SASL) {
		mx_request_field(&req, "mech", "XOAUTH2");
		mx_request_field(&req, "account", account);
		mx_request_field(&req, "host", host);
		if (port != 0)
			mx_request_number(&req, "port", port);
	}
	mx_request_end(&req);
	if (req.bad)
		return mx_fail(&r->err, MX_BAD_REQUEST, "bad-request", "the request is too long");
	if ((cls = mx_ask(&ep, req.p, req.len, buf, sizeof buf, &got, &r->err)) != MX_OK)
		return cls;
	if (v == MX_VERB_SASL && (cls = mx_reply_parse(buf, got, &reply, &r->err)) == MX_OK)
		r->left_s = reply.expires_in_s;
	else if (v != MX_VERB_SASL)
		cls = mx_reply_plain(buf, got, &more, &n, &r->err);
	mx_wipe(buf, sizeof buf);
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

/*
 * PING, or SASL for account at host and port. MX_OK: *left_s is the life left of the token, which is wiped unseen.
 * Takes root.
 */
static enum mx_class ask_as(const struct su_asker *a, enum mx_verb v, const char *account, const char *host,
    uint32_t port, uint64_t deadline_ms, uint64_t *left_s, struct mx_err *e)
{
	struct answered r = { 0 };
	size_t got = 0;
	ssize_t n = -1;
	int fd[2];
	pid_t pid;

	if (pipe(fd) == -1 || (pid = fork()) == -1)
		return mx_fail(e, MX_TEMP, "no-memory", "no process to ask the token daemon (%s)", strerror(errno));
	if (pid == 0) {
		become(a, &r);
		if (r.cls == MX_OK)
			r.cls = ask_here(a, v, account, host, port, deadline_ms, &r);
		_exit(write(fd[1], &r, sizeof r) == (ssize_t)sizeof r ? 0 : 1);
	}
	close(fd[1]);
	while (got < sizeof r && ((n = read(fd[0], (char *)&r + got, sizeof r - got)) > 0 || (n == -1 && errno ==
	    EINTR)))
		got += n > 0 ? (size_t)n : 0;
	close(fd[0]);
	while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
		;
	if (got != sizeof r)
		return mx_fail(e, MX_TEMP, "no-memory", "the process that asks the token daemon died");
	*left_s = r.left_s;
	*e = r.err;
	return r.cls;
}

void su_find_answer(struct su_found *found, const struct su_asker *a)
{
	const char *where = a->root != NULL ? " in the chroot" : "";
	uint64_t left;
	struct mx_err e;

	if (geteuid() != 0)
		su_find(found, SU_ODD, "socket", "not tried: only root can become %s", a->user);
	else if (ask_as(a, MX_VERB_PING, NULL, NULL, 0, mx_now_ms() + PING_MS, &left, &e) == MX_OK)
		su_find(found, SU_GOOD, "socket", "the token daemon answers %s at %s%s", a->user, a->socket, where);
	else
		su_find(found, SU_ODD, "socket", "%s%s: %s", a->root != NULL ? "in the chroot, " : "", a->socket, e.text);
}

int su_try_login(const struct su_asker *a, const char *account, const char *host, uint32_t port)
{
	struct mx_err e;
	uint64_t left = 0;

	if (geteuid() != 0)
		return CTL_FINE;
	if (ask_as(a, MX_VERB_SASL, account, host, port, mx_now_ms() + MX_TIMEOUT_MS, &left, &e) != MX_OK) {
		out_error("all is set up, but the token daemon has no login for user %s yet: %s", a->user, e.text);
		return ask_exit(&e, strcmp(e.code, "socket-unreachable") != 0);
	}
	printf("token daemon: user %s gets a login for ", a->user);
	out_text(stdout, account, strlen(account));
	printf(" at %s; its token lives %llu s\n", host, (unsigned long long)left);
	return CTL_FINE;
}
