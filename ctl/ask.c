#include "config.h"

#include <poll.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/text.h"
#include "ctl/args.h"
#include "ctl/ask.h"
#include "ctl/out.h"

#define ANSWER_FIRST ((size_t)4 << 20)	/* bytes; pages that are not used cost nothing */
#define ANSWER_MAX ((size_t)256 << 20)
#define TRIES 3			/* for an answer that comes whole */
#define PAUSE_MS 200

/* NULL in a process that has more rights than its caller: its environment is not to be trusted. */
static const char *environment(const char *name)
{
	const char *v;

#if defined(HAVE_SECURE_GETENV)
	v = secure_getenv(name);
#elif defined(HAVE_ISSETUGID)
	v = issetugid() ? NULL : getenv(name);
#else
	v = getuid() == geteuid() && getgid() == getegid() ? getenv(name) : NULL;
#endif
	return v != NULL && *v != '\0' ? v : NULL;
}

int ask_endpoint(const struct call *c, struct mx_endpoint *ep)
{
	static const char timeout[] = "MTA_XOAUTH2_TIMEOUT";
	const char *path = c->socket != NULL ? c->socket : environment("MTA_XOAUTH2_SOCKET");
	const char *v = c->timeout_s == 0 ? environment(timeout) : NULL;
	uint64_t s = c->timeout_s != 0 ? c->timeout_s : MX_TIMEOUT_MS / 1000;

	if (v != NULL && !mx_parse_uint(v, strlen(v), ARGS_TIMEOUT_MIN_S, ARGS_TIMEOUT_MAX_S, &s))
		return out_usage(NULL, ARGS_BAD_TIMEOUT, timeout, v);
	*ep = (struct mx_endpoint){
		.path = path != NULL ? path : MX_SOCKET,
		.deadline = mx_now_ms() + s * 1000,
		.retry_ms = MX_RETRY_MS,
	};
	return CTL_FINE;
}

/* As mx_ask(), the room growing with the answer. */
static enum mx_class ask_growing(const struct mx_endpoint *ep, const struct mx_buf *req,
    struct answer *a, size_t *got)
{
	size_t cap = ANSWER_FIRST;
	enum mx_class cls;

	for (;; cap *= 2) {
		if ((a->buf = malloc(cap)) == NULL)
			return mx_fail(&a->err, MX_TEMP, "no-memory",
			    "no memory for the daemon's answer");
		cls = mx_ask(ep, req->p, req->len, a->buf, cap, got, &a->err);
		if (cls == MX_OK || strcmp(a->err.code, "reply-too-long") != 0 || cap >= ANSWER_MAX)
			return cls;
		free(a->buf);
	}
}

static enum mx_class ask_once(const struct mx_endpoint *ep, const struct mx_buf *req,
    struct answer *a)
{
	enum mx_class cls;
	size_t got = 0;

	*a = (struct answer){ 0 };
	if ((cls = ask_growing(ep, req, a, &got)) != MX_OK)
		return cls;
	if ((cls = mx_reply_plain(a->buf, got, &a->more, &a->n, &a->err)) != MX_OK) {
		a->spoke = strcmp(a->err.code, "malformed-reply") != 0;
		return cls;
	}
	a->spoke = true;
	return a->n > 0 && a->more[a->n - 1] != '\n' ? ask_cut_off(a) : MX_OK;
}

enum mx_class ask(const struct mx_endpoint *ep, enum mx_verb v, const char *account,
    struct answer *a)
{
	char line[MX_WIRE_REQUEST_MAX];
	struct mx_buf req;
	enum mx_class cls;
	int tries;

	*a = (struct answer){ 0 };
	mx_buf_init(&req, line, sizeof line);
	mx_request_begin(&req, v);
	mx_request_field(&req, "account", account);
	mx_request_end(&req);
	if (req.bad)
		return mx_fail(&a->err, MX_BAD_REQUEST, "bad-request", "the request is too long");
	for (tries = 1;; tries++) {
		cls = ask_once(ep, &req, a);
		/* A long answer ends early when a reload comes between. */
		if (cls == MX_OK || a->spoke || a->n == 0 || tries == TRIES ||
		    mx_now_ms() + PAUSE_MS >= ep->deadline)
			return cls;
		answer_free(a);
		(void)poll(NULL, 0, PAUSE_MS);
	}
}

void answer_free(struct answer *a)
{
	free(a->buf);
	*a = (struct answer){ 0 };
}

enum mx_class ask_cut_off(struct answer *a)
{
	a->spoke = false;
	return mx_fail(&a->err, MX_TEMP, "daemon-no-answer",
	    "the token daemon's answer is not complete; was it stopped meanwhile? try again");
}

int ask_exit(const struct mx_err *e, bool spoke)
{
	return spoke ? mx_class_info(e->cls)->exit_code :
	    strcmp(e->code, "no-memory") == 0 ? CTL_TEMP : CTL_UNREACHABLE;
}

const char *ask_advice(char *out, size_t cap, const struct call *c, const struct mx_err *e)
{
	const struct passwd *pw;
	struct mx_buf b;

	mx_buf_init(&b, out, cap);
	if (e->cls == MX_CONFIG && strcmp(e->code, "configuration-wrong") == 0) {
		mx_buf_adds(&b, "; mta-xoauth2 check shows all of it");
	} else if (e->cls == MX_DENIED) {
		pw = getpwuid(geteuid());
		mx_buf_addf(&b, "; %sadd user \"%s\" to ", geteuid() == 0 ? "" : "use sudo, or ",
		    pw != NULL ? pw->pw_name : "?");
		if (c->arg != NULL && strcmp(c->verb->name, "token") == 0)
			mx_buf_adds(&b, "allow_token_users of an account that matches this name");
		else
			mx_buf_adds(&b, "admin_users in the daemon's configuration");
	}
	if (mx_buf_str(&b) == NULL)
		*out = '\0';
	return out;
}

int ask_failed(const struct call *c, const struct mx_err *e, bool spoke)
{
	char advice[256];

	out_error("%s%s", e->text, ask_advice(advice, sizeof advice, c, e));
	return ask_exit(e, spoke);
}
