/*
 * warm: the initial response by our plugin and the daemon, and the floor (PLAIN and a bare exchange), in
 * turns. A round is so many requests of one kind, then so many of the other; the kind that goes first
 * changes from round to round.
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "tests/bench/bench.h"

static void ours(const char *path)
{
	(void)path;
	if (sasl_first("XOAUTH2") < 100)
		die("XOAUTH2: %s", sasl_why());
}

static void least(const char *path)
{
	if (sasl_first("PLAIN") == 0)
		die("PLAIN: %s", sasl_why());
	floor_ask(path);
}

static void plain(const char *path)
{
	(void)path;
	if (sasl_first("PLAIN") == 0)
		die("PLAIN: %s", sasl_why());
}

static const struct { const char *name; void (*one)(const char *); } kinds[] = {
	{ "ours", ours }, { "floor", least }, { "plain", plain }
};
#define KINDS (sizeof kinds / sizeof kinds[0])

int cmd_warm(int argc, char **argv)
{
	const char *path = argv[2];
	long rounds = number(argv[3], 1, 10000), r;
	size_t n = (size_t)number(argv[4], 10, 1000000), i, k;
	uint64_t *t = calloc(n, sizeof *t), p50[KINDS], p99[KINDS];
	pid_t server;

	(void)argc;
	if (t == NULL)
		die("no memory");
	server = floor_serve(path);
	sasl_begin(argv[0]);
	sasl_account(argv[1]);
	for (k = 0; k < KINDS; k++)		/* not counted: first touch of everything */
		for (i = 0; i < 50; i++)
			kinds[k].one(path);
	for (r = 0; r < rounds; r++) {
		for (k = 0; k < KINDS; k++) {
			size_t which = (k + (size_t)r) % KINDS;

			for (i = 0; i < n; i++) {
				uint64_t start = now_ns();

				kinds[which].one(path);
				t[i] = now_ns() - start;
			}
			p50[which] = percentile(t, n, 50);
			p99[which] = percentile(t, n, 99);
		}
		for (k = 0; k < KINDS; k++)
			printf("%s%s %llu %llu", k > 0 ? " " : "", kinds[k].name, (unsigned long long)p50[k],
			    (unsigned long long)p99[k]);
		putchar('\n');
	}
	sasl_end();
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	free(t);
	return 0;
}
