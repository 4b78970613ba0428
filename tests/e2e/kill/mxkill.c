/*
 * Loaded into a program by LD_PRELOAD: the MXKILL_AT-th call that changes a file system ends it with SIGKILL, before
 * anything is done. Each call adds a byte to the file MXKILL_COUNT, with MXKILL_AT 0 none ends.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static void step(void)
{
	static long n, at = -1;
	const char *s = getenv("MXKILL_AT"), *count = getenv("MXKILL_COUNT");
	int fd;

	if (at == -1)
		at = s != NULL ? atol(s) : 0;
	n++;
	if (count != NULL && (fd = open(count, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) != -1) {
		if (write(fd, "x", 1) != 1)
			abort();
		close(fd);
	}
	if (n == at)
		kill(getpid(), SIGKILL);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int rename(const char *from, const char *to)
{
	step();
	return REAL(rename)(from, to);
}

int unlink(const char *path)
{
	step();
	return REAL(unlink)(path);
}

int unlinkat(int dir, const char *path, int flags)
{
	step();
	return REAL(unlinkat)(dir, path, flags);
}

int rmdir(const char *path)
{
	step();
	return REAL(rmdir)(path);
}

int mkdir(const char *path, mode_t mode)
{
	step();
	return REAL(mkdir)(path, mode);
}

int fsync(int fd)
{
	step();
	return REAL(fsync)(fd);
}

int fchmod(int fd, mode_t mode)
{
	step();
	return REAL(fchmod)(fd, mode);
}

int chmod(const char *path, mode_t mode)
{
	step();
	return REAL(chmod)(path, mode);
}
