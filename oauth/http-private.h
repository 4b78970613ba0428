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
#include "oauth/request.h"

struct list { struct oauth_fetch *head, *tail; };

struct oauth_fetch {
	struct oauth_fetch *prev, *next;
	struct list *in;			/* NULL: in neither */
	struct oauth_http *h;
	const struct oauth_client *c;
	oauth_fetch_done *done;
	void *arg;
	uint64_t started;			/* mx_now_ms() */
	CURL *easy;
	struct oauth_failure *early;		/* failed at the start; NULL otherwise */
	struct curl_slist *headers;
	struct oauth_request req;
	struct mx_secret body;
	bool too_large;
	char host[280];				/* "host:port" for texts */
	char detail[CURL_ERROR_SIZE];
};

struct oauth_http {
	CURLM *m;
	struct oauth_http_loop loop;
	char *user_agent;
	struct list live;			/* with libcurl */
	struct list failed;			/* at the start; told of at the next timeout */
	/* mx_now_ms() at which libcurl wants to be called */
	uint64_t due;
	bool ca_dir;				/* the system's CAs are to be had one by one */
};

/* --- http_options.c ------------------------------------------------------------------ */

/*
 * Judges the endpoint before the secret is read: https, and no user name in it. Keeps "host:port"
 * for texts. CURLE_OK: fine.
 */
CURLcode oauth_http_judge_url(struct oauth_fetch *f);

/* Headers and every option of f->easy; the first that libcurl refuses counts. */
CURLcode oauth_http_options(struct oauth_fetch *f);

/* --- http_transfer.c ----------------------------------------------------------------- */

/* What can go wrong before libcurl has the request. CURLE_OK: f->easy is ready. */
CURLcode oauth_http_prepare(struct oauth_fetch *f, struct mx_err *e);

/* Fills *why from what libcurl said. */
void oauth_http_failed(struct oauth_fetch *f, CURLcode code, struct oauth_failure *why);

/* The end of a transfer: frees f, then calls back. */
void oauth_http_finish(struct oauth_fetch *f, CURLcode code);

/* Takes f out of everything; without callback. NULL is fine. */
void oauth_http_fetch_free(struct oauth_fetch *f);

/* CURLOPT_WRITEFUNCTION; arg is the fetch. */
size_t oauth_http_on_body(char *p, size_t size, size_t n, void *arg);

/* --- http.c: lists of fetches -------------------------------------------------------- */

void oauth_http_link(struct list *l, struct oauth_fetch *f);
void oauth_http_unlink(struct oauth_fetch *f);

#endif
