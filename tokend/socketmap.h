/*
 * The second door: Postfix's socketmap protocol. Its connections last, one request after the other.
 * Table "auth": account -> "USER:TOKEN". Table "feedback": a delivery status -> always nothing, but tokens are dropped.
 */
#ifndef MX_TOKEND_SOCKETMAP_H
#define MX_TOKEND_SOCKETMAP_H

#include "common/buf.h"
#include "tokend/conn.h"

void socketmap_read(struct conn *c);			/* there may be something to read */
void socketmap_event(struct conn *c, bool timed_out);	/* what it waited for is there, or its time is over */
void socketmap_token(struct conn *c, const struct engine_answer *a);	/* the engine's answer to one that waits */

/* "TEMP" and the sentence of an error, the only answer there is to what went wrong: it keeps mail in the queue. */
void socketmap_error(struct mx_buf *b, const struct mx_err *e);

void socketmap_stop(struct server *s);	/* lets those go that ask for nothing now */

#endif
