/*
 * Base64 of RFC 4648 section 4, canonical only (RFC 4954 section 4 obliges servers to refuse
 * anything else): no line breaks, no foreign characters, '=' only at the end, unused bits zero.
 */
#ifndef MX_COMMON_BASE64_H
#define MX_COMMON_BASE64_H

#include <stddef.h>
#include <sys/types.h>

#include "common/buf.h"

#define MX_B64_LEN(n) (((size_t)(n) + 2) / 3 * 4)	/* characters for n bytes */

void mx_b64_encode(struct mx_buf *out, const void *src, size_t n);

/* The same with "-" and "_" and without "=" (RFC 4648 section 5, RFC 7515 section 2): for JWTs. */
void mx_b64url_encode(struct mx_buf *out, const void *src, size_t n);

/*
 * Decodes n characters into out; out may be the same address as in (decoding in place).
 * Returns the number of bytes, or -1 when the text is not canonical base64 or does not fit in cap.
 */
ssize_t mx_b64_decode(void *out, size_t cap, const char *in, size_t n);

#endif
