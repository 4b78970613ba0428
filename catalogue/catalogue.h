/*
 * The catalogue: every code that any part can say, with its class, what is behind it and what to do. Data, not code; the
 * daemon's texts, "mta-xoauth2 diagnose" and mta-xoauth2-errors(7) are made of it.
 *
 * Rows are in rows_*.c, those of plugin and client in common/row.c. A code has one row. Where one code has several causes
 * that can be told apart (Microsoft's numbers), refusal.h has them.
 */
#ifndef MX_CATALOGUE_H
#define MX_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/row.h"		/* struct cat_row */

#define CAT_CAUSE_MAX 200	/* bytes, placeholders included */
#define CAT_FIX_MAX 420

/* NULL: there is none. */
const struct cat_row *cat_find(const char *code);

/* Never NULL: a code without a row is a bug of ours, and gets one that says so. */
const struct cat_row *cat_get(const char *code);

/* All rows, in no order that means anything; NULL past the end. */
const struct cat_row *cat_at(size_t i);

/* The places of cat_row.where: its word, and what it means in a page; NULL past the end. */
struct cat_place { const char *name, *what; };
const struct cat_place *cat_place_at(size_t i);

struct cat_value { const char *name, *value; };	/* "client_id" */

/*
 * Appends text with the values of its placeholders:
 *	{client_id}	as it is, but for control bytes and the like, which become '?'
 *	{sh:client_id}	as one word of a POSIX shell
 *	{ps:client_id}	as one word of PowerShell
 *	{yaml:client_id}	as one scalar of YAML
 *	{in:relay}	within quotes that the text has: nothing but letters, digits and @._/:+,=-
 * Quotes are put where they are needed alone. A value that is not among the n, is NULL or empty, or cannot be one safe word,
 * leaves the placeholder's name in capitals: CLIENT_ID; {scope} becomes the one of Exchange Online's public cloud. Names:
 * cat_name_at(). false: it does not fit (out->bad).
 */
bool cat_fill(struct mx_buf *out, const char *text, const struct cat_value *v, size_t n);

/* The names that texts may have placeholders for; NULL past the end. */
const char *cat_name_at(size_t i);

#endif
