/*
 * Taking a configuration into service, all of it or nothing: at the start in one go; later without a pause in
 * answers, however large it is. It is read by a thread, which touches nothing else of the daemon; the loop takes it
 * over in slices, and only the exchange itself is one step.
 */
#ifndef MX_TOKEND_RELOAD_H
#define MX_TOKEND_RELOAD_H

#include "tokend/server.h"

/* At the start. false (and a log line): nothing has changed, c is still the caller's. */
bool server_adopt(struct server *s, struct conf *c);

/*
 * Reads the configuration again; if that is being done already, once more afterwards. asker: answered when the
 * reading that begins after its request has ended; NULL: by signal. The end is logged, and told to systemd.
 */
void reload_request(struct server *s, struct conn *asker);

/* Is the thread at work? */
bool reload_reading(const struct server *s);

void reload_stop(struct server *s);		/* at the end: waits for the thread */

#endif
