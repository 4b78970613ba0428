/*
 * Help, made from the table of verbs.
 */
#ifndef MX_CTL_HELP_H
#define MX_CTL_HELP_H

struct verb;

/* On standard output: of the verb, or of the whole tool when it is NULL. */
void help_print(const struct verb *v);

#endif
