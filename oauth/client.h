/*
 * An OAuth 2.0 client (RFC 6749 section 2) as the token engine needs it: fully resolved, immutable.
 * Strings are owned by whoever built it (settings/) and outlive every fetch made with it.
 */
#ifndef MX_OAUTH_CLIENT_H
#define MX_OAUTH_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum oauth_grant {
	OAUTH_GRANT_CLIENT_CREDENTIALS = 1,	/* RFC 6749 section 4.4 */
	OAUTH_GRANT_REFRESH_TOKEN,		/* RFC 6749 section 6 */
	OAUTH_GRANT_JWT_BEARER,			/* RFC 7523 section 2.1 */
	OAUTH_GRANT_MANAGED_IDENTITY		/* none of OAuth's: the platform hands the token out */
};

/* Is a token made for one mailbox each? */
static inline bool oauth_grant_each(enum oauth_grant g)
{
	return g == OAUTH_GRANT_JWT_BEARER;
}

enum oauth_auth {		/* RFC 6749 section 2.3.1 and RFC 7523 section 2.2, named as in RFC 8414 */
	OAUTH_AUTH_SECRET_POST = 1,
	OAUTH_AUTH_SECRET_BASIC,
	OAUTH_AUTH_PRIVATE_KEY_JWT,
	OAUTH_AUTH_NONE,		/* a public client: its client_id alone */
	OAUTH_AUTH_FEDERATED		/* an assertion that somebody else has signed, whom the provider trusts */
};

/* What hands out the tokens of a managed identity on a machine of Azure's. */
enum oauth_platform {
	OAUTH_PLATFORM_NONE = 0, OAUTH_PLATFORM_IMDS, OAUTH_PLATFORM_APP_SERVICE, OAUTH_PLATFORM_AZURE_ARC,
	OAUTH_PLATFORM_AUTO		/* the one that environment and files tell of */
};

enum oauth_alg { OAUTH_ALG_PS256 = 1, OAUTH_ALG_RS256, OAUTH_ALG_ES256 };	/* RFC 7518 section 3.1 */

/* The header that names the certificate: RFC 7515 sections 4.1.7 and 4.1.8. */
enum oauth_thumbprint { OAUTH_THUMB_NONE = 0, OAUTH_THUMB_S256, OAUTH_THUMB_SHA1 };

/* What a client proves itself with. */
struct oauth_credential {
	enum oauth_auth auth;
	const char *secret_file;	/* secrets: read anew for every request */
	const char *key;		/* private_key_jwt: PEM or PKCS#12 file, or any OSSL_STORE URI */
	const char *key_passphrase_file;	/* NULL: none is needed */
	const char *certificate_file;	/* PEM; NULL: none, or the key's file has it */
	enum oauth_alg alg;
	enum oauth_thumbprint thumbprint;
	const char *key_id;		/* "kid"; NULL: none is sent */
	const char *audience;		/* "aud"; NULL: the token endpoint */
	const char *typ;		/* "JWT" or what the provider wants */
	const char *issuer;		/* "iss" of a jwt-bearer grant's assertion; NULL: the client_id */
	const char *service_account_file;	/* Google's JSON file: key, key_id, audience and issuer are in it */
	const char *assertion_file;	/* federated: read anew for every request */
	/* federated, or the grant managed_identity: the platform is asked first */
	enum oauth_platform platform;
	const char *platform_resource;	/* what its token is to be for */
	/* a user-assigned identity, by one of its names at most; else the machine's own */
	const char *identity_client_id, *identity_object_id, *identity_resource_id;
};

struct oauth_client {
	const char *name;		/* of the section, for texts */
	enum oauth_grant grant;
	const char *token_endpoint;	/* https URL; NULL with the grant managed_identity */
	const char *device_authorization_endpoint;	/* RFC 8628; NULL: none is known */
	const char *authorization_endpoint;	/* for browsers; NULL: none is known */
	const char *client_id;		/* NULL as token_endpoint, and: what the service account file says */
	const char *scope;		/* NULL: none is sent */
	const char *resource;		/* RFC 8707; NULL: none is sent */
	const char *refresh_token_file;	/* of that grant (oauth/refresh_file.h); else NULL */
	const struct oauth_credential *credential;	/* in the order in which they are tried */
	size_t ncredentials;
	const char *proxy;		/* URL; NULL: none, and the environment is not looked at */
	const char *no_proxy;		/* NULL: none */
	const char *proxy_credentials_file;	/* USER:PASSWORD, read anew for every request; NULL: none */
	const char *ca_file;		/* NULL: the system's; an https proxy may have one of either */
	uint32_t connect_timeout_ms;
	uint32_t timeout_ms;		/* whole request */
};

#endif
