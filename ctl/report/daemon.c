/*
 * What the daemon says of itself, and what its tokens say.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/report/report.h"
#include "ctl/status.h"
#include "oauth/claims.h"
#include "settings/conf.h"

#define TOKENS_MAX 32u		/* shown */
#define NAME 400		/* bytes, of a client and its mailbox */

/* Each field by its key: numbers, words of the protocol, and text. */
static void field(struct rp *r, const char *s, size_t n)
{
	const char *eq = memchr(s, '=', n);
	size_t k = eq != NULL ? (size_t)(eq - s) : n;

	rp_text(r, s, k);
	if (eq == NULL)
		return;
	fputc('=', r->out);
	if (k == 13 && memcmp(s, "configuration", k) == 0)
		rp_text(r, eq + 1, n - k - 1);
	else if (k == 5 && memcmp(s, "token", k) == 0)
		rp_mask(r, RP_WORD, eq + 1, n - k - 1);
	else
		rp_text(r, eq + 1, n - k - 1);
}

void rp_status_show(struct rp *r, const struct answer *a)
{
	const char *p = a->more, *end = p + a->n, *lf, *tab;
	size_t lines = 0;

	for (; p < end; p = lf + 1) {
		if ((lf = memchr(p, '\n', (size_t)(end - p))) == NULL)
			break;
		if (lines++ >= RP_LINES)
			continue;
		fputs("  ", r->out);
		for (; p <= lf; p = tab + 1) {
			if ((tab = memchr(p, '\t', (size_t)(lf - p))) == NULL)
				tab = lf;
			field(r, p, (size_t)(tab - p));
			fputc(tab == lf ? '\n' : ' ', r->out);
		}
	}
	if (lines > RP_LINES)
		rp_line(r, "  (and %zu more lines)", lines - RP_LINES);
}

void rp_check_show(struct rp *r, const char *path)
{
	struct conf_report rep;
	struct conf *c = conf_load(path, CONF_BY_HAND, &rep);
	char line[1024];

	for (size_t i = 0; i < rep.n; i++) {
		fputs("  ", r->out);
		rp_texts(r, conf_complaint_str(line, sizeof line, &rep.c[i]));
		fputc('\n', r->out);
	}
	rp_line(r, "  %zu errors, %zu warnings", rep.errors, rep.warnings);
	for (size_t i = 0; c != NULL && i < c->nclients && i < RP_LINES; i++) {
		const struct conf_client *k = &c->clients[i];

		fputs("  client ", r->out);
		rp_texts(r, k->oc.name);
		rp_line(r, ": %s, cloud %s, credentials %zu, min_remaining %us, stale_until %us", k->provider->name,
		    oauth_cloud_name(k->provider->cloud), k->oc.ncredentials, (unsigned)k->min_remaining_s, (unsigned)k->stale_until_s);
	}
	for (size_t i = 0; c != NULL && i < c->naccounts && i < RP_LINES; i++) {
		const struct conf_account *k = &c->accounts[i];

		fputs("  account ", r->out);
		rp_address(r, k->pattern, strlen(k->pattern));
		fputs(": client ", r->out);
		rp_texts(r, k->client->oc.name);
		fprintf(r->out, ", users%s", k->allow_users.n == 0 && k->allow_groups.n == 0 ? " root" : "");
		for (size_t u = 0; u < k->allow_users.n; u++) {
			fputc(' ', r->out);
			rp_texts(r, k->allow_users.name[u]);
			fputs(k->allow_users.id[u] == UINT32_MAX ? " (unknown here)" : "", r->out);
		}
		fputs(k->allow_groups.n > 0 ? ", groups" : "", r->out);
		for (size_t u = 0; u < k->allow_groups.n; u++) {
			fputc(' ', r->out);
			rp_texts(r, k->allow_groups.name[u]);
		}
		fputs(k->nrelays == 0 ? ", any relay" : ", relays", r->out);
		for (size_t u = 0; u < k->nrelays; u++) {
			fputc(' ', r->out);
			rp_texts(r, k->relays[u]);
		}
		rp_line(r, "%s%s", k->xoauth2 ? ", XOAUTH2" : "", k->oauthbearer ? ", OAUTHBEARER" : "");
	}
	if (c != NULL && (c->nclients > RP_LINES || c->naccounts > RP_LINES))
		rp_line(r, "  (of %zu clients and %zu accounts the first)", c->nclients, c->naccounts);
	conf_report_free(&rep);
	conf_free(c);
}

/* --- tokens ---------------------------------------------------------------------------------- */

struct rp_tokens {
	struct one { char client[NAME]; bool jwt; struct oauth_claims claims; int64_t expires_in; } t[TOKENS_MAX];
	size_t n, refused;
	bool more;
};

