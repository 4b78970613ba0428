/*
 * What mail servers answer: told apart by step, reply, enhanced code and words.
 */
#ifndef MX_CATALOGUE_SMTP_H
#define MX_CATALOGUE_SMTP_H

#include <stddef.h>

enum cat_step { CAT_CONNECT, CAT_EHLO, CAT_STARTTLS, CAT_AUTH, CAT_MAIL, CAT_RCPT, CAT_DATA, CAT_END };

struct cat_smtp {
	unsigned steps;		/* 1 << step, each that it may come at */
	const char *reply;	/* three digits, 'x' for any: "535", "4xx" */
	const char *enhanced;	/* "5.7.3", a list of such with blanks between; NULL: any, or none */
	/* what the text has, in lower case and with single blanks; "|" between alternatives; NULL: anything */
	const char *words;
	const char *code;	/* of its row */
};

/*
 * The best row, the catch-all of that step and class at last; never NULL. text: what stands behind the number or with it,
 * all lines (their "535-5.7.8 " may be there or not, line ends too); for a challenge (334) what it says, decoded or in base64.
 */
const struct cat_smtp *cat_smtp(enum cat_step step, unsigned reply, const char *text);

/* Rows in order, for tests and pages; NULL past the end. */
const struct cat_smtp *cat_smtp_at(size_t i);

/*
 * Why Exchange Online says 535 5.7.3 and no more: what to look at, in this order, and the row that says what to do.
 */
struct cat_check { const char *what, *code; };
const struct cat_check *cat_check_at(size_t i);	/* NULL past the end */

#endif
