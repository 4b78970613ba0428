/*
 * Token requests over HTTPS by libcurl's multi interface, on somebody else's event loop. Fails
 * closed: https only, peer and name verified always, no redirects, TLS 1.2 at least, reply
 * ceiling, timeouts. One thread; never calls back from inside oauth_http_start().
 */
#ifndef MX_OAUTH_HTTP_H
#define MX_OAUTH_HTTP_H

#include <stdbool.h>

#include "common/status.h"
#include "oauth/client.h"
#include "oauth/exchange.h"
#include "oauth/reply.h"

struct oauth_http;		/* opaque */
struct oauth_fetch;		/* opaque: one request under way */

#define OAUTH_HTTP_IN 1
#define OAUTH_HTTP_OUT 2

/*
 * What the loop lends. ctx is handed back; *slot is the loop's own per descriptor (NULL at first).
 */
struct oauth_http_loop {
	/* what: OAUTH_HTTP_IN and _OUT, 0 = forget fd. The loop then calls oauth_http_ready(). */
	void (*watch)(void *ctx, int fd, int what, void **slot);
	/*
	 * Call oauth_http_timeout() once in ms milliseconds; replaces the one before; -1 = never.
	 */
	void (*timer)(void *ctx, long ms);
	void *ctx;
};

/* Exactly one of the two is meant: f == NULL is success. t is the callback's to move from. */
typedef void oauth_fetch_done(void *arg, struct oauth_token *t, const struct oauth_failure *f,
    uint32_t took_ms);

/* libcurl and the libraries below it, with versions: words and numbers. */
const char *oauth_http_version(void);

/* user_agent is copied. NULL: no memory, or libcurl lacks TLS. */
struct oauth_http *oauth_http_new(const struct oauth_http_loop *loop, const char *user_agent);
void oauth_http_free(struct oauth_http *h);	/* cancels what is under way, without callbacks */

void oauth_http_ready(struct oauth_http *h, int fd, int what);
void oauth_http_timeout(struct oauth_http *h);

/*
 * Asks for the token of a client with one of its credentials, by as many requests as that takes; both, and what w
 * points to (NULL: nothing beside), must outlive it. done is called once, from oauth_http_ready() or
 * oauth_http_timeout(), also for failures found at once (unreadable secret ...). NULL: no memory, done is
 * never called.
 */
struct oauth_fetch *oauth_http_start(struct oauth_http *h, const struct oauth_client *c,
    const struct oauth_credential *k, const struct oauth_want *w, oauth_fetch_done *done, void *arg);
void oauth_http_cancel(struct oauth_fetch *f);	/* done is not called */

/*
 * Before any thread or secret; the first call counts: libcurl's and OpenSSL's allocators wipe on free.
 */
bool oauth_http_global_init(void);

#endif
