/*
 * Taking connections: limits are applied before anything is read.
 */
#ifndef MX_TOKEND_ACCEPT_H
#define MX_TOKEND_ACCEPT_H

#include <stdbool.h>

#include "tokend/server.h"

/* Watches listeners that are not watched yet; c: the configuration that will be in force. */
bool accept_watch(struct server *s, const struct conf *c);

void accept_done(void);

#endif
