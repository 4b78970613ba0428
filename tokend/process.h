/*
 * The daemon as a process: privileges, dumps, background.
 */
#ifndef MX_TOKEND_PROCESS_H
#define MX_TOKEND_PROCESS_H

#include <stdbool.h>

#include "common/status.h"

/* No core dumps, not traceable by its own user, SIGPIPE ignored, descriptors 0-2 open. */
void process_harden(void);

/*
 * connect() wakes this daemon. Where both share a processor it would then take it from the asker, find that
 * nothing was sent yet and go back to sleep: as SCHED_BATCH (Linux) it is awake but lets the asker go on to its
 * send() first. Same share of the processor, no privilege needed; best effort.
 */
void process_considerate(void);

/*
 * From root to user (its groups too), for good. Already that user, or not root at all: nothing to do.
 * MX_CONFIG: no such user.
 */
enum mx_class process_drop(const char *user, struct mx_err *e);

/*
 * Goes to the background. In the child: *ready is a descriptor for process_ready(). In the parent: waits for the
 * child's word and exits with 0, or with the child's status if it ends before it is ready.
 */
bool process_background(int *ready, struct mx_err *e);
void process_ready(int ready);

#endif
