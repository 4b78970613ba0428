/*
 * The managed identity of a machine of Azure's: its platform hands tokens out at an address of the
 * machine itself. The requests, to the byte, and what the answers mean. Knows neither HTTP nor a
 * loop.
 */
#ifndef MX_OAUTH_IDENTITY_H
#define MX_OAUTH_IDENTITY_H

#include <stddef.h>

#include "common/status.h"
#include "oauth/client.h"
#include "oauth/reply.h"
#include "oauth/request.h"

/* Where Azure Arc's agent puts the keys that answer its challenges. */
#define OAUTH_ARC_TOKENS "/var/opt/azcmagent/tokens"
#define OAUTH_ARC_KEY_MAX 4096 /* bytes */

/*
 * AUTO becomes the one that environment and files tell of: App Service, else Azure Arc, else IMDS.
 * Others stay.
 */
enum oauth_platform oauth_identity_platform(enum oauth_platform p);

/* "imds", "app-service", "azure-arc", "auto": i + 1 is enum oauth_platform. NULL past the end. */
const char *oauth_platform_name(unsigned i);

/*
 * The variables that p needs and this process' environment lacks, the first one. NULL: none is
 * missing.
 */
const char *oauth_identity_lacks(enum oauth_platform p);

/*
 * The request for k's token; p is not AUTO. MX_CONFIG: identity-environment (a variable is missing,
 * or cannot be used), identity-unsupported (Service Fabric; a selector that Azure Arc does not
 * know). MX_TEMP: no-memory. *r is inert on failure. The text names the client.
 */
enum mx_class oauth_identity_request(const char *client, const struct oauth_credential *k,
    enum oauth_platform p, struct oauth_request *r, struct mx_err *e)
    __attribute__((warn_unused_result));

/*
 * Azure Arc has answered with a challenge, "Basic realm=PATH": the contents of that file go into
 * the next request, which r becomes. What asks for a file may be anybody on this machine: only one
 * directly in folder whose name ends in ".key" is read, a regular one that belongs to root or the
 * agent, that others cannot write. MX_CONFIG: identity-challenge. MX_TEMP: no-memory. r stays as it
 * was on failure.
 */
enum mx_class oauth_identity_challenged(const char *client, const char *folder,
    const char *challenge, struct oauth_request *r, struct mx_err *e)
    __attribute__((warn_unused_result));

/* Words f, a failed oauth_reply_parse_platform(), anew: what the platform means, and what to do. */
void oauth_identity_refused(const char *client, const struct oauth_credential *k,
    enum oauth_platform p, struct oauth_failure *f);

/* Likewise a transfer that failed. url: the request's. */
void oauth_identity_unreachable(
    const char *client, enum oauth_platform p, const char *url, struct oauth_failure *f);

#endif
