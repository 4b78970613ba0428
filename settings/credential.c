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

static bool given(const struct cf_credential *w, const struct conf_where **at)
{
	const char *name;
	const struct cf_value *v = w->client_secret_file.at.line != 0 ? &w->client_secret_file :
	    w->key.at.line != 0 ? &w->key :
	    w->service_account_file.at.line != 0 ? &w->service_account_file :
	    w->secret_expires.at.line != 0 ? &w->secret_expires :
	    of_a_key(w, &name);

	*at = v != NULL ? &v->at : NULL;
	return v != NULL;
}

static void secret(struct build *b, const struct cf_client *w, const struct cf_credential *v,
    const struct oauth_provider *p, struct oauth_credential *c, struct conf_credential *side)
{
	const time_t now = time(NULL);
	const struct cf_value *stray;
	const char *name;

	if ((stray = of_a_key(v, &name)) != NULL)
		cf_error(b->r, &stray->at, "\"%s\" belongs to a \"key\", and this credential is a secret", name);
	c->auth = p->auth;
	if (w->client_auth.at.line != 0)
		c->auth = (enum oauth_auth)(w->client_auth.v + 1);
	if (c->auth == OAUTH_AUTH_PRIVATE_KEY_JWT && w->client_auth.at.line != 0)
		cf_error(b->r, &w->client_auth.at, "\"client_auth\": private_key_jwt needs a \"key\", and there "
		    "is a client_secret_file");
	c->secret_file = v->client_secret_file.s;
	side->at = v->client_secret_file.at;
	side->expires = v->secret_expires.v;
	if (side->expires != 0 && now >= 0 && (uint64_t)now >= side->expires)
		cf_warn(b->r, &v->secret_expires.at, "\"secret_expires\": that day has come: make a new secret, put "
		    "it into the file, and write its day here");
}

/* Entra wants the thumbprint that fits the algorithm: RS256 with x5t#S256 is refused (AADSTS700027). */
static void key(struct build *b, const struct cf_client *w, const struct cf_credential *v, bool entra,
    struct oauth_credential *c, struct conf_credential *side)
{
	if (v->secret_expires.at.line != 0)
		cf_error(b->r, &v->secret_expires.at, "\"secret_expires\" belongs to a secret; when a certificate "
		    "ends is known from itself");
	if (w->client_auth.at.line != 0 && w->client_auth.v + 1 != OAUTH_AUTH_PRIVATE_KEY_JWT && w->nlist < 2)
		cf_error(b->r, &w->client_auth.at, "\"client_auth\" sends a secret, and there is a \"key\": write "
		    "private_key_jwt, or leave it out");
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
		cf_error(b->r, &v->assertion_algorithm.at, "\"assertion_algorithm\": Microsoft takes PS256 and RS256 alone");
	side->at = v->key.at;
}

/* All of what a key has beside it is in that file. */
static void service_account(struct build *b, const struct cf_client *w, const struct cf_credential *v,
    struct oauth_credential *c, struct conf_credential *side)
{
	const struct cf_value *stray;
	const char *name;

	if ((stray = of_a_key(v, &name)) != NULL)
		cf_error(b->r, &stray->at, "\"%s\" belongs to a \"key\", and the service account file has its own", name);
	if (v->secret_expires.at.line != 0)
		cf_error(b->r, &v->secret_expires.at, "\"secret_expires\" belongs to a secret; the keys of service accounts "
		    "do not expire");
	if (w->client_auth.at.line != 0)
		cf_error(b->r, &w->client_auth.at, "\"client_auth\" is not for a service account: its key signs the grant itself");
	c->auth = OAUTH_AUTH_PRIVATE_KEY_JWT;
	c->alg = OAUTH_ALG_RS256;
	c->service_account_file = v->service_account_file.s;
	side->at = v->service_account_file.at;
}

