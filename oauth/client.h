/*
 * An OAuth 2.0 client (RFC 6749 section 2) as the token engine needs it: fully resolved, immutable.
 * Strings are owned by whoever built it (settings/) and outlive every fetch made with it.
 */
#ifndef MX_OAUTH_CLIENT_H
#define MX_OAUTH_CLIENT_H

#include <stdint.h>

enum oauth_grant { OAUTH_GRANT_CLIENT_CREDENTIALS = 1 };	/* RFC 6749 section 4.4 */

enum oauth_auth {		/* RFC 6749 section 2.3.1, named as in RFC 8414 */
	OAUTH_AUTH_SECRET_POST = 1,
	OAUTH_AUTH_SECRET_BASIC
};

struct oauth_client {
	const char *name;		/* of the section, for texts */
	enum oauth_grant grant;
	enum oauth_auth auth;
	const char *token_endpoint;	/* https URL */
	const char *client_id;
	const char *scope;		/* NULL: none is sent */
	const char *resource;		/* RFC 8707; NULL: none is sent */
	const char *secret_file;	/* read anew for every request */
	const char *proxy;		/* URL; NULL: none, and the environment is not looked at */
	const char *no_proxy;		/* NULL: none */
	const char *ca_file;		/* NULL: the system's */
	uint32_t connect_timeout_ms;
	uint32_t timeout_ms;		/* whole request */
};

#endif
