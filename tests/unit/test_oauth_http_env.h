/*
 * What test_oauth_http runs in: a poll loop, clients, and the server behind them.
 */
#ifndef MX_TEST_OAUTH_HTTP_ENV_H
#define MX_TEST_OAUTH_HTTP_ENV_H

#include <stddef.h>
#include <stdint.h>

#include "oauth/http.h"

#define SECRET_LEN 24

/* One less per character, so that the secret itself does not stand in this process. */
extern const char secret_minus_1[];
extern char dir[64], ca_file[128], other_ca[128], secret_file[128];
extern const struct oauth_credential by_post, by_basic, no_file;	/* the secret in secret_file; a file that is not there */
extern uint64_t due;	/* when the loop calls oauth_http_timeout(); UINT64_MAX: never */

struct result {
	unsigned *pending;
	enum mx_class cls;
	struct oauth_failure f;
	size_t token_len;
	uint32_t expires_in_s;
	char id[OAUTH_TOKEN_ID_LEN + 1];
	uint32_t took_ms;
};

struct oauth_http *new_http(void);
void free_http(struct oauth_http *h);

/* A listener's port by its name in test_oauth_http_server.py. */
int port(const char *name);

/* A client whose endpoint is https://127.0.0.1:port(where)uri, written into url. */
struct oauth_client client(char url[256], const char *where, const char *uri);

/* *r->pending must have been counted up for it. */
struct oauth_fetch *start(struct oauth_http *h, const struct oauth_client *c, struct result *r);

/* Turns the loop until *pending is 0. */
void run(struct oauth_http *h, const unsigned *pending);

/* What every failure's text must be: names the client, holds no control byte and no secret. */
void check_text(const char *name, const struct oauth_failure *f);

/* Group fixtures: the server, certificates and secret in dir; oauth_http_global_init(). */
int begin(void **state);
int end(void **state);

#endif
