/*
 * The device authorization grant (RFC 8628): what the provider answered, how often it may be asked whether somebody
 * has agreed, and whether what was agreed to is what was asked for. Knows neither HTTP nor a clock.
 */
#ifndef MX_OAUTH_DEVICE_H
#define MX_OAUTH_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "oauth/reply.h"

#define OAUTH_DEVICE_CODE_MAX 4096	/* bytes */
#define OAUTH_DEVICE_LIFE_S 900		/* of the codes, where the reply does not say it */
#define OAUTH_DEVICE_LIFE_MAX_S 86400
#define OAUTH_DEVICE_INTERVAL_S 5	/* RFC 8628 section 3.2 */
#define OAUTH_DEVICE_INTERVAL_MAX_S 300
#define OAUTH_DEVICE_SLOWER_S 5		/* more at each slow_down (section 3.5) */
#define OAUTH_DEVICE_BACKOFF_MAX_S 60	/* while the provider cannot be reached */

struct oauth_device {
	struct mx_secret device_code;
	char user_code[64];		/* this and the URLs: sanitized, never empty unless said so */
	char uri[1024];
	char uri_complete[1024];	/* has the user_code in it; "": none */
	uint32_t expires_in_s;		/* 1 to OAUTH_DEVICE_LIFE_MAX_S */
	uint32_t interval_s;		/* 1 to OAUTH_DEVICE_INTERVAL_MAX_S */
};

/* As oauth_reply_parse(), for the answer to a device authorization request. In reply.c, which knows JSON. */
enum mx_class oauth_reply_device(const char *client, const struct oauth_http_reply *h,
    struct oauth_device *d, struct oauth_failure *f) __attribute__((warn_unused_result));

void oauth_device_free(struct oauth_device *d);

struct oauth_poll {
	uint32_t interval_s;
	unsigned lost;			/* requests in a row without an answer */
	uint64_t end_ms;		/* of the codes */
};

enum oauth_poll_next { OAUTH_POLL_AGAIN = 1, OAUTH_POLL_EXPIRED, OAUTH_POLL_OVER };

/* now: milliseconds of a clock that counts suspend, the same one each time. */
void oauth_poll_begin(struct oauth_poll *p, const struct oauth_device *d, uint64_t now);

/*
 * After an answer that is no token. OAUTH_POLL_AGAIN: ask again at *due. OAUTH_POLL_EXPIRED: the codes have ended, by
 * the provider's word or by the clock. OAUTH_POLL_OVER: f says why there will be no token.
 */
enum oauth_poll_next oauth_poll_after(struct oauth_poll *p, const struct oauth_failure *f, uint64_t now, uint64_t *due);

uint64_t oauth_poll_first(const struct oauth_poll *p, uint64_t now);	/* when the first request is due */

/*
 * The first of the scopes wanted that is not among those granted; n its bytes. NULL: all are there, or granted is
 * "", which means that. Those that a provider never repeats (offline_access, openid ...) do not count; a name without
 * its resource's URL is as good as one with it.
 */
const char *oauth_scope_lacks(const char *wanted, const char *granted, size_t *n);

#endif
