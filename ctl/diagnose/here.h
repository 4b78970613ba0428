/*
 * The links on this host.
 */
#ifndef MX_CTL_DIAGNOSE_HERE_H
#define MX_CTL_DIAGNOSE_HERE_H

#include "ctl/diagnose/walk.h"

void dg_configuration(struct dg_walk *w);	/* here_conf.c */
void dg_account(struct dg_walk *w);
void dg_clock(struct dg_walk *w);
void dg_files(struct dg_walk *w);		/* here_files.c */
/* The "credential:NAME" of a credential that systemd hands to the daemon's unit alone, so that it cannot be seen from here; or NULL. */
const char *dg_file_of_unit(const struct oauth_credential *k);
void dg_confined(struct dg_walk *w);		/* here_confined.c */
void dg_daemon(struct dg_walk *w);		/* here_daemon.c */
void dg_policy(struct dg_walk *w);

#endif
