#include "config.h"

#include <string.h>

#include "common/text.h"
#include "common/wire.h"
#include "settings/account.h"
#include "settings/build.h"
#include "settings/suggest.h"

void cf_lower(char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] >= 'A' && s[i] <= 'Z')
			s[i] = (char)(s[i] - 'A' + 'a');
}

size_t cf_account_key(char *out, const char *name, size_t n)
{
	const char *at = memrchr(name, '@', n);

	memcpy(out, name, n);
	out[n] = '\0';
	if (at == NULL)
		return n;
	if (n > 0 && out[n - 1] == '.')
		out[--n] = '\0';
	cf_lower(out + (at - name), n - (size_t)(at - name));
	return n;
}

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

bool cf_mailbox_key(char *out, const char *mailbox)
{
	size_t n = strlen(mailbox);
	const char *at;

	if (n > MX_ACCOUNT_MAX)
		return false;
	n = cf_account_key(out, mailbox, n);
	if ((at = memrchr(out, '@', n)) == NULL ||
	    strspn(at + 1, "abcdefghijklmnopqrstuvwxyz0123456789.-") != strlen(at + 1))
		return false;
	return at[1] != '\0' && plain(out, (size_t)(at - out)) && out[0] != '*';	/* "*@DOMAIN": a pattern */
}

size_t cf_host_key(char *out, const char *host, size_t n)
{
	if (n > 2 && host[0] == '[' && host[n - 1] == ']')
		host++, n -= 2;
	else if (n > 1 && host[n - 1] == '.')
		n--;
	memcpy(out, host, n);
	cf_lower(out, n);
	return n;
}

/* A local part with upper case is also found in lower case; of several, the first is. */
static void fold(struct build *b, const char *pattern, uint32_t i, const struct conf_where *at)
{
	char lower[MX_ACCOUNT_MAX + 1];
	const size_t n = strlen(pattern);
	char first[512];
	const char *key;
	uint32_t j;

	memcpy(lower, pattern, n + 1);
	cf_lower(lower, n);
	if (memcmp(lower, pattern, n) == 0)
		return;
	if (cf_map_get(&b->c->own->folded, lower, n, &j)) {
		cf_warn(b->r, at,
		    "account \"%.200s\" differs from \"%.200s\" only by upper and lower case; any "
		    "other spelling finds that one%s",
		    pattern, b->c->accounts[j].pattern,
		    cf_first_place(first, sizeof first, &b->c->accounts[j].at, at));
		return;
	}
	if ((key = cf_strdup(b->mem, lower, n)) == NULL || !cf_map_put(&b->c->own->folded, key, i))
		(void)cf_oom(b);
}

static void lacks_client(struct build *b, const char *name, const struct conf_where *at)
{
	char q[128];

	cf_error(b->r, at, "account %s lacks \"client\": name of the client whose token is used",
	    mx_quote(q, sizeof q, name, strlen(name)));
}

/* An entry without a client, of which "allow_users" alone makes sense. pattern: for keeps. */
static void add_more(struct build *b, const char *pattern, const char *name, const struct conf_where *at,
    const struct cf_account *w)
{
	if (w->allow_users.list.n == 0 || w->user.at.line != 0 || w->allow_groups.at.line != 0 ||
	    w->allow_token_users.at.line != 0 || w->relays.at.line != 0 || w->mechanisms.at.line != 0) {
		if (b->clean)
			lacks_client(b, name, at);
	} else if (!cf_grow(&b->more, b->nmore, &b->cap_more, sizeof *b->more)) {
		(void)cf_oom(b);
	} else {
		b->more[b->nmore++] = (struct cf_more){ pattern, name, w->allow_users.list, *at };
	}
}

void cf_add_account(struct build *b, const char *name, const struct conf_where *at,
    struct cf_account *w)
{
	struct conf *c = b->c;
	char key[MX_ACCOUNT_MAX + 1], first[512];
	const char *pattern;
	uint32_t i;
	size_t n = strlen(name);

	if (n > MX_ACCOUNT_MAX) {
		cf_error(b->r, at, "this account's name is too long: %zu bytes, at most %d", n,
		    MX_ACCOUNT_MAX);
		return;
	}
	n = cf_account_key(key, name, n);
	if (w->client.s == NULL) {
		if ((pattern = cf_strdup(b->mem, key, n)) == NULL)
			(void)cf_oom(b);
		else
			add_more(b, pattern, name, at, w);
		return;
	}
	if (cf_map_get(&c->own->exact, key, n, &i)) {
		cf_error(b->r, at,
		    "account \"%s\" is given twice%s; upper and lower case and a trailing dot of "
		    "the "
		    "domain make no difference",
		    name, cf_first_place(first, sizeof first, &c->accounts[i].at, at));
		return;
	}
	i = (uint32_t)c->naccounts;
	pattern = memcmp(key, name, n + 1) == 0 ? name : cf_strdup(b->mem, key, n);
	if (pattern == NULL || !cf_grow(&c->accounts, i, &b->cap_accounts, sizeof *c->accounts) ||
	    !cf_grow(&b->account_side, i, &b->cap_account_side, sizeof *b->account_side) ||
	    !cf_map_put(&c->own->exact, pattern, i)) {
		(void)cf_oom(b);
		return;
	}
	c->naccounts++;
	c->accounts[i] = (struct conf_account){ .pattern = pattern,
		.user = w->user.s,
		.allow_users = w->allow_users.list,
		.allow_groups = w->allow_groups.list,
		.allow_token_users = w->allow_token_users.list,
		.nrelays = w->relays.list.n,
		.relays = w->relays.list.name,
		.xoauth2 = w->mechanisms.at.line == 0 || (w->mechanisms.v & 1) != 0,
		.oauthbearer = w->mechanisms.at.line == 0 || (w->mechanisms.v & 2) != 0,
		.at = *at };
	b->account_side[i] = (struct cf_account_side){ w->client.s, w->client.at, w->relays.at };
	fold(b, pattern, i, at);
}

