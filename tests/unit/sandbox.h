/*
 * A process in which nothing but the system calls of the plugin's README is left. For tests only.
 */
#ifndef MX_TESTS_SANDBOX_H
#define MX_TESTS_SANDBOX_H

#include <stdbool.h>

/* For good. false: this kernel or this build (sanitizers and valgrind have calls of their own) has no such thing. */
bool sandbox_enter(void);
/* The last call that was denied (with EPERM); 0: none was. */
long sandbox_denied(void);

#endif
