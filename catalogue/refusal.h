/*
 * What an identity provider says -> code, cause, next step. HTTP status and "error" decide the class; the AADSTS number only picks
 * a better hint.
 */
#ifndef MX_CATALOGUE_REFUSAL_H
#define MX_CATALOGUE_REFUSAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cat_refusal {
	uint32_t aadsts;	/* 0: the row is for the "error" string alone */
	const char *error;	/* RFC 6749 "error"; NULL in AADSTS rows: any */
	const char *said;	/* beside it: how the description begins or goes on; NULL: any */
	const char *code;	/* "client-secret-rejected": of its row in the catalogue */
	const char *cause;	/* as in struct cat_row */
	const char *fix;
};

/*
 * Best row: by number, else by error string and what the description (NULL: none) says, else the last row (code
 * "provider-refused"). No member but error and said is NULL.
 */
struct cat_refusal cat_refusal_find(const char *error, uint32_t aadsts, const char *description);

/* Rows in order, for tests and pages. false: past the end. */
bool cat_refusal_at(size_t i, struct cat_refusal *r);

#endif