static void undefined(struct build *b, const struct cf_account_side *side)
{
	char hint[96];
	struct cf_near near;

	cf_near_begin(&near, side->client, strlen(side->client));
	if (!cf_report_full(b->r))
		for (size_t i = 0; i < b->c->nclients; i++)
			cf_near_try(&near, b->c->clients[i].oc.name);
	cf_error(b->r, &side->client_at, "client \"%s\" is not defined below \"clients\"%s",
	    side->client, cf_near_text(hint, sizeof hint, &near));
}

/* A token for one mailbox can be had for a mail address alone. Of a pattern the daemon sees when it is asked. */
static void one_mailbox(struct build *b, const struct conf_account *a)
{
	char key[MX_ACCOUNT_MAX + 1];
	const char *mailbox = a->user != NULL ? a->user : a->pattern;

	if (!oauth_grant_each(a->client->oc.grant) || (a->user == NULL && a->pattern[0] == '*') ||
	    cf_mailbox_key(key, mailbox))
		return;
	cf_error(b->r, &a->at, "account \"%.200s\": tokens of client \"%s\" are made for one mailbox each, and "
	    "\"%.200s\" is no plain mail address; write \"user: MAILBOX\"", a->pattern, a->client->oc.name, mailbox);
}

/* A person's login is one mailbox's; a server may take it for a mailbox that is shared with that person. */
static void one_login(struct build *b, const struct conf_account *a)
{
	if (a->client->oc.grant == OAUTH_GRANT_REFRESH_TOKEN && a->user == NULL && a->pattern[0] == '*')
		cf_warn(b->r, &a->at, "account \"%.200s\": the token of client \"%s\" is that of the one mailbox whose "
		    "owner has logged in, and other mailboxes are refused with it; write that mailbox in place of the "
		    "pattern, or \"user: MAILBOX\" below it", a->pattern, a->client->oc.name);
}

/* The client's own servers, when the account names none. */
static void preset_relays(struct conf_account *a)
{
	const struct oauth_provider *p = a->client->provider;

	if (a->nrelays != 0 || p == NULL || p->relays == NULL)
		return;
	a->relays = p->relays;
	while (p->relays[a->nrelays] != NULL)
		a->nrelays++;
}

/* Of a list of users and further ones; root: the first list is root's by default, who then keeps his place. */
static bool joined(struct build *b, const struct conf_names *x, bool root, const struct conf_names *y,
    struct conf_names *out)
{
	const size_t room = x->n + y->n + 1;
	size_t k;

	*out = (struct conf_names){ .name = cf_alloc(b->mem, room * sizeof *out->name),
		.id = cf_alloc(b->mem, room * sizeof *out->id) };
	if (out->name == NULL || out->id == NULL)
		return cf_oom(b);
	if (root)
		out->name[0] = "root", out->id[out->n++] = 0;
	for (size_t i = 0; i < x->n + y->n; i++) {
		const struct conf_names *from = i < x->n ? x : y;
		const char *name = from->name[i < x->n ? i : i - x->n];

		for (k = 0; k < out->n && strcmp(out->name[k], name) != 0; k++)
			;
		if (k == out->n)
			out->name[k] = name, out->id[out->n++] = from->id[i < x->n ? i : i - x->n];
	}
	return true;
}

static void add_users(struct build *b, const struct cf_more *m)
{
	struct conf_account *a;
	struct conf_names had;
	char first[512];
	uint32_t i;

	if (!cf_map_get(&b->c->own->exact, m->pattern, strlen(m->pattern), &i)) {
		if (!b->broken)
			lacks_client(b, m->name, &m->at);
		return;
	}
	a = &b->c->accounts[i];
	had = a->allow_users;
	if (a->at.file == m->at.file)
		cf_error(b->r, &m->at, "account \"%s\" is given twice%s", m->name,
		    cf_first_place(first, sizeof first, &a->at, &m->at));
	else
		(void)joined(b, &had, had.n == 0 && a->allow_groups.n == 0, &m->allow_users, &a->allow_users);
}

void cf_link_accounts(struct build *b)
{
	struct conf *c = b->c;
	uint32_t j;

	for (size_t i = 0; i < b->nmore && !b->oom; i++)
		add_users(b, &b->more[i]);
	for (size_t i = 0; i < c->naccounts; i++) {
		const char *name = b->account_side[i].client;

		if (name == NULL)
			continue;
		if (!cf_map_get(&b->clients, name, strlen(name), &j)) {
			if (!b->broken && c->nclients > 0)
				undefined(b, &b->account_side[i]);
			continue;
		}
		b->client_side[j].used = true;
		c->accounts[i].client = &c->clients[j];
		if (c->accounts[i].nrelays > 0 && c->accounts[i].client->provider != NULL)
			cf_check_relays(b, &c->accounts[i], &b->account_side[i].relays_at);
		preset_relays(&c->accounts[i]);
		one_mailbox(b, &c->accounts[i]);
		one_login(b, &c->accounts[i]);
	}
	for (size_t i = 0; i < c->nclients && !b->broken && b->r->errors == 0; i++)
		if (!b->client_side[i].used)
			cf_warn(b->r, &c->clients[i].at, "client \"%s\" is not used by any account",
			    c->clients[i].oc.name);
}
