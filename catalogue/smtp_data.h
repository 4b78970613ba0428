/*
 * The rows behind smtp.h. Private to catalogue/smtp.c.
 */
#ifndef MX_CATALOGUE_SMTP_DATA_H
#define MX_CATALOGUE_SMTP_DATA_H

#include <stddef.h>

#include "catalogue/smtp.h"

/* The first that fits counts: what is narrower stands before what is wider; last the catch-alls. */
extern const struct cat_smtp cat_smtp_rows[];
extern const size_t cat_smtp_rows_n;

extern const struct cat_check cat_checks[];
extern const size_t cat_checks_n;

#endif
