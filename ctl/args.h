/*
 * The command line, judged by the table of verbs. Global options may stand before and after the
 * verb.
 */
#ifndef MX_CTL_ARGS_H
#define MX_CTL_ARGS_H

#include "ctl/verb.h"

/* CTL_FINE: *c is filled; strings are argv's. CTL_USAGE: what is wrong has been said. */
int args_parse(int argc, char **argv, struct call *c);

#define ARGS_TIMEOUT_MIN_S 1
#define ARGS_TIMEOUT_MAX_S 600
#define ARGS_BAD_TIMEOUT "%s is \"%s\", which is not a number of seconds from 1 to 600"

#endif