/* An account whose token is this client's: a mailbox of its own, else one that a pattern admits. */
static bool account_of(char out[MX_ACCOUNT_MAX + 1], const struct conf *c, const char *client, const char *mailbox)
{
	struct mx_buf b;

	for (size_t i = 0; i < c->naccounts; i++) {
		const struct conf_account *a = &c->accounts[i], *found;

		if (strcmp(a->client->oc.name, client) != 0)
			continue;
		mx_buf_init(&b, out, MX_ACCOUNT_MAX + 1);
		mx_buf_adds(&b, mailbox != NULL ? mailbox : *a->pattern != '*' ? a->pattern : "postmaster");
		if (mailbox == NULL && *a->pattern == '*')
			mx_buf_adds(&b, a->pattern[1] == '@' ? a->pattern + 1 : "@invalid");
		if (mx_buf_str(&b) != NULL && (found = conf_account_find(c, out, b.len)) != NULL && found->client == a->client)
			return true;
	}
	return false;
}

static void learn_token(struct rp *r, struct rp_tokens *t, const struct call *c, const char *name, const char *account)
{
	struct mx_secret s = { 0 };
	struct mx_reply reply;
	struct mx_endpoint ep;
	struct mx_err e;
	struct one *o;
	bool spoke;

	if (ask_endpoint(c, &ep) != CTL_FINE || token_ask(&ep, account, &s, &reply, &e, &spoke) != MX_OK) {
		t->refused++;
	} else {
		o = &t->t[t->n++];
		(void)snprintf(o->client, sizeof o->client, "%.*s", (int)sizeof o->client - 1, name);
		o->expires_in = (int64_t)reply.expires_in_s;
		o->jwt = oauth_claims_read(reply.payload, reply.payload_len, &o->claims);
		rp_known(r, reply.payload, reply.payload_len);
	}
	mx_secret_free(&s);
}

struct rp_tokens *rp_tokens_learn(struct rp *r, const struct call *c, const struct answer *status, const char *path)
{
	struct rp_tokens *t = calloc(1, sizeof *t);
	const char *p = status->more, *end = p + status->n;
	struct conf_report rep;
	struct conf *conf = conf_load(path, CONF_BY_HAND, &rep);
	struct status_line l;
	char name[NAME], account[MX_ACCOUNT_MAX + 1], *slash;

	conf_report_free(&rep);
	while (t != NULL && conf != NULL && p < end && status_line(&p, end, &l)) {
		const struct mx_span *n = &l.v[SC_NAME];
		int64_t left;

		if ((l.kind != STATUS_CLIENT && l.kind != STATUS_MAILBOX) || n->s == NULL || n->n >= sizeof name ||
		    l.v[SC_TOKEN].s == NULL || !status_number(&l.v[SC_EXPIRES], &left) || left < 5)
			continue;
		memcpy(name, n->s, n->n);
		name[n->n] = '\0';
		slash = l.kind == STATUS_MAILBOX ? strchr(name, '/') : NULL;
		if (slash != NULL)
			*slash = '\0';
		if (t->n == TOKENS_MAX) {
			t->more = true;
			break;
		}
		if (account_of(account, conf, name, slash != NULL ? slash + 1 : NULL))
			learn_token(r, t, c, name, account);
	}
	conf_free(conf);
	return t;
}

static void show_token(struct rp *r, const struct one *o)
{
	static const char *const ids[] = { "appid", "azp", "tid", "oid", "sub", NULL };
	char value[OAUTH_CLAIM_TEXT];
	const char *name;
	size_t k;

	fputs("  token of client ", r->out);
	rp_texts(r, o->client);
	rp_line(r, ": %lld s left%s", (long long)o->expires_in, o->jwt ? "" : "; opaque, so that it shows nothing");
	for (size_t i = 0; o->jwt && oauth_claims_at(&o->claims, i, &name, value); i++) {
		if (*value == '\0')
			continue;
		fprintf(r->out, "    %-9s ", name);
		for (k = 0; ids[k] != NULL && strcmp(ids[k], name) != 0; k++)
			;
		/* A claim is a piece of its token: it must not be told from it by its bytes. */
		if (ids[k] != NULL && strchr(value, '@') == NULL)
			rp_id(r, value, strlen(value));
		else if (strcmp(name, "upn") == 0)
			rp_address(r, value, strlen(value));
		else
			rp_texts(r, value);
		fputc('\n', r->out);
	}
}

void rp_tokens_show(struct rp *r, const struct rp_tokens *t)
{
	for (size_t i = 0; i < t->n; i++)
		show_token(r, &t->t[i]);
	if (t->n == 0 && t->refused == 0)
		rp_line(r, "  no token is at hand");
	if (t->refused > 0)
		rp_line(r, "  %zu not looked at: this user is not in allow_token_users, or the daemon did not answer", t->refused);
	if (t->more)
		rp_line(r, "  and more");
}

void rp_tokens_free(struct rp_tokens *t)
{
	free(t);
}
