/*
 * The two halves of the sandbox. Private to tokend/sandbox*.c. Both return NULL when they are in force, else
 * why they are not: a string that stays.
 */
#ifndef MX_TOKEND_SANDBOX_PRIVATE_H
#define MX_TOKEND_SANDBOX_PRIVATE_H

#include <stdbool.h>

#include "settings/conf.h"

const char *sandbox_files(const struct conf *c);	/* Landlock */
const char *sandbox_calls(void);			/* seccomp */

/*
 * The folders that files of c are written to, each handed to fn once in a row: that of each refresh token, and
 * of the metrics. what: the key that names the file. fn returns false to end the walk. false: it was ended so,
 * or there is no memory.
 */
typedef bool sandbox_folder_fn(void *arg, const char *folder, const char *what);
bool sandbox_folders(const struct conf *c, sandbox_folder_fn *fn, void *arg);

bool sandbox_covers(const char *folder);	/* is it, or a folder above it, one that files may be written in? */

#endif
