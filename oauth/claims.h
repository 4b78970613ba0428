/*
 * What a JWT says of itself. Its payload alone is looked at: nothing here proves that it is true, and a token may as
 * well be opaque (RFC 6749 section 1.4), which is no fault.
 */
#ifndef MX_OAUTH_CLAIMS_H
#define MX_OAUTH_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

#define OAUTH_CLAIMS_MAX 65536u		/* bytes of a JWT: more is not looked at */
#define OAUTH_CLAIMS_ROLES 16u		/* more are counted, not kept */
#define OAUTH_CLAIM_TEXT 160u		/* bytes of a value as text, NUL included */

/* Sanitized, and cut where it is long ("..."). "" and 0: not there, or of another type than it should be. */
struct oauth_claims {
	char iss[112], sub[112], aud[64];	/* of several audiences the first */
	char appid[64], azp[64];		/* the client, in Entra's tokens of version 1.0 and 2.0 */
	char tid[64], oid[64];
	char idtyp[16], appidacr[8];		/* appidacr: or azpacr */
	char upn[112];				/* or unique_name, or preferred_username: a person's */
	char scp[160];				/* or scope: of RFC 9068 */
	char ver[8];
	char role[OAUTH_CLAIMS_ROLES][48];
	size_t nroles;				/* that were there: may exceed OAUTH_CLAIMS_ROLES */
	bool has_roles, has_scp;		/* the member is there, be it empty */
	int64_t exp, nbf, iat;			/* seconds since the epoch */
};

/* Reads n bytes. false: it is no JWT with claims (three parts, the second an object in base64url). */
bool oauth_claims_read(const void *jwt, size_t n, struct oauth_claims *c) __attribute__((warn_unused_result));

/* Of n bytes of JSON. */
bool oauth_claims_parse(const void *json, size_t n, struct oauth_claims *c) __attribute__((warn_unused_result));

const char *oauth_claims_app(const struct oauth_claims *c);	/* appid or azp; "": neither */
bool oauth_claims_role(const struct oauth_claims *c, const char *role);

/*
 * The table of all that is known here, in order from 0: *name, and *value in out (OAUTH_CLAIM_TEXT bytes), with times
 * as "2026-01-31T12:00:00Z" and roles with blanks between them. "": it is not there. false: past the end.
 */
bool oauth_claims_at(const struct oauth_claims *c, size_t i, const char **name, char out[OAUTH_CLAIM_TEXT]);

#endif
