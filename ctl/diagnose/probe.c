/*
 * The token request as the daemon makes it: by a child that is the daemon's user, since what that one cannot read is what
 * is to be found out, and by the same code. The token comes back over a pipe. Where this process may not do that, or where
 * asking would use up a refresh token, a request without credentials shows the way at least.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "ctl/child.h"
#include "ctl/diagnose/here.h"
#include "ctl/diagnose/provider.h"
#include "oauth/federated.h"
#include "oauth/http_wait.h"
#include "oauth/key.h"
#include "oauth/secretfile.h"
#include "oauth/service_account.h"

#define AGENT "mta-xoauth2/" PACKAGE_VERSION

struct asked { struct dg_walk *w; const struct passwd *pw; bool look; pid_t parent; };

static bool all_of_unit(const struct oauth_client *oc)
{
	for (size_t i = 0; i < oc->ncredentials; i++)
		if (dg_file_of_unit(&oc->credential[i]) == NULL)
			return false;
	return oc->ncredentials > 0;
}

/* --- in the child -------------------------------------------------------------------------- */

/* What is to be compared by eye, where that credential is the one that does not fit. */
static void describe(const struct oauth_client *oc, const struct oauth_credential *k, struct dg_answer *a)
{
	static const char digits[] = "0123456789ABCDEF";
	unsigned char raw[OAUTH_THUMBPRINT_MAX];
	struct oauth_service_account account;
	struct mx_secret s = { 0 };
	struct oauth_key *key = NULL;
	struct mx_err e;
	size_t n = 0;

	if (k->auth == OAUTH_AUTH_PRIVATE_KEY_JWT && k->key != NULL && oauth_key_open(k, 0, &key, &e) == MX_OK)
		n = oauth_key_thumbprint(key, OAUTH_THUMB_SHA1, raw);
	for (size_t i = 0; i < n && i < 20; i++) {
		a->thumbprint[i * 2] = digits[raw[i] >> 4];
		a->thumbprint[i * 2 + 1] = digits[raw[i] & 15];
	}
	oauth_key_free(key);
	if (k->secret_file != NULL && oauth_secret_read_for(oc, k->secret_file, &s, &e) == MX_OK) {
		a->secret_bytes = s.len;
		if (!oauth_secret_lint(k->secret_file, &s, &a->lint))
			a->lint = (struct mx_err){ .cls = MX_OK };
	}
	mx_secret_free(&s);
	if (k->service_account_file != NULL && oauth_service_account_read(oc, k->service_account_file, &account, &e) == MX_OK) {
		(void)snprintf(a->account_id, sizeof a->account_id, "%s", account.client_id);
		oauth_service_account_free(&account);
	}
	if (k->assertion_file != NULL && oauth_federated_read(k->assertion_file, &s, &e) == MX_OK &&
	    !oauth_claims_read(s.p, s.len, &a->assertion))
		a->assertion = (struct oauth_claims){ 0 };
	mx_secret_free(&s);
}

static void ask_all(const struct oauth_client *oc, const char *mailbox, struct oauth_token *t, struct dg_answer *a)
{
	const struct oauth_want want = { .subject = oauth_grant_each(oc->grant) ? mailbox : NULL, .seen = &a->seen };

	for (a->credential = 0;; a->credential++) {
		a->cls = oauth_http_wait(AGENT, oc, &oc->credential[a->credential], &want, t, &a->f);
		if (a->cls == MX_OK || !a->f.credential || a->credential + 1 >= oc->ncredentials)
			break;
		if (a->before.cls == MX_OK)
			a->before = a->f.err;
		mx_secret_free(&t->refresh_token);
	}
	describe(oc, &oc->credential[a->credential], a);
	if (a->cls == MX_OK) {
		a->expires_in_s = t->expires_in_s;
		(void)snprintf(a->scope, sizeof a->scope, "%.*s", (int)sizeof a->scope - 1, t->scope);
	}
}

/* Nobody grants that, and whoever is there says so. */
static void look(const struct oauth_client *oc, struct oauth_token *t, struct dg_answer *a)
{
	const struct oauth_credential none = { .auth = OAUTH_AUTH_NONE };
	const struct oauth_want want = { .seen = &a->seen };
	struct oauth_client c = *oc;

	c.grant = OAUTH_GRANT_CLIENT_CREDENTIALS;
	c.scope = c.resource = NULL;
	c.credential = &none;
	c.ncredentials = 1;
	a->cls = oauth_http_wait(AGENT, &c, &none, &want, t, &a->f);
	mx_secret_free(&t->access_token);
	*t = (struct oauth_token){ .refresh_token = t->refresh_token };
}

