/*
 * A refresh token that moves: out of another program's token file (JSON), into the daemon's store, and back. A provider
 * may give another one with each renewal, and then the old one is worthless: so what goes back is the newest, whatever
 * the file held.
 */
#ifndef MX_CTL_SETUP_GRANT_H
#define MX_CTL_SETUP_GRANT_H

#include "ctl/setup/job.h"

struct oauth_refresh_lock;

/* The value of "refresh_token" in a token file. Owned, to be wiped; NULL: there is none that could be one. */
char *su_grant_of(const struct su_file *token_file);

/*
 * What the token file of c (SU_TOKEN) has to be at the end, which is now "now". false: it cannot be made, which has
 * been said.
 */
bool su_grant_back(const struct su_change *c, const struct su_file *now, struct su_file *final);

void su_grant_tell(const struct su_set *set, const struct su_set *undo);	/* what so is not as it was */

/* In an undo that was kept earlier the token file's end is what the store holds now. false: as above. */
bool su_grant_renew(struct su_set *undo);

/*
 * Keeps the daemon from renewing while a token of set goes back; waits for a renewal that is under way. *l: NULL where
 * set has no token. An exit status.
 */
int su_grant_lock(const struct su_set *set, struct oauth_refresh_lock **l);
void su_grant_forget(const struct su_set *undo);	/* the locks of stores that are gone */

#endif
