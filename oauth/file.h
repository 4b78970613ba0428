/*
 * Files that hold secrets, keys and certificates: found, opened and judged in one way.
 */
#ifndef MX_OAUTH_FILE_H
#define MX_OAUTH_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/secret.h"
#include "common/status.h"
#include "oauth/client.h"

#define OAUTH_PATH_MAX 4096		/* bytes, NUL included */

/* What such a file is called, and the codes of what can be wrong with it. */
struct oauth_file_kind {
	const char *noun;		/* "secret file" */
	const char *store;		/* what to do where there is none */
	bool secret;			/* others may not read it */
	const char *mend;		/* what lets the daemon read it; NULL: chgrp and chmod */
	struct oauth_file_code { enum mx_class cls; const char *code; } missing, unreadable, busy, not_a_file,
	    open_to_all, malformed;
};
extern const struct oauth_file_kind oauth_file_secret, oauth_file_proxy, oauth_file_key, oauth_file_certificate,
    oauth_file_service_account;

/*
 * Reads the file at path, max bytes of it at most, into *out, which is inert on failure; a NUL stands behind it.
 * "credential:NAME" is NAME below $CREDENTIALS_DIRECTORY. The text names path and mend, never content.
 */
enum mx_class oauth_file_read(const struct oauth_file_kind *kind, const char *path, size_t max, struct mx_secret *out,
    struct mx_err *e) __attribute__((warn_unused_result));

/* The same of a key, a certificate or a file with a key in it: neither empty nor beyond measure. */
enum mx_class oauth_file_read_key(const struct oauth_file_kind *kind, const char *path, struct mx_secret *out,
    struct mx_err *e) __attribute__((warn_unused_result));

/* The path that a "file:" URI means (RFC 8089), without %XX, which OpenSSL does not know either; else s itself. */
const char *oauth_file_of_uri(const char *s);

/*
 * Mixes identity and age of a file into h: another one, or another content, makes another number. path: as above, or a
 * URI, of which "file:" is looked at; NULL is fine.
 */
uint64_t oauth_file_stamp(uint64_t h, const char *path);

/* The same of all files of a credential. */
uint64_t oauth_credential_stamp(uint64_t h, const struct oauth_credential *c);

#endif
