/*
 * The daemon's socket without the plugin: one request line, the answer to end of file.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/bench/bench.h"

#define RELAY "smtp.example.com"

const char *raw_socket(void)
{
	const char *path = getenv("MTA_XOAUTH2_SOCKET");

	if (path == NULL)
		die("MTA_XOAUTH2_SOCKET is not set");
	return path;
}

int raw_connect(const char *path, int flags)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), saved;

	if (fd == -1 || strlen(path) >= sizeof sa.sun_path)
		die("%s: no socket", path);
	memcpy(sa.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

void raw_send(int fd, long account)
{
	char line[256];
	int n;

	if (account < 0)
		n = snprintf(line, sizeof line, "TOKEND/1\tPING\n");
	else
		n = snprintf(line, sizeof line, "TOKEND/1\tSASL\tmech=XOAUTH2\taccount=user%ld@example.com"
		    "\thost=" RELAY "\tport=587\tdeadline_ms=120000\n", account);
	if (write(fd, line, (size_t)n) != n)
		die("cannot send a request: %s", strerror(errno));
}

void raw_ask(const char *path, long account)
{
	static char answer[16384];
	size_t got = 0;
	ssize_t r;
	int fd = raw_connect(path, 0);

	if (fd == -1)
		die("%s: %s", path, strerror(errno));
	raw_send(fd, account);
	while ((r = read(fd, answer + got, sizeof answer - got)) > 0)
		got += (size_t)r;
	close(fd);
	if (got < 3 || memcmp(answer, "OK", 2) != 0)
		die("the daemon's answer was \"%.*s\"", got < 200 ? (int)got : 200, answer);
}
