#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "mxfault.h"

/* Seen by the libraries, in spite of -fvisibility=hidden. */
#define SEEN __attribute__((visibility("default")))
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

struct mxfault *mxfault;

static __attribute__((constructor)) void attach(void)
{
	const char *name = getenv("MXFAULT_FILE");
	void *p;
	int fd;

	if (name == NULL || (fd = REAL(open)(name, O_RDWR | O_CLOEXEC)) == -1)
		return;
	p = mmap(NULL, sizeof *mxfault, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		abort();
	mxfault = p;
	close(fd);
}

/* Which of the kinds that fit this call strikes it now; 0: none. */
static uint32_t strikes(uint32_t fit)
{
	uint32_t n, x;

	if (mxfault == NULL || (fit &= __atomic_load_n(&mxfault->kinds, __ATOMIC_SEQ_CST)) == 0)
		return 0;
	n = __atomic_add_fetch(&mxfault->seen, 1, __ATOMIC_SEQ_CST);
	x = (n + mxfault->seed) * 2654435761u;		/* the same every time, for a seed */
	x ^= x >> 15;
	x *= 2246822519u;
	x ^= x >> 13;
	if (mxfault->at != 0 ? n != mxfault->at : x % 1000 >= mxfault->per_mille)
		return 0;
	__atomic_add_fetch(&mxfault->struck, 1, __ATOMIC_SEQ_CST);
	if ((fit & (fit - 1)) != 0)			/* several: one of them */
		do {
			x = x * 1664525u + 1013904223u;
			n = 1u << (x >> 30);
		} while ((n & fit) == 0);
	else
		n = fit;
	return n;
}

static bool fails(uint32_t fit)
{
	uint32_t how = strikes(fit);

	if (how == 0)
		return false;
	errno = how == MXFAULT_EINTR ? EINTR : how == MXFAULT_EMFILE ? EMFILE : ENOSPC;
	return true;
}

static bool is_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* A packet is never cut by a kernel, and an eventfd wants its eight bytes. */
static bool may_be_cut(int fd)
{
	int type = 0;
	socklen_t len = sizeof type;
	struct stat st;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0)
		return type == SOCK_STREAM;
	return fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode));
}

/* What an I/O call may do: true when it fails; else *n may be less. */
static bool io(int fd, size_t *n, bool writes)
{
	uint32_t fit = MXFAULT_EINTR, how;

	if (mxfault == NULL || mxfault->kinds == 0)
		return false;
	if (writes && *n == 1)		/* what wakes a loop, also from a signal's handler: there is always room for it, and */
		fit = 0;		/* nobody can try again there */
	if (*n > 1 && may_be_cut(fd))
		fit |= MXFAULT_SHORT;
	if (writes && is_file(fd))
		fit |= MXFAULT_ENOSPC;
	how = strikes(fit);
	if (how == MXFAULT_SHORT)
		*n = mxfault->seen % 2 == 0 ? 1 : (*n + 1) / 2;
	if (how == 0 || how == MXFAULT_SHORT)
		return false;
	errno = how == MXFAULT_EINTR ? EINTR : ENOSPC;
	return true;
}

SEEN ssize_t read(int fd, void *p, size_t n)
{
	return io(fd, &n, false) ? -1 : REAL(read)(fd, p, n);
}

SEEN ssize_t write(int fd, const void *p, size_t n)
{
	return io(fd, &n, true) ? -1 : REAL(write)(fd, p, n);
}

SEEN ssize_t pread(int fd, void *p, size_t n, off_t at)
{
	return io(fd, &n, false) ? -1 : REAL(pread)(fd, p, n, at);
}

SEEN ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	return io(fd, &n, true) ? -1 : REAL(pwrite)(fd, p, n, at);
}

SEEN ssize_t recv(int fd, void *p, size_t n, int flags)
{
	return io(fd, &n, false) ? -1 : REAL(recv)(fd, p, n, flags);
}

SEEN ssize_t send(int fd, const void *p, size_t n, int flags)
{
	return io(fd, &n, true) ? -1 : REAL(send)(fd, p, n, flags);
}

SEEN ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
	return fails(MXFAULT_EINTR) ? -1 : REAL(recvmsg)(fd, m, flags);
}

SEEN ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	return fails(MXFAULT_EINTR) ? -1 : REAL(sendmsg)(fd, m, flags);
}

