/*
 * The bare token: the only verb whose answer is a secret. It lives in memory that is wiped, and
 * goes out by write(2), not through stdio's buffers.
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/secret.h"
#include "common/text.h"
#include "ctl/ask.h"
#include "ctl/out.h"

static int put(const char *p, size_t n)
{
	while (n > 0) {
		ssize_t r = write(STDOUT_FILENO, p, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return out_failed(r < 0 ? errno : EIO);
		p += r;
		n -= (size_t)r;
	}
	return CTL_FINE;
}

static void request(struct mx_buf *b, const struct mx_endpoint *ep, const char *account)
{
	uint64_t now = mx_now_ms();

	mx_request_begin(b, MX_VERB_TOKEN);
	mx_request_field(b, "account", account);
	mx_request_number(b, "deadline_ms", ep->deadline > now ? ep->deadline - now : 1);
	mx_request_end(b);
}

enum mx_class token_ask(const struct mx_endpoint *ep, const char *account, struct mx_secret *s, struct mx_reply *reply,
    struct mx_err *e, bool *spoke)
{
	char line[MX_WIRE_REQUEST_MAX];
	struct mx_buf req;
	enum mx_class cls;

	*spoke = false;
	mx_buf_init(&req, line, sizeof line);
	request(&req, ep, account);
	if (req.bad)
		return mx_fail(e, MX_BAD_REQUEST, "bad-request", "the request is too long");
	if (!mx_secret_alloc(s, MX_WIRE_REPLY_MAX))
		return mx_fail(e, MX_TEMP, "no-memory", "no memory for a token");
	if ((cls = mx_ask(ep, req.p, req.len, (char *)s->p, s->cap, &s->len, e)) != MX_OK)
		return cls;
	cls = mx_reply_parse((const char *)s->p, s->len, reply, e);
	*spoke = cls == MX_OK || strcmp(e->code, "malformed-reply") != 0;
	if (cls == MX_OK && !mx_is_b64token(reply->payload, reply->payload_len)) {
		*spoke = false;
		cls = mx_fail(e, MX_PROVIDER, "bad-token", "what came as a token holds characters "
		    "that no token may hold (RFC 6750); it is not printed");
	}
	return cls;
}

int token_run(const struct call *c)
{
	struct mx_secret s = { 0 };
	struct mx_reply reply = { 0 };
	struct mx_endpoint ep;
	struct mx_err e;
	bool spoke;
	int r;

	if ((r = ask_endpoint(c, &ep)) != CTL_FINE)
		return r;
	/* Exactly one line: behind the token stands the reply's line feed. */
	r = token_ask(&ep, c->arg, &s, &reply, &e, &spoke) == MX_OK ? put(reply.payload, reply.payload_len + 1) :
	    ask_failed(c, &e, spoke);
	mx_secret_free(&s);
	return r;
}
