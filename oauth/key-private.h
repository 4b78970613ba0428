/*
 * What the files of the key share. OpenSSL's keys and certificates are known to them alone.
 */
#ifndef MX_OAUTH_KEY_PRIVATE_H
#define MX_OAUTH_KEY_PRIVATE_H

#include <stdbool.h>

#include <openssl/bn.h>
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
#include <openssl/x509v3.h>

#include "common/secret.h"
#include "oauth/file.h"
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
	uint64_t pin;			/* of a key in a device: key_pin(); 0: none is sent to it */
	char shown[KEY_SHOWN_MAX];	/* path or URI for texts, without a PIN */
};

/* --- key_store.c ---------------------------------------------------------------------------- */

/* Fills in pkey, beside, asked and shown from c->key. pem: what is in that file; NULL: it is read. */
enum mx_class key_store_load(const struct oauth_credential *c, const struct mx_secret *pem, struct oauth_key *k,
    struct mx_err *e);

/* By its URI; a TPM's key may also be in a file. */
bool key_in_device(const char *key);

/* What the thread's queue of OpenSSL's errors says, which is empty then. why: the first one's words, never NULL. */
struct key_errors {
	const char *why;
	bool no_memory;
	bool no_cipher;			/* a cipher or digest that this OpenSSL has switched off or does not have */
	bool away;			/* a device that does not answer just now */
};
struct key_errors key_errors(void);

/* Fails with key-device-away. */
enum mx_class key_away(const struct oauth_key *k, const struct key_errors *x, struct mx_err *e);

/* --- key_pin.c ------------------------------------------------------------------------------ */

/*
 * A device locks itself after a few wrong PINs, so one that it has refused is not sent to it again by this process,
 * until key_passphrase_file has changed. All of it with a key's lock held (oauth_key_open()).
 */
/* names the key and the file as it is now; 0: there is no PIN */
uint64_t key_pin(const struct oauth_credential *c);
void key_pin_refused(uint64_t pin);			/* 0: fine */
bool key_pin_was_refused(uint64_t pin);

#endif
