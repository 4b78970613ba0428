/*
 * What a client proves itself with: the entries of "credentials", or the one beside its other keys.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/hash.h"
#include "settings/build.h"

/* The keys that only make sense with "key"; NULL: none of them is given. */
static const struct cf_value *of_a_key(const struct cf_credential *w, const char **name)
{
	const struct { const struct cf_value *v; const char *name; } all[] = {
		{ &w->certificate_file, "certificate_file" }, { &w->key_passphrase_file, "key_passphrase_file" },
		{ &w->key_id, "key_id" }, { &w->assertion_algorithm, "assertion_algorithm" },
		{ &w->assertion_audience, "assertion_audience" }, { &w->assertion_issuer, "assertion_issuer" },
		{ &w->assertion_typ, "assertion_typ" },
	};

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (all[i].v->at.line != 0) {
			*name = all[i].name;
			return all[i].v;
		}
	return NULL;
}

const struct cf_value *cf_credential_given(const struct cf_credential *w)
{
	const struct cf_value *const all[] = { &w->client_secret_file, &w->key, &w->assertion_file,
		&w->managed_identity, &w->service_account_file, &w->identity_client_id, &w->identity_object_id,
		&w->identity_resource_id, &w->secret_expires };
	const char *name;

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (all[i]->at.line != 0)
			return all[i];
	return of_a_key(w, &name);
}

/* What belongs to another kind of credential than this one. */
static void strays(struct build *b, const struct cf_credential *v, const struct cf_value *kind)
{
	const struct { const struct cf_value *v; const char *name; } ids[] = {
		{ &v->identity_client_id, "identity_client_id" }, { &v->identity_object_id, "identity_object_id" },
		{ &v->identity_resource_id, "identity_resource_id" },
	};
	const struct cf_value *stray;
	const char *name;

	if (kind != &v->key && (stray = of_a_key(v, &name)) != NULL)
		cf_error(b->r, &stray->at, "\"%s\" belongs to a \"key\", and %s", name,
		    kind == &v->client_secret_file ? "this credential is a secret" :
		    kind == &v->service_account_file ? "the service account file has its own" :
		    kind == &v->assertion_file ? "this credential is somebody else's assertion" :
		    "this credential is a managed identity");
	if (kind != &v->client_secret_file && v->secret_expires.at.line != 0)
		cf_error(b->r, &v->secret_expires.at, "\"secret_expires\" belongs to a secret; %s",
		    kind == &v->service_account_file ? "the keys of service accounts do not expire" :
		    "when a certificate or a token ends is known from itself");
	for (size_t i = 0; i < sizeof ids / sizeof ids[0] && kind != &v->managed_identity; i++)
		if (ids[i].v->at.line != 0)
			cf_error(b->r, &ids[i].v->at,
			    "\"%s\" belongs to \"managed_identity\", which this credential is not", ids[i].name);
}

static void secret(struct build *b, const struct cf_client *w, const struct cf_credential *v,
    const struct oauth_provider *p, struct oauth_credential *c, struct conf_credential *side)
{
	const time_t now = time(NULL);

	c->auth = p->auth == OAUTH_AUTH_NONE ? OAUTH_AUTH_SECRET_POST : p->auth;
	if (w->client_auth.at.line != 0)
		c->auth = (enum oauth_auth)(w->client_auth.v + 1);
	if (c->auth == OAUTH_AUTH_PRIVATE_KEY_JWT && w->client_auth.at.line != 0)
		cf_error(b->r, &w->client_auth.at, "\"client_auth\": private_key_jwt needs a \"key\", and there "
		    "is a client_secret_file");
	c->secret_file = v->client_secret_file.s;
	side->expires = v->secret_expires.v;
	if (side->expires != 0 && now >= 0 && (uint64_t)now >= side->expires)
		cf_warn(b->r, &v->secret_expires.at, "\"secret_expires\": that day has come: make a new secret, put "
		    "it into the file, and write its day here");
	else if (side->expires != 0 && now >= 0 && side->expires - (uint64_t)now < CF_EXPIRY_WARN_S)
		cf_warn(b->r, &v->secret_expires.at, "\"secret_expires\": the secret ends in %u days: make a new one, "
		    "put it into the file, and write its day here",
		    (unsigned)((side->expires - (uint64_t)now) / 86400));
}

