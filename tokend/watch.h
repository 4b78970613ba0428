/*
 * Clients on hold for a permanent error are tried at once when the file behind it is changed: looked at once a
 * second by name, so that new files, renames and exchanged symbolic links (Kubernetes) are all seen. Of more than
 * WATCH_BATCH each is looked at in its turn, so many at a time, that the daemon's answers do not wait for it.
 */
#ifndef MX_TOKEND_WATCH_H
#define MX_TOKEND_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "oauth/client.h"

struct engine_client;
struct server;

#define WATCH_MS 1000
#define WATCH_BATCH 200
#define WATCH_CROWD_MS 50		/* between two batches */

/*
 * Identity and age of the files of the client's credentials, of its proxy's and of its CA, as they are now, in one
 * number.
 */
uint64_t watch_look(const struct oauth_client *c);

/* Likewise of its refresh token, which the daemon itself replaces: by that a credential is none the better. */
uint64_t watch_look_grant(const struct oauth_client *c);

/* Watches c until its hold ends; files, grant: how they were when the request that failed was begun. */
void watch_add(struct server *s, struct engine_client *c, uint64_t files, uint64_t grant);

void watch_drop(struct server *s, struct engine_client *c);	/* fine when it is not watched */

#endif
