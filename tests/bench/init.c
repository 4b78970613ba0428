/*
 * init: sasl_client_init and sasl_client_done with our plugin's directory and with an empty one, in turns,
 * each in a process of its own that has not touched libsasl2 before.
 */
#include "config.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/bench.h"

static uint64_t once(const char *dir)
{
	uint64_t took = 0;
	int p[2], status;
	pid_t pid;

	if (pipe(p) == -1 || (pid = fork()) == -1)
		die("pipe or fork");
	if (pid == 0) {
		uint64_t start = now_ns();

		sasl_begin(dir);
		sasl_end();
		took = now_ns() - start;
		_exit(write(p[1], &took, sizeof took) == sizeof took ? 0 : 1);
	}
	close(p[1]);
	if (read(p[0], &took, sizeof took) != sizeof took || waitpid(pid, &status, 0) != pid || status != 0)
		die("init: the child failed");
	close(p[0]);
	return took;
}

int cmd_init(int argc, char **argv)
{
	long rounds = number(argv[2], 1, 100000), r;

	(void)argc;
	once(argv[0]);
	once(argv[1]);
	for (r = 0; r < rounds; r++) {
		uint64_t with, without;

		if (r % 2 == 0) {
			with = once(argv[0]);
			without = once(argv[1]);
		} else {
			without = once(argv[1]);
			with = once(argv[0]);
		}
		printf("%llu %llu\n", (unsigned long long)with, (unsigned long long)without);
	}
	return 0;
}