/* Entra wants the thumbprint that fits the algorithm: RS256 with x5t#S256 is refused (AADSTS700027). */
static void key(struct build *b, const struct cf_credential *v, bool entra, struct oauth_credential *c)
{
	c->auth = OAUTH_AUTH_PRIVATE_KEY_JWT;
	c->key = v->key.s;
	c->key_passphrase_file = v->key_passphrase_file.s;
	c->certificate_file = v->certificate_file.s;
	c->key_id = v->key_id.s;
	c->audience = v->assertion_audience.s;
	c->typ = v->assertion_typ.s;
	c->issuer = v->assertion_issuer.s;
	c->alg = (enum oauth_alg)(v->assertion_algorithm.v + 1);
	if (entra || c->certificate_file != NULL)
		c->thumbprint = c->alg == OAUTH_ALG_RS256 ? OAUTH_THUMB_SHA1 : OAUTH_THUMB_S256;
	if (entra && c->alg == OAUTH_ALG_ES256)
		cf_error(b->r, &v->assertion_algorithm.at, "\"assertion_algorithm\": Microsoft takes PS256 and RS256 "
		    "alone; write \"assertion_algorithm: PS256\"");
}

/* All of what a key has beside it is in that file. */
static void service_account(struct build *b, const struct cf_client *w, const struct cf_credential *v,
    struct oauth_credential *c)
{
	if (w->client_auth.at.line != 0)
		cf_error(b->r, &w->client_auth.at, "\"client_auth\" is not for a service account: its key signs the "
		    "grant itself");
	c->auth = OAUTH_AUTH_PRIVATE_KEY_JWT;
	c->alg = OAUTH_ALG_RS256;
	c->service_account_file = v->service_account_file.s;
}

/* What signs the grant itself is a key, and only there a service account makes sense. */
static void fits_grant(struct build *b, const struct conf_client *c, const struct cf_credential *v)
{
	const bool bearer = c->oc.grant == OAUTH_GRANT_JWT_BEARER;
	const struct cf_value *const others[] = { &v->assertion_file, &v->managed_identity };

	if (bearer && v->client_secret_file.at.line != 0)
		cf_error(b->r, &v->client_secret_file.at, "grant jwt-bearer needs a \"key\" or "
		    "\"service_account_file\" that signs, and this is a secret");
	for (size_t i = 0; i < 2 && bearer; i++)
		if (others[i]->at.line != 0)
			cf_error(b->r, &others[i]->at, "grant jwt-bearer needs a \"key\" or \"service_account_file\" "
			    "that signs, and this signs nothing");
	if (!bearer && v->service_account_file.at.line != 0)
		cf_error(b->r, &v->service_account_file.at, "\"service_account_file\" is for grant jwt-bearer "
		    "(provider google-workspace has it)");
	if (!bearer && v->assertion_issuer.at.line != 0)
		cf_error(b->r, &v->assertion_issuer.at, "\"assertion_issuer\" is for grant jwt-bearer: a client that "
		    "proves itself is its own issuer");
}

/* Secrets are to be sent, and no credential is one. */
static void sends_no_secret(struct build *b, const struct cf_client *w, const struct oauth_credential *oc, size_t n)
{
	if (w->client_auth.at.line == 0 || w->client_auth.v + 1 == OAUTH_AUTH_PRIVATE_KEY_JWT)
		return;
	for (size_t i = 0; i < n; i++)
		if (oc[i].key == NULL && oc[i].assertion_file == NULL && oc[i].platform == OAUTH_PLATFORM_NONE)
			return;
	cf_error(b->r, &w->client_auth.at, "\"client_auth\" sends a secret, and there is a \"%s\": write "
	    "private_key_jwt, or leave it out", oc[0].key != NULL ? "key" :
	    oc[0].assertion_file != NULL ? "assertion_file" : "managed_identity");
}

static void one(struct build *b, const struct cf_client *w, const struct cf_credential *v, bool entra,
    const struct conf_client *c, struct oauth_credential *oc, struct conf_credential *side)
{
	const struct cf_value *const kinds[] = { &v->client_secret_file, &v->key, &v->service_account_file,
		&v->assertion_file, &v->managed_identity };
	const struct conf_where *at = v->at.line != 0 ? &v->at : &c->at;
	const struct cf_value *kind = NULL, *lone;
	const char *name;

	fits_grant(b, c, v);
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if (kinds[i]->at.line == 0)
			continue;
		if (kind != NULL) {
			cf_error(b->r, &kinds[i]->at, "a credential is one of client_secret_file, key, "
			    "service_account_file, assertion_file and managed_identity: make several entries of "
			    "\"credentials\" of these, which are tried in their order");
			return;
		}
		kind = kinds[i];
	}
	if (kind == NULL && v->at.line == 0 && (lone = of_a_key(v, &name)) != NULL) {
		if (b->clean)
			cf_error(b->r, &lone->at, "\"%s\" belongs to a \"key\", and there is none: write \"key: PATH\" "
			    "with the private key", name);
		return;
	}
	if (kind == NULL) {
		if (b->clean || v->at.line == 0)
			cf_error(b->r, at, "this credential has neither \"client_secret_file\" nor \"key\", "
			    "\"service_account_file\", \"assertion_file\" or \"managed_identity\"");
		return;
	}
	strays(b, v, kind);
	side->at = kind->at;
	if (kind == &v->service_account_file) {
		service_account(b, w, v, oc);
	} else if (kind == &v->client_secret_file) {
		secret(b, w, v, c->provider, oc, side);
	} else if (kind == &v->key) {
		key(b, v, entra, oc);
	} else if (kind == &v->assertion_file) {
		oc->auth = OAUTH_AUTH_FEDERATED;
		oc->assertion_file = v->assertion_file.s;
	} else {
		oc->auth = OAUTH_AUTH_FEDERATED;
		cf_identity(b, v, oc);
		oc->platform_resource = c->provider->cloud == OAUTH_CLOUD_CHINA ? "api://AzureADTokenExchangeChina" :
		    c->provider->cloud == OAUTH_CLOUD_PUBLIC ? "api://AzureADTokenExchange" :
		    "api://AzureADTokenExchangeUSGov";
	}
}

