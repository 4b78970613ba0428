#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/child.h"

bool child_become(const struct passwd *pw)
{
	return pw == NULL || pw->pw_uid == geteuid() || (initgroups(pw->pw_name, pw->pw_gid) == 0 &&
	    setgid(pw->pw_gid) == 0 && setuid(pw->pw_uid) == 0);
}

bool child_put(int fd, const void *p, size_t n)
{
	ssize_t done;

	for (const char *s = p; n > 0; n -= done > 0 ? (size_t)done : 0, s += done > 0 ? done : 0)
		if ((done = write(fd, s, n)) == 0 || (done == -1 && errno != EINTR))
			return false;
	return true;
}

bool child_take(int fd, void *p, size_t n)
{
	ssize_t done;

	for (char *s = p; n > 0; n -= done > 0 ? (size_t)done : 0, s += done > 0 ? done : 0)
		if ((done = read(fd, s, n)) == 0 || (done == -1 && errno != EINTR))
			return false;
	return true;
}

bool child_ask(void (*run)(int fd, void *arg), bool (*take)(int fd, void *arg), void *arg, int *status)
{
	int fd[2], st = -1, err;
	pid_t pid;
	bool ok;

	if (status != NULL)
		*status = -1;
	if (pipe2(fd, O_CLOEXEC) == -1)
		return false;
	(void)fflush(stdout);
	if ((pid = fork()) == 0) {
		(void)close(fd[0]);
		run(fd[1], arg);
		_exit(0);
	}
	err = errno;
	(void)close(fd[1]);
	ok = pid != -1 && take(fd[0], arg);
	(void)close(fd[0]);
	while (pid != -1 && waitpid(pid, &st, 0) == -1 && errno == EINTR)
		;
	if (status != NULL)
		*status = st;
	if (pid == -1)
		errno = err;
	return ok;
}
