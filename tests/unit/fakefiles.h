/*
 * The calls to the system that change files, counted: one of them fails, does half of it, or is the last one of its
 * process. Linked with --wrap (Makefile.am).
 */
#ifndef MX_TESTS_FAKEFILES_H
#define MX_TESTS_FAKEFILES_H

#include <stdbool.h>

enum call { OPENAT, UNLINKAT, FALLOCATE, PWRITE, FTRUNCATE, FCHOWN, FSYNC, RENAMEAT, CALLS };
struct fakefiles {
	enum call call;		/* CALLS: whichever */
	unsigned nth;		/* of these, from 1; 0: none */
	int err;		/* it fails with this; 0: it is done, and kills */
	bool ahead;		/* killed before it is done */
	bool shortened;		/* pwrite: half of it only, and no failure */
};
extern struct fakefiles fakefiles;
extern unsigned fakefiles_seen;	/* calls so far */

void fakefiles_calm(void);	/* nothing happens from here on */

#endif
