/*
 * What the files of the key share. OpenSSL's keys and certificates are known to them alone.
 */
#ifndef MX_OAUTH_KEY_PRIVATE_H
#define MX_OAUTH_KEY_PRIVATE_H

#include <stdbool.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <openssl/x509.h>

#include "common/secret.h"
#include "oauth/key.h"

#define KEY_SHOWN_MAX 320	/* bytes, NUL included */

struct oauth_key {
	EVP_PKEY *pkey;
	EVP_PKEY *pub;			/* the same one's public half, in software */
	X509 *cert;			/* NULL: none */
	STACK_OF(X509) *beside;		/* certificates found with the key */
	const char *certificate;	/* its path, or what is shown of the key */
	uint64_t not_before;
	uint64_t not_after;
	bool asked;			/* a passphrase was wanted */
	char shown[KEY_SHOWN_MAX];	/* path or URI for texts, without a PIN */
};

/* --- key_file.c ----------------------------------------------------------------------------- */

/* Kinds of files: what they are called, and the codes of what can be wrong with them. */
struct key_kind {
	const char *noun;
	bool secret;			/* others may not read it */
	struct { enum mx_class cls; const char *code; } missing, unreadable, busy, open_to_all, malformed;
};
extern const struct key_kind key_kind_key, key_kind_certificate;

/* Reads the file at path (or "credential:NAME") into *out. */
enum mx_class key_file_read(const struct key_kind *kind, const char *path, struct mx_secret *out,
    struct mx_err *e);

/* --- key_store.c ---------------------------------------------------------------------------- */

/* Fills in pkey, beside, asked and shown from c->key. */
enum mx_class key_store_load(const struct oauth_credential *c, struct oauth_key *k, struct mx_err *e);

/* OpenSSL's words for the first error of the thread's queue, which they empty. *no_memory: it was memory. */
const char *key_ssl_reason(bool *no_memory);

#endif
