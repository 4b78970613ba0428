/*
 * Taking connections: limits are applied before anything is read.
 */
#ifndef MX_TOKEND_ACCEPT_H
#define MX_TOKEND_ACCEPT_H

#include <stdbool.h>
#include <sys/types.h>

#include "tokend/server.h"

bool accept_watch(struct server *s);		/* watches listeners that are not watched yet */
void accept_uid_gone(uid_t uid);		/* one connection of that user has been closed */

void accept_done(void);

#endif
