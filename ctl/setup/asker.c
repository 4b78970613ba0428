#include "config.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/client.h"
#include "ctl/setup/run.h"

struct answered { enum mx_class cls; uint64_t left_s; struct mx_err err; };

static enum mx_class ask(const struct su_asker *a, enum mx_verb v, const char *account, const char *host,
    uint32_t port, struct answered *r)
{
	static char buf[MX_WIRE_REPLY_MAX];
	const struct mx_endpoint ep = { .path = a->socket, .deadline = a->deadline_ms, .retry_ms = MX_RETRY_MS };
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

enum mx_class su_ask_as(const struct su_asker *a, enum mx_verb v, const char *account, const char *host,
    uint32_t port, uint64_t *left_s, struct mx_err *e)
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
			r.cls = ask(a, v, account, host, port, &r);
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
