/*
 * Identities that the platform gives: managed ones, and the environment of a workload in
 * Kubernetes.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "settings/build.h"

#define DEFAULT_SCOPE "/.default"

void cf_identity(struct build *b, const struct cf_credential *v, struct oauth_credential *c)
{
	const struct cf_value *const all[] = { &v->identity_client_id, &v->identity_object_id,
		&v->identity_resource_id };
	const struct cf_value *first = NULL;

	c->platform = v->managed_identity.at.line != 0
	    ? (enum oauth_platform)(v->managed_identity.v + 1)
	    : OAUTH_PLATFORM_AUTO;
	c->identity_client_id = v->identity_client_id.s;
	c->identity_object_id = v->identity_object_id.s;
	c->identity_resource_id = v->identity_resource_id.s;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		if (all[i]->at.line == 0)
			continue;
		if (first != NULL)
			cf_error(b->r, &all[i]->at,
			    "an identity is chosen by one of identity_client_id, "
			    "identity_object_id and "
			    "identity_resource_id: leave the others out");
		first = all[i];
	}
	if (c->platform == OAUTH_PLATFORM_AZURE_ARC &&
	    (c->identity_client_id != NULL || c->identity_object_id != NULL))
		cf_error(b->r, &first->at,
		    "Azure Arc cannot choose an identity by identity_client_id or "
		    "identity_object_id: leave "
		    "that out, and the machine's own identity is used");
}

/* What the other grants need, and this one has no use for. */
static void unused(struct build *b, const struct cf_client *w)
{
	const struct {
		const struct cf_value *v;
		const char *name;
	} all[] = {
		{ &w->tenant, "tenant" },
		{ &w->token_endpoint, "token_endpoint" },
		{ &w->client_auth, "client_auth" },
		{ &w->proxy, "proxy" },
		{ &w->ca_file, "ca_file" },
	};
	const struct cf_value *const proofs[] = { &w->own.client_secret_file, &w->own.key, &w->own.service_account_file,
		&w->own.assertion_file, &w->credentials };

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (all[i].v->at.line != 0)
			cf_warn(b->r, &all[i].v->at,
			    "\"%s\" is not used with the grant managed_identity: the machine's "
			    "platform "
			    "is asked, and nobody else",
			    all[i].name);
	for (size_t i = 0; i < sizeof proofs / sizeof proofs[0]; i++)
		if (proofs[i]->at.line != 0)
			cf_error(b->r, &proofs[i]->at,
			    "the grant managed_identity takes no credential: leave it out, or, if "
			    "the "
			    "identity is to be the credential of an app registration, write "
			    "\"grant: client_credentials\"");
	if (w->client_id.at.line != 0)
		cf_error(b->r, &w->client_id.at,
		    "\"client_id\" is that of an app registration, which the grant "
		    "managed_identity "
		    "does not use: to choose a user-assigned identity, write "
		    "\"identity_client_id\"");
}

/* What a platform wants is the scope without its end. NULL: complained of, or no memory. */
static const char *resource_of(
    struct build *b, const struct conf_client *c, const struct cf_client *w)
{
	const char *scope = c->oc.scope, *resource;
	size_t n, end = sizeof DEFAULT_SCOPE - 1;

	if (w->resource.s != NULL)
		return w->resource.s;
	if (scope == NULL) {
		if (b->clean)
			cf_error(b->r, &c->at,
			    "client \"%s\" lacks \"scope\": write \"scope: "
			    "https://outlook.office365.com/.default\"",
			    c->oc.name);
		return NULL;
	}
	n = strlen(scope);
	if (n <= end || strcmp(scope + n - end, DEFAULT_SCOPE) != 0 || strchr(scope, ' ') != NULL) {
		cf_error_scope(b->r, w->scope.at.line != 0 ? &w->scope.at : &c->at,
		    "https://outlook.office365.com/.default",
		    "\"scope\": the grant managed_identity takes one "
		    "RESOURCE/.default alone; write \"scope: "
		    "https://outlook.office365.com/.default\"");
		return NULL;
	}
	if ((resource = cf_intern(b->mem, scope, n - end)) == NULL)
		(void)cf_oom(b);
	return resource;
}

