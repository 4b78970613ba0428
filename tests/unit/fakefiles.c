#include "config.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/types.h>

#include "fakefiles.h"

struct fakefiles fakefiles;
unsigned fakefiles_seen;

/* Has the moment come? May not return. */
static bool strikes(enum call call)
{
	if (fakefiles.nth == 0 || (fakefiles.call != CALLS && fakefiles.call != call) || ++fakefiles_seen != fakefiles.nth)
		return false;
	if (fakefiles.err == 0 && fakefiles.ahead)
		(void)raise(SIGKILL);
	return true;
}

static long after(bool struck, long r)
{
	if (struck && fakefiles.err == 0 && !fakefiles.shortened)
		(void)raise(SIGKILL);
	return r;
}

#define FAILS(call) \
	const bool struck = strikes(call); \
	if (struck && fakefiles.err != 0) { \
		errno = fakefiles.err; \
		return -1; \
	}

int __real_openat(int at, const char *name, int flags, ...);
int __real_unlinkat(int at, const char *name, int flags);
int __real_posix_fallocate(int fd, off_t at, off_t n);
ssize_t __real_pwrite(int fd, const void *p, size_t n, off_t at);
int __real_ftruncate(int fd, off_t n);
int __real_fchown(int fd, uid_t u, gid_t g);
int __real_fsync(int fd);
int __real_renameat(int from, const char *a, int to, const char *b);
int __wrap_openat(int at, const char *name, int flags, ...);
int __wrap_unlinkat(int at, const char *name, int flags);
int __wrap_posix_fallocate(int fd, off_t at, off_t n);
ssize_t __wrap_pwrite(int fd, const void *p, size_t n, off_t at);
int __wrap_ftruncate(int fd, off_t n);
int __wrap_fchown(int fd, uid_t u, gid_t g);
int __wrap_fsync(int fd);
int __wrap_renameat(int from, const char *a, int to, const char *b);

int __wrap_openat(int at, const char *name, int flags, ...)
{
	FAILS(OPENAT)
	return (int)after(struck, __real_openat(at, name, flags, 0600));
}

int __wrap_unlinkat(int at, const char *name, int flags)
{
	FAILS(UNLINKAT)
	return (int)after(struck, __real_unlinkat(at, name, flags));
}

int __wrap_posix_fallocate(int fd, off_t at, off_t n)
{
	const bool struck = strikes(FALLOCATE);

	if (struck && fakefiles.err != 0)
		return fakefiles.err;
	return (int)after(struck, __real_posix_fallocate(fd, at, n));
}

ssize_t __wrap_pwrite(int fd, const void *p, size_t n, off_t at)
{
	FAILS(PWRITE)
	return after(struck, __real_pwrite(fd, p, struck && fakefiles.shortened ? (n + 1) / 2 : n, at));
}

int __wrap_ftruncate(int fd, off_t n)
{
	FAILS(FTRUNCATE)
	return (int)after(struck, __real_ftruncate(fd, n));
}

int __wrap_fchown(int fd, uid_t u, gid_t g)
{
	FAILS(FCHOWN)
	return (int)after(struck, __real_fchown(fd, u, g));
}

int __wrap_fsync(int fd)
{
	FAILS(FSYNC)
	return (int)after(struck, __real_fsync(fd));
}

int __wrap_renameat(int from, const char *a, int to, const char *b)
{
	FAILS(RENAMEAT)
	return (int)after(struck, __real_renameat(from, a, to, b));
}

void fakefiles_calm(void)
{
	memset(&fakefiles, 0, sizeof fakefiles);
	fakefiles_seen = 0;
}
