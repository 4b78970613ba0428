/*
 * "Did you mean ...?": the nearest of some names by edit distance (insertion, deletion,
 * substitution, transposition of neighbours: Damerau's, in its optimal string alignment form),
 * without regard to case.
 */
#ifndef MX_SETTINGS_SUGGEST_H
#define MX_SETTINGS_SUGGEST_H

#include <stddef.h>

struct cf_near {
	const char *want;	/* what was written */
	size_t n;		/* its bytes */
	const char *best;	/* nearest so far, or NULL: none is near enough */
	unsigned distance;	/* only candidates below this count */
};

/* Near enough: at most 2, or a third of the length; less for very short words. */
void cf_near_begin(struct cf_near *q, const char *want, size_t n);
void cf_near_try(struct cf_near *q, const char *candidate);

/* "; did you mean \"NAME\"?" or "". Returns out. */
const char *cf_near_text(char *out, size_t cap, const struct cf_near *q);

#endif
