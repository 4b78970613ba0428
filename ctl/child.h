/*
 * A child that does something as somebody else, and tells what came of it over a pipe.
 */
#ifndef MX_CTL_CHILD_H
#define MX_CTL_CHILD_H

#include <pwd.h>
#include <stdbool.h>
#include <stddef.h>

/* For good, with this user's groups; NULL, or who one is already: nothing is done. false: errno says why. */
bool child_become(const struct passwd *pw);

/* All n bytes; false: the other end is gone, or says less. */
bool child_put(int fd, const void *p, size_t n);
bool child_take(int fd, void *p, size_t n);

/*
 * Runs run(fd, arg) in a child, which ends with status 0 when that returns; nothing of the parent's is flushed or run at its
 * exit. take(fd, arg) reads what is written there. Waits for the child; *status (may be NULL): of waitpid(2), -1 if there was none.
 * Returns what take does; false too if there is no child, errno then says why.
 */
bool child_ask(void (*run)(int fd, void *arg), bool (*take)(int fd, void *arg), void *arg, int *status);

#endif
