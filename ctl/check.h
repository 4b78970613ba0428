/*
 * What is wrong with a configuration, shown.
 */
#ifndef MX_CTL_CHECK_H
#define MX_CTL_CHECK_H

#include "settings/conf.h"

/* One line each on standard error. */
void check_complain(const struct conf_report *r);

#endif
