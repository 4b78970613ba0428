#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/netstring.h"
#include "common/text.h"
#include "settings/account.h"
#include "tokend/audit.h"
#include "tokend/feedback.h"
#include "tokend/log.h"
#include "tokend/mailbox.h"
#include "tokend/policy.h"
#include "tokend/socketmap.h"

#define REQUEST_MAX 8000		/* bytes inside the netstring; all of it fits a connection's buffer */
#define IDLE_MS 30000			/* of a user who has been granted something; Postfix leaves after 10 s */
#define WRITE_MS 2000

void socketmap_error(struct mx_buf *b, const struct mx_err *e)
{
	char text[MX_TEXT_MAX + MX_CODE_MAX + 16];
	struct mx_buf t;

	mx_buf_init(&t, text, sizeof text);
	mx_buf_addf(&t, "TEMP %s [%s]", e->text, e->code);
	mx_netstring_add(b, t.p, t.len);
}

/* false: the connection is broken. What does not fit is kept and sent later. */
static bool put(struct conn *c, const void *p, size_t n)
{
	ssize_t r;

	do
		r = send(c->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (r == -1 && errno == EINTR);
	if (r >= 0 && (size_t)r == n)
		return true;
	if (r == -1 && errno != EAGAIN)
		return false;
	r = r < 0 ? 0 : r;
	c->out_done = 0;
	return mx_secret_set(&c->out, (const char *)p + r, n - (size_t)r);
}

static bool answer_error(struct conn *c, const struct mx_err *e)
{
	char line[MX_TEXT_MAX + 128];
	struct mx_buf b;
	bool ok;

	mx_buf_init(&b, line, sizeof line);
	socketmap_error(&b, e);
	ok = put(c, b.p, b.len);
	conn_settle(c, e);
	return ok;
}

static bool answer_bad(struct conn *c, const char *code, const char *text)
{
	struct mx_err e;

	mx_fail(&e, MX_BAD_REQUEST, code, "bad request: %s", text);
	return answer_error(c, &e);
}

/* --- auth ------------------------------------------------------------------------------------- */

static bool answer_token(struct conn *c, const struct engine_answer *a)
{
	static char line[MX_WIRE_REPLY_MAX + MX_ACCOUNT_MAX], value[sizeof line - 16];
	struct mx_buf b, v;
	struct mx_err e;
	bool ok;

	if (a->err != NULL) {
		mx_fail(&e, a->err->cls, a->err->code, "%s: %s", c->account, a->err->text);
		return answer_error(c, &e);
	}
	mx_buf_init(&v, value, sizeof value);
	mx_buf_init(&b, line, sizeof line);
	mx_buf_addf(&v, "OK %s:", c->user);
	mx_buf_add(&v, a->token->p, a->token->len);
	mx_netstring_add(&b, v.p, v.len);
	memcpy(c->token_id, a->id, strlen(a->id) + 1);
	c->expires_in_s = a->expires_in_s;
	feedback_note(c->peer.uid, NULL, 0, c->client, c->user, a->id,
	    conf_account_find(c->s->conf->conf, c->account, strlen(c->account)), engine_epoch(c->s->engine),
	    mx_now_ms());
	ok = put(c, b.p, b.len);
	mx_wipe(value, v.len);
	mx_wipe(line, b.len);
	conn_settle(c, NULL);
	return ok;
}

static bool denied(struct conn *c, const struct policy_verdict *v)
{
	struct mx_err e;

	c->reason = v->reason;
	c->mend = v->mend;
	mx_fail(&e, MX_DENIED, "denied", MX_DENIED_TEXT);
	return answer_error(c, &e);
}

/* true: answered, or waiting for the engine; false: the connection is broken. */
static bool auth(struct conn *c, const char *key, size_t n)
{
	struct mx_request r = { .verb = MX_VERB_TOKEN };
	const struct conf *conf = c->s->conf->conf;
	struct policy_verdict v;
	struct engine_client *ec;
	struct engine_answer a;
	struct mx_err e;

	c->verb = MX_VERB_TOKEN;
	if (n == 0 || n > MX_ACCOUNT_MAX || mx_has_ctl(key, n) || !mx_utf8_ok(key, n))
		return answer_bad(c, "bad-request", "the key of table auth is no account");
	memcpy(c->account, key, n);
	c->account[n] = '\0';
	r.account = (struct mx_span){ c->account, n };
	policy_judge(conf, c->fd, &c->peer, &r, &v);
	if (v.reason != NULL)
		return denied(c, &v);
	c->who = uids_known(c->who, c->peer.uid);
	snprintf(c->client, sizeof c->client, "%s", v.account->client->oc.name);
	snprintf(c->user, sizeof c->user, "%s", v.account->user != NULL ? v.account->user : c->account);
	if (strchr(c->user, ':') != NULL) {
		mx_fail(&e, MX_CONFIG, "user-with-colon", "%s: Postfix takes the first colon of \"%s\" for the end "
		    "of the user's name; use the plugin for this mailbox, or set \"user\" to another name of it", c->account,
		    c->user);
		return answer_error(c, &e);
	}
	if ((ec = mailbox_client(c, &v, &r, true, &e)) == NULL) {
		a.err = &e;
		return answer_token(c, &a);
	}
	return engine_want(ec, &c->waiter, &a) ? answer_token(c, &a) : true;
}

/* --- feedback --------------------------------------------------------------------------------- */

/* Whose token h was. NULL: a reload took it away. */
static struct engine_client *client_of(struct server *s, const struct handout *h)
{
	struct engine_client *ec = engine_find(s->engine, h->client);
	const struct conf_client *cc = ec != NULL ? engine_client_of(ec) : NULL;
	char subject[MX_ACCOUNT_MAX + 1];

	if (ec == NULL || !oauth_grant_each(cc->oc.grant))
		return ec;
	return cf_mailbox_key(subject, h->mailbox) ? engine_sub_find(ec, subject) : NULL;
}

struct refusal { struct conn *c; const struct mx_span *relay, *said; size_t meant; };

static void refused(void *arg, const struct handout *h)
{
	struct refusal *r = arg;
	struct server *s = r->c->s;
	struct engine_client *ec = client_of(s, h);
	char reply[400];
	bool dropped;

	if (ec == NULL || (h->account != NULL && h->epoch == engine_epoch(s->engine) &&
	    !conf_relay_allowed(h->account, r->relay->s, r->relay->n)))
		return;
	r->meant++;
	dropped = engine_rejected(ec, h->token_id);
	s->count.rejected++;
	if (audit_may(s, r->c->who, UID_REJECTED, LOG_WARNING))
		log_event(LOG_WARNING, "token_rejected", "client=%s token=%s dropped=%s challenge=\"\" reply=%s",
		    h->client, h->token_id, dropped ? "yes" : "no", mx_quote(reply, sizeof reply, r->said->s, r->said->n));
}

/* Only who was handed a token can have it dropped: there is nothing else to judge. */
static bool feedback(struct conn *c, const char *key, size_t n)
{
	static const char nothing[] = "9:NOTFOUND ,";
	struct mx_span relay = { NULL, 0 }, said = { NULL, 0 };
	struct refusal r = { c, &relay, &said, 0 };
	char text[400];
	bool ok = put(c, nothing, sizeof nothing - 1);

	c->verb = MX_VERB_REJECTED;
	if (feedback_parse(key, n, &relay, &said))
		feedback_each(c->peer.uid, relay.s, relay.n, mx_now_ms(), refused, &r);
	conn_count(c, NULL);
	if (r.meant == 0 && audit_may(c->s, c->who, UID_REJECTED, LOG_NOTICE))
		log_event(LOG_NOTICE, "feedback_ignored", "uid=%lu reason=%s status=%s", (unsigned long)c->peer.uid,
		    relay.s == NULL || said.s == NULL ? "no-535" : "nothing-handed-out",
		    mx_quote(text, sizeof text, key, n));
	return ok;
}

/* --- the connection --------------------------------------------------------------------------- */

static bool request(struct conn *c, const char *s, size_t n)
{
	static const struct { const char *name; bool (*fn)(struct conn *c, const char *key, size_t n); } tables[] = {
		{ "auth ", auth }, { "feedback ", feedback }
	};
	size_t i, k;

	for (i = 0; i < sizeof tables / sizeof tables[0]; i++) {
		k = strlen(tables[i].name);
		if (n >= k && memcmp(s, tables[i].name, k) == 0)
			return tables[i].fn(c, s + k, n - k);
	}
	return answer_bad(c, "unknown-table", "this socket has the tables auth and feedback");
}

/* Somebody speaks the other protocol: answered in its own form. */
static void wrong_door(struct conn *c)
{
	char line[MX_TEXT_MAX + 128];
	struct mx_err e;
	struct mx_buf b;

	mx_fail(&e, MX_BAD_REQUEST, "socketmap-only", "this socket speaks Postfix's socketmap protocol; use the path "
	    "of another entry of \"listen\"");
	mx_buf_init(&b, line, sizeof line);
	mx_reply_error(&b, &e, '\t');
	(void)put(c, b.p, b.len);
	conn_settle(c, &e);
}

static void garbage(struct conn *c)
{
	static const size_t magic = sizeof MX_WIRE_MAGIC - 1;
	struct mx_err e;

	if (c->in_len >= magic && memcmp(c->in, MX_WIRE_MAGIC, magic) == 0) {
		wrong_door(c);
		return;
	}
	mx_fail(&e, MX_BAD_REQUEST, "bad-netstring", "bad request: no netstring of %d bytes at most", REQUEST_MAX);
	conn_settle(c, &e);
}

/* Waits for what is next. false: no memory, or its time is over already. */
static bool await(struct conn *c)
{
	const struct conf *conf = c->s->conf->conf;
	uint64_t limit = conf->request_timeout_ms, spent = (mx_now_us() - c->since_us) / 1000;

	if (c->out.p != NULL)
		return conn_wait_on(c, EV_WRITE | EV_PERSIST, WRITE_MS);
	if (c->waiter.client != NULL)
		return conn_wait_on(c, 0, conf->deadline_ms > spent ? conf->deadline_ms - spent : 0);
	if (c->in_len == 0 && c->s->stopping)
		return false;
	if (c->in_len == 0 && c->who->known)
		limit = IDLE_MS;
	return spent < limit && conn_wait_on(c, EV_READ | EV_PERSIST, limit - spent);
}

/* Answers what is here, one after the other, until there is something to wait for. */
static void proceed(struct conn *c)
{
	enum mx_netstring got = MX_NETSTRING_MORE;
	size_t n, used;
	const char *s;
	bool alive = true;

	while (alive && c->in_len > 0 && c->out.p == NULL && c->waiter.client == NULL) {
		got = mx_netstring_parse(c->in, c->in_len, REQUEST_MAX, &s, &n, &used);
		if (got != MX_NETSTRING_OK)
			break;
		alive = request(c, s, n);
		c->in_len -= used;
		memmove(c->in, c->in + used, c->in_len);
		if (c->waiter.client == NULL)
			conn_clear_request(c);
	}
	if (got == MX_NETSTRING_BAD)
		garbage(c);
	if (c->in_len == 0) {		/* an idle one costs no buffer */
		free(c->in);
		c->in = NULL;
	}
	if (!alive || got == MX_NETSTRING_BAD || !await(c))
		conn_free(c);
}

void socketmap_read(struct conn *c)
{
	ssize_t r;

	if (c->in == NULL && (c->in = malloc(MX_WIRE_REQUEST_MAX + 1)) == NULL) {
		conn_free(c);
		return;
	}
	do
		r = recv(c->fd, c->in + c->in_len, MX_WIRE_REQUEST_MAX - c->in_len, MSG_DONTWAIT);
	while (r == -1 && errno == EINTR);
	if (r == 0 || (r == -1 && errno != EAGAIN)) {
		conn_free(c);
		return;
	}
	if (r > 0 && c->in_len == 0)
		conn_clear_request(c);
	c->in_len += r > 0 ? (size_t)r : 0;
	proceed(c);
}

static void write_more(struct conn *c)
{
	ssize_t r = send(c->fd, c->out.p + c->out_done, c->out.len - c->out_done, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (r == -1 && errno != EAGAIN && errno != EINTR) {
		conn_free(c);
		return;
	}
	c->out_done += r > 0 ? (size_t)r : 0;
	if (c->out_done == c->out.len) {
		mx_secret_free(&c->out);
		conn_clear_request(c);
		proceed(c);
	}
}

/* Called by the engine, where no token may be dropped: what came meanwhile has its turn in the loop. */
void socketmap_token(struct conn *c, const struct engine_answer *a)
{
	bool alive = answer_token(c, a);

	conn_clear_request(c);
	if (!alive || !(c->in_len > 0 && c->out.p == NULL ? conn_wait_on(c, 0, 0) : await(c)))
		conn_free(c);
}

void socketmap_event(struct conn *c, bool timed_out)
{
	struct engine_answer a;

	if (c->waiter.client != NULL) {
		engine_give_up(&c->waiter, &a);
		socketmap_token(c, &a);
	} else if (c->out.p != NULL) {
		(timed_out ? conn_free : write_more)(c);
	} else if (!timed_out) {
		socketmap_read(c);
	} else if (c->in_len > 0) {
		proceed(c);
	} else {
		conn_free(c);
	}
}

void socketmap_stop(struct server *s)
{
	struct conn *c = s->conns, *next;

	for (; c != NULL; c = next) {
		next = c->next;
		if (c->socketmap && c->in_len == 0 && c->out.p == NULL && c->waiter.client == NULL)
			conn_free(c);
	}
}
