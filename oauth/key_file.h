/*
 * Reads and judges a file that holds a key: whose it is to be, and how large it may be. Knows nothing of keys.
 */
#ifndef MX_OAUTH_KEY_FILE_H
#define MX_OAUTH_KEY_FILE_H

#include <stdbool.h>

#include "common/secret.h"
#include "common/status.h"

/* Kinds of files: what they are called, and the codes of what can be wrong with them. */
struct key_kind {
	const char *noun;
	bool secret;			/* others may not read it */
	const char *mend;		/* what lets the daemon read it; NULL: chgrp and chmod */
	struct { enum mx_class cls; const char *code; } missing, unreadable, busy, open_to_all, malformed;
};
extern const struct key_kind key_kind_key, key_kind_certificate, key_kind_service_account;

/* Reads the file at path (or "credential:NAME") into *out. */
enum mx_class key_file_read(const struct key_kind *kind, const char *path, struct mx_secret *out,
    struct mx_err *e);

#endif
