/*
 * Blocks of ours in a file of others: from a line "# mta-xoauth2: ..." to "# mta-xoauth2: end". What an administrator
 * has set in there goes with it.
 */
#ifndef MX_CTL_SETUP_BLOCK_H
#define MX_CTL_SETUP_BLOCK_H

#include "ctl/setup/state.h"

/* now with the blocks of c as they were made. *p: owned, NULL when nothing in there was edited. false: no memory. */
bool su_block_made(const struct su_change *c, const struct su_file *now, char **p);

/* The lines of others that go with our blocks. */
void su_block_tell(const struct su_set *set, const struct su_set *undo);

#endif
