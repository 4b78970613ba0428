/*
 * How long a provider wants to be left alone (RFC 9110 section 10.2.3), and dates in headers. Private to oauth/.
 */
#ifndef MX_OAUTH_RETRYAFTER_H
#define MX_OAUTH_RETRYAFTER_H

#include <stdint.h>

#define OAUTH_RETRY_AFTER_MAX_S 3600	/* nobody is believed for longer */

/*
 * value: of Retry-After, digits or a date; date: of the same reply's Date, NULL where it has none;
 * now_s: this host's wall clock, which counts only without a usable Date. NULL is fine for both
 * texts. Returns seconds from 0 (a moment that is past) to the maximum; -1: not given, or garbage.
 */
int32_t oauth_retry_after(const char *value, const char *date, int64_t now_s);

/*
 * A date of any of the three forms of RFC 9110 section 5.6.7, in seconds since the epoch. -1: none, or before it; NULL is
 * fine.
 */
int64_t oauth_http_moment(const char *s);

#endif