static void child(int fd, void *arg)
{
	const struct asked *q = arg;
	const struct oauth_client *oc = &q->w->client->oc;
	struct oauth_token t = { .expires_in_s = 0 };
	struct dg_answer a = { .cls = MX_TEMP };
	size_t n;

	mx_secret_forked();
	if (!child_become(q->pw))
		a.cls = mx_fail(&a.f.err, MX_CONFIG, "cannot-change-user", "cannot become user \"%s\" (%s)", q->pw->pw_name,
		    strerror(errno));
#ifdef __linux__
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);		/* behind setuid(2), which would undo it */
	if (getppid() != q->parent)
		_exit(1);				/* it ended before that */
#endif
	if (a.f.err.cls == MX_OK && q->look)
		look(oc, &t, &a);
	else if (a.f.err.cls == MX_OK)
		ask_all(oc, q->w->user, &t, &a);
	n = t.access_token.len;
	if (child_put(fd, &a, sizeof a) && child_put(fd, &n, sizeof n))
		(void)child_put(fd, t.access_token.p, n);
	mx_secret_free(&t.access_token);
	mx_secret_free(&t.refresh_token);
}

/* --- in the parent -------------------------------------------------------------------------- */

static bool answer(int fd, void *arg)
{
	struct dg_walk *w = ((const struct asked *)arg)->w;
	struct dg_provider *p = w->provider;
	size_t n;

	if (!child_take(fd, &p->a, sizeof p->a) || !child_take(fd, &n, sizeof n) || n > OAUTH_TOKEN_MAX)
		return false;
	if (n == 0)
		return true;
	if (!mx_secret_alloc(&w->token, n + 1) || !child_take(fd, w->token.p, n)) {
		mx_secret_free(&w->token);
		return false;
	}
	w->token.p[n] = '\0';
	w->token.len = n;
	return true;
}

/* Why the token is not to be asked for from here. "": it is. */
static void judge(const struct dg_walk *w, const struct passwd *pw)
{
	const struct oauth_client *oc = &w->client->oc;
	struct dg_provider *p = w->provider;

	if (oc->grant == OAUTH_GRANT_REFRESH_TOKEN)
		(void)snprintf(p->why, sizeof p->why, "tokens of the grant refresh_token are replaced when they are used, so "
		    "the daemon alone asks");
	else if (geteuid() != 0 && (pw == NULL || pw->pw_uid != geteuid()))
		(void)snprintf(p->why, sizeof p->why, "user \"%.40s\" alone may read the credential; as root more can be seen",
		    w->conf->user);
	else if (all_of_unit(oc))
		(void)snprintf(p->why, sizeof p->why, "the credential is there for the daemon's unit alone, so the daemon alone "
		    "asks");
	p->look = p->why[0] != '\0';
}

bool dg_probe(struct dg_walk *w)
{
	const struct passwd *pw;
	struct asked q = { .w = w, .parent = getpid() };

	if (w->provider != NULL)
		return true;
	if ((w->provider = calloc(1, sizeof *w->provider)) == NULL) {
		w->no_memory = true;
		return false;
	}
	pw = getpwnam(w->conf->user);
	judge(w, pw);
	q.pw = geteuid() == 0 ? pw : NULL;
	q.look = w->provider->look;
	if (w->provider->look && w->client->oc.token_endpoint == NULL)
		return true;		/* a platform's: there is no way to look at */
	w->provider->died = !child_ask(child, answer, &q, NULL);
	if (w->token.len > 0)
		w->provider->left_s = w->provider->a.expires_in_s;
	return true;
}

void dg_provider_free(struct dg_walk *w)
{
	free(w->provider);
	w->provider = NULL;
}

bool dg_tenant(const char *endpoint, char *out, size_t cap, bool *guid)
{
	const char *p = endpoint != NULL ? strstr(endpoint, "://") : NULL, *end;
	size_t n;

	if (p == NULL || (p = strchr(p + 3, '/')) == NULL)
		return false;
	end = strchr(++p, '/');
	n = end != NULL ? (size_t)(end - p) : 0;
	if (n == 0 || n >= cap || strncmp(end, "/oauth2/", 8) != 0)
		return false;
	memcpy(out, p, n);
	out[n] = '\0';
	*guid = n == 36 && strspn(out, "0123456789abcdefABCDEF-") == 36 && out[8] == '-' && out[13] == '-' && out[18] == '-' &&
	    out[23] == '-';
	return true;
}
