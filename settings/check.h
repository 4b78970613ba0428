/*
 * Judges of single values: each returns NULL when the text (n bytes, UTF-8, no control characters)
 * is fine, else what was expected, as a sentence's end ("... must be ..."). They never repeat the
 * text.
 */
#ifndef MX_SETTINGS_CHECK_H
#define MX_SETTINGS_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

const char *cf_bad_tenant(const char *s, size_t n);	/* GUID or domain: safe in a URL */
const char *cf_bad_client_id(const char *s, size_t n);	/* RFC 6749 appendix A.1 */
const char *cf_bad_scope(const char *s, size_t n);	/* RFC 6749 section 3.3 */
const char *cf_bad_resource(const char *s, size_t n);	/* RFC 8707 section 2 */
const char *cf_bad_guid(const char *s, size_t n);
const char *cf_bad_resource_id(const char *s, size_t n);	/* of Azure: /subscriptions/... */
const char *cf_bad_relay(const char *s, size_t n);	/* "*", "*.domain", host or address */
const char *cf_bad_no_proxy(const char *s, size_t n);
const char *cf_bad_url(const char *s, size_t n);	/* https */
const char *cf_bad_proxy(const char *s, size_t n);
const char *cf_bad_path(const char *s, size_t n);
const char *cf_bad_secret_path(const char *s, size_t n);
const char *cf_bad_socket_path(const char *s, size_t n);
const char *cf_bad_key(const char *s, size_t n);	/* path, or SCHEME:... */
const char *cf_bad_typ(const char *s, size_t n);	/* of a JWT: a media type without "application/" */
const char *cf_bad_cache(const char *s, size_t n);	/* path or "none" */
const char *cf_bad_user(const char *s, size_t n);	/* name of an account or group */
const char *cf_bad_name(const char *s, size_t n);	/* name of a client */
const char *cf_bad_mailbox(const char *s, size_t n);
const char *cf_bad_pattern(const char *s, size_t n);	/* address, "*@domain" or "*" */

/*
 * YYYY-MM-DD, a day from 2000 to 2105, into *out: the second it begins at, UTC, since the epoch.
 * false: anything else, a day that is in no calendar included.
 */
bool cf_date(const char *s, size_t n, uint32_t *out);

bool cf_is_guid(const char *s, size_t n);
bool cf_is_domain(const char *s, size_t n);		/* host name; one trailing dot is fine */

/* The host within a URL that cf_bad_url liked; n its bytes. */
const char *cf_url_host(const char *url, size_t *n);

#endif
