/*
 * crowd: many accounts ask through one process. Each line of standard input, "FIRST COUNT AT_ONCE",
 * has accounts userFIRST@example.com and the COUNT - 1 after it ask once each, AT_ONCE of them at a
 * time; a line tells when all are answered: "ok N failed N ns N". What went wrong first goes to
 * standard error.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/bench.h"

#define AT_ONCE_MAX 4096

struct crowd {
	const char *path;
	int ep;
	char (*head)[200];		/* by descriptor: how its answer begins */
	size_t *got;
	long ok, failed;
};

/* One asker more; false: the daemon's queue is full at this moment. */
static bool begin(struct crowd *c, long account)
{
	int fd = raw_connect(c->path, SOCK_NONBLOCK);
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	if (fd == -1) {
		if (errno != EAGAIN)
			die("%s: %s", c->path, strerror(errno));
		return false;
	}
	if (fd >= AT_ONCE_MAX + 64)
		die("descriptor %d is too high", fd);
	raw_send(fd, account);
	c->got[fd] = 0;
	if (epoll_ctl(c->ep, EPOLL_CTL_ADD, fd, &ev) == -1)
		die("epoll_ctl: %s", strerror(errno));
	return true;
}

/* Returns whether this asker has heard all of its answer. */
static bool hear(struct crowd *c, int fd)
{
	char in[16384];
	ssize_t r;

	while ((r = read(fd, in, sizeof in)) > 0) {
		size_t room = sizeof c->head[fd] - c->got[fd], n = (size_t)r < room ? (size_t)r : room;

		memcpy(c->head[fd] + c->got[fd], in, n);
		c->got[fd] += n;
	}
	if (r == -1 && errno == EAGAIN)
		return false;
	if (c->got[fd] >= 3 && memcmp(c->head[fd], "OK\t", 3) == 0)
		c->ok++;
	else if (c->failed++ == 0)
		fprintf(stderr, "crowd: %.*s\n", (int)c->got[fd], c->head[fd]);
	close(fd);
	return true;
}

static void round_of(struct crowd *c, long first, long count, long at_once)
{
	struct epoll_event ev[64];
	long next = first, open = 0;

	while (next < first + count || open > 0) {
		int n, i;

		while (next < first + count && open < at_once && begin(c, next)) {
			next++;
			open++;
		}
		n = epoll_wait(c->ep, ev, 64, next < first + count && open < at_once ? 1 : -1);
		for (i = 0; i < n; i++)
			if (hear(c, ev[i].data.fd))
				open--;
	}
}

int cmd_crowd(int argc, char **argv)
{
	struct crowd c = { .path = raw_socket(), .ep = epoll_create1(EPOLL_CLOEXEC) };
	char line[100];
	long first, count, at_once;
	uint64_t start;

	(void)argc, (void)argv;
	c.head = calloc(AT_ONCE_MAX + 64, sizeof *c.head);
	c.got = calloc(AT_ONCE_MAX + 64, sizeof *c.got);
	if (c.ep == -1 || c.head == NULL || c.got == NULL)
		die("no memory");
	while (fgets(line, sizeof line, stdin) != NULL) {
		if (sscanf(line, "%ld %ld %ld", &first, &count, &at_once) != 3 || at_once < 1 ||
		    at_once > AT_ONCE_MAX)
			die("not FIRST COUNT AT_ONCE: %s", line);
		c.ok = c.failed = 0;
		start = now_ns();
		round_of(&c, first, count, at_once);
		printf("ok %ld failed %ld ns %llu\n", c.ok, c.failed, (unsigned long long)(now_ns() - start));
		fflush(stdout);
	}
	free(c.head);
	free(c.got);
	return 0;
}
