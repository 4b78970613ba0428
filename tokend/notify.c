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

void notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	socklen_t len;
	size_t n;
	int fd;

	if (path == NULL || (*path != '/' && *path != '@'))
		return;
	n = strlen(path);
	if (n >= sizeof sa.sun_path)
		return;
	memcpy(sa.sun_path, path, n + 1);
	if (*path == '@')
		sa.sun_path[0] = '\0';		/* abstract namespace: the length counts, no NUL */
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (*path == '/' ? 1 : 0));
	if ((fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) == -1)
		return;
	(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&sa, len);
	close(fd);
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

int notify_listen_fds(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	uint64_t p, n = 0;
	int i;

	if (pid == NULL || fds == NULL || !mx_parse_uint(pid, strlen(pid), 1, INT32_MAX, &p) ||
	    p != (uint64_t)getpid() || !mx_parse_uint(fds, strlen(fds), 0, NOTIFY_FD_MAX, &n))
		n = 0;
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	for (i = 0; i < (int)n; i++)
		(void)fcntl(NOTIFY_FD_FIRST + i, F_SETFD, FD_CLOEXEC);
	return (int)n;
}
