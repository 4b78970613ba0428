/*
 * The rows behind refusal.h. Private to catalogue/refusal.c.
 */
#ifndef MX_CATALOGUE_REFUSAL_DATA_H
#define MX_CATALOGUE_REFUSAL_DATA_H

#include <stddef.h>

#include "catalogue/refusal.h"

/* AADSTS rows, then "error" rows, last the catch-all. cause and fix may be NULL: what the code's row says. */
extern const struct cat_refusal cat_refusals[];
extern const size_t cat_refusals_n;

#endif
