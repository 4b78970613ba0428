/*
 * Provider presets: each a row of data (endpoint, scope, grant, relays, margins). settings/ lets
 * every value be overridden.
 */
#ifndef MX_OAUTH_PROVIDER_H
#define MX_OAUTH_PROVIDER_H

#include <stddef.h>
#include <stdint.h>

#include "oauth/client.h"

enum oauth_cloud {
	OAUTH_CLOUD_PUBLIC = 0, OAUTH_CLOUD_GCC_HIGH, OAUTH_CLOUD_DOD, OAUTH_CLOUD_CHINA,
	OAUTH_CLOUD_N
};

struct oauth_provider {
	const char *name;		/* "exchange-online" */
	enum oauth_cloud cloud;
	const char *token_endpoint;	/* "{tenant}" is replaced; NULL: must be configured */
	const char *device_endpoint;	/* RFC 8628, likewise; NULL: none unless configured */
	const char *authorization_endpoint;	/* for browsers, likewise */
	const char *scope;		/* NULL: none unless configured */
	const char *delegated_scope;	/* the same for grants in a user's name; NULL: scope */
	enum oauth_grant grant;
	enum oauth_auth auth;
	/* server names a token may be sent to, NULL-terminated; NULL: any */
	const char *const *relays;
	uint32_t min_remaining_s;	/* a token with less life is not handed out */
	/* in an outage served until so much life is left; 0: never stale */
	uint32_t stale_until_s;
};

/*
 * Row for a preset in a cloud. NULL: no such preset (unknown name) or the preset has no such
 * cloud.
 */
const struct oauth_provider *oauth_provider_find(const char *name, enum oauth_cloud cloud);

/* Names in the table's order, each once; NULL at the end (i counts from 0). */
const char *oauth_provider_name(unsigned i);

/*
 * Microsoft's clouds that a host of theirs belongs to, as a set of bits (1 << enum oauth_cloud): one of the login, and
 * one of the mail servers, as in relays ("*.office365.us" too) and scopes. 0: none of these. Case does not matter.
 */
unsigned oauth_clouds_of_login(const char *host, size_t n);
unsigned oauth_clouds_of_mail(const char *host, size_t n);

/* "public", "gcc-high", "dod", "china"; NULL past the end. */
const char *oauth_cloud_name(unsigned i);

#endif
