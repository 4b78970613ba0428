/*
 * A new key, and a certificate for it that it has signed itself: what a client of Entra proves itself with.
 */
#ifndef MX_OAUTH_KEY_NEW_H
#define MX_OAUTH_KEY_NEW_H

#include <stdint.h>

#include "common/buf.h"
#include "common/secret.h"
#include "common/status.h"

#define OAUTH_KEY_NEW_BITS 3072		/* RSA: Entra takes no other kind, and 2048 bits at least */
#define OAUTH_CERTIFICATE_CN_MAX 64	/* bytes */

/*
 * key: PKCS#8 as PEM, not encrypted. certificate: PEM. cn: its name. It is in date an hour before now_s (seconds since the
 * epoch: clocks differ) and for so many days. MX_CONFIG: key-not-made. MX_TEMP: no-memory.
 */
enum mx_class oauth_key_new(const char *cn, uint64_t now_s, unsigned days, struct mx_secret *key,
    struct mx_buf *certificate, struct mx_err *e) __attribute__((warn_unused_result));

#endif
