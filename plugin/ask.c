/*
 * The plugin's two questions to the daemon. What comes back is either a whole, sane response or
 * nothing.
 */
#include "config.h"

#include <string.h>

#include "common/base64.h"
#include "common/client.h"
#include "common/clock.h"
#include "common/row.h"
#include "common/text.h"
#include "plugin/plugin.h"

#define REJECTED_MS 1000		/* the mail server's own answer is worth more than ours */
#define CHALLENGE_MAX 4096		/* bytes the wire takes */

/* The numbers that common/status.c gives its classes, which cannot include sasl.h. */
_Static_assert(SASL_OK == 0 && SASL_FAIL == -1 && SASL_BADAUTH == -13 && SASL_NOAUTHZ == -14 &&
    SASL_UNAVAIL == -24, "common/status.c must follow sasl.h");

/*
 * The server's port, from Cyrus's "address;port" where the host gave one; 0: unknown. It is not
 * guessed: RFC 7628 section 3.1 has the server refuse a port that is not its own.
 */
static uint64_t port_of(const sasl_client_params_t *p)
{
	const char *semi = p->ipremoteport != NULL ? strrchr(p->ipremoteport, ';') : NULL;
	uint64_t port;

	if (semi == NULL || !mx_parse_uint(semi + 1, strlen(semi + 1), 1, 65535, &port))
		return 0;
	return port;
}

static enum mx_class build(struct mx_buf *b, const struct mxp_conn *c,
    const sasl_client_params_t *p, struct mx_err *e)
{
	const char *relay = p->serverFQDN;
	uint64_t port = port_of(p);

	if (relay != NULL && (strlen(relay) > MX_HOST_MAX || mx_has_ctl(relay, strlen(relay)) ||
	    !mx_utf8_ok(relay, strlen(relay))))
		return mx_fail_row(e, "bad-host", "the mail server's name, as the mail program gives it, is too long, "
		    "holds control characters or is not UTF-8");
	mx_request_begin(b, MX_VERB_SASL);
	mx_request_field(b, "mech", mx_mech_name(c->mech));
	mx_request_field(b, "account", c->account);
	mx_request_field(b, "user", c->user[0] != '\0' ? c->user : NULL);
	mx_request_field(b, "host", relay);
	if (port != 0)
		mx_request_number(b, "port", port);
	if (p->service != NULL && strlen(p->service) <= MX_SERVICE_MAX)
		mx_request_field(b, "service", p->service);
	mx_request_number(b, "deadline_ms", c->timeout_ms);
	mx_request_end(b);
	if (b->bad)
		return mx_fail_row(e, "bad-request", "the request is too long");
	return MX_OK;
}

/* Does a response look like one of its mechanism, to its very end? Nothing else is sent. */
static bool is_response(enum mx_mech m, const char *s, size_t n)
{
	static const char end[] = "\001\001";
	const char *begin = m == MX_MECH_XOAUTH2 ? "user=" : "n,a=";
	size_t k = strlen(begin);

	return n > k + sizeof end && memcmp(s, begin, k) == 0 && memcmp(s + n - 2, end, 2) == 0;
}

static enum mx_class take(struct mxp_conn *c, size_t got, struct mx_err *e)
{
	struct mx_reply r;
	enum mx_class cls = mx_reply_parse(c->mem, got, &r, e);
	ssize_t n;

	if (cls != MX_OK)
		return cls;
	/* In place, so that the token is in one piece of memory only. */
	n = r.payload_len <= MX_WIRE_RESPONSE_MAX ?
	    mx_b64_decode(c->mem, MX_WIRE_REPLY_MAX, r.payload, r.payload_len) : -1;
	if (n < 0 || !is_response(c->mech, c->mem, (size_t)n))
		return mx_fail_row(e, "malformed-reply", "the token daemon's answer on %s is not a response of the "
		    "mechanism %s", c->socket, mx_mech_name(c->mech));
	memcpy(c->token_id, r.token_id, sizeof c->token_id);
	c->mem_len = (size_t)n;
	return MX_OK;
}

int mxp_fetch(struct mxp_conn *c, const sasl_client_params_t *p)
{
	struct mx_endpoint ep = { c->socket, mx_now_ms() + c->timeout_ms, MX_RETRY_MS, true };
	char request[MX_WIRE_REQUEST_MAX];
	enum mx_class cls;
	struct mx_err e;
	struct mx_buf b;
	size_t got;

	mx_buf_init(&b, request, sizeof request);
	if ((c->mem = p->utils->malloc(MX_WIRE_REPLY_MAX)) == NULL) {
		(void)mx_fail_row(&e, "no-memory", "out of memory");
		mxp_report(c, p, &e);
		return SASL_NOMEM;
	}
	cls = build(&b, c, p, &e);
	if (cls == MX_OK)
		cls = mx_ask(&ep, b.p, b.len, c->mem, MX_WIRE_REPLY_MAX, &got, &e);
	if (cls == MX_OK)
		cls = take(c, got, &e);
	if (cls == MX_OK)
		return SASL_OK;
	mxp_forget(c, p->utils);
	mxp_report(c, p, &e);
	return mx_class_info(cls)->sasl;
}

enum mx_class mxp_tell_rejected(const struct mxp_conn *c, const sasl_client_params_t *p,
    const void *challenge, size_t n, struct mx_err *e)
{
	struct mx_endpoint ep = { c->socket, mx_now_ms() + REJECTED_MS, 0, true };
	char request[MX_WIRE_REQUEST_MAX], reply[MX_TEXT_MAX + MX_CODE_MAX + 64];
	const char *more;
	enum mx_class cls;
	struct mx_buf b;
	size_t got;

	mx_buf_init(&b, request, sizeof request);
	mx_request_begin(&b, MX_VERB_REJECTED);
	mx_request_field(&b, "account", c->account);
	/* whose token it is, where each has one */
	mx_request_field(&b, "user", c->user[0] != '\0' ? c->user : NULL);
	mx_request_field(&b, "host", p->serverFQDN);
	mx_request_field(&b, "token_id", c->token_id);
	if (n <= CHALLENGE_MAX)
		mx_request_bytes(&b, "challenge", challenge, n);
	mx_request_end(&b);
	cls = mx_ask(&ep, b.p, b.len, reply, sizeof reply, &got, e);
	return cls == MX_OK ? mx_reply_plain(reply, got, &more, &got, e) : cls;
}

void mxp_forget(struct mxp_conn *c, const sasl_utils_t *utils)
{
	if (c->mem == NULL)
		return;
	mx_wipe(c->mem, MX_WIRE_REPLY_MAX);	/* all of it: a reply is longer than its response */
	utils->free(c->mem);
	c->mem = NULL;
	c->mem_len = 0;
}
