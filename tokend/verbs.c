/*
 * From a request line to what is done about it.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/base64.h"
#include "common/clock.h"
#include "common/text.h"
#include "tokend/audit.h"
#include "tokend/conn.h"
#include "tokend/feedback.h"
#include "tokend/log.h"
#include "tokend/mailbox.h"
#include "tokend/policy.h"
#include "tokend/reload.h"
#include "tokend/report.h"

#define RAW_RESPONSE_MAX (MX_WIRE_RESPONSE_MAX / 4 * 3)

static void copy(char *to, size_t cap, const struct mx_span *from)
{
	if (from->s != NULL && from->n < cap)	/* the parser's limits are the fields' sizes */
		memcpy(to, from->s, from->n + 1);
}

static void ok(struct conn *c)
{
	conn_answer(c, "OK\n", 3, NULL);
}

static void fail(struct conn *c, enum mx_class cls, const char *code, const char *text)
{
	struct mx_err e;

	mx_fail(&e, cls, code, "%s", text);
	conn_fail(c, &e);
}

/* Puts "ACCOUNT: " in front of what the engine says about the client. */
static void fail_account(struct conn *c, const struct mx_err *why)
{
	struct mx_err e;

	mx_fail(&e, why->cls, why->code, "%s: %s", c->account[0] != '\0' ? c->account : "(no address)", why->text);
	conn_fail(c, &e);
}

/* Builds the whole answer to SASL or RAW in out. raw: work space for the response. */
static enum mx_class build(const struct conn *c, const struct engine_answer *a, struct mx_buf *out,
    struct mx_buf *raw, struct mx_err *e)
{
	uint32_t port = c->mech == MX_MECH_OAUTHBEARER ? c->port : 0;
	const char *host = c->mech == MX_MECH_OAUTHBEARER && c->host[0] != '\0' ? c->host : NULL;
	enum mx_class cls = mx_response_build(raw, c->mech, c->user, host, port, a->token->p, a->token->len, e);
	size_t size = c->verb == MX_VERB_RAW ? raw->len : MX_B64_LEN(raw->len);

	if (cls != MX_OK)
		return cls;
	if (c->max != 0 && size > c->max)
		return mx_fail(e, MX_CONFIG, "response-too-long", "the response is %zu bytes, %zu more than the mail "
		    "server can send (%u); ask the provider for shorter tokens (fewer roles and claims), or use a mail "
		    "server without this limit", size, size - c->max, (unsigned)c->max);
	if (c->verb == MX_VERB_RAW) {
		mx_buf_adds(out, "OK ");
		mx_buf_add(out, raw->p, raw->len);
	} else {
		mx_buf_addf(out, "OK\t%u\t%s\t", (unsigned)a->expires_in_s, a->id);
		mx_b64_encode(out, raw->p, raw->len);
		mx_buf_addc(out, '\n');
	}
	return out->bad ? mx_fail(e, MX_CONFIG, "response-too-long", "the response exceeds the line limit of RFC 4954")
	    : MX_OK;
}

void verbs_token(struct conn *c, const struct engine_answer *a)
{
	static char out_space[MX_WIRE_REPLY_MAX], raw_space[RAW_RESPONSE_MAX];
	struct mx_buf out, raw;
	struct mx_err e;
	enum mx_class cls = MX_OK;

	if (a->err != NULL) {
		fail_account(c, a->err);
		return;
	}
	mx_buf_init(&out, out_space, sizeof out_space);
	mx_buf_init(&raw, raw_space, sizeof raw_space);
	if (c->verb == MX_VERB_TOKEN) {
		mx_buf_addf(&out, "OK\t%u\t%s\t", (unsigned)a->expires_in_s, a->id);
		mx_buf_add(&out, a->token->p, a->token->len);
		mx_buf_addc(&out, '\n');
	} else {
		cls = build(c, a, &out, &raw, &e);
	}
	if (cls == MX_OK) {
		memcpy(c->token_id, a->id, strlen(a->id) + 1);
		c->expires_in_s = a->expires_in_s;
		if (c->verb != MX_VERB_TOKEN && c->host[0] != '\0')
			feedback_note(c->peer.uid, c->host, strlen(c->host), c->client, c->user, a->id, NULL, 0,
			    mx_now_ms());
		conn_answer(c, out.p, out.len, NULL);
	} else {
		fail_account(c, &e);
	}
	mx_wipe(out_space, out.len);
	mx_wipe(raw_space, raw.len);
}

