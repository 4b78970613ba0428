#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "failalloc.h"

bool failalloc_ours_only;

#ifdef HAVE_FAILALLOC

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

static unsigned long left;		/* 0: not armed */
static bool sticky, failed;

extern const char __executable_start, etext;

static bool fails(const void *caller)
{
	if (left == 0 || (failalloc_ours_only &&
	    ((const char *)caller < &__executable_start || (const char *)caller >= &etext)) || --left > 0)
		return false;
	left = sticky ? 1 : 0;
	failed = true;
	errno = ENOMEM;
	return true;
}

/* Seen by the libraries too, in spite of -fvisibility=hidden. */
#define SEEN __attribute__((visibility("default")))

SEEN void *malloc(size_t n)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(n);
}

SEEN void *calloc(size_t n, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

SEEN void *realloc(void *p, size_t n)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(p, n);
}

void failalloc_arm(unsigned long n, bool all_from_there)
{
	sticky = all_from_there;
	failed = false;
	left = n;
}

bool failalloc_disarm(void)
{
	left = 0;
	return failed;
}

#else

void failalloc_arm(unsigned long n, bool all_from_there)
{
	(void)n, (void)all_from_there;
}

bool failalloc_disarm(void)
{
	return false;
}

#endif

unsigned long failalloc_everywhere(void (*it)(void *arg), void (*afterwards)(void *arg), void *arg)
{
	unsigned long n = 0;
	bool met = true;
	int all;

	for (all = 0; all < 2; all++) {
		for (n = 1, met = true; met; n++) {
			if (n >= FAILALLOC_PLACES_MAX)
				return n;
			failalloc_arm(n, all);
			it(arg);
			met = failalloc_disarm();
			if (afterwards != NULL)
				afterwards(arg);
		}
	}
	return n - 2;
}
