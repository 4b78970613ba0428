/*
 * A client's secret in a file of its own, or in systemd's credentials directory.
 */
#ifndef MX_OAUTH_SECRETFILE_H
#define MX_OAUTH_SECRETFILE_H

#include <stdbool.h>

#include "common/secret.h"
#include "common/status.h"
#include "oauth/client.h"

#define OAUTH_SECRET_MAX 4096		/* bytes */

/*
 * Reads path ("credential:NAME" is NAME below $CREDENTIALS_DIRECTORY) into *out. One trailing
 * newline (LF or CRLF) is stripped, nothing else is changed. Refused, MX_CONFIG, each with its own
 * code: missing (secret-missing), unreadable (secret-unreadable), not a regular file
 * (secret-not-a-file), open to everybody (secret-world-readable), empty (secret-empty), too long
 * (secret-too-long), holds a NUL, a second line or another control byte (secret-malformed), begins with a
 * byte order mark (secret-has-bom), looks like a GUID (secret-is-guid: "this is the secret's ID, not its value"). The
 * text names the path and the mend, never a byte of the content. MX_TEMP: no-memory.
 */
enum mx_class oauth_secret_read(const char *path, struct mx_secret *out, struct mx_err *e)
    __attribute__((warn_unused_result));

/* The same of a file that is called something else. */
struct oauth_file_kind;
enum mx_class oauth_secret_read_as(const struct oauth_file_kind *kind, const char *path, struct mx_secret *out,
    struct mx_err *e) __attribute__((warn_unused_result));

/*
 * The same for a client's secret in path. secret-is-guid, secret-has-bom and secret-malformed are raised only where the
 * token endpoint is one of Microsoft's: elsewhere a GUID may well be the secret (Keycloak used to make
 * such ones), and so may any bytes; oauth_secret_lint() then warns.
 */
enum mx_class oauth_secret_read_for(const struct oauth_client *c, const char *path,
    struct mx_secret *out, struct mx_err *e) __attribute__((warn_unused_result));

/*
 * Is there something odd about a secret that is none the less used as it is? true: *e has class
 * MX_CONFIG, a code (secret-has-blanks, secret-has-bom, secret-has-controls, secret-is-guid,
 * secret-short) and a sentence without content, for a warning. path: for the command that mends it.
 */
bool oauth_secret_lint(const char *path, const struct mx_secret *s, struct mx_err *e);

#endif
