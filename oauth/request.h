/*
 * Builds the token request of a client, to the byte. Knows no HTTP library.
 */
#ifndef MX_OAUTH_REQUEST_H
#define MX_OAUTH_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "common/secret.h"
#include "common/status.h"
#include "oauth/client.h"

/* Whether asking twice does no harm, even if the first request was answered and the answer lost. */
enum oauth_repeat {
	/* what a provider takes once only: a refresh token that is rotated (RFC 6749 section 6), a device code */
	OAUTH_REPEAT_NEVER = 0,
	OAUTH_REPEAT_SAME,		/* client credentials */
	/* likewise, but it holds an assertion whose jti may be remembered: built anew */
	OAUTH_REPEAT_ANEW
};

struct oauth_request {
	const char *url;		/* the client's own string, or own_url */
	char *own_url;			/* NULL: none */
	bool get;			/* GET without a body, else POST of a form */
	/*
	 * The platform's own endpoint: plain http, to a link-local or loopback address alone, never by a proxy. Nothing
	 * is sent there that its machine does not know anyway.
	 */
	bool local;
	const char *header;		/* "NAME: VALUE"; NULL: none */
	struct mx_secret secret_header;	/* another one, NUL behind it; empty: none */
	struct mx_secret body;		/* application/x-www-form-urlencoded, NUL behind it */
	struct mx_secret authorization;	/* value of that header, NUL behind it; empty: none */
	/* the credential as read, so that a reply can be searched for it */
	struct mx_secret secret;
	struct mx_secret grant;		/* likewise what the grant rests on, a refresh token */
	enum oauth_repeat repeat;
};

/* What is asked for: parameters beside those that say who asks. */
struct oauth_param { const char *name; const void *value; size_t n; };

#define OAUTH_ASK_PARAMS 3

struct oauth_ask {
	const char *url;
	const char *grant;		/* grant_type; NULL: none is sent */
	struct oauth_param param[OAUTH_ASK_PARAMS];	/* in this order, behind it; up to a name that is NULL */
	bool scope;			/* the client's scope and resource go along */
	enum oauth_repeat repeat;	/* an assertion makes OAUTH_REPEAT_ANEW of OAUTH_REPEAT_SAME */
};

/*
 * Reads the credential k, one of c's, and builds that request. *r is inert on failure, as with oauth_request_build().
 */
enum mx_class oauth_request_build_ask(const struct oauth_client *c, const struct oauth_credential *k,
    const struct oauth_ask *a, struct oauth_request *r, struct mx_err *e) __attribute__((warn_unused_result));

/* The same with the proof given, as oauth_request_build_with(). */
enum mx_class oauth_request_build_ask_with(const struct oauth_client *c, const struct oauth_ask *a,
    enum oauth_auth auth, const struct mx_secret *proof, struct oauth_request *r,
    struct mx_err *e) __attribute__((warn_unused_result));

/*
 * Reads the credential k, one of c's, and builds the request. MX_CONFIG with oauth_secret_read()'s or
 * oauth_key_open()'s code when it cannot be used, MX_TEMP (no-memory). *r is inert on failure. The text
 * names the client.
 */
enum mx_class oauth_request_build(const struct oauth_client *c, const struct oauth_credential *k,
    struct oauth_request *r, struct mx_err *e) __attribute__((warn_unused_result));

/* The same with the proof given: a secret, any bytes, or a signed assertion, the client's own or another's. */
enum mx_class oauth_request_build_with(const struct oauth_client *c, enum oauth_auth auth,
    const struct mx_secret *proof, struct oauth_request *r, struct mx_err *e)
    __attribute__((warn_unused_result));

/*
 * The same by the refresh_token grant (RFC 6749 section 6), never to be sent twice. proof: empty for
 * OAUTH_AUTH_NONE.
 */
enum mx_class oauth_request_refresh(const struct oauth_client *c, const struct oauth_credential *k,
    const struct mx_secret *token, struct oauth_request *r, struct mx_err *e) __attribute__((warn_unused_result));
enum mx_class oauth_request_refresh_with(const struct oauth_client *c, enum oauth_auth auth,
    const struct mx_secret *proof, const struct mx_secret *token, struct oauth_request *r, struct mx_err *e)
    __attribute__((warn_unused_result));

/* Signs an assertion by the key k, one of c's, for one request. *out is inert on failure. The text names the client. */
enum mx_class oauth_request_sign(const struct oauth_client *c, const struct oauth_credential *k, struct mx_secret *out,
    struct mx_err *e) __attribute__((warn_unused_result));

void oauth_request_free(struct oauth_request *r);

#endif
