/*
 * A mail server that says "535 5.7.3" and no more: the claims say what it can be, in the order in which it is worth looking.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "ctl/diagnose/provider.h"

#define FRESH "any of this was changed within the last two hours: then wait, since changes reach Exchange's servers slowly"

/* A line of Exchange Online's PowerShell with this walk's values. */
static void unknown(struct dg_walk *w, const char *what, const char *lines)
{
	char *text = dg_filled(w, lines);

	if (text != NULL)
		dg_unknown(w, "%s: %s", what, text);
	free(text);
}

static void look_at(struct dg_walk *w, bool principal)
{
	if (principal)
		unknown(w, "whether Exchange knows the application by the object id of the enterprise application, which is the "
		    "token's oid (App registrations shows another one)",
		    "Get-ServicePrincipal -Identity {ps:client_id} | Format-List AppId,ObjectId; it must be {oid}");
	unknown(w, "whether the application may use the mailbox",
	    "Get-MailboxPermission -Identity {ps:mailbox} -User {ps:oid}; with App RBAC: "
	    "Test-ServicePrincipalAuthorization -Identity {ps:client_id} -Resource {ps:mailbox}");
	unknown(w, "whether the mailbox and the tenant allow SMTP AUTH",
	    "Get-CASMailbox -Identity {ps:mailbox} | Format-List SmtpClientAuthenticationDisabled; "
	    "Get-TransportConfig | Format-List SmtpClientAuthenticationDisabled");
	dg_unknown(w, "whether " FRESH);
}

/* The token that was sent is older than what the provider gives now. */
static bool stale(const struct dg_provider *p, const struct oauth_claims *sent, const struct dc_frame *f)
{
	struct dc_list now, then;

	if (!p->jwt || sent->iat >= p->claims.iat)
		return false;
	dc_judge(&p->claims, f, &now);
	dc_judge(sent, f, &then);
	return then.n > now.n;
}

const char *dg_claims_verdict(struct dg_walk *w, const struct mx_secret *token)
{
	const struct mx_secret *t = token != NULL ? token : &w->token;
	struct dg_provider *p = w->provider;
	struct oauth_claims c;
	struct dc_frame f;
	struct dc_list l;
	char tenant[128];

	if (w->client == NULL || !dc_exchange(w->client->provider))
		return "login-refused";
	if (t->len == 0 || !oauth_claims_read(t->p, t->len, &c)) {
		look_at(w, true);
		return "login-unsuccessful";
	}
	dg_value(w, "oid", c.oid);
	dg_value(w, "audience", c.aud);
	dg_frame(w, &f, tenant, sizeof tenant);
	if (p != NULL && token != NULL && stale(p, &c, &f))
		return "token-stale";
	dc_judge(&c, &f, &l);
	for (size_t i = 0; i < l.n; i++)
		dg_evidence(w, "the token: %s", l.f[i].text);
	look_at(w, true);
	if (l.n > 0)
		return l.f[0].code;
	return f.grant == OAUTH_GRANT_REFRESH_TOKEN ? "login-unsuccessful" : "exchange-object-id";
}
