/*
 * The error catalogue: what an identity provider says -> stable code, cause, next step. Data, not
 * code. HTTP status and "error" decide the class; the AADSTS number only picks a better hint.
 */
#ifndef MX_OAUTH_EXPLAIN_H
#define MX_OAUTH_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct oauth_hint {
	uint32_t aadsts;	/* 0: the row is for the "error" string alone */
	const char *error;	/* RFC 6749 "error"; NULL in AADSTS rows: any */
	const char *said;	/* beside it: how the description begins or goes on; NULL: any */
	const char *code;	/* ours, stable, lower-case: "client-secret-rejected" */
	/* sentence without full stop: "the secret is not one of this application's" */
	const char *cause;
	const char *fix;	/* imperative sentence without full stop */
};

#define OAUTH_HINT_ACCOUNT "{client_id}"	/* in a fix: stands for a service account's number */

/*
 * Best row: by number, else by error string and what the description (NULL: none) says, else the last row (code
 * "provider-refused"). Never NULL.
 */
const struct oauth_hint *oauth_explain(const char *error, uint32_t aadsts, const char *description);

/* Rows in order, for tests and documents; NULL past the end. */
const struct oauth_hint *oauth_hint_at(size_t i);

/* Is the outcome to be held as permanent? (HTTP status and error only: protocol rule.) */
bool oauth_is_permanent(long http_status, const char *error);

#endif
