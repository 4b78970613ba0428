/*
 * What the token says of itself. Nothing here is verified, and an opaque token is no fault.
 */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "ctl/diagnose/provider.h"

static void table(struct dg_walk *w, const struct oauth_claims *c)
{
	char text[OAUTH_CLAIM_TEXT];
	const char *name;

	for (size_t i = 0; oauth_claims_at(c, i, &name, text); i++)
		if (text[0] != '\0')
			dg_claim(w, name, strcmp(name, "roles") == 0 || strcmp(name, "scp") == 0 ? DG_LIST : DG_STRING, text);
}

/* The provider's time, if it is known: whoever judges the token has that one rather than ours. */
static int64_t now(const struct dg_provider *p)
{
	const int64_t here = (int64_t)(mx_wall_ms() / 1000);

	return p != NULL && p->a.seen.date != 0 ? here + (p->a.seen.date - p->a.seen.at) : here;
}

void dg_frame(const struct dg_walk *w, struct dc_frame *f, char *tenant, size_t cap)
{
	const struct oauth_client *oc = &w->client->oc;
	bool guid = false;

	*f = (struct dc_frame){
		.provider = w->client->provider, .grant = oc->grant, .mailbox = w->user,
		.client_id = oc->grant == OAUTH_GRANT_MANAGED_IDENTITY ? oc->credential[0].identity_client_id : oc->client_id,
		.now = now(w->provider),
	};
	if (dg_tenant(oc->token_endpoint, tenant, cap, &guid) && guid)
		f->tenant = tenant;
}

static void rbac(struct dg_walk *w)
{
	char *line = dg_filled(w, "Test-ServicePrincipalAuthorization -Identity {ps:client_id} -Resource {ps:mailbox}");

	if (line != NULL)
		dg_unknown(w, "whether App RBAC gives the application what the token lacks: %s", line);
	free(line);
}

void dg_token(struct dg_walk *w)
{
	struct dg_provider *p = w->provider;
	struct dc_frame f;
	struct dc_list l;
	char tenant[128];

	if (p == NULL || w->token.len == 0) {
		dg_skip(w, "there is no token to look at");
		return;
	}
	if (!oauth_claims_read(w->token.p, w->token.len, &p->claims)) {
		dg_skip(w, "opaque (%zu bytes): what it says cannot be read here, which is no fault", w->token.len);
		return;
	}
	p->jwt = true;
	table(w, &p->claims);
	dg_value(w, "oid", p->claims.oid);
	dg_value(w, "audience", p->claims.aud);
	if (w->client->oc.client_id == NULL)
		dg_value(w, "client_id", oauth_claims_app(&p->claims));
	dg_frame(w, &f, tenant, sizeof tenant);
	dc_judge(&p->claims, &f, &l);
	for (size_t i = 0; i < l.n; i++)
		if (l.f[i].weight == DC_WRONG) {
			dg_broken(w, l.f[i].code, "%s", l.f[i].text);
				return;
		}
	for (size_t i = 0; i < l.n; i++)
		if (strcmp(l.f[i].code, "token-no-role") == 0)
			rbac(w);
	if (l.n > 0)
		dg_note(w, "%s", l.f[0].text);
	else
		dg_ok(w, "%zu bytes; it says what it should", w->token.len);
}
