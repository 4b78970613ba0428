/*
 * Renewal by a refresh token, in a process of its own: a provider that rotates has ended the old token when it
 * answers, so whoever asked must live until the new one is stored, whatever becomes of the daemon. The child takes
 * the store's lock, asks, stores, and only then hands the access token over; killed before that it has lost nothing
 * but an answer, and it does not die of what ends the daemon.
 */
#ifndef MX_TOKEND_RENEW_H
#define MX_TOKEND_RENEW_H

#include "oauth/http.h"
#include "tokend/server.h"

struct renewal;

/*
 * Begins one for c by its credential k, at once, or when the thread that reads a configuration has ended and not too
 * many others are under way; both live until done has been called or it is cancelled. done: once, from the loop, as of
 * oauth_http_start(). *files: as watch_look_grant() finds the token's file, set when the child has replaced it. NULL:
 * no memory, process or descriptor.
 */
struct renewal *renew_start(struct server *s, const struct oauth_client *c, const struct oauth_credential *k,
    uint64_t *files, oauth_fetch_done *done, void *arg);

/* done is not called any more. A child that has begun is left to finish. */
void renew_cancel(struct renewal *r);

/* Begins those that wait: the thread has ended. */
void renew_go(struct server *s);

/* Is there a child that has not ended? The daemon's end waits for it as for an asker. */
bool renew_busy(const struct server *s);

void renew_done(struct server *s);	/* after engine_free(): children that are left end by themselves */

#endif
