/*
 * The private key of a client that proves itself by assertions (private_key_jwt, RFC 7523 section 2.2),
 * and its certificate. Nothing is kept between two calls, and nothing ever asks at a terminal.
 */
#ifndef MX_OAUTH_KEY_H
#define MX_OAUTH_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "common/secret.h"
#include "common/status.h"
#include "oauth/client.h"

#define OAUTH_KEY_RSA_BITS_MIN 2048

struct oauth_key;

/*
 * Opens c->key: a file (PEM, DER or PKCS#12, also "credential:NAME" and "file:" URIs), or another URI that
 * an OpenSSL provider serves (pkcs11:, handle:, ...). The certificate is c->certificate_file's first one,
 * else the one beside the key that belongs to it, else there is none. now_s: seconds since the epoch, for
 * the certificate's dates; 0: they are not judged. *k is the caller's (oauth_key_free()), NULL on failure. One
 * key is open at a time in a process: another thread waits until it is freed, by the thread that opened it.
 *
 * MX_CONFIG, each with its code: key-missing, key-unreadable, key-world-readable, key-malformed,
 * key-cipher-unsupported, key-passphrase-needed, key-passphrase-wrong, key-provider-missing,
 * key-wrong-type (for c->alg), key-too-weak, certificate-missing, certificate-unreadable,
 * certificate-malformed, certificate-needed (c->thumbprint wants one), key-certificate-mismatch,
 * certificate-expired, certificate-not-yet-valid, and oauth_secret_read_for()'s of the passphrase file.
 * MX_TEMP: no-memory, key-unreadable, key-device-away. A PIN that a device has refused is not sent to it again before
 * key_passphrase_file has changed: devices lock themselves. The text names path or URI (without a PIN), never content.
 */
enum mx_class oauth_key_open(const struct oauth_credential *c, uint64_t now_s, struct oauth_key **k,
    struct mx_err *e) __attribute__((warn_unused_result));

/* The same with the file's content at hand: a PEM. c->key is the file's path, for texts. No dates are judged. */
enum mx_class oauth_key_open_pem(const struct oauth_credential *c, const struct mx_secret *pem, struct oauth_key **k,
    struct mx_err *e) __attribute__((warn_unused_result));

/*
 * Signs something and throws it away: whether a key in a device can be used (its PIN, its mechanisms) is
 * known only then. For the time when a configuration is read; costs a signature. MX_CONFIG: see
 * oauth_key_sign().
 */
enum mx_class oauth_key_try(const struct oauth_key *k, enum oauth_alg alg, struct mx_err *e)
    __attribute__((warn_unused_result));

/*
 * The signature of n bytes as RFC 7518 sections 3.3 to 3.5 want it, into sig (cap bytes; *len: how many).
 * It is verified before it is handed out. MX_CONFIG: key-sign-failed (the device refuses), key-pin-refused
 * (it refuses, and wanted a PIN), key-passphrase-needed, key-signature-wrong (what it makes is not what alg
 * means). MX_TEMP: no-memory, key-device-away.
 */
#define OAUTH_SIGNATURE_MAX 2048	/* bytes: RSA with 16384 bits */
enum mx_class oauth_key_sign(const struct oauth_key *k, enum oauth_alg alg, const void *data, size_t n,
    unsigned char *sig, size_t cap, size_t *len, struct mx_err *e) __attribute__((warn_unused_result));

/* The digest of the certificate's DER form. Returns its bytes (20 or 32), 0: no certificate, or no memory. */
#define OAUTH_THUMBPRINT_MAX 32
size_t oauth_key_thumbprint(const struct oauth_key *k, enum oauth_thumbprint which,
    unsigned char out[OAUTH_THUMBPRINT_MAX]);

/* certificate-expired and certificate-not-yet-valid, as oauth_key_open() would say. */
enum mx_class oauth_key_in_date(const struct oauth_key *k, uint64_t now_s, struct mx_err *e)
    __attribute__((warn_unused_result));

/* When the certificate ends, seconds since the epoch. 0: there is none. */
uint64_t oauth_key_not_after(const struct oauth_key *k);

/*
 * The same without a key open: by certificate_file alone, or by the key's file where that holds it. *ends 0: there is
 * none, or it is in a device, which is not asked. Codes as of oauth_key_open().
 */
enum mx_class oauth_certificate_ends(const struct oauth_credential *c, uint64_t *ends, struct mx_err *e)
    __attribute__((warn_unused_result));

/*
 * Where in a URI (RFC 7512) the first attribute stands whose name begins with name, in whatever spelling, %XX included.
 * Its length: nowhere.
 */
size_t oauth_uri_attribute(const char *uri, const char *name);

/* NULL is fine. */
void oauth_key_free(struct oauth_key *k);

#endif