/* A public client (RFC 6749 section 2.1) has nothing to prove itself with: the refresh token is all there is. */
static bool is_public(struct build *b, const struct conf_client *c, const struct cf_client *w, bool given,
    const struct conf_where *at)
{
	const bool said = w->client_auth.at.line != 0;

	if (said ? w->client_auth.v + 1 != OAUTH_AUTH_NONE : given || c->provider->auth != OAUTH_AUTH_NONE)
		return false;
	if (c->oc.grant != OAUTH_GRANT_REFRESH_TOKEN)
		cf_error(b->r, said ? &w->client_auth.at : &c->at, "\"client_auth\": none is for \"grant: "
		    "refresh_token\" alone: any other grant rests on the client's credential");
	else if (given)
		cf_error(b->r, at,
		    "\"client_auth: none\" sends no credential, and there is one: remove one of the two");
	return true;
}

static bool alloc_credentials(struct build *b, struct conf_client *c, struct oauth_credential **oc, size_t n)
{
	*oc = cf_alloc(b->mem, n * sizeof **oc);
	c->cred = cf_alloc(b->mem, n * sizeof *c->cred);
	if (*oc == NULL || c->cred == NULL)
		return cf_oom(b);
	c->oc.credential = *oc;
	c->oc.ncredentials = n;
	return true;
}

void cf_add_credentials(struct build *b, struct conf_client *c, const struct cf_client *w, bool entra)
{
	const bool listed = w->credentials.at.line != 0;
	const struct cf_value *own = cf_credential_given(&w->own);
	struct oauth_credential *oc;
	size_t n = listed ? w->nlist : 1;

	if (own != NULL && listed)
		cf_error(b->r, &own->at, "a credential beside \"credentials\": move it into that list, to the place "
		    "where it is to be tried");
	if (is_public(b, c, w, own != NULL || listed, own != NULL ? &own->at : &w->credentials.at)) {
		if (alloc_credentials(b, c, &oc, 1)) {
			oc[0].auth = OAUTH_AUTH_NONE;
			c->cred[0].at = c->at;
		}
		return;
	}
	if (own == NULL && !listed && b->clean)
		cf_error(b->r, &c->at, c->oc.grant == OAUTH_GRANT_JWT_BEARER ?
		    "client \"%s\" has no credential: write \"service_account_file: PATH\" (Google's JSON file), or "
		    "\"key:\"" :
		    c->oc.grant == OAUTH_GRANT_REFRESH_TOKEN ?
		    "client \"%s\" has no credential: write \"client_secret_file: PATH\", or \"key:\" and "
		    "\"certificate_file:\", or \"client_auth: none\" for a public client" :
		    "client \"%s\" has no credential: write \"client_secret_file: PATH\", or \"key:\" and "
		    "\"certificate_file:\"", c->oc.name);
	if ((own == NULL && !listed) || n == 0 || !alloc_credentials(b, c, &oc, n))
		return;
	for (size_t i = 0; i < n; i++)
		one(b, w, listed ? &w->list[i] : &w->own, entra, c, &oc[i], &c->cred[i]);
	sends_no_secret(b, w, oc, n);
}

static uint64_t mix(uint64_t h, const char *s)
{
	return s == NULL ? mx_fnv(h, "\1", 1) : mx_fnv(h, s, strlen(s) + 1);
}

uint64_t cf_mix_credentials(uint64_t h, const struct oauth_client *oc)
{
	for (size_t i = 0; i < oc->ncredentials; i++) {
		const struct oauth_credential *c = &oc->credential[i];
		const unsigned char kinds[4] = { (unsigned char)c->auth, (unsigned char)c->alg,
			(unsigned char)c->thumbprint, (unsigned char)c->platform };
		const char *const parts[] = { c->secret_file, c->key, c->key_passphrase_file, c->certificate_file,
		    c->key_id,
			c->audience, c->typ, c->issuer, c->service_account_file, c->assertion_file,
			c->platform_resource, c->identity_client_id, c->identity_object_id, c->identity_resource_id };

		h = mx_fnv(h, kinds, sizeof kinds);
		for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++)
			h = mix(h, parts[k]);
	}
	return h;
}
