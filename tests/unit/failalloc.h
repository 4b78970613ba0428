/*
 * Every allocation of the process, libraries' included, can be made to fail: the n-th after arming, or all from
 * the n-th on; or only those that the program itself makes, where a library is known not to survive it. Needs the GNU C library, and is not for sanitized builds, which have an allocator of their own.
 */
#ifndef MX_TESTS_FAILALLOC_H
#define MX_TESTS_FAILALLOC_H

#include <stdbool.h>

#if defined(__GLIBC__) && !defined(MX_SANITIZED)
#define HAVE_FAILALLOC 1
#endif

extern bool failalloc_ours_only;	/* false at first */
void failalloc_arm(unsigned long n, bool all_from_there);	/* n from 1 */
/* Returns whether an allocation has failed since it was armed. */
bool failalloc_disarm(void);

/*
 * Runs it with the n-th allocation failing, for every n, once alone and once with all behind it, until one run
 * meets no failure; afterwards (may be NULL) after each. Returns how many places there were; FAILALLOC_PLACES_MAX: there is no end to them.
 */
#define FAILALLOC_PLACES_MAX 20000
unsigned long failalloc_everywhere(void (*it)(void *arg), void (*afterwards)(void *arg), void *arg);

#endif
