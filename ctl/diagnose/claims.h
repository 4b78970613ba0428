/*
 * What is to be thought of a token's claims, by what the client is for. Knows nothing of the walk.
 */
#ifndef MX_CTL_DIAGNOSE_CLAIMS_H
#define MX_CTL_DIAGNOSE_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "oauth/claims.h"
#include "oauth/client.h"
#include "oauth/provider.h"

#define DC_FINDINGS 12

enum dc_weight {
	DC_DOUBT = 1,	/* fine in some set-ups: to be thought of when a login is refused */
	DC_WRONG	/* no mail server of this preset takes it */
};

struct dc_finding {
	const char *code;	/* of a row of catalogue/ */
	enum dc_weight weight;
	char text[280];
};

struct dc_list { struct dc_finding f[DC_FINDINGS]; size_t n; };

struct dc_frame {
	const struct oauth_provider *provider;	/* NULL or another's than Microsoft's: times alone are judged */
	enum oauth_grant grant;
	const char *client_id;			/* NULL: not known (a managed identity) */
	const char *tenant;			/* GUID; NULL: not known as such */
	const char *mailbox;
	int64_t now;				/* seconds since the epoch, best by the provider's clock */
};

/* In the order in which they explain a refused login best. */
void dc_judge(const struct oauth_claims *c, const struct dc_frame *f, struct dc_list *out);

/* Is the preset one of Exchange Online's, High Volume Email's included? */
bool dc_exchange(const struct oauth_provider *p);
bool dc_hve(const struct oauth_provider *p);

#endif
