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
#include "oauth/key_file.h"

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

/* --- key_store.c ---------------------------------------------------------------------------- */

/* Fills in pkey, beside, asked and shown from c->key. pem: what is in that file; NULL: it is read. */
enum mx_class key_store_load(const struct oauth_credential *c, const struct mx_secret *pem, struct oauth_key *k,
    struct mx_err *e);

/* OpenSSL's words for the first error of the thread's queue, which they empty. *no_memory: it was memory. */
const char *key_ssl_reason(bool *no_memory);

#endif
