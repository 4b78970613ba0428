/*
 * A client that proves itself by an assertion which somebody else has signed: the token that a
 * platform puts into a file (workload identity federation), or that of a managed identity.
 */
#ifndef MX_OAUTH_FEDERATED_H
#define MX_OAUTH_FEDERATED_H

#include <stdbool.h>
#include <stddef.h>

#include "common/secret.h"
#include "common/status.h"
#include "oauth/reply.h"

/*
 * Reads the file at path, through symbolic links, since that is how Kubernetes puts new ones in
 * place. Blanks and line ends behind it are taken off. Who else may read it is not judged here.
 * *out: NUL behind it; inert on failure. MX_CONFIG: federated-token-missing,
 * federated-token-unreadable (also: not a regular file), federated-token-malformed (empty, too
 * long, or of other characters than a token has). MX_TEMP: federated-token-unreadable, no-memory.
 * The text names the path, never content.
 */
enum mx_class oauth_federated_read(const char *path, struct mx_secret *out, struct mx_err *e)
    __attribute__((warn_unused_result));

/*
 * Is f one of the refusals that come of an assertion that fits no federated credential? Then its
 * text shows what the assertion has, and the next credential may be tried.
 */
void oauth_federated_explain(
    const char *client, const struct mx_secret *assertion, struct oauth_failure *f);

#endif
