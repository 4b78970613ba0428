/*
 * Labels of Prometheus's text format.
 */
#ifndef MX_TOKEND_LABEL_H
#define MX_TOKEND_LABEL_H

#include "common/buf.h"

/* Appends KEY="VALUE", in VALUE backslash, double quote and line feed escaped. */
void label_add(struct mx_buf *b, const char *key, const char *value);

#endif
