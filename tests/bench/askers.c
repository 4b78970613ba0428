/*
 * askers: COUNT processes, forked from an initialized host as mail programs do it, ask for the same account
 * at the same moment. Prints how many got a response, and why others did not.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/bench.h"

static int ask(int gate)
{
	char c;

	/* End of file for all at once, when the parent opens the gate. */
	if (read(gate, &c, 1) != 0)
		return 1;
	if (sasl_first("XOAUTH2") > 100)
		return 0;
	fprintf(stderr, "asker: %s\n", sasl_why());
	return 1;
}

int cmd_askers(int argc, char **argv)
{
	long n = number(argv[2], 1, 20000), i, answered = 0;
	int gate[2], status;
	uint64_t start;

	(void)argc;
	sasl_begin(argv[0]);
	sasl_account(argv[1]);
	if (pipe(gate) == -1)
		die("pipe");
	for (i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid == -1)
			die("fork: only %ld processes", i);
		if (pid == 0) {
			close(gate[1]);
			_exit(ask(gate[0]));
		}
	}
	usleep(100 * 1000);		/* all of them at the gate */
	start = now_ns();
	close(gate[1]);
	for (i = 0; i < n; i++)
		if (wait(&status) != -1 && status == 0)
			answered++;
	printf("answered %ld\nms %llu\n", answered, (unsigned long long)((now_ns() - start) / 1000000));
	sasl_end();
	return 0;
}
