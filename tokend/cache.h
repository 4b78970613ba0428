/*
 * Tokens over a restart: where the store (store.h) of this process is, and the engine's hooks into it. Under
 * systemd it is a sealed memfd in the unit's fd store, elsewhere a file on tmpfs; never on a disk. Without one the
 * daemon works as well, and a restart costs one token request per client.
 */
#ifndef MX_TOKEND_CACHE_H
#define MX_TOKEND_CACHE_H

#include "tokend/server.h"

#define CACHE_FD_NAME "tokens"		/* in the fd store */

/* Sets ops->keep, recall and forget; their ctx is the server. */
void cache_hooks(struct engine_ops *ops);

/*
 * Opens the store that c wants; nfds descriptors were handed over (notify.h). As the user the daemon stays.
 * Logs what it could not do. Before the first server_adopt().
 */
void cache_open(struct server *s, const struct conf *c, int nfds);

/*
 * After the first server_adopt(): what belongs to no client is wiped, and later what nobody has asked for until it
 * ended. Logs what was found.
 */
void cache_settle(struct server *s);

void cache_review(struct server *s);	/* after a reload: what belongs to no client any more is wiped */

void cache_close(struct server *s);	/* after engine_free() */

#endif
