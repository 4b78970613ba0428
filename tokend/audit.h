/*
 * The line of each request in the log. Lines that anybody can cause (denials, bad requests, PING, turned away)
 * are limited for each user and kind: the first AUDIT_BURST at once, then one each AUDIT_STEP_MS; how many were
 * left out is told by a line "suppressed". An answer with a token always has its line.
 */
#ifndef MX_TOKEND_AUDIT_H
#define MX_TOKEND_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/status.h"
#include "tokend/uids.h"

struct conn;
struct server;

#define AUDIT_BURST 20
#define AUDIT_STEP_MS 500
#define AUDIT_TELL_MS 10000	/* what was left out is told by then */

/* After the answer; err NULL: success. ms: since the accept. */
void audit_request(struct conn *c, const struct mx_err *err, uint64_t ms);

/* May a line of this kind and priority about u be written? Else it is counted as suppressed. */
bool audit_may(struct server *s, struct uid_entry *u, enum uid_line kind, int priority);

uint64_t audit_suppressed_total(void);
void audit_done(void);		/* tells what is left and frees the timer */

#endif