void cf_identity_grant(struct build *b, struct conf_client *c, const struct cf_client *w)
{
	struct oauth_credential *oc = cf_alloc(b->mem, sizeof *oc);

	c->cred = cf_alloc(b->mem, sizeof *c->cred);
	if (oc == NULL || c->cred == NULL) {
		(void)cf_oom(b);
		return;
	}
	unused(b, w);
	oc->auth = OAUTH_AUTH_FEDERATED;
	cf_identity(b, &w->own, oc);
	oc->platform_resource = resource_of(b, c, w);
	c->cred->at = w->own.managed_identity.at.line != 0 ? w->own.managed_identity.at : c->at;
	c->oc.proxy = c->oc.no_proxy = c->oc.ca_file = NULL;
	c->oc.credential = oc;
	c->oc.ncredentials = 1;
}

/* --- workload identity: variables that a webhook of Azure's puts into pods ------------------- */

static const char *env(const char *name)
{
	const char *s = secure_getenv(name);

	return s != NULL && *s != '\0' ? s : NULL;
}

static void take(struct build *b, const char *key, struct cf_value *v, const char *text,
    const struct conf_where *at)
{
	const struct conf_key *k =
	    conf_key_find(&conf_sections[CONF_SECTION_CLIENT], key, strlen(key));

	cf_set(b, k, v, text, strlen(text), at);
}

static void take_endpoint(
    struct build *b, struct cf_client *w, const char *host, const struct conf_where *at)
{
	char url[2100];
	struct mx_buf buf;
	size_t n = strlen(host);

	while (n > 0 && host[n - 1] == '/')
		n--;
	mx_buf_init(&buf, url, sizeof url);
	mx_buf_add(&buf, host, n);
	mx_buf_adds(&buf, "/{tenant}/oauth2/v2.0/token");
	if (mx_buf_str(&buf) == NULL)
		cf_error(b->r, at, "\"workload_identity\": AZURE_AUTHORITY_HOST is too long");
	else
		take(b, "token_endpoint", &w->token_endpoint, url, at);
}

bool cf_workload(struct build *b, const char *name, struct cf_client *w)
{
	const struct conf_where at = w->workload_identity.at;
	const bool listed = w->credentials.at.line != 0;
	const struct {
		bool wanted;
		const char *name;
	} all[] = {
		{ w->own.assertion_file.at.line == 0 && !listed, "AZURE_FEDERATED_TOKEN_FILE" },
		{ w->client_id.at.line == 0, "AZURE_CLIENT_ID" },
		{ w->tenant.at.line == 0, "AZURE_TENANT_ID" },
		{ w->token_endpoint.at.line == 0 && w->cloud.at.line == 0, "AZURE_AUTHORITY_HOST" },
	};
	bool whole = true;

	if (w->workload_identity.v == 0)
		return true;
	if (w->grant.at.line != 0 && w->grant.v + 1 != OAUTH_GRANT_CLIENT_CREDENTIALS) {
		cf_error(b->r, &at,
		    "\"workload_identity\" goes with the grant client_credentials alone: leave it "
		    "out");
		return false;
	}
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		if (!all[i].wanted || env(all[i].name) != NULL)
			continue;
		whole = false;
		if ((b->flags & CONF_BY_HAND) != 0)
			cf_warn(b->r, &at,
			    "client \"%s\" cannot be checked here: %s is not set, as it is in the "
			    "environment of a "
			    "daemon that runs in a pod with workload identity",
			    name, all[i].name);
		else
			cf_error(b->r, &at,
			    "\"workload_identity\": %s is not set: label the pod "
			    "azure.workload.identity/use: "
			    "\"true\" and give it the service account, or write the key that it "
			    "stands for",
			    all[i].name);
	}
	if (!whole)
		return false;
	if (all[0].wanted)
		take(b, "assertion_file", &w->own.assertion_file, env(all[0].name), &at);
	if (all[1].wanted)
		take(b, "client_id", &w->client_id, env(all[1].name), &at);
	if (all[2].wanted)
		take(b, "tenant", &w->tenant, env(all[2].name), &at);
	if (all[3].wanted)
		take_endpoint(b, w, env(all[3].name), &at);
	return true;
}
