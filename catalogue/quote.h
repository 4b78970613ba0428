/*
 * Values for what is pasted: one word of a POSIX shell, of PowerShell, one scalar of YAML. Quotes are put where they are
 * needed. s has no control bytes: the caller has looked. What does not fit sets b->bad.
 */
#ifndef MX_CATALOGUE_QUOTE_H
#define MX_CATALOGUE_QUOTE_H

#include <stdbool.h>

#include "common/buf.h"

bool cat_quote_needs_none(const char *s);		/* it is a word as it is, for a shell and within its quotes */
void cat_quote_sh(struct mx_buf *b, const char *s);
void cat_quote_ps(struct mx_buf *b, const char *s, bool always);
void cat_quote_yaml(struct mx_buf *b, const char *s);

#endif
