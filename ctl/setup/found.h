/*
 * What was looked at, one line each: a mark, a key, a sentence.
 */
#ifndef MX_CTL_SETUP_FOUND_H
#define MX_CTL_SETUP_FOUND_H

#include <stdbool.h>
#include <stddef.h>

enum su_mark {
	SU_GOOD,	/* as it should be, or worth knowing */
	SU_ODD,		/* works, but somebody should look at it */
	SU_WRONG	/* nothing is set up while this is so */
};

struct su_found {
	struct su_finding { enum su_mark mark; const char *key; char *text; } *f;
	size_t n, cap;
	enum su_mark worst;
	bool no_memory;
};

/* key: a literal. */
void su_find(struct su_found *all, enum su_mark mark, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void su_found_show(const struct su_found *all, enum su_mark from);	/* those at least so bad, on standard output */
void su_found_json(const struct su_found *all, const char *what, const char *where);
void su_found_free(struct su_found *all);

#endif
