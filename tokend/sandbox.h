/*
 * What the daemon takes away from itself once it has started, so that whoever breaks into it gets little:
 * privileges, writing to files, system calls that it never makes. Each part is there or not by itself, and
 * nothing fails without it.
 */
#ifndef MX_TOKEND_SANDBOX_H
#define MX_TOKEND_SANDBOX_H

#include <stdbool.h>

#include "settings/conf.h"

#define SANDBOX_PARTS 4

enum sandbox_part {
	SANDBOX_CAPABILITIES,		/* it has none */
	SANDBOX_NO_NEW_PRIVILEGES,
	SANDBOX_LANDLOCK,
	SANDBOX_SECCOMP
};

/*
 * As the user that the daemon stays, before there is any thread, with sockets and kept tokens opened. wanted:
 * false by --no-sandbox, when privileges alone are taken. Logs what is in force, and why something is not.
 */
void sandbox_enter(const struct conf *c, bool wanted);

bool sandbox_has(enum sandbox_part part);
const char *sandbox_part_name(enum sandbox_part part);

/* At a reload: warns of files that c has the daemon write in folders that the sandbox does not know. */
void sandbox_review(const struct conf *c);

#endif
