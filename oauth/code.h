/*
 * The authorization code grant (RFC 6749 section 4.1) as native programs use it (RFC 8252), with PKCE (RFC 7636): the
 * address that a browser is to open, and the address that it comes back to. Knows neither sockets nor terminals.
 */
#ifndef MX_OAUTH_CODE_H
#define MX_OAUTH_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/secret.h"
#include "common/status.h"
#include "oauth/client.h"

#define OAUTH_STATE_LEN 43		/* of 32 random bytes, as the verifier is */
#define OAUTH_CODE_MAX 8192		/* bytes; no limit is set anywhere, Microsoft's have some 1,200 */
#define OAUTH_CODE_URL_MAX 8192

struct oauth_code {
	char state[OAUTH_STATE_LEN + 1];	/* known to the browser and to us */
	struct mx_secret verifier;
	char redirect_uri[40];		/* http://127.0.0.1:PORT/ */
};

/* New secrets for one try; port: of 127.0.0.1, where the browser comes back. MX_TEMP: no-randomness, no-memory. */
enum mx_class oauth_code_begin(struct oauth_code *q, unsigned port, struct mx_err *e)
    __attribute__((warn_unused_result));
void oauth_code_free(struct oauth_code *q);

/* The address to open; hint: the account somebody is to sign in with. NULL: it does not fit in cap bytes. */
const char *oauth_code_url(char *out, size_t cap, const struct oauth_client *c, const struct oauth_code *q,
    const char *hint);

enum oauth_code_answer {
	OAUTH_CODE_NONE = 1,		/* not an answer to q; the real one may still come */
	OAUTH_CODE_GOT,			/* *code is filled */
	OAUTH_CODE_REFUSED		/* *e says what the provider said, class MX_PROVIDER */
};

/*
 * Judges what stands behind the '?' of the address that the browser was sent back to (n bytes, any): state, and "iss"
 * where it is given (RFC 9207), have to be right.
 */
enum oauth_code_answer oauth_code_take(const struct oauth_client *c, const struct oauth_code *q, const char *query,
    size_t n, struct mx_secret *code, struct mx_err *e) __attribute__((warn_unused_result));

/* The same for what a person has pasted: that address, or the code alone, which a person may vouch for. */
enum oauth_code_answer oauth_code_pasted(const struct oauth_client *c, const struct oauth_code *q, const char *s,
    size_t n, struct mx_secret *code, struct mx_err *e) __attribute__((warn_unused_result));

/* SHA-256 of n bytes, in key_sign.c, which knows OpenSSL. false: no memory. */
bool oauth_sha256(unsigned char out[32], const void *p, size_t n);

#endif
