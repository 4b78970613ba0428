#include "config.h"

#include <string.h>

#include "tokend/policy.h"

static void deny(struct policy_verdict *v, const char *reason, const char *mend)
{
	v->reason = reason;
	v->mend = mend;
}

static bool peer_listed(const struct conf_names *users, const struct conf_names *groups, int fd,
    const struct peer *p)
{
	/* A list of groups alone does not open the door to root by the users' default. */
	if (groups != NULL && groups->n > 0 && users->n == 0)
		return peer_in_groups(fd, p, groups);
	return conf_uid_listed(users, p->uid) || (groups != NULL && peer_in_groups(fd, p, groups));
}

/*
 * An asker may name a mailbox beside its account (SASL's authorization identity). That mailbox must have
 * an entry of its own that admits the same peer and belongs to the same client: nobody reaches by this
 * way what the way in front would refuse.
 */
static void judge_user(const struct conf *conf, int fd, const struct peer *peer, const struct mx_request *r,
    struct policy_verdict *v)
{
	const struct conf_account *other;

	v->user = v->account->user != NULL ? v->account->user : r->account.s;
	if (r->user.s == NULL || strcmp(r->user.s, v->user) == 0)
		return;
	other = conf_account_find(conf, r->user.s, r->user.n);
	if (other == NULL || other->client != v->account->client ||
	    !peer_listed(&other->allow_users, &other->allow_groups, fd, peer)) {
		deny(v, "user-not-allowed",
		    "the mailbox asked for needs an account entry of its own with the same client and this user");
		return;
	}
	v->user = other->user != NULL ? other->user : r->user.s;
}

static void judge_response(const struct conf *conf, int fd, const struct peer *peer,
    const struct mx_request *r, struct policy_verdict *v)
{
	const struct conf_account *a = v->account;

	if (!peer_listed(&a->allow_users, &a->allow_groups, fd, peer)) {
		deny(v, "uid-not-listed", "add the user to allow_users of this account");
		return;
	}
	if (!conf_relay_allowed(a, r->host.s != NULL ? r->host.s : "", r->host.n)) {
		deny(v, "relay-not-listed", "add the server's name to relays of this account if it may have the token");
		return;
	}
	v->mech = r->mech.s == NULL ? MX_MECH_XOAUTH2 : mx_mech_by_name(r->mech.s, r->mech.n);
	if (r->verb != MX_VERB_REJECTED && !((v->mech == MX_MECH_XOAUTH2 && a->xoauth2) ||
	    (v->mech == MX_MECH_OAUTHBEARER && a->oauthbearer))) {
		deny(v, "mechanism-not-listed", "add the mechanism to mechanisms of this account");
		return;
	}
	judge_user(conf, fd, peer, r, v);
}

void policy_judge(const struct conf *conf, int fd, const struct peer *peer, const struct mx_request *r,
    struct policy_verdict *v)
{
	*v = (struct policy_verdict){ 0 };
	switch (r->verb) {
	case MX_VERB_PING:
		return;
	case MX_VERB_STATUS:
	case MX_VERB_FLUSH:
	case MX_VERB_RELOAD:
	case MX_VERB_METRICS:
		if (!conf_uid_listed(&conf->admin_users, peer->uid))
			deny(v, "not-an-admin", "add the user to admin_users");
		else if (r->verb == MX_VERB_FLUSH && r->account.s != NULL)
			v->account = conf_account_find(conf, r->account.s, r->account.n);
		return;
	default:
		break;
	}
	v->account = conf_account_find(conf, r->account.s != NULL ? r->account.s : "", r->account.n);
	if (v->account == NULL) {
		deny(v, "account-unknown", "add the account, or \"*@\" and its domain, under accounts");
	} else if (r->verb == MX_VERB_TOKEN) {
		if (!peer_listed(&v->account->allow_token_users, NULL, fd, peer))
			deny(v, "uid-not-listed-for-token", "add the user to allow_token_users of this account");
	} else {
		judge_response(conf, fd, peer, r, v);
	}
}