static void ask(struct conn *c, const struct policy_verdict *v, const struct mx_request *r)
{
	uint32_t deadline = c->s->conf->conf->deadline_ms;
	struct engine_client *ec;
	struct engine_answer a;
	struct mx_err e;

	if ((ec = mailbox_client(c, v, r, true, &e)) == NULL) {
		fail_account(c, &e);
		return;
	}
	if (v->user != NULL)
		memcpy(c->user, v->user, strlen(v->user) + 1);
	if (r->deadline_ms != 0)
		deadline = r->deadline_ms;
	/* The asker must still get the answer: a tenth, at most 250 ms, is kept for the way back. */
	deadline -= deadline / 10 > 250 ? 250 : deadline / 10;
	if (engine_want(ec, &c->waiter, &a))
		verbs_token(c, &a);
	else
		conn_wait(c, deadline);
}

static void log_rejected(const struct conn *c, const struct mx_request *r, bool dropped)
{
	char challenge[400], reply[400];

	log_event(LOG_WARNING, "token_rejected", "client=%s token=%s dropped=%s challenge=%s reply=%s", c->client,
	    r->token_id.n > 0 && mx_is_b64token(r->token_id.s, r->token_id.n) ? r->token_id.s : "unknown",
	    dropped ? "yes" : "no",
	    mx_quote(challenge, sizeof challenge, r->challenge.s != NULL ? r->challenge.s : "", r->challenge.n),
	    mx_quote(reply, sizeof reply, r->reply.s != NULL ? r->reply.s : "", r->reply.n));
}

static void rejected(struct conn *c, const struct policy_verdict *v, const struct mx_request *r)
{
	struct mx_err e;
	struct engine_client *ec = mailbox_client(c, v, r, false, &e);
	bool dropped = ec != NULL && engine_rejected(ec, r->token_id.n > 0 ? r->token_id.s : NULL);

	c->s->count.rejected++;
	if (audit_may(c->s, c->who, UID_REJECTED, LOG_WARNING))
		log_rejected(c, r, dropped);
	ok(c);
}

static void flush(struct conn *c, const struct policy_verdict *v, const struct mx_request *r)
{
	struct engine_client *ec;
	struct mx_err e;

	if (r->account.s == NULL || v->account == NULL) {
		fail(c, MX_CONFIG, "account-unknown", "no account of the configuration matches this name");
		return;
	}
	if ((ec = mailbox_client(c, v, r, false, &e)) == NULL && e.cls != MX_OK) {
		fail_account(c, &e);
		return;
	}
	if (ec != NULL)			/* else there is nothing to forget */
		engine_flush(ec);
	ok(c);
}

static bool needs_account(enum mx_verb v)
{
	return v == MX_VERB_SASL || v == MX_VERB_RAW || v == MX_VERB_TOKEN || v == MX_VERB_REJECTED;
}

void verbs_handle(struct conn *c, char *line, size_t len)
{
	struct policy_verdict v;
	struct mx_request r;
	struct mx_err e;

	if (mx_request_parse(line, len, &r, &e) != MX_OK) {
		c->verb = r.verb;
		conn_fail(c, &e);
		return;
	}
	c->verb = r.verb;
	c->port = r.port;
	c->max = r.max;
	copy(c->account, sizeof c->account, &r.account);
	copy(c->host, sizeof c->host, &r.host);
	if (needs_account(r.verb) && r.account.s == NULL) {
		fail(c, MX_BAD_REQUEST, "bad-request", "bad request: the account is missing");
		return;
	}
	policy_judge(c->s->conf->conf, c->fd, &c->peer, &r, &v);
	if (v.reason != NULL) {
		c->reason = v.reason;
		c->mend = v.mend;
		fail(c, MX_DENIED, "denied", MX_DENIED_TEXT);
		return;
	}
	if (r.verb != MX_VERB_PING)
		c->who = uids_known(c->who, c->peer.uid);
	c->mech = v.mech;
	if (v.account != NULL)
		snprintf(c->client, sizeof c->client, "%s", v.account->client->oc.name);
	switch (r.verb) {
	case MX_VERB_SASL:
	case MX_VERB_RAW:
	case MX_VERB_TOKEN:
		ask(c, &v, &r);
		break;
	case MX_VERB_REJECTED:
		rejected(c, &v, &r);
		break;
	case MX_VERB_FLUSH:
		flush(c, &v, &r);
		break;
	case MX_VERB_RELOAD:
		reload_request(c->s, c);
		break;
	case MX_VERB_STATUS:
		conn_report(c, &report_status);
		break;
	case MX_VERB_METRICS:
		conn_report(c, &report_metrics);
		break;
	default:
		ok(c);
		break;
	}
}
