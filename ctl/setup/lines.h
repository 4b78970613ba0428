/*
 * Text files by their lines: what differs, shown as a diff; and one change taken back while another
 * one, made later, is kept.
 */
#ifndef MX_CTL_SETUP_LINES_H
#define MX_CTL_SETUP_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct su_text { const char *p; size_t n; };	/* any bytes */

/* Lines a..a+an of one text stand as b..b+bn in the other. */
struct su_hunk { size_t a, an, b, bn; };

struct su_diff {
	struct su_hunk *h;	/* in order, with equal lines between them */
	size_t n;
};

/* false: no memory. d->h is the caller's to free. */
bool su_diff(const struct su_text *from, const struct su_text *to, struct su_diff *d);

/*
 * As "diff -u" would, with three lines around. mask: what stands behind the first colon of a value is a password
 * and is shown as "***". false: no memory.
 */
bool su_diff_show(FILE *f, const char *path, const struct su_text *from, const struct su_text *to, bool mask);

enum su_merge { SU_MERGED, SU_CONFLICT, SU_NO_MEMORY };

/*
 * base has become theirs; out is theirs with the change from base to mine made too (owned, NUL behind it).
 * SU_CONFLICT: both touch the same lines; *at and *n are those of theirs, counted from 0.
 */
enum su_merge su_merge(const struct su_text *base, const struct su_text *mine, const struct su_text *theirs,
    char **out, size_t *len, size_t *at, size_t *n);

#endif
