/*
 * The token request itself: granted, or what was refused, with the catalogue's words for this very number of Microsoft's.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalogue/refusal.h"
#include "ctl/ask.h"
#include "ctl/diagnose/provider.h"

#define LOOKUP_URL "https://login.microsoftonline.com/error?code="

static void values(struct dg_walk *w, const struct dg_answer *a)
{
	const struct oauth_client *oc = &w->client->oc;
	const struct oauth_provider *p = w->client->provider;
	const struct oauth_credential *k = a->credential < oc->ncredentials ? &oc->credential[a->credential] : NULL;
	const char *file = NULL;
	char tenant[128];
	bool guid;

	if (k != NULL)
		file = k->secret_file != NULL ? k->secret_file : k->certificate_file != NULL ? k->certificate_file :
		    k->assertion_file != NULL ? k->assertion_file : k->service_account_file != NULL ? k->service_account_file :
		    k->key;
	dg_value(w, "file", file);
	dg_value(w, "tenant", dg_tenant(oc->token_endpoint, tenant, sizeof tenant, &guid) ? tenant : NULL);
	dg_value(w, "scope", p != NULL && oc->grant == OAUTH_GRANT_REFRESH_TOKEN && p->delegated_scope != NULL ?
	    p->delegated_scope : p != NULL ? p->scope : NULL);
	if (a->account_id[0] != '\0')
		dg_value(w, "client_id", a->account_id);
	dg_value(w, "thumbprint", a->thumbprint);
	if (a->assertion.iss[0] != '\0') {
		dg_value(w, "issuer", a->assertion.iss);
		dg_value(w, "subject", a->assertion.sub);
		dg_value(w, "audience", a->assertion.aud);
	}
}

static void evidence(struct dg_walk *w, const struct dg_answer *a)
{
	const struct oauth_failure *f = &a->f;

	if (a->before.cls != MX_OK)
		dg_evidence(w, "before that: %s", a->before.text);
	if (f->description[0] != '\0')
		dg_evidence(w, "the provider says: %s", f->description);
	if (f->trace_id[0] != '\0' || f->correlation_id[0] != '\0')
		dg_evidence(w, "for the provider's support: trace id %s, correlation id %s, %s", f->trace_id, f->correlation_id,
		    f->timestamp);
	if (f->aadsts != 0)
		dg_evidence(w, "the provider's own page: " LOOKUP_URL "%" PRIu32, f->aadsts);
	if (a->assertion.iss[0] != '\0')
		dg_evidence(w, "the assertion has issuer %s, subject %s, audience %s", a->assertion.iss, a->assertion.sub,
		    a->assertion.aud);
	if (a->thumbprint[0] != '\0')
		dg_evidence(w, "the certificate's thumbprint is %s (SHA-1, as Entra's pages show it)", a->thumbprint);
	if (a->seen.start[0] != '\0')
		dg_evidence(w, "HTTP %ld, type %s; the body begins: %s", a->seen.status, a->seen.type, a->seen.start);
}

/* In short: cause and fix come behind it. */
static void refused(struct dg_walk *w, const struct oauth_failure *f)
{
	char number[24] = "";
	struct mx_err e;

	if (f->http_status == 0 || f->error[0] == '\0') {
		dg_broken_err(w, &f->err);
		return;
	}
	if (f->aadsts != 0)
		(void)snprintf(number, sizeof number, " AADSTS%" PRIu32, f->aadsts);
	mx_fail(&e, f->err.cls, f->err.code, "refused: HTTP %ld %s%s", f->http_status, f->error, number);
	dg_broken_err(w, &e);
}

/* The same code may have several causes, which the provider's number tells apart. */
static void refine(struct dg_walk *w, const struct oauth_failure *f)
{
	const struct cat_refusal r = cat_refusal_find(f->error, f->aadsts, f->description);

	if (f->http_status != 0 && strcmp(r.code, f->err.code) == 0)
		dg_explain(w, r.cause, r.fix);
}

/* Microsoft's secrets have this many characters; what has fewer was perhaps not copied whole. */
#define SECRET_USUAL 40

/* A secret that is wrong on the face of it, which the provider cannot know. */
static bool secret(struct dg_walk *w, const struct dg_answer *a)
{
	if (strcmp(a->f.err.code, "client-secret-rejected") != 0 || a->secret_bytes == 0)
		return false;
	dg_evidence(w, "the secret that was sent has %zu bytes%s", a->secret_bytes, a->f.aadsts != 0 &&
	    a->secret_bytes < SECRET_USUAL ? "; Entra's have 40: was all of it copied?" : "");
	if (a->lint.cls == MX_OK)
		return false;
	dg_evidence(w, "%s", a->f.err.text);
	dg_broken(w, a->lint.code, "%s", a->lint.text);
	return true;
}

/* The clocks agree (dg_date() has seen to that), and still the assertion is over. */
static bool stale(struct dg_walk *w, const struct dg_answer *a)
{
	const int64_t now = a->seen.date != 0 ? a->seen.date : a->seen.at;

	if (strcmp(a->f.err.code, "assertion-expired") != 0 || a->assertion.exp == 0 || a->assertion.exp > now)
		return false;
	dg_broken(w, "federated-token-stale", "the assertion that was sent ran out %" PRId64 " s ago", now - a->assertion.exp);
	return true;
}

/* Of a client that only the daemon may ask for. */
static void by_daemon(struct dg_walk *w)
{
	struct dg_provider *p = w->provider;
	struct mx_secret s = { 0 };
	struct mx_reply reply;
	struct mx_endpoint ep;
	struct mx_err e;
	bool spoke;

	if (ask_endpoint(w->call, &ep) != CTL_FINE)
		return;
	if (token_ask(&ep, w->account, &s, &reply, &e, &spoke) == MX_OK && mx_secret_set(&w->token, reply.payload,
	    reply.payload_len)) {
		p->left_s = reply.expires_in_s;
		dg_ok(w, "the daemon has a token, for %" PRIu64 " s; %s", p->left_s, p->why);
	} else if (e.cls == MX_DENIED) {
		dg_skip(w, "the daemon gives this user no bare token; %s", p->why);
	} else {
		dg_broken_err(w, &e);
	}
	mx_secret_free(&s);
}

void dg_grant(struct dg_walk *w)
{
	const struct dg_answer *a;

	if (w->client == NULL || w->conf == NULL) {
		dg_skip(w, "the account is not known");
		return;
	}
	if (!dg_probe(w))
		return;
	a = &w->provider->a;
	values(w, a);
	if (w->provider->look || w->provider->died) {
		by_daemon(w);
		return;
	}
	if (a->cls == MX_OK) {
		if (a->before.cls != MX_OK) {
			dg_evidence(w, "the client's first credential is not accepted any more: %s", a->before.text);
			dg_note(w, "granted by credential %zu, for %" PRIu32 " s; an earlier one was refused (see below)",
			    a->credential + 1, a->expires_in_s);
		} else {
			dg_ok(w, "granted, for %" PRIu32 " s", a->expires_in_s);
		}
		return;
	}
	evidence(w, a);
	if (secret(w, a) || stale(w, a))
		return;
	refused(w, &a->f);
	refine(w, &a->f);
}