/* What signs the grant itself is a key, and only there a service account makes sense. */
static void fits_grant(struct build *b, const struct conf_client *c, const struct cf_credential *v)
{
	const bool bearer = c->oc.grant == OAUTH_GRANT_JWT_BEARER;

	if (bearer && v->client_secret_file.at.line != 0)
		cf_error(b->r, &v->client_secret_file.at, "grant jwt-bearer needs a \"key\" or \"service_account_file\" that signs, "
		    "and this is a secret");
	if (!bearer && v->service_account_file.at.line != 0)
		cf_error(b->r, &v->service_account_file.at, "\"service_account_file\" is for grant jwt-bearer (provider "
		    "google-workspace has it)");
	if (!bearer && v->assertion_issuer.at.line != 0)
		cf_error(b->r, &v->assertion_issuer.at, "\"assertion_issuer\" is for grant jwt-bearer: a client that proves "
		    "itself is its own issuer");
}

static void one(struct build *b, const struct cf_client *w, const struct cf_credential *v, bool entra,
    const struct conf_client *c, struct oauth_credential *oc, struct conf_credential *side)
{
	const struct conf_where *at = v->at.line != 0 ? &v->at : &c->at;

	fits_grant(b, c, v);
	if (v->service_account_file.at.line != 0 && (v->client_secret_file.at.line != 0 || v->key.at.line != 0))
		cf_error(b->r, &v->service_account_file.at, "a credential is one of \"service_account_file\", \"key\" and "
		    "\"client_secret_file\": make several entries of \"credentials\" of these, which are tried in their order");
	else if (v->service_account_file.at.line != 0)
		service_account(b, w, v, oc, side);
	else if (v->client_secret_file.at.line != 0 && v->key.at.line != 0)
		cf_error(b->r, &v->key.at, "a credential is a secret or a key: make two entries of \"credentials\" of these, "
		    "which are tried in their order");
	else if (v->client_secret_file.at.line != 0)
		secret(b, w, v, c->provider, oc, side);
	else if (v->key.at.line != 0)
		key(b, w, v, entra, oc, side);
	else if (b->clean || v->at.line == 0)
		cf_error(b->r, at, "this credential has neither \"client_secret_file\" nor \"key\"");
}

void cf_add_credentials(struct build *b, struct conf_client *c, const struct cf_client *w, bool entra)
{
	const bool listed = w->credentials.at.line != 0;
	const struct conf_where *at;
	struct oauth_credential *oc;
	size_t n = listed ? w->nlist : 1;
	bool own = given(&w->own, &at);

	if (own && listed)
		cf_error(b->r, at, "a credential beside \"credentials\": move it into that list, to the place where it is to "
		    "be tried");
	if (!own && !listed && b->clean)
		cf_error(b->r, &c->at, c->oc.grant == OAUTH_GRANT_JWT_BEARER ?
		    "client \"%s\" has no credential: write \"service_account_file: PATH\" (Google's JSON file), or \"key:\"" :
		    "client \"%s\" has no credential: write \"client_secret_file: PATH\", or \"key:\" and "
		    "\"certificate_file:\"", c->oc.name);
	if ((!own && !listed) || n == 0)
		return;
	oc = cf_alloc(b->mem, n * sizeof *oc);
	c->cred = cf_alloc(b->mem, n * sizeof *c->cred);
	if (oc == NULL || c->cred == NULL) {
		(void)cf_oom(b);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		one(b, w, listed ? &w->list[i] : &w->own, entra, c, &oc[i], &c->cred[i]);
		if (c->cred[i].expires != 0 && (c->expires == 0 || c->cred[i].expires < c->expires))
			c->expires = c->cred[i].expires;
	}
	c->oc.credential = oc;
	c->oc.ncredentials = n;
}

static uint64_t mix(uint64_t h, const char *s)
{
	return s == NULL ? mx_fnv(h, "\1", 1) : mx_fnv(h, s, strlen(s) + 1);
}

uint64_t cf_mix_credentials(uint64_t h, const struct oauth_client *oc)
{
	for (size_t i = 0; i < oc->ncredentials; i++) {
		const struct oauth_credential *c = &oc->credential[i];
		const unsigned char kinds[3] = { (unsigned char)c->auth, (unsigned char)c->alg, (unsigned char)c->thumbprint };
		const char *const parts[] = { c->secret_file, c->key, c->key_passphrase_file, c->certificate_file, c->key_id,
			c->audience, c->typ, c->issuer, c->service_account_file };

		h = mx_fnv(h, kinds, sizeof kinds);
		for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++)
			h = mix(h, parts[k]);
	}
	return h;
}
