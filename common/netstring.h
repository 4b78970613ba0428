/*
 * Netstrings ("5:hello,"), as Postfix's socketmap tables speak them. Pure functions over caller's memory.
 */
#ifndef MX_COMMON_NETSTRING_H
#define MX_COMMON_NETSTRING_H

#include <stddef.h>

#include "common/buf.h"

enum mx_netstring { MX_NETSTRING_OK, MX_NETSTRING_MORE, MX_NETSTRING_BAD };

/*
 * Looks for one at the beginning of p (n bytes). OK: *s and *len are what it holds, inside p, and *used what it takes
 * in all. MORE: it may become one. BAD: it never will, or would hold more than max bytes; said at the first byte that
 * shows it. A length has no leading zeros.
 */
enum mx_netstring mx_netstring_parse(const char *p, size_t n, size_t max, const char **s, size_t *len, size_t *used)
    __attribute__((warn_unused_result));

/* Appends a whole one. The failure is the buffer's (b->bad). */
void mx_netstring_add(struct mx_buf *b, const void *s, size_t n);

#endif
