/*
 * A row of the catalogue: what a code means and what to do about it. The catalogue itself is catalogue/; here are the rows
 * of what plugin and client say, since the plugin links nothing but common/.
 */
#ifndef MX_COMMON_ROW_H
#define MX_COMMON_ROW_H

#include <stddef.h>

#include "common/status.h"

struct cat_row {
	const char *code;	/* stable, lower-case */
	enum mx_class cls;
	const char *where;	/* which part says it: one of cat_places() in catalogue/catalogue.h */
	const char *cause;	/* sentence without full stop */
	const char *fix;	/* imperative sentence without full stop; may have placeholders (catalogue/catalogue.h) */
	enum mx_class also;	/* the other class that it may have; MX_OK: none */
};

#define CAT_ROW(code_, cls_, where_, cause_, fix_) { code_, cls_, where_, cause_, fix_, MX_OK }
#define CAT_ROW2(code_, cls_, also_, where_, cause_, fix_) { code_, cls_, where_, cause_, fix_, also_ }

/* What common/ and plugin/ say; no placeholders. */
extern const struct cat_row mx_rows[];
extern const size_t mx_rows_n;

/*
 * mx_fail() with the class of that row, and "; " and its fix behind the text: subject and cause are the caller's. A code
 * without a row is a bug: class temp, and no fix.
 */
enum mx_class mx_fail_row(struct mx_err *e, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
