/*
 * The rows behind explain.h. Private to oauth/explain.c.
 */
#ifndef MX_OAUTH_EXPLAIN_DATA_H
#define MX_OAUTH_EXPLAIN_DATA_H

#include <stddef.h>

#include "oauth/explain.h"

/* AADSTS rows, then "error" rows, last the catch-all. */
extern const struct oauth_hint oauth_hints[];
extern const size_t oauth_hints_n;

#endif
