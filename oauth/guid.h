/*
 * Random identifiers: of a request (Microsoft's support finds it by that), of an assertion ("jti").
 */
#ifndef MX_OAUTH_GUID_H
#define MX_OAUTH_GUID_H

#include <stdbool.h>

#define OAUTH_GUID_LEN 36

/* A GUID of RFC 4122 version 4. false: the system gives no random numbers. */
bool oauth_guid(char out[OAUTH_GUID_LEN + 1]) __attribute__((warn_unused_result));

#endif
