#include "config.h"

#include <string.h>

#include "common/clock.h"
#include "common/text.h"
#include "settings/account.h"
#include "tokend/mailbox.h"

struct engine_client *mailbox_client(struct conn *c, const struct policy_verdict *v, const struct mx_request *r,
    bool make, struct mx_err *e)
{
	const struct conf_client *cc = v->account->client;
	struct engine_client *parent = engine_find(c->s->engine, cc->oc.name), *x;
	const char *mailbox = v->user != NULL ? v->user : v->account->user != NULL ? v->account->user : r->account.s;
	struct limit *limit = &c->who->mailboxes;
	char subject[MX_ACCOUNT_MAX + 1], shown[200];
	uint64_t now = mx_now_ms();
	bool made;

	e->cls = MX_OK;
	if (!oauth_grant_each(cc->oc.grant))
		return parent;
	if (!cf_mailbox_key(subject, mailbox)) {
		mx_fail(e, MX_CONFIG, "mailbox-needed", "client \"%s\": its tokens are made for one mailbox each, and "
		    "%s is none; write \"user: MAILBOX\" in this account%s", cc->oc.name,
		    mx_quote(shown, sizeof shown, mailbox, strlen(mailbox)),
		    mailbox[0] == '\0' ? ", or give bounces a sender" : "");
		return NULL;
	}
	x = engine_sub(parent, subject, make && limit_left(limit, MAILBOX_BURST, MAILBOX_STEP_MS, now), &made);
	if (made)
		(void)limit_take(limit, MAILBOX_BURST, MAILBOX_STEP_MS, now);
	if (x == NULL && make && engine_sub_count(c->s->engine) < c->s->conf->conf->max_mailboxes &&
	    limit_left(limit, MAILBOX_BURST, MAILBOX_STEP_MS, now))
		mx_fail(e, MX_BUSY, "no-memory", "client \"%s\": no memory for one more mailbox; look at the daemon's "
		    "memory limit", cc->oc.name);
	else if (x == NULL && make)
		mx_fail(e, MX_BUSY, "too-many-mailboxes", "client \"%s\": too many mailboxes want a token of their "
		    "own, of this user within a short time or in all (max_mailboxes); it is tried again", cc->oc.name);
	return x;
}
