#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/bench/bench.h"

void die(const char *fmt, ...)
{
	va_list ap;

	fputs("mxbench: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

long number(const char *s, long min, long max)
{
	char *end;
	long v = strtol(s, &end, 10);

	if (end == s || *end != '\0' || v < min || v > max)
		die("%s is not a number from %ld to %ld", s, min, max);
	return v;
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return (x > y) - (x < y);
}

uint64_t percentile(uint64_t *v, size_t n, unsigned p)
{
	qsort(v, n, sizeof *v, by_value);
	return v[(n - 1) * p / 100];
}

int main(int argc, char **argv)
{
	static const struct { const char *name, *args; int n; int (*run)(int, char **); } cmd[] = {
		{ "warm", "PLUGINS ACCOUNT FLOOR-SOCKET ROUNDS REQUESTS", 5, cmd_warm },
		{ "init", "PLUGINS EMPTY ROUNDS", 3, cmd_init },
		{ "footprint", "PLUGINS [ACCOUNT]", 1, cmd_footprint },
		{ "askers", "PLUGINS ACCOUNT COUNT", 3, cmd_askers },
		{ "crowd", "< lines of FIRST COUNT AT_ONCE", 0, cmd_crowd },
		{ "turns", "PLUGINS SOCKET ACCOUNTS SOCKET ACCOUNTS ROUNDS REQUESTS", 7, cmd_turns },
		{ "probe", "ACCOUNTS < until end of file", 1, cmd_probe },
	};
	size_t i;

	for (i = 0; i < sizeof cmd / sizeof cmd[0]; i++)
		if (argc > 1 && strcmp(argv[1], cmd[i].name) == 0 && argc - 2 >= cmd[i].n)
			return cmd[i].run(argc - 2, argv + 2);
	fputs("usage (the daemon's socket comes from MTA_XOAUTH2_SOCKET):\n", stderr);
	for (i = 0; i < sizeof cmd / sizeof cmd[0]; i++)
		fprintf(stderr, "  mxbench %s %s\n", cmd[i].name, cmd[i].args);
	return 2;
}
