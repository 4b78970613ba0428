/*
 * Folders whose content root acts upon. Whoever could put another folder in the place of one, or of one above it, could
 * have root write any file: so each belongs to root (or to who runs this), and nobody else may write to it.
 */
#ifndef MX_CTL_SETUP_TRUST_H
#define MX_CTL_SETUP_TRUST_H

#include <stdbool.h>

#define SU_WHY 768	/* bytes */

/*
 * BASE/NAME, looked at from / down. make: what is missing is made, NAME with mode 0700. *path: by which it may be used
 * from now on, without symbolic links; owned, NULL: no memory, or BASE has a loop. 0; ENOENT without make; else errno, and
 * why says it: what, and what to do.
 */
int su_trust(const char *base, const char *name, bool make, char **path, char why[SU_WHY]);

/*
 * OLD/NAME, of an earlier version, becomes NEW/NAME, unless that is there. It is root's, or nothing is done and why tells.
 * 0, also when there is none, or errno.
 */
int su_trust_adopt(const char *old, const char *new, const char *name, char why[SU_WHY]);

/* What postfix, exim (enable) and "setup exchange" keep: below --state (may be NULL), else in the folder for it. As su_trust(). */
int su_trust_kept(const char *state, const char *name, bool make, char **path, char why[SU_WHY]);

#endif
