/*
 * The blocking client of the wire line, for the plugin and the admin tool: one request, one reply,
 * one absolute deadline over connect, write and read. No signals, no threads, no allocation, no
 * state between calls; safe after fork. Descriptors are close-on-exec and never 0, 1 or 2.
 */
#ifndef MX_COMMON_CLIENT_H
#define MX_COMMON_CLIENT_H

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/status.h"

#define MX_RETRY_MS 2000	/* how long a daemon that is being restarted is waited for */
#define MX_TIMEOUT_MS 10000	/* default deadline of an asker */

struct mx_endpoint {
	const char *path;	/* of the socket */
	uint64_t deadline;	/* absolute, on mx_now_ms() */
	uint32_t retry_ms;	/* 0: no second try */
	bool one_line;		/* the reply ends with its first line: the close behind it is not awaited */
};

/*
 * Sends req (len bytes) and reads the reply to end of file (or of line) into buf (cap bytes), its size into *got.
 * ECONNREFUSED, ENOENT, EAGAIN, ECONNRESET and end of file before the first byte of a reply are
 * tried again for retry_ms. Errors: MX_TEMP with codes socket-unreachable, daemon-timeout,
 * daemon-no-answer; MX_CONFIG with socket-path-too-long, socket-forbidden; MX_BAD_REQUEST with
 * reply-too-long. The text names the path, the cause and the next step, but no account: the caller
 * puts that in front.
 */
enum mx_class mx_ask(const struct mx_endpoint *ep, const void *req, size_t len, char *buf, size_t cap,
    size_t *got, struct mx_err *e) __attribute__((warn_unused_result));

#endif
