/*
 * The token request of the jwt-bearer grant (RFC 7523 section 2.1): an assertion that says for which mailbox.
 */
#ifndef MX_OAUTH_BEARER_H
#define MX_OAUTH_BEARER_H

#include "oauth/request.h"

#define OAUTH_ACCOUNT_ID_MAX 64		/* bytes, NUL included */

/*
 * Signs with k, one of c's, for subject, and builds the request. With a service account file the body is what
 * Google documents and nothing more, and id gets its numeric client id ("" if it has none), for texts; else
 * client_id and scope stand beside the assertion (RFC 7521 section 4.1). MX_CONFIG with the codes of the key or of
 * the file, MX_TEMP (no-memory). *r is inert on failure. The text names the client.
 */
enum mx_class oauth_bearer_build(const struct oauth_client *c, const struct oauth_credential *k, const char *subject,
    struct oauth_request *r, char id[OAUTH_ACCOUNT_ID_MAX], struct mx_err *e) __attribute__((warn_unused_result));

/* The same with the assertion given. */
enum mx_class oauth_bearer_build_with(const struct oauth_client *c, const struct oauth_credential *k,
    const struct mx_secret *assertion, struct oauth_request *r, struct mx_err *e) __attribute__((warn_unused_result));

#endif
