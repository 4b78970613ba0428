#include "config.h"

#include <string.h>

#include "common/clock.h"
#include "common/text.h"
#include "settings/account.h"
#include "tokend/mailbox.h"

/* What needs no quotes in an address, nor in a line of the log: RFC 5322's atext and the dot. */
static bool plain(const char *s, size_t n)
{
	static const char more[] = "!#$%&'*+-/=?^_`{|}~.";

	for (size_t i = 0; i < n; i++)
		if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') || (s[i] >= '0' && s[i] <= '9') ||
		    (s[i] != '\0' && strchr(more, s[i]) != NULL)))
			return false;
	return n > 0;
}

bool mailbox_subject(char *out, const char *mailbox)
{
	size_t n = strlen(mailbox);
	const char *at;

	if (n > MX_ACCOUNT_MAX)
		return false;
	n = cf_account_key(out, mailbox, n);
	if ((at = memrchr(out, '@', n)) == NULL || strspn(at + 1, "abcdefghijklmnopqrstuvwxyz0123456789.-") != strlen(at + 1))
		return false;
	return at[1] != '\0' && plain(out, (size_t)(at - out)) && out[0] != '*';	/* "*@DOMAIN": a pattern */
}

struct engine_client *mailbox_client(struct conn *c, const struct policy_verdict *v, const struct mx_request *r, bool make,
    struct mx_err *e)
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
	if (!mailbox_subject(subject, mailbox)) {
		mx_fail(e, MX_CONFIG, "mailbox-needed", "client \"%s\": its tokens are made for one mailbox each, and %s is "
		    "none; write \"user: MAILBOX\" in this account%s", cc->oc.name,
		    mx_quote(shown, sizeof shown, mailbox, strlen(mailbox)),
		    mailbox[0] == '\0' ? ", or give bounces a sender" : "");
		return NULL;
	}
	x = engine_sub(parent, subject, make && limit_left(limit, MAILBOX_BURST, MAILBOX_STEP_MS, now), &made);
	if (made)
		(void)limit_take(limit, MAILBOX_BURST, MAILBOX_STEP_MS, now);
	if (x == NULL && make && engine_sub_count(c->s->engine) < c->s->conf->conf->max_mailboxes &&
	    limit_left(limit, MAILBOX_BURST, MAILBOX_STEP_MS, now))
		mx_fail(e, MX_BUSY, "no-memory", "client \"%s\": no memory for one more mailbox; look at the daemon's memory limit",
		    cc->oc.name);
	else if (x == NULL && make)
		mx_fail(e, MX_BUSY, "too-many-mailboxes", "client \"%s\": too many mailboxes want a token of their own, of this "
		    "user within a short time or in all (max_mailboxes); it is tried again", cc->oc.name);
	return x;
}
