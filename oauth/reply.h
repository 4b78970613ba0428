/*
 * What a token endpoint answered (RFC 6749 sections 5.1 and 5.2), judged: tolerant where the RFC
 * says so, strict on the rest. Knows JSON, but neither HTTP nor clocks.
 */
#ifndef MX_OAUTH_REPLY_H
#define MX_OAUTH_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/secret.h"
#include "common/status.h"

#define OAUTH_TOKEN_ID_LEN 16		/* hex digits: the start of the token's SHA-256 */
#define OAUTH_TOKEN_MAX 8800		/* bytes: what fits RFC 4954's line beside a long address */
#define OAUTH_LIFETIME_MAX_S 2592000	/* 30 days: more is absurd and refused */
#define OAUTH_LIFETIME_DEFAULT_S 3600	/* expires_in absent (RFC 6749 section 5.1 lets it be) */
#define OAUTH_REPLY_MAX (1024 * 1024)	/* bytes of a reply's body */

struct oauth_token {
	struct mx_secret access_token;
	struct mx_secret refresh_token;	/* empty: none came, or nothing that could be one */
	bool refresh_malformed;		/* the latter */
	char id[OAUTH_TOKEN_ID_LEN + 1];
	uint32_t expires_in_s;		/* > 0 */
	uint32_t refresh_in_s;		/* 0: not given; < expires_in_s */
	char scope[1024];		/* as the reply has it, sanitized; "": it does not say (RFC 6749 section 5.1) */
};

/* Why there is no token. Everything is sanitized text from mx_fail()'s rules; never a secret. */
struct oauth_failure {
	/* class, code and sentence for the asker; names the client */
	struct mx_err err;
	bool credential;		/* it is the credential that was refused, or cannot be used */
	bool permanent;			/* hold it (design: 60 s, 5 min, 15 min), else back off */
	long http_status;		/* 0: no reply came */
	int32_t retry_after_s;		/* -1: not given; capped at 3600 */
	char error[64];			/* RFC 6749 section 5.2 "error", or "" */
	char description[256];		/* its first line */
	uint32_t aadsts;		/* 0: none */
	char trace_id[40], correlation_id[40], timestamp[32];
};

/* The reply as the transport delivers it. body is not NUL-terminated and is wiped by its owner. */
struct oauth_http_reply {
	long status;
	const char *content_type;	/* NULL: none */
	const char *content_encoding;	/* NULL: none */
	const char *location;		/* NULL: none; for 3xx texts */
	const char *www_authenticate;	/* NULL: none */
	int32_t retry_after_s;		/* -1: none */
	const void *body;
	size_t body_len;
	const char *client_id;		/* that asked, or its service account's, for texts; NULL: not known */
	const char *token_endpoint;	/* that answered, for texts; NULL: not known */
};

/*
 * MX_OK: *t is filled (the caller frees both tokens). Else *f is filled and *t inert, but for the refresh token: one
 * that comes with an access token of no use has ended its predecessor all the same.
 * client: name for the texts.
 */
enum mx_class oauth_reply_parse(const char *client, const struct oauth_http_reply *h,
    struct oauth_token *t, struct oauth_failure *f) __attribute__((warn_unused_result));

/*
 * The same for what a platform says of a managed identity. There token_type may be absent; the end may be told by
 * expires_on, and the nearer of two ends counts; errors come in shapes of their own. now_s: seconds since the epoch,
 * when it came. Of a failure the caller words *f anew: it names a token endpoint.
 */
enum mx_class oauth_reply_parse_platform(const char *client, const struct oauth_http_reply *h, int64_t now_s,
    struct oauth_token *t, struct oauth_failure *f) __attribute__((warn_unused_result));

/* Writes the token id (hex of SHA-256, cut) of n bytes. */
void oauth_token_id(char out[OAUTH_TOKEN_ID_LEN + 1], const void *token, size_t n);

#endif
