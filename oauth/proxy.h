/*
 * The way to a token endpoint that leads through a proxy: who we are to it, and for which hosts it is not used.
 */
#ifndef MX_OAUTH_PROXY_H
#define MX_OAUTH_PROXY_H

#include <stdbool.h>
#include <stddef.h>

#include "common/secret.h"
#include "common/status.h"

/*
 * Reads USER:PASSWORD from path, a file as oauth_secret_read() wants it, with its codes, and
 * proxy-credentials-malformed. Each with a NUL behind it; the password may be empty, and may hold further colons. Both
 * are inert on failure.
 */
enum mx_class oauth_proxy_credentials(const char *path, struct mx_secret *user, struct mx_secret *password,
    struct mx_err *e) __attribute__((warn_unused_result));

/*
 * Does list (CURLOPT_NOPROXY's: names, domains, addresses, networks, "*"; NULL: none) except the host of an https URL?
 * As libcurl judges it.
 */
bool oauth_no_proxy(const char *list, const char *url);

#endif
