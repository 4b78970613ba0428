/*
 * SASL initial client responses that carry a bearer token: XOAUTH2 (Google's and Microsoft's form)
 * and OAUTHBEARER (RFC 7628 section 3.1 with the gs2 header of RFC 5801 section 4).
 */
#ifndef MX_COMMON_RESPONSE_H
#define MX_COMMON_RESPONSE_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/status.h"

enum mx_mech { MX_MECH_NONE = 0, MX_MECH_XOAUTH2, MX_MECH_OAUTHBEARER };

/* Without regard to case; MX_MECH_NONE if it is neither. */
enum mx_mech mx_mech_by_name(const char *s, size_t n);
const char *mx_mech_name(enum mx_mech m);

/*
 * user: the mailbox, UTF-8 without control bytes. host and port belong to OAUTHBEARER only: NULL and 0
 * leave them out (RFC 7628 section 3.1 lets a bearer client do that). token: RFC 6750 b64token.
 * Appends the raw bytes to out; *e says what is unusable: MX_BAD_REQUEST (code bad-user, bad-host),
 * MX_PROVIDER (code bad-token), or MX_CONFIG (code response-too-long) when out is full.
 */
enum mx_class mx_response_build(struct mx_buf *out, enum mx_mech m, const char *user, const char *host,
    uint32_t port, const void *token, size_t token_len, struct mx_err *e)
    __attribute__((warn_unused_result));

#endif
