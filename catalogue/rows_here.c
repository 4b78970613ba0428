/*
 * What diagnose finds on this host. The rows of what else says it stand in the other tables.
 */
#include "config.h"

#include "catalogue/rows.h"

const struct cat_row cat_rows_here[] = {
	CAT_ROW("clock-wrong", MX_CONFIG, "here", "this host's clock is {skew} off the provider's",
	    "bring it right: timedatectl set-ntp true (chronyc tracking shows how far it is off)"),
};

const size_t cat_rows_here_n = sizeof cat_rows_here / sizeof cat_rows_here[0];
