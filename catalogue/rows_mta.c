/*
 * What diagnose finds in the mail server's settings on this host.
 */
#include "config.h"

#include "catalogue/rows.h"

const struct cat_row cat_rows_mta[] = {
	CAT_ROW("mta-not-set-up", MX_CONFIG, "mta", "{mta} is not set up to send this account's mail",
	    "mta-xoauth2 {mta} enable --relayhost \"[{relay}]:587\" --account {sh:account}"),
};

const size_t cat_rows_mta_n = sizeof cat_rows_mta / sizeof cat_rows_mta[0];
