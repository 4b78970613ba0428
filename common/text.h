/*
 * Judging and showing text that somebody else wrote.
 */
#ifndef MX_COMMON_TEXT_H
#define MX_COMMON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Any byte below 0x20, or 0x7f? (NUL included: pass the true length.) */
bool mx_has_ctl(const void *p, size_t n);

/* Well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF)? */
bool mx_utf8_ok(const void *p, size_t n);

/* An access token as RFC 6750 section 2.1 writes it (b64token: 1*(ALPHA DIGIT -._~+/) *"="), not empty? */
bool mx_is_b64token(const void *p, size_t n);

/*
 * Decimal number without sign, blanks or leading zeros ("0" itself is fine), lo <= number <= hi.
 * n: bytes of s that are looked at; all of them must belong to the number.
 */
bool mx_parse_uint(const char *s, size_t n, uint64_t lo, uint64_t hi, uint64_t *out);

/*
 * Replaces, in place, by '?': control bytes, bytes that are not part of well-formed UTF-8, C1 controls and
 * characters that turn the direction of text round.
 */
void mx_clean(char *p, size_t n);

/*
 * Writes s (n bytes) into out as a double-quoted string for a log line: at most cap bytes with NUL,
 * what mx_clean() replaces, '"' and '\\' as \xNN, cut with "..." when too long.
 * Returns out. cap >= 8.
 */
const char *mx_quote(char *out, size_t cap, const char *s, size_t n);

#endif
