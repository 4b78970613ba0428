#include "config.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base64.h"
#include "tests/unit/fakedaemon.h"

static void check(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "fakedaemon: %s: %s\n", what, strerror(errno));
	_exit(99);
}

static void pause_for(unsigned ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	while (nanosleep(&ts, &ts) == -1 && errno == EINTR)
		;
}

/* connected: bound and listening; else only bound, so that connecting is refused. */
static int make_socket(const char *path, bool listening, int backlog)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	check(fd != -1, "socket");
	snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
	check(bind(fd, (struct sockaddr *)&sa, sizeof sa) == 0, "bind");
	check(chmod(path, 0666) == 0, "chmod");
	if (listening)
		check(listen(fd, backlog) == 0, "listen");
	return fd;
}

static bool has_low_fd(int fd)
{
	struct ucred who;
	socklen_t len = sizeof who;
	char name[64];
	struct stat st;
	int i;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == -1)
		return true;
	for (i = 0; i < 3; i++) {
		snprintf(name, sizeof name, "/proc/%d/fd/%d", (int)who.pid, i);
		if (lstat(name, &st) == 0)
			return true;
	}
	return false;
}

static void note(volatile struct fake_seen *seen, const char *p, size_t n, bool low)
{
	unsigned i = seen->n;

	if (i < FAKE_SEEN_MAX) {
		memcpy((char *)(uintptr_t)seen->line[i], p, n);
		seen->line[i][n] = '\0';
		seen->len[i] = n;
		seen->low_fd[i] = low;
	}
	__sync_synchronize();
	seen->n = i + 1;
}

static size_t read_line(int fd, char *buf, size_t cap)
{
	size_t n = 0;
	ssize_t r;

	while (n < cap && (r = read(fd, buf + n, cap - n)) > 0) {
		n += (size_t)r;
		if (buf[n - 1] == '\n')
			break;
	}
	return n;
}

static void put(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t r = send(fd, p, n, MSG_NOSIGNAL);

		if (r <= 0)
			return;
		p += r;
		n -= (size_t)r;
	}
}

static void wait_gone(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	poll(&p, 1, -1);
}

static void serve(int fd, const struct fake_turn *t, volatile struct fake_seen *seen)
{
	static const char junk[4096] = "x";
	size_t n = t->reply == NULL ? 0 : t->len != 0 ? t->len : strlen(t->reply), i;
	bool low = has_low_fd(fd);
	char buf[8999];

	if (t->act == FAKE_RESET) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		poll(&p, 1, 1000);
		note(seen, "", 0, low);
	} else if (t->act == FAKE_EARLY) {
		note(seen, "", 0, low);
	} else {
		i = read_line(fd, buf, sizeof buf);
		note(seen, buf, i, low);
	}
	if (t->act != FAKE_DRIBBLE && t->pause_ms > 0)
		pause_for(t->pause_ms);
	switch (t->act) {
	case FAKE_ANSWER: case FAKE_EARLY: case FAKE_HALF:
		put(fd, t->reply, n);
		break;
	case FAKE_DRIBBLE:
		for (i = 0; i < n; i++) {
			put(fd, t->reply + i, 1);
			pause_for(t->pause_ms);
		}
		break;
	case FAKE_FLOOD:
		for (i = 0; i < 1000; i++)
			put(fd, junk, sizeof junk);
		break;
	case FAKE_CLOSE: case FAKE_RESET: case FAKE_HANG:
		break;
	}
	if (t->act == FAKE_HALF || t->act == FAKE_HANG)
		wait_gone(fd);
}

void fake_start(struct fake_daemon *d, const struct fake_turn *turns, size_t n, enum fake_how how,
    unsigned delay_ms)
{
	int fd = -1;
	size_t i;

	*d = (struct fake_daemon){ .dir = "/tmp/mxfakeXXXXXX" };
	check(mkdtemp(d->dir) != NULL && chmod(d->dir, 0755) == 0, "mkdtemp");
	snprintf(d->path, sizeof d->path, "%s/sock", d->dir);
	d->seen = mmap(NULL, sizeof *d->seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
	    -1, 0);
	check(d->seen != MAP_FAILED, "mmap");
	if (how == FAKE_NOW || how == FAKE_BUSY)
		fd = make_socket(d->path, true, how == FAKE_BUSY ? 0 : 128);
	if (how == FAKE_STALE)
		close(make_socket(d->path, false, 0));
	fflush(NULL);
	d->pid = fork();
	check(d->pid != -1, "fork");
	if (d->pid > 0) {
		if (fd != -1)
			close(fd);
		return;
	}
	alarm(60);			/* outlives no test */
	pause_for(delay_ms);
	if (how == FAKE_STALE)
		unlink(d->path);
	if (fd == -1)
		fd = make_socket(d->path, true, 128);
	for (i = 0;; i++) {
		int c = accept(fd, NULL, NULL);

		if (c == -1)
			continue;
		serve(c, &turns[i < n ? i : n - 1], d->seen);
		close(c);
	}
}

unsigned fake_count(const struct fake_daemon *d)
{
	return d->seen->n;
}

const char *fake_request(struct fake_daemon *d, unsigned i)
{
	unsigned waited;

	for (waited = 0; d->seen->n <= i && waited < 2000; waited += 5)
		pause_for(5);
	return d->seen->n > i && i < FAKE_SEEN_MAX ?
	    (const char *)(uintptr_t)d->seen->line[i] : "(no request)";
}

void fake_stop(struct fake_daemon *d)
{
	if (d->pid > 0) {
		kill(d->pid, SIGKILL);
		waitpid(d->pid, NULL, 0);
		unlink(d->path);
		rmdir(d->dir);
		munmap((void *)(uintptr_t)d->seen, sizeof *d->seen);
	}
	*d = (struct fake_daemon){ .pid = 0 };
}

size_t fake_ok(char *out, size_t cap, const char *token_id, const void *raw, size_t n)
{
	struct mx_buf b;

	mx_buf_init(&b, out, cap);
	mx_buf_addf(&b, "OK\t3599\t%s\t", token_id);
	mx_b64_encode(&b, raw, n);
	mx_buf_addc(&b, '\n');
	check(mx_buf_str(&b) != NULL, "fake_ok: the buffer is too small");
	return b.len;
}
