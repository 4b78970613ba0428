/*
 * The wire line between askers and daemon (doc/protocol.md): limits, verbs, requests, replies.
 * Pure functions over caller's memory; no I/O, no allocation.
 */
#ifndef MX_COMMON_WIRE_H
#define MX_COMMON_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/status.h"

#define MX_WIRE_MAGIC "TOKEND/1"
#define MX_WIRE_REQUEST_MAX 8192	/* bytes of a request, LF included */
#define MX_WIRE_RESPONSE_MAX 12288	/* base64 characters of a response: RFC 4954 section 4 */
#define MX_WIRE_REPLY_MAX (MX_WIRE_RESPONSE_MAX + 256)	/* one reply line, LF included */
#define MX_ACCOUNT_MAX 320		/* bytes: RFC 5321 section 4.5.3.1 (64 + 1 + 255) */
#define MX_HOST_MAX 255			/* bytes of a server's name */
#define MX_SERVICE_MAX 32
#define MX_TOKEN_ID_MAX 64		/* characters, of [A-Za-z0-9-] */

enum mx_verb {
	MX_VERB_NONE = 0, MX_VERB_SASL, MX_VERB_RAW, MX_VERB_TOKEN, MX_VERB_REJECTED, MX_VERB_PING,
	MX_VERB_STATUS, MX_VERB_FLUSH, MX_VERB_RELOAD, MX_VERB_METRICS, MX_VERB_N
};

const char *mx_verb_name(enum mx_verb v);

/* A value inside the request's own memory; NUL-terminated; s is NULL when the key was not given. */
struct mx_span { const char *s; size_t n; };

struct mx_request {
	enum mx_verb verb;
	struct mx_span mech, account, user, host, service, token_id;
	struct mx_span challenge, reply;	/* decoded from base64: any bytes */
	uint32_t port;			/* 0: not given */
	uint32_t max;			/* bytes the asker can take; 0: not given */
	uint32_t deadline_ms;		/* 0: not given */
};

/*
 * Parses one request of len bytes, with or without its LF, in place: *r points into line, which is
 * changed and must outlive it. line must have room for one more byte (a NUL) at line[len].
 * A class other than MX_OK: MX_BAD_REQUEST with code bad-request, unknown-version or unknown-verb.
 */
enum mx_class mx_request_parse(char *line, size_t len, struct mx_request *r, struct mx_err *e)
    __attribute__((warn_unused_result));

/*
 * Building one: begin, any number of fields, end. A value with control bytes goes as key64.
 * A NULL value adds nothing. The failure is the buffer's (b->bad).
 */
void mx_request_begin(struct mx_buf *b, enum mx_verb v);
void mx_request_field(struct mx_buf *b, const char *key, const char *value);
void mx_request_bytes(struct mx_buf *b, const char *key, const void *value, size_t n); /* base64 */
void mx_request_number(struct mx_buf *b, const char *key, uint64_t value);
void mx_request_end(struct mx_buf *b);

/* What the daemon answered to SASL and TOKEN. Spans point into the reply's memory. */
struct mx_reply {
	uint64_t expires_in_s;
	char token_id[MX_TOKEN_ID_MAX + 1];
	const char *payload;		/* base64 of the response (SASL), or the token (TOKEN) */
	size_t payload_len;
};

/*
 * Parses a whole reply (up to end of file) of len bytes. MX_OK: *r is filled. The daemon's own error
 * comes back as its class with its code and sentence in *e. Anything that is not exactly one
 * well-formed line is MX_BAD_REQUEST, code malformed-reply; nothing of it is repeated in the text.
 */
enum mx_class mx_reply_parse(const char *buf, size_t len, struct mx_reply *r, struct mx_err *e)
    __attribute__((warn_unused_result));

/* The same for verbs that answer OK, LF, and perhaps more: *more and *more_len are what follows. */
enum mx_class mx_reply_plain(const char *buf, size_t len, const char **more, size_t *more_len,
    struct mx_err *e) __attribute__((warn_unused_result));

/* ERR line for an error, sep being TAB for all verbs but RAW (a blank there, see doc/protocol.md). */
void mx_reply_error(struct mx_buf *b, const struct mx_err *e, char sep);

#endif
