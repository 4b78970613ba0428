/*
 * A client's secret in a file of its own, or in systemd's credentials directory.
 */
#ifndef MX_OAUTH_SECRETFILE_H
#define MX_OAUTH_SECRETFILE_H

#include "common/secret.h"
#include "common/status.h"

#define OAUTH_SECRET_MAX 4096		/* bytes */

/*
 * Reads path ("credential:NAME" is NAME below $CREDENTIALS_DIRECTORY) into *out. One trailing newline
 * (LF or CRLF) is stripped, nothing else is changed. Refused, MX_CONFIG, each with its own code:
 * missing (secret-missing), unreadable (secret-unreadable), not a regular file (secret-not-a-file), readable by
 * everybody (secret-world-readable), empty (secret-empty), too long (secret-too-long), holds a NUL or a
 * second line (secret-malformed), looks like a GUID (secret-is-guid: "this is the secret's ID, not its value").
 * The text names the path and the mend, never a byte of the content.
 */
enum mx_class oauth_secret_read(const char *path, struct mx_secret *out, struct mx_err *e)
    __attribute__((warn_unused_result));

#endif
