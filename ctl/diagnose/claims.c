#include "config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ctl/diagnose/claims.h"

#define EXCHANGE "00000002-0000-0ff1-ce00-000000000000"	/* the application "Office 365 Exchange Online" in every tenant */
#define GRAPH "00000003-0000-0000-c000-000000000000"
#define CLOCK_S 300		/* differences that servers forgive */

static void find(struct dc_list *l, const char *code, enum dc_weight weight, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static void find(struct dc_list *l, const char *code, enum dc_weight weight, const char *fmt, ...)
{
	struct dc_finding *f = &l->f[l->n];
	va_list ap;

	if (l->n == DC_FINDINGS)
		return;
	*f = (struct dc_finding){ .code = code, .weight = weight };
	va_start(ap, fmt);
	(void)vsnprintf(f->text, sizeof f->text, fmt, ap);
	va_end(ap);
	l->n++;
}

bool dc_hve(const struct oauth_provider *p)
{
	return p != NULL && strcmp(p->name, "hve") == 0;
}

bool dc_exchange(const struct oauth_provider *p)
{
	return p != NULL && (dc_hve(p) || strcmp(p->name, "exchange-online") == 0);
}

/* The host of "https://HOST" with or without a slash behind it. */
static const char *host_of(const char *url, size_t *n)
{
	if (strncasecmp(url, "https://", 8) != 0)
		return NULL;
	url += 8;
	*n = strcspn(url, "/:?#");
	return url[*n] == '\0' || strcmp(url + *n, "/") == 0 ? url : NULL;
}

static void audience(const struct oauth_claims *c, const struct dc_frame *f, struct dc_list *l)
{
	size_t n = 0;
	const char *host = host_of(c->aud, &n);
	unsigned clouds = host != NULL && strncasecmp(host, "graph.", 6) != 0 ? oauth_clouds_of_mail(host, n) : 0;

	if (strcasecmp(c->aud, EXCHANGE) == 0)
		return;
	if (clouds == 0)
		find(l, "token-audience", DC_WRONG, "aud is %s%s, which is not Exchange's", c->aud[0] != '\0' ? c->aud :
		    "not there", strcasecmp(c->aud, GRAPH) == 0 ? " (Microsoft Graph)" : "");
	else if ((clouds & 1u << f->provider->cloud) == 0)
		find(l, "wrong-cloud", DC_WRONG, "aud is %s, which is Exchange of another cloud than cloud: %s names", c->aud,
		    oauth_cloud_name(f->provider->cloud));
}

static void times(const struct oauth_claims *c, const struct dc_frame *f, struct dc_list *l)
{
	if (c->exp != 0 && c->exp <= f->now)
		find(l, "token-expired", DC_WRONG, "exp lies %" PRId64 " s back", f->now - c->exp);
	else if (c->nbf != 0 && c->nbf > f->now + CLOCK_S)
		find(l, "token-expired", DC_WRONG, "nbf is %" PRId64 " s from now", c->nbf - f->now);
}

/* https://sts.windows.net/TENANT/ (1.0) and https://login.microsoftonline.com/TENANT/v2.0: both hold the tenant. */
static void tenant(const struct oauth_claims *c, const struct dc_frame *f, struct dc_list *l)
{
	if (c->tid[0] == '\0') {
		find(l, "token-tenant", DC_DOUBT, "tid is not there");
		return;
	}
	if (f->tenant != NULL && strcasecmp(c->tid, f->tenant) != 0)
		find(l, "token-tenant", DC_WRONG, "tid is %s, and the configuration names %s", c->tid, f->tenant);
	else if (c->iss[0] != '\0' && strcasestr(c->iss, c->tid) == NULL)
		find(l, "token-tenant", DC_DOUBT, "iss is %s, which is not of tenant %s", c->iss, c->tid);
}

static void application(const struct oauth_claims *c, const struct dc_frame *f, struct dc_list *l)
{
	const char *app = oauth_claims_app(c);

	if (f->client_id != NULL && app[0] != '\0' && strcasecmp(app, f->client_id) != 0)
		find(l, "token-client", DC_WRONG, "%s is %s, and client_id is %s", c->appid[0] != '\0' ? "appid" : "azp", app,
		    f->client_id);
}

/* In a user's name: the permission is a scope, and there is a user. */
static void delegated(const struct oauth_claims *c, const struct dc_frame *f, struct dc_list *l)
{
	if (strstr(c->scp, "SMTP.Send") == NULL && !dc_hve(f->provider))
		find(l, "token-no-scope", DC_WRONG, "scp is %s; it must have SMTP.Send", c->has_scp ? c->scp : "not there");
	if (c->upn[0] != '\0' && f->mailbox != NULL && strcasecmp(c->upn, f->mailbox) != 0)
		find(l, "token-other-user", DC_DOUBT, "the token is %s's, and the mailbox is %s: that one needs SendAs or "
		    "FullAccess on it", c->upn, f->mailbox);
}

/* In the application's own name: the permission is a role, or there is none and App RBAC has it. */
static void app_only(const struct oauth_claims *c, const struct dc_frame *f, struct dc_list *l)
{
	const char *role = dc_hve(f->provider) ? "Mail.Send" : "SMTP.SendAsApp";
	char roles[OAUTH_CLAIM_TEXT] = "";
	const char *name;

	for (size_t i = 0; oauth_claims_at(c, i, &name, roles); i++)
		if (strcmp(name, "roles") == 0)
			break;
	if (c->has_scp && c->scp[0] != '\0')
		find(l, "token-delegated", DC_WRONG, "scp is %s: the token has a delegated permission, and the login is the "
		    "application's own", c->scp);
	else if (oauth_claims_role(c, role))
		return;
	else if (c->nroles == 0)
		find(l, dc_hve(f->provider) ? "hve-permission" : "token-no-role", DC_DOUBT, "there are no roles: fine only with "
		    "%s", dc_hve(f->provider) ? "a permission that Exchange itself gives" : "App RBAC (New-ManagementRoleAssignment)");
	else
		find(l, dc_hve(f->provider) ? "hve-permission" : "token-other-role", DC_DOUBT, "roles has no %s, but %s", role,
		    roles);
}

void dc_judge(const struct oauth_claims *c, const struct dc_frame *f, struct dc_list *out)
{
	*out = (struct dc_list){ .n = 0 };
	if (!dc_exchange(f->provider)) {
		times(c, f, out);
		return;
	}
	audience(c, f, out);
	times(c, f, out);
	tenant(c, f, out);
	application(c, f, out);
	if (f->grant == OAUTH_GRANT_REFRESH_TOKEN)
		delegated(c, f, out);
	else
		app_only(c, f, out);
}