/* A vector is cut behind its first part. */
SEEN ssize_t readv(int fd, const struct iovec *v, int n)
{
	size_t all = 2;

	if (io(fd, &all, false))
		return -1;
	return REAL(readv)(fd, v, all < 2 && n > 1 ? 1 : n);
}

SEEN ssize_t writev(int fd, const struct iovec *v, int n)
{
	size_t all = 2;

	if (io(fd, &all, true))
		return -1;
	return REAL(writev)(fd, v, all < 2 && n > 1 ? 1 : n);
}

SEEN int accept(int fd, struct sockaddr *sa, socklen_t *len)
{
	return fails(MXFAULT_EINTR | MXFAULT_EMFILE) ? -1 : REAL(accept)(fd, sa, len);
}

SEEN int accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
	return fails(MXFAULT_EINTR | MXFAULT_EMFILE) ? -1 : REAL(accept4)(fd, sa, len, flags);
}

SEEN int socket(int domain, int type, int protocol)
{
	return fails(MXFAULT_EMFILE) ? -1 : REAL(socket)(domain, type, protocol);
}

SEEN int socketpair(int domain, int type, int protocol, int fd[2])
{
	return fails(MXFAULT_EMFILE) ? -1 : REAL(socketpair)(domain, type, protocol, fd);
}

SEEN int pipe(int fd[2])
{
	return fails(MXFAULT_EMFILE) ? -1 : REAL(pipe)(fd);
}

SEEN int memfd_create(const char *name, unsigned flags)
{
	return fails(MXFAULT_EMFILE) ? -1 : REAL(memfd_create)(name, flags);
}

SEEN FILE *fopen(const char *path, const char *mode)
{
	return fails(MXFAULT_EMFILE) ? NULL : REAL(fopen)(path, mode);
}

SEEN int pipe2(int fd[2], int flags)
{
	return fails(MXFAULT_EMFILE) ? -1 : REAL(pipe2)(fd, flags);
}

SEEN int poll(struct pollfd *p, nfds_t n, int ms)
{
	return fails(MXFAULT_EINTR) ? -1 : REAL(poll)(p, n, ms);
}

SEEN int epoll_wait(int fd, struct epoll_event *e, int n, int ms)
{
	return fails(MXFAULT_EINTR) ? -1 : REAL(epoll_wait)(fd, e, n, ms);
}

static mode_t mode_of(int flags, va_list ap)
{
	return (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(ap, mode_t) : 0;
}

static uint32_t opening(int flags)
{
	return MXFAULT_EMFILE | ((flags & O_CREAT) != 0 ? (uint32_t)MXFAULT_ENOSPC : 0);
}

#define OPEN(name) \
SEEN int name(const char *path, int flags, ...) \
{ \
	va_list ap; \
	mode_t mode; \
 \
	va_start(ap, flags); \
	mode = mode_of(flags, ap); \
	va_end(ap); \
	return fails(opening(flags)) ? -1 : REAL(name)(path, flags, mode); \
}

#define OPENAT(name) \
SEEN int name(int at, const char *path, int flags, ...) \
{ \
	va_list ap; \
	mode_t mode; \
 \
	va_start(ap, flags); \
	mode = mode_of(flags, ap); \
	va_end(ap); \
	return fails(opening(flags)) ? -1 : REAL(name)(at, path, flags, mode); \
}

OPEN(open)
OPENAT(openat)
#ifndef open64
OPEN(open64)
OPENAT(openat64)
#endif

SEEN int fsync(int fd)
{
	return fails(MXFAULT_ENOSPC | MXFAULT_EINTR) ? -1 : REAL(fsync)(fd);
}

SEEN int ftruncate(int fd, off_t n)
{
	return fails(MXFAULT_ENOSPC | MXFAULT_EINTR) ? -1 : REAL(ftruncate)(fd, n);
}

SEEN int posix_fallocate(int fd, off_t at, off_t n)
{
	return fails(MXFAULT_ENOSPC | MXFAULT_EINTR) ? errno : REAL(posix_fallocate)(fd, at, n);
}

SEEN int renameat(int from, const char *a, int to, const char *b)
{
	return fails(MXFAULT_ENOSPC) ? -1 : REAL(renameat)(from, a, to, b);
}
