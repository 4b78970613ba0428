/*
 * Denials of AppArmor and SELinux, as the kernel and auditd write them.
 */
#ifndef MX_CTL_DIAGNOSE_HERE_CONFINED_H
#define MX_CTL_DIAGNOSE_HERE_CONFINED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dg_denial {
	bool selinux;		/* else AppArmor */
	char profile[128];	/* AppArmor's, or the domain of SELinux */
	uint64_t when;		/* seconds since the epoch; 0: the line does not say */
};

/*
 * Does the line (n bytes) tell of a denial that has to do with one of the words (NULL behind the last): a path, or a
 * program's name?
 */
bool dg_denied(const char *line, size_t n, const char *const words[], struct dg_denial *d);

#endif
