/*
 * The same as oauth/http.h for who has no loop: it is waited for the token.
 */
#ifndef MX_OAUTH_HTTP_WAIT_H
#define MX_OAUTH_HTTP_WAIT_H

#include "oauth/exchange.h"

/*
 * MX_OK: *t is filled (the caller frees both tokens); else *f, t holds a refresh token at most (oauth_reply_parse()),
 * and f->err.cls is returned. Takes
 * at most the client's timeout. w: NULL, or what is wanted beside. Sends no signals and handles none; one that sets
 * *w->stop ends the wait within a second, MX_TEMP interrupted.
 */
enum mx_class oauth_http_wait(const char *user_agent, const struct oauth_client *c, const struct oauth_credential *k,
    const struct oauth_want *w, struct oauth_token *t, struct oauth_failure *f) __attribute__((warn_unused_result));

#endif
