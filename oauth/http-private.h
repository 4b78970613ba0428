/*
 * What the files of the transport share. Private to oauth/http*.c. With http_error.c this is all
 * that knows libcurl.
 */
#ifndef MX_OAUTH_HTTP_PRIVATE_H
#define MX_OAUTH_HTTP_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <curl/curl.h>

#include "oauth/http.h"

#define OAUTH_HTTP_NEVER UINT64_MAX

struct list { struct oauth_fetch *head, *tail; };

/* Connections of one age: libcurl cannot be told to give up a busy one, so they go all at once. */
struct oauth_pool {
	struct oauth_pool *next;
	struct oauth_http *h;
	CURLM *m;
	uint64_t born;				/* mx_now_ms() */
	uint64_t due;				/* mx_now_ms(): when libcurl wants to be called */
	uint64_t quiet;				/* mx_now_ms(): when its connections end, if nothing comes; OAUTH_HTTP_NEVER */
	unsigned live;				/* fetches under way */
};

struct oauth_fetch {
	struct oauth_fetch *prev, *next;
	struct list *in;			/* NULL: in neither */
	struct oauth_http *h;
	struct oauth_exchange x;
	oauth_fetch_done *done;
	void *arg;
	uint64_t started;			/* mx_now_ms() */
	CURL *easy;
	struct oauth_pool *pool;		/* NULL: not with libcurl */
	struct oauth_failure *early;		/* failed at the start; NULL otherwise */
	struct curl_slist *headers;
	struct mx_secret proxy_user, proxy_password;	/* of an authenticated proxy; until libcurl has them */
	struct mx_err proxy_err;		/* why these cannot be had; MX_OK: they can */
	size_t sent;				/* bytes of x.req.body that libcurl has taken */
	struct mx_secret body;
	bool too_large;
	bool reached;				/* a TLS handshake has begun */
	bool begun;				/* a line of the reply is there */
	bool headed;				/* its head is complete */
	bool again;				/* this is the second try */
	char host[280];				/* "host:port" for texts */
	/* the addresses that were connected to, for texts; "" for a kept connection */
	char tried[160];
	char detail[CURL_ERROR_SIZE];
};

struct oauth_http {
	struct oauth_pool *pools;		/* the one in use, then those that still end */
	struct oauth_http_loop loop;
	char *user_agent;
	struct list live;			/* with libcurl */
	struct list failed;			/* outside libcurl; told of at the next timeout */
	uint64_t distrusted;			/* mx_now_ms() of the last time; 0: never */
	bool ca_dir;				/* the system's CAs are to be had one by one */
};

/* --- http_options.c ------------------------------------------------------------------ */

/*
 * Judges the request's URL: https, and no user name in it; of a local request http, and an address of this machine or
 * its link. Keeps "host:port" for texts. CURLE_OK: fine.
 */
CURLcode oauth_http_judge_url(struct oauth_fetch *f);

/* Headers and every option of f->easy; the first that libcurl refuses counts. */
CURLcode oauth_http_options(struct oauth_fetch *f);

/* --- http_transfer.c ----------------------------------------------------------------- */

/* Hands f->x.req to libcurl. */
CURLcode oauth_http_send(struct oauth_fetch *f);

/* What is left of the time for all requests, second tries included; 1: nothing. */
long oauth_http_left_ms(const struct oauth_fetch *f);

/* Fills *why from what libcurl said. */
void oauth_http_failed(struct oauth_fetch *f, CURLcode code, struct oauth_failure *why);

/* The end of a transfer: sends what comes next, or frees f, then calls back. */
void oauth_http_finish(struct oauth_fetch *f, CURLcode code);

/*
 * A request that a kept connection took with it, unanswered, is made once more on a fresh one.
 * true: it is under way again; false: code is final.
 */
bool oauth_http_repeat(struct oauth_fetch *f, CURLcode code);

/* Takes f out of everything; without callback. NULL is fine. */
void oauth_http_fetch_free(struct oauth_fetch *f);

/* libcurl's callbacks; arg is the fetch. */
size_t oauth_http_on_body(char *p, size_t size, size_t n, void *arg);
CURLcode oauth_http_on_tls(CURL *easy, void *ctx, void *arg);
size_t oauth_http_on_header(char *p, size_t size, size_t n, void *arg);
size_t oauth_http_on_read(char *p, size_t size, size_t n, void *arg);
curl_socket_t oauth_http_on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to);
int oauth_http_on_rewind(void *arg, curl_off_t offset, int origin);

/* The request goes by the client's proxy. */
bool oauth_http_proxied(const struct oauth_fetch *f);

/* --- http_seen.c --------------------------------------------------------------------- */

/* The end of a transfer, while f->easy is there: fills *f->x.want.seen. platform: as that has it. */
void oauth_http_seen(const struct oauth_fetch *f, bool platform);

/* --- http_pool.c --------------------------------------------------------------------- */

/* Puts a new, empty pool in front. false: no memory, and nothing has changed. */
bool oauth_pool_renew(struct oauth_http *h);

/* Frees pools with nothing under way, but the first; or all. Not from libcurl's callbacks. */
void oauth_pool_sweep(struct oauth_http *h, bool all);

/*
 * The pool in use, once nothing has been under way in it for some seconds, gives way to an empty one; the sweep ends its
 * connections then. HTTP/2's buffers hold the last request and reply as long as these live, and nobody can wipe them.
 */
void oauth_pool_rest(struct oauth_http *h);

/* Hands f->easy to libcurl in the pool in use. */
bool oauth_pool_add(struct oauth_fetch *f);
void oauth_pool_remove(struct oauth_fetch *f);		/* fine when it is in none */

/*
 * A kept connection of that pool was dead. true: the pool in use holds none that is as old; false:
 * it may.
 */
bool oauth_pool_distrust(struct oauth_http *h, const struct oauth_pool *failed);

/* --- http.c -------------------------------------------------------------------------- */

void oauth_http_arm(struct oauth_http *h);		/* sets the loop's timer anew */

void oauth_http_link(struct list *l, struct oauth_fetch *f);
void oauth_http_unlink(struct oauth_fetch *f);

#endif
