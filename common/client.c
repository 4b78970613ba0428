/*
 * Everything here is one function of the deadline: whatever the other side does, mx_ask() is back by then.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/client.h"
#include "common/clock.h"
#include "common/row.h"

#define RETRY_FIRST_MS 10
#define RETRY_STEP_MAX_MS 200

enum outcome { DONE, AGAIN, TIMEOUT, FAILED };	/* AGAIN: worth another connection */

/* In English, whatever the locale: strerror() may open a catalogue, and a plugin opens nothing. */
static const char *cause(int sys)
{
	const char *s = NULL;

#ifdef HAVE_STRERRORDESC_NP
	s = strerrordesc_np(sys);
#endif
	return s != NULL ? s : strerror(sys);
}

static enum mx_class timeout(const struct mx_endpoint *ep, struct mx_err *e)
{
	return mx_fail_row(e, "daemon-timeout", "the token daemon at %s did not answer in time", ep->path);
}

/* Waits for events; false when the deadline has come. */
static bool wait_for(int fd, short events, uint64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		uint64_t now = mx_now_ms();
		int r;

		if (now >= deadline)
			return false;
		r = poll(&p, fd == -1 ? 0 : 1, deadline - now > 60000 ? 60000 : (int)(deadline - now));
		if (r > 0)
			return true;	/* POLLERR and POLLHUP show in the next call on fd */
	}
}

/* A descriptor that is none of a host's standard ones, close-on-exec and non-blocking. */
static int unix_socket(void)
{
	int fd, high;

#ifdef SOCK_CLOEXEC
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
#else
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd != -1 && (fcntl(fd, F_SETFD, FD_CLOEXEC) == -1 || fcntl(fd, F_SETFL, O_NONBLOCK) == -1)) {
		close(fd);
		return -1;
	}
#endif
	if (fd < 0 || fd > 2)
		return fd;
	high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	close(fd);
	return high;
}

static enum outcome dial(const struct mx_endpoint *ep, int *fdp, int *sys)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	socklen_t len = sizeof *sys;
	int fd;

	memcpy(sa.sun_path, ep->path, strlen(ep->path) + 1);
	if ((fd = unix_socket()) == -1) {
		*sys = errno;
		return FAILED;
	}
	*fdp = fd;
	if (connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0)
		return DONE;
	*sys = errno;
	if (*sys == EINPROGRESS || *sys == EINTR) {
		if (!wait_for(fd, POLLOUT, ep->deadline))
			return TIMEOUT;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, sys, &len) == -1)
			*sys = errno;
		if (*sys == 0)
			return DONE;
	}
	/* EAGAIN: on Linux a full backlog; the others: a daemon that is being restarted. */
	return *sys == ECONNREFUSED || *sys == ENOENT || *sys == EAGAIN || *sys == ECONNRESET ? AGAIN : FAILED;
}

static enum outcome put(int fd, const char *p, size_t n, uint64_t deadline, int *sys)
{
	while (n > 0) {
		ssize_t r = send(fd, p, n, MSG_NOSIGNAL);

		if (r >= 0) {
			p += r;
			n -= (size_t)r;
		} else if (errno == EAGAIN) {
			if (!wait_for(fd, POLLOUT, deadline))
				return TIMEOUT;
		} else if (errno != EINTR) {
			/* A daemon that refuses early (busy) has its answer on the way: go and read it. */
			*sys = errno;
			return *sys == EPIPE || *sys == ECONNRESET ? DONE : FAILED;
		}
	}
	return DONE;
}

static enum outcome get(int fd, const struct mx_endpoint *ep, char *buf, size_t cap, size_t *got, int *sys)
{
	*got = 0;
	if (!wait_for(fd, POLLIN, ep->deadline))	/* it is never there at once */
		return TIMEOUT;
	for (;;) {
		char spare;
		bool full = *got == cap;
		ssize_t r = recv(fd, full ? &spare : buf + *got, full ? 1 : cap - *got, 0);

		if (r > 0 && full) {
			*sys = EMSGSIZE;
			return FAILED;
		} else if (r > 0) {
			*got += (size_t)r;
			if (ep->one_line && buf[*got - 1] == '\n')
				return DONE;
		} else if (r == 0) {
			*sys = 0;
			return *got > 0 ? DONE : AGAIN;
		} else if (errno == EAGAIN) {
			if (!wait_for(fd, POLLIN, ep->deadline))
				return TIMEOUT;
		} else if (errno != EINTR) {
			/* A refusal before the request was read resets behind its complete line. */
			*sys = errno;
			return *got == 0 ? AGAIN : buf[*got - 1] == '\n' ? DONE : FAILED;
		}
	}
}

static enum mx_class explain(const struct mx_endpoint *ep, bool connected, int sys, struct mx_err *e)
{
	if (sys == EMSGSIZE)
		return mx_fail_row(e, "reply-too-long", "the answer on %s is longer than the protocol allows", ep->path);
	if (connected)
		return mx_fail_row(e, "daemon-no-answer", "the token daemon at %s closed the connection without an answer "
		    "(%s)", ep->path, sys == 0 ? "end of file" : cause(sys));
	if (sys == EACCES || sys == EPERM)
		return mx_fail_row(e, "socket-forbidden", "the token daemon's socket %s may not be used (%s)", ep->path,
		    cause(sys));
	return mx_fail_row(e, "socket-unreachable", "the token daemon's socket %s cannot be reached (%s)", ep->path,
	    cause(sys));
}

enum mx_class mx_ask(const struct mx_endpoint *ep, const void *req, size_t len, char *buf, size_t cap,
    size_t *got, struct mx_err *e)
{
	uint64_t start = mx_now_ms(), pause = RETRY_FIRST_MS, now;
	struct sockaddr_un sa;
	enum outcome o;
	int fd, sys;
	bool connected;

	*got = 0;
	if (strlen(ep->path) >= sizeof sa.sun_path)	/* never truncate */
		return mx_fail_row(e, "socket-path-too-long", "the path of the token daemon's socket is longer than %zu bytes", sizeof sa.sun_path - 1);
	for (;;) {
		fd = -1, sys = 0, connected = false;
		o = dial(ep, &fd, &sys);
		if (o == DONE) {
			connected = true;
			o = put(fd, req, len, ep->deadline, &sys);
		}
		if (connected && o == DONE)
			o = get(fd, ep, buf, cap, got, &sys);
		if (fd != -1)
			close(fd);
		if (o == DONE)
			return MX_OK;
		*got = 0;
		now = mx_now_ms();
		if (o == TIMEOUT || (o == AGAIN && now >= ep->deadline && connected))
			return timeout(ep, e);
		if (o == FAILED || now - start >= ep->retry_ms || now + pause >= ep->deadline)
			return explain(ep, connected, sys, e);
		(void)wait_for(-1, 0, now + pause);
		pause = pause * 2 > RETRY_STEP_MAX_MS ? RETRY_STEP_MAX_MS : pause * 2;
	}
}
