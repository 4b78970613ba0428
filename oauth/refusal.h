/*
 * Turns what a provider said into an oauth_failure: class, code, sentence. Knows neither JSON nor
 * HTTP. Private to oauth/reply.c and its neighbours.
 */
#ifndef MX_OAUTH_REFUSAL_H
#define MX_OAUTH_REFUSAL_H

#include <stdbool.h>
#include <stddef.h>

#include "oauth/reply.h"

/*
 * Copies n bytes of foreign text up to its first line end, sanitized and cut at a character. cap
 * >= 4.
 */
void oauth_text_copy(char *out, size_t cap, const char *s, size_t n);

/* Likewise an id: [A-Za-z0-9-] only, else out becomes "". */
void oauth_id_copy(char *out, size_t cap, const char *s, size_t n);

/*
 * Takes an error_description: f->description gets its first line without the ids that Entra
 * appends; f->aadsts, trace_id, correlation_id and timestamp are taken from it where they are
 * still empty.
 */
void oauth_refusal_describe(struct oauth_failure *f, const char *s, size_t n);

/* Is the outcome to be held as permanent? (HTTP status and error only: protocol rule.) */
bool oauth_is_permanent(long http_status, const char *error);

/*
 * Judges f->http_status, f->error, f->aadsts and f->description by the catalogue. h: client_id and token_endpoint, where they are
 * known, are for the text. Returns f->err.cls, never MX_OK.
 */
enum mx_class oauth_refusal(const char *client, const struct oauth_http_reply *h, struct oauth_failure *f);

/* The tenant that an endpoint of Microsoft's names (https://HOST/TENANT/oauth2/...). false: none, or it does not fit. */
bool oauth_tenant_of(const char *endpoint, char *out, size_t cap);

/* Answers that are no RFC 6749 answer at all. true: *f is filled. */
bool oauth_refusal_transport(const char *client, const struct oauth_http_reply *h,
    struct oauth_failure *f);

/* Any body that is not JSON. Returns f->err.cls. */
enum mx_class oauth_refusal_not_json(const char *client, const struct oauth_http_reply *h,
    struct oauth_failure *f);

/*
 * A reply that is JSON but breaks its rules. held: it will not heal by itself. Returns f->err.cls.
 */
enum mx_class oauth_refusal_bad(const char *client, struct oauth_failure *f, bool held,
    const char *code, const char *what);

#endif
