/*
 * turns: the warm request of two daemons, in turns: through libsasl2, of accounts drawn at random
 * among those each daemon has. A line holds p50 and p99 of either in one round.
 * probe: asks one daemon without a pause, PING and a warm SASL in turns, until standard input has
 * something or ends. A line for each holds count, p50, p99 and the longest. All times in nanoseconds.
 */
#include "config.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/bench/bench.h"

#define PROBES_MAX 2000000

/* The same row of numbers in each run (xorshift). */
static uint32_t drawn(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

static uint64_t *room(size_t n)
{
	uint64_t *t = calloc(n, sizeof *t);

	if (t == NULL)
		die("no memory");
	return t;
}

static void one(const char *path, long account)
{
	char name[64];

	snprintf(name, sizeof name, "user%ld@example.com", account);
	setenv("MTA_XOAUTH2_SOCKET", path, 1);
	sasl_account(name);
	if (sasl_first("XOAUTH2") < 100)
		die("XOAUTH2: %s", sasl_why());
}

int cmd_turns(int argc, char **argv)
{
	const char *path[2] = { argv[1], argv[3] };
	long accounts[2] = { number(argv[2], 1, 10000000), number(argv[4], 1, 10000000) };
	long rounds = number(argv[5], 1, 10000), r;
	size_t n = (size_t)number(argv[6], 10, 1000000), i;
	uint64_t *t = room(n), p50[2], p99[2];
	uint32_t seed = 2463534242u;

	(void)argc;
	sasl_begin(argv[0]);
	for (r = -1; r < rounds; r++) {		/* -1: not counted */
		int k;

		for (k = 0; k < 2; k++) {
			int which = (k + (int)(r & 1)) & 1;
			uint32_t x = seed + (uint32_t)r;

			for (i = 0; i < n; i++) {
				long account = (long)(drawn(&x) % (uint32_t)accounts[which]);
				uint64_t start = now_ns();

				one(path[which], account);
				t[i] = now_ns() - start;
			}
			p50[which] = percentile(t, n, 50);
			p99[which] = percentile(t, n, 99);
		}
		if (r >= 0)
			printf("%llu %llu %llu %llu\n", (unsigned long long)p50[0], (unsigned long long)p99[0],
			    (unsigned long long)p50[1], (unsigned long long)p99[1]);
	}
	sasl_end();
	free(t);
	return 0;
}

static void show(const char *what, uint64_t *t, size_t n)
{
	uint64_t p50 = percentile(t, n, 50), p99 = percentile(t, n, 99);

	printf("%s %zu %llu %llu %llu\n", what, n, (unsigned long long)p50, (unsigned long long)p99,
	    (unsigned long long)t[n - 1]);
}

int cmd_probe(int argc, char **argv)
{
	const char *path = raw_socket();
	long accounts = number(argv[0], 1, 10000000);
	uint64_t *t[2] = { room(PROBES_MAX), room(PROBES_MAX) };
	struct pollfd end = { .fd = STDIN_FILENO, .events = POLLIN };
	uint32_t x = 2463534242u;
	size_t n = 0;

	(void)argc;
	while (n < PROBES_MAX && poll(&end, 1, 0) == 0) {
		long account = (long)(drawn(&x) % (uint32_t)accounts);
		uint64_t start = now_ns(), between;

		raw_ask(path, -1);
		between = now_ns();
		raw_ask(path, account);
		t[0][n] = between - start;
		t[1][n++] = now_ns() - between;
	}
	if (n == 0)
		die("the end came before the first question");
	show("PING", t[0], n);
	show("SASL", t[1], n);
	free(t[0]);
	free(t[1]);
	return 0;
}
