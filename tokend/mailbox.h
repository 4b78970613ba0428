/*
 * Whose token a request is about: the OAuth client's, or where its grant makes one for each mailbox, that mailbox's.
 */
#ifndef MX_TOKEND_MAILBOX_H
#define MX_TOKEND_MAILBOX_H

#include "tokend/conn.h"
#include "tokend/policy.h"

#define MAILBOX_BURST 2000		/* new ones of one user at once, and then ... */
#define MAILBOX_STEP_MS 50		/* ... one each so often; those whose token outlived a restart do not count */

/*
 * make: for who wants a token; else NULL, and *e MX_OK, where there is nothing yet. NULL: *e says why: mailbox-needed
 * (what is logged in to is no mail address), too-many-mailboxes, no-memory.
 */
struct engine_client *mailbox_client(struct conn *c, const struct policy_verdict *v, const struct mx_request *r,
    bool make, struct mx_err *e);

#endif
