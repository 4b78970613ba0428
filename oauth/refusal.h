/*
 * Turns what a provider said into an oauth_failure: class, code, sentence. Knows neither JSON nor
 * HTTP. Private to oauth/reply.c.
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

/*
 * Judges f->http_status, f->error, f->aadsts and f->description by the catalogue. account_id: of a service account, or
 * NULL. Returns f->err.cls, never MX_OK.
 */
enum mx_class oauth_refusal(const char *client, const char *account_id, struct oauth_failure *f);

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
