/*
 * All links of the chain, in the order in which they are walked.
 */
#include "config.h"

#include "ctl/diagnose/here.h"
#include "ctl/diagnose/mta.h"

const struct dg_link dg_links[] = {
	{ "configuration", "configuration", DG_HERE, dg_configuration },
	{ "account", "account", DG_HERE, dg_account },
	{ "clock", "clock", DG_HERE, dg_clock },
	{ "mail-server", "mail server", DG_HERE, dg_mta },
	{ "daemon", "token daemon", DG_HERE, dg_daemon },
	{ "policy", "policy", DG_HERE, dg_policy },
	{ .id = NULL }
};
