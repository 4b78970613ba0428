/*
 * A plugin of somebody else's that is set aside while ours does its work, and put back.
 */
#ifndef MX_CTL_SETUP_ASIDE_H
#define MX_CTL_SETUP_ASIDE_H

#include "ctl/setup/state.h"

/*
 * dpkg is told what has become of its plugins: while one is set aside, an update of its package must not bring it back.
 * Where dpkg does not know the file there is nothing to tell.
 */
void su_divert(const struct su_set *set);

#endif
