/*
 * application/x-www-form-urlencoded, as RFC 6749 appendix B demands it, for every byte value.
 */
#ifndef MX_OAUTH_FORM_H
#define MX_OAUTH_FORM_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

/*
 * Percent-encodes n bytes: ALPHA DIGIT - . _ * stay, a blank becomes '+', all else %HH (upper
 * case).
 */
void oauth_form_escape(struct mx_buf *b, const void *p, size_t n);

/* Appends name=value, with '&' in front unless b is empty. A NULL value adds nothing. */
void oauth_form_add(struct mx_buf *b, const char *name, const char *value);
void oauth_form_add_bytes(struct mx_buf *b, const char *name, const void *value, size_t n);

/* The reverse for n bytes of one value. false: a '%' without two digits behind it, or a NUL within. */
bool oauth_form_decode(struct mx_buf *b, const char *s, size_t n);

#endif
