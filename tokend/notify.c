#include "config.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/text.h"
#include "tokend/notify.h"

bool notify_manager(void)
{
	const char *path = getenv("NOTIFY_SOCKET");

	return path != NULL && (*path == '/' || *path == '@');
}

void notify_with_fd(const char *state, int with)
{
	union { struct cmsghdr head; char space[CMSG_SPACE(sizeof(int))]; } control = { 0 };
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct iovec text = { .iov_len = strlen(state) };
	struct msghdr m = { .msg_name = &sa, .msg_iov = &text, .msg_iovlen = 1 };
	size_t n;
	int fd;

	if (!notify_manager())
		return;
	n = strlen(path);
	if (n >= sizeof sa.sun_path)
		return;
	memcpy(sa.sun_path, path, n + 1);
	if (*path == '@')
		sa.sun_path[0] = '\0';		/* abstract namespace: the length counts, no NUL */
	m.msg_namelen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (*path == '/' ? 1 : 0));
	memcpy(&text.iov_base, &state, sizeof state);	/* sendmsg(2) only reads it */
	if (with != -1) {
		m.msg_control = control.space;
		m.msg_controllen = sizeof control.space;
		control.head = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
			.cmsg_len = CMSG_LEN(sizeof with) };
		memcpy(CMSG_DATA(&control.head), &with, sizeof with);
	}
	if ((fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) == -1)
		return;
	(void)sendmsg(fd, &m, MSG_NOSIGNAL);
	close(fd);
}

void notify(const char *state)
{
	notify_with_fd(state, -1);
}

void notify_reloading(void)
{
	struct timespec ts = { 0 };
	char s[80];

	clock_gettime(CLOCK_MONOTONIC, &ts);
	snprintf(s, sizeof s, "RELOADING=1\nMONOTONIC_USEC=%lld",
	    (long long)ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
	notify(s);
}

static char names[NOTIFY_FD_MAX][32];		/* of what was handed over; longer ones are none of ours */

static void keep_names(const char *s)
{
	size_t n, i;

	for (i = 0; s != NULL && i < NOTIFY_FD_MAX; i++) {
		n = strcspn(s, ":");
		if (n < sizeof names[i])
			memcpy(names[i], s, n);
		s = s[n] == ':' ? s + n + 1 : NULL;
	}
}

const char *notify_fd_name(int i)
{
	return i >= 0 && i < NOTIFY_FD_MAX ? names[i] : "";
}

int notify_listen_fds(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	uint64_t p, n = 0;
	int i;

	if (pid == NULL || fds == NULL || !mx_parse_uint(pid, strlen(pid), 1, INT32_MAX, &p) ||
	    p != (uint64_t)getpid() || !mx_parse_uint(fds, strlen(fds), 0, NOTIFY_FD_MAX, &n))
		n = 0;
	if (n > 0)
		keep_names(getenv("LISTEN_FDNAMES"));
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	for (i = 0; i < (int)n; i++)
		(void)fcntl(NOTIFY_FD_FIRST + i, F_SETFD, FD_CLOEXEC);
	return (int)n;
}
