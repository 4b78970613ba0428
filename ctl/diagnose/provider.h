/*
 * The links to the identity provider, and what the token says. One request is made, as the daemon would make it; each
 * link judges its part of it.
 */
#ifndef MX_CTL_DIAGNOSE_PROVIDER_H
#define MX_CTL_DIAGNOSE_PROVIDER_H

#include "ctl/diagnose/claims.h"
#include "ctl/diagnose/walk.h"
#include "oauth/claims.h"
#include "oauth/reply.h"
#include "oauth/seen.h"

/* What the child, which is the daemon's user, tells beside the token. No secret is in it. */
struct dg_answer {
	enum mx_class cls;
	struct oauth_failure f;
	struct oauth_seen seen;
	size_t credential;		/* which of the client's it is about, from 0 */
	struct mx_err before;		/* why an earlier one was refused; MX_OK: none was */
	uint32_t expires_in_s;
	char scope[256];		/* as the reply has it; "" */
	struct mx_err lint;		/* what looks wrong in the secret; MX_OK: nothing */
	size_t secret_bytes;		/* 0: it has none, or it cannot be read */
	char account_id[64];		/* of a service account; "": none */
	char thumbprint[41];		/* SHA-1 of the certificate, in hexadecimal; "": none */
	struct oauth_claims assertion;	/* of a file of somebody else's; all empty: none */
};

struct dg_provider {
	struct dg_answer a;
	bool died;			/* the child did not come back with an answer */
	bool look;			/* no credential was sent: the way alone was looked at */
	char why[200];			/* why so */
	uint64_t left_s;		/* life of w->token, by its end */
	bool jwt;			/* claims are filled */
	struct oauth_claims claims;
};

/* provider.c, in the order of the links */
void dg_dns(struct dg_walk *w);
void dg_tcp(struct dg_walk *w);
void dg_tls(struct dg_walk *w);
void dg_http(struct dg_walk *w);
void dg_date(struct dg_walk *w);	/* this host's clock against the reply's Date */
void dg_grant(struct dg_walk *w);	/* grant.c: the token request itself */
void dg_token(struct dg_walk *w);	/* token.c: its claims */

/*
 * Why a mail server refuses a login whose token it could read and does not say why (535 5.7.3): the code of the row that
 * says it best by the claims. Tells what to look at in dg_unknown(), and the words for the row. token: the one that was
 * sent, bare; NULL: w->token. Never NULL.
 */
const char *dg_claims_verdict(struct dg_walk *w, const struct mx_secret *token);	/* verdict.c */

void dg_frame(const struct dg_walk *w, struct dc_frame *f, char *tenant, size_t cap);	/* token.c */

/* probe.c: makes the request once; w->provider and perhaps w->token are there afterwards. false: no memory. */
bool dg_probe(struct dg_walk *w);
void dg_provider_free(struct dg_walk *w);

/* A token endpoint of Entra's form: its tenant into out, and whether that is a GUID. false: it is another one. */
bool dg_tenant(const char *endpoint, char *out, size_t cap, bool *guid);

#endif
