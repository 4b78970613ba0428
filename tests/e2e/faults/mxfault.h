/*
 * Calls to the system that do less than they were asked for, or nothing: what can be had of a kernel on a bad day. Loaded
 * by LD_PRELOAD with MXFAULT_FILE, a file of one struct mxfault that the test maps too; or linked into a test
 * program (with -rdynamic, so that what it loads gets these calls), which sets mxfault itself.
 */
#ifndef MX_TESTS_MXFAULT_H
#define MX_TESTS_MXFAULT_H

#include <stdint.h>

enum {
	MXFAULT_SHORT = 1,	/* reading and writing streams and files: one byte, or half of it */
	MXFAULT_EINTR = 2,	/* whatever may wait */
	MXFAULT_EMFILE = 4,	/* whatever makes a descriptor */
	MXFAULT_ENOSPC = 8	/* whatever changes a file */
};

struct mxfault {
	uint32_t kinds;		/* of MXFAULT_...; 0: nothing happens */
	uint32_t at;		/* the n-th call that one of them fits, from 1; 0: see per_mille */
	uint32_t per_mille;	/* of those calls, at random */
	uint32_t seed;
	uint32_t seen;		/* calls that fitted, since the test set this to 0 */
	uint32_t struck;	/* of these, how many it hit */
};

extern struct mxfault *mxfault;

#endif
