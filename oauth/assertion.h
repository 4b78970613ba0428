/*
 * The assertion by which a client proves itself: a signed JWT (RFC 7523 section 3).
 */
#ifndef MX_OAUTH_ASSERTION_H
#define MX_OAUTH_ASSERTION_H

#include <stdint.h>

#include "common/secret.h"
#include "common/status.h"
#include "oauth/client.h"
#include "oauth/key.h"

#define OAUTH_ASSERTION_LIFE_S 600	/* "exp": seconds after now_s */
#define OAUTH_ASSERTION_SKEW_S 60	/* "nbf": seconds before it, for clocks that differ */

/*
 * Header: alg, typ, kid, x5t#S256 or x5t; claims: aud, iss, sub, jti, nbf, iat, exp; always in this order and
 * without blanks, so that the same input makes the same bytes (RS256: the signature's too). now_s: seconds
 * since the epoch. jti: fresh for each assertion. *out: with a NUL behind it that is not counted; inert on
 * failure. MX_CONFIG: oauth_key_sign()'s codes, assertion-malformed (a text is not UTF-8, or all of it is
 * longer than 8 kB). MX_TEMP: no-memory.
 */
enum mx_class oauth_assertion(const struct oauth_credential *c, const struct oauth_key *k, const char *client_id,
    const char *token_endpoint, uint64_t now_s, const char *jti, struct mx_secret *out, struct mx_err *e)
    __attribute__((warn_unused_result));

/*
 * The same as a grant (RFC 7523 section 2.1): what is asked for is in it. Claims: iss, sub, scope (NULL: none),
 * aud, iat, exp, in this order.
 */
enum mx_class oauth_grant_assertion(const struct oauth_credential *c, const struct oauth_key *k, const char *issuer,
    const char *subject, const char *scope, const char *token_endpoint, uint64_t now_s, struct mx_secret *out,
    struct mx_err *e) __attribute__((warn_unused_result));

#endif
