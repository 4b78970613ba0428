/*
 * Between the token engine and the transport: starts requests, hands results back, logs both, and lends
 * libevent's loop to oauth/http.
 */
#ifndef MX_TOKEND_FETCHER_H
#define MX_TOKEND_FETCHER_H

#include "tokend/server.h"

struct fetcher;

struct fetcher *fetcher_new(struct server *s);	/* makes s->http; NULL: no memory or no TLS */
void fetcher_free(struct fetcher *f);

/* struct engine_ops' fetch, urge and cancel; ctx is the server. client: the configuration's struct conf_client. */
void *fetcher_start(void *ctx, struct engine_client *c, void *client, bool urgent);
void fetcher_urge(void *ctx, void *fetch, bool urgent);
void fetcher_cancel(void *ctx, void *fetch);

#endif
