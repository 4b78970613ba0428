/*
 * client.c against peers that refuse, dribble, hang, reset and lie: the deadline holds, the cause
 * is named.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/client.h"
#include "common/clock.h"
#include "common/wire.h"
#include "tests/unit/fakedaemon.h"

#define REQUEST "TOKEND/1\tPING\n"
#define SLACK_MS 250		/* what a busy machine may add */

static struct fake_daemon peer;
static char reply[MX_WIRE_REPLY_MAX];

static int teardown(void **state)
{
	(void)state;
	fake_stop(&peer);
	return 0;
}

/* Asks within limit_ms and says how long it took; never longer than the limit. */
static enum mx_class ask_at(const char *path, unsigned limit_ms, unsigned retry_ms, size_t *got,
    struct mx_err *e, uint64_t *took)
{
	uint64_t start = mx_now_ms();
	struct mx_endpoint ep = { path, start + limit_ms, retry_ms, false };
	enum mx_class c = mx_ask(&ep, REQUEST, strlen(REQUEST), reply, sizeof reply, got, e);

	*took = mx_now_ms() - start;
	if (*took > limit_ms + SLACK_MS)
		fail_msg("deadline of %u ms broken: %lu ms", limit_ms, (unsigned long)*took);
	return c;
}

static void answers(void **state)
{
	static const struct fake_turn turns[] = {
		{ FAKE_ANSWER, "OK\n", 0, 0 }, { FAKE_DRIBBLE, "OK\tabc\nmore\n", 0, 2 },
		{ FAKE_ANSWER, "a\0b", 3, 50 }, { FAKE_EARLY, "ERR\tbusy\ta\tb\n", 0, 0 },
	};
	static const struct { const char *want; size_t n; } want[] = {
		{ "OK\n", 3 }, { "OK\tabc\nmore\n", 12 }, { "a\0b", 3 },
		{ "ERR\tbusy\ta\tb\n", 13 },
	};
	struct mx_err e;
	uint64_t took;
	size_t i, got;

	(void)state;
	fake_start(&peer, turns, 4, FAKE_NOW, 0);
	for (i = 0; i < 4; i++) {
		enum mx_class c = ask_at(peer.path, 2000, 0, &got, &e, &took);

		/*
		 * Answering early and closing with the request unread may reset: then the answer
		 * is lost.
		 */
		if (i == 3 && c == MX_TEMP && strcmp(e.code, "daemon-no-answer") == 0)
			continue;
		if (c != MX_OK)
			fail_msg("turn %zu: %s", i, e.text);
		assert_int_equal(got, want[i].n);
		assert_memory_equal(reply, want[i].want, got);
		if (turns[i].act != FAKE_EARLY)
			assert_string_equal(fake_request(&peer, (unsigned)i), REQUEST);
	}
}

#define OK { FAKE_ANSWER, "OK\n", 0, 0 }
#define DOES(what) { FAKE_ ## what, NULL, 0, 0 }

/* One row: what the peer does, what comes of it. */
static const struct row {
	const char *name;
	struct fake_turn turns[2];
	enum fake_how how;
	unsigned delay_ms, limit_ms, retry_ms;
	enum mx_class want;
	const char *code;
	unsigned min_ms, max_ms;		/* how long it must take */
	const char *says;			/* a part of the sentence */
} rows[] = {
	{ "no socket, then there", { OK }, FAKE_ABSENT, 300, 3000, 2000, MX_OK, NULL, 250, 900,
	    NULL },
	{ "refuses, then answers", { OK }, FAKE_STALE, 300, 3000, 2000, MX_OK, NULL, 250, 900,
	    NULL },
	{ "closes once, then answers", { DOES(CLOSE), OK }, FAKE_NOW, 0, 3000, 2000, MX_OK, NULL,
	    0, 500, NULL },
	{ "resets once, then answers", { DOES(RESET), OK }, FAKE_NOW, 0, 3000, 2000, MX_OK, NULL,
	    0, 500, NULL },
	{ "never there", { DOES(HANG) }, FAKE_ABSENT, FAKE_NEVER, 3000, 300, MX_TEMP,
	    "socket-unreachable", 280, 900, "No such file or directory" },
	{ "never there, no second try", { DOES(HANG) }, FAKE_ABSENT, FAKE_NEVER, 3000, 0, MX_TEMP,
	    "socket-unreachable", 0, 200, "inside the chroot" },
	{ "never there, deadline before the retries end", { DOES(HANG) }, FAKE_ABSENT, FAKE_NEVER,
	    300, 2000, MX_TEMP, "socket-unreachable", 50, 320, "cannot be reached" },
	{ "stale for ever", { DOES(HANG) }, FAKE_STALE, FAKE_NEVER, 3000, 300, MX_TEMP,
	    "socket-unreachable", 280, 900, "Connection refused" },
	{ "always closes", { DOES(CLOSE) }, FAKE_NOW, 0, 3000, 300, MX_TEMP, "daemon-no-answer",
	    280, 900, "end of file" },
	{ "always resets", { DOES(RESET) }, FAKE_NOW, 0, 3000, 300, MX_TEMP, "daemon-no-answer",
	    280, 900, "reset" },
	{ "hangs", { DOES(HANG) }, FAKE_NOW, 0, 300, 2000, MX_TEMP, "daemon-timeout", 290, 550,
	    "did not answer in time" },
	{ "answers and does not close", { { FAKE_HALF, "OK\n", 0, 0 } }, FAKE_NOW, 0, 300, 2000,
	    MX_TEMP, "daemon-timeout", 290, 550, NULL },
	{ "dribbles beyond the deadline", { { FAKE_DRIBBLE, "OK\t1234567890\n", 0, 60 } }, FAKE_NOW,
	    0, 300, 2000, MX_TEMP, "daemon-timeout", 290, 550, NULL },
	{ "answers too late", { { FAKE_ANSWER, "OK\n", 0, 2000 } }, FAKE_NOW, 0, 300, 2000, MX_TEMP,
	    "daemon-timeout", 290, 550, NULL },
	{ "floods", { DOES(FLOOD) }, FAKE_NOW, 0, 3000, 2000, MX_BAD_REQUEST, "reply-too-long",
	    0, 900, "another program" },
};

static void table(void **state)
{
	struct mx_err e;
	uint64_t took;
	size_t i, got;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct row *r = &rows[i];
		enum mx_class c;

		fake_start(&peer, r->turns, r->turns[1].reply == NULL ? 1 : 2, r->how, r->delay_ms);
		memset(&e, 0, sizeof e);
		c = ask_at(peer.path, r->limit_ms, r->retry_ms, &got, &e, &took);
		if (c != r->want || (r->code != NULL && strcmp(e.code, r->code) != 0))
			fail_msg("%s: class %d, code %s: %s", r->name, (int)c, e.code, e.text);
		if (took < r->min_ms || took > r->max_ms + SLACK_MS)
			fail_msg("%s: took %lu ms", r->name, (unsigned long)took);
		if (r->says != NULL && strstr(e.text, r->says) == NULL)
			fail_msg("%s: does not say '%s': %s", r->name, r->says, e.text);
		if (c != MX_OK && strstr(e.text, peer.path) == NULL)
			fail_msg("%s: does not name the socket: %s", r->name, e.text);
		if (c == MX_OK)
			assert_memory_equal(reply, "OK\n", 3);
		else
			assert_int_equal(got, 0);
		fake_stop(&peer);
	}
}

/* A reply that just fits is whole; one byte more is refused. */
static void longest(void **state)
{
	static char big[sizeof reply + 1];
	struct fake_turn turns[] = {
		{ FAKE_ANSWER, big, sizeof reply, 0 }, { FAKE_ANSWER, big, sizeof reply + 1, 0 },
	};
	struct mx_err e;
	uint64_t took;
	size_t got;

	(void)state;
	memset(big, 'x', sizeof big);
	fake_start(&peer, turns, 2, FAKE_NOW, 0);
	assert_int_equal(ask_at(peer.path, 2000, 0, &got, &e, &took), MX_OK);
	assert_int_equal(got, sizeof reply);
	assert_int_equal(ask_at(peer.path, 2000, 0, &got, &e, &took), MX_BAD_REQUEST);
	assert_string_equal(e.code, "reply-too-long");
}

/* Fills the backlog, so that further connecting would block; returns how many it took. */
static int fill(int *fds, int max)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int n;

	memcpy(sa.sun_path, peer.path, strlen(peer.path) + 1);
	for (n = 0; n < max; n++) {
		fds[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		assert_int_not_equal(fds[n], -1);
		if (connect(fds[n], (struct sockaddr *)&sa, sizeof sa) == -1)
			return n + 1;
	}
	return n;
}

static void full_backlog(void **state)
{
	static const struct fake_turn turns[] = { { FAKE_ANSWER, "OK\n", 0, 0 } };
	int fds[16], n, i, round;
	struct mx_err e;
	uint64_t took;
	size_t got;

	(void)state;
	for (round = 0; round < 2; round++) {		/* it empties in time; it never does */
		fake_start(&peer, turns, 1, FAKE_BUSY, round == 0 ? 300 : FAKE_NEVER);
		n = fill(fds, 16);
		assert_true(n > 0 && n < 16);
		if (round == 0)
			for (i = 0; i < n; i++)
				shutdown(fds[i], SHUT_WR);	/* ends their turn at once */
		if (round == 0) {
			assert_int_equal(ask_at(peer.path, 3000, 2000, &got, &e, &took), MX_OK);
			assert_true(took >= 200);
		} else {
			assert_int_equal(ask_at(peer.path, 300, 2000, &got, &e, &took), MX_TEMP);
			assert_string_equal(e.code, "socket-unreachable");
			assert_non_null(strstr(e.text, strerror(EAGAIN)));
		}
		for (i = 0; i < n; i++)
			close(fds[i]);
		fake_stop(&peer);
	}
}

static void paths(void **state)
{
	char path[300];
	struct mx_err e;
	uint64_t took;
	size_t got;

	(void)state;
	memset(path, 'p', sizeof path);
	path[0] = '/';
	path[sizeof ((struct sockaddr_un *)0)->sun_path] = '\0';
	assert_int_equal(ask_at(path, 500, 300, &got, &e, &took), MX_CONFIG);
	assert_string_equal(e.code, "socket-path-too-long");
	assert_true(took < 100);
	path[sizeof ((struct sockaddr_un *)0)->sun_path - 1] = '\0';	/* fits; is not there */
	assert_int_equal(ask_at(path, 500, 0, &got, &e, &took), MX_TEMP);
	/* no socket at all */
	assert_int_equal(ask_at("/dev/null", 500, 0, &got, &e, &took), MX_TEMP);
	assert_int_equal(ask_at("/dev/null/x", 500, 300, &got, &e, &took), MX_TEMP);
	assert_string_equal(e.code, "socket-unreachable");
}

/* Runs fn in a child, which ends with its result; the test's own process stays as it was. */
static int in_child(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static int without_standard_fds(void)
{
	struct mx_err e;
	uint64_t took;
	size_t got;
	int fd;

	for (fd = 0; fd < 3; fd++)
		close(fd);
	if (ask_at(peer.path, 2000, 0, &got, &e, &took) != MX_OK)
		return 1;
	for (fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) != -1)
			return 2;
	return 0;
}

static void low_descriptors(void **state)
{
	static const struct fake_turn turns[] = { { FAKE_ANSWER, "OK\n", 0, 20 } };

	(void)state;
	fake_start(&peer, turns, 1, FAKE_NOW, 0);
	assert_int_equal(in_child(without_standard_fds), 0);
	assert_int_equal(fake_count(&peer), 1);
	/* not even while the daemon was talked to */
	assert_false(peer.seen->low_fd[0]);
}

static int forbidden(void)
{
	struct mx_err e;
	uint64_t took;
	size_t got;

	if (getuid() == 0 && (setgid(65534) == -1 || setuid(65534) == -1))
		return 1;
	if (ask_at(peer.path, 3000, 2000, &got, &e, &took) != MX_CONFIG ||
	    strcmp(e.code, "socket-forbidden") != 0)
		return 2;
	return took > 500 ? 3 : strstr(e.text, "Permission denied") == NULL ? 4 : 0;
}

static void permission(void **state)
{
	static const struct fake_turn turns[] = { { FAKE_ANSWER, "OK\n", 0, 0 } };

	(void)state;
	fake_start(&peer, turns, 1, FAKE_NOW, 0);
	assert_int_equal(chmod(peer.path, 0), 0);
	assert_int_equal(in_child(forbidden), 0);
	assert_int_equal(chmod(peer.path, 0666), 0);
	assert_int_equal(chmod(peer.dir, 0700), 0);
	if (getuid() == 0)				/* an owner may search it himself */
		assert_int_equal(in_child(forbidden), 0);
	assert_int_equal(fake_count(&peer), 0);
}

static int no_descriptors(void)
{
	struct rlimit none = { 3, 3 };
	struct mx_err e;
	uint64_t took;
	size_t got;
	int fd;

	for (fd = 3; fd < 64; fd++)
		close(fd);
	if (setrlimit(RLIMIT_NOFILE, &none) == -1)
		return 77;			/* valgrind does not let go of its own */
	if (ask_at(peer.path, 1000, 500, &got, &e, &took) != MX_TEMP)
		return 2;
	return strstr(e.text, strerror(EMFILE)) == NULL ? 3 : 0;
}

static void out_of_descriptors(void **state)
{
	static const struct fake_turn turns[] = { { FAKE_ANSWER, "OK\n", 0, 0 } };
	int r;

	(void)state;
	fake_start(&peer, turns, 1, FAKE_NOW, 0);
	if ((r = in_child(no_descriptors)) == 77)
		skip();
	assert_int_equal(r, 0);
}

static void on_alarm(int sig)
{
	(void)sig;
}

/*
 * Signals every 10 ms, without SA_RESTART, neither break the wait nor stretch it. No SIGPIPE
 * comes.
 */
static int interrupted(void)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	struct itimerspec every = { { 0, 10000000 }, { 0, 10000000 } };
	struct mx_err e;
	uint64_t took;
	timer_t timer;
	size_t got;

	signal(SIGPIPE, SIG_DFL);	/* ok: a test's child; it would die of one */
	if (sigaction(SIGALRM, &sa, NULL) == -1 ||
	    timer_create(CLOCK_MONOTONIC, &ev, &timer) == -1 ||
	    timer_settime(timer, 0, &every, NULL) == -1)
		return 1;
	if (ask_at(peer.path, 2000, 0, &got, &e, &took) != MX_OK || got != 3)
		return 2;
	if (ask_at(peer.path, 300, 0, &got, &e, &took) != MX_TEMP ||
	    strcmp(e.code, "daemon-timeout") != 0)
		return 3;
	return took < 290 ? 4 : 0;
}

static void signals(void **state)
{
	static const struct fake_turn turns[] = { { FAKE_DRIBBLE, "OK\n", 0, 40 }, DOES(HANG) };

	(void)state;
	fake_start(&peer, turns, 2, FAKE_NOW, 0);
	assert_int_equal(in_child(interrupted), 0);
}

/*
 * A request larger than a socket's buffer, to a peer that does not read: the deadline covers
 * writing.
 */
static void writing(void **state)
{
	static const struct fake_turn turns[] = { { FAKE_EARLY, "OK\n", 0, 2000 } };
	size_t n = 4u * 1024 * 1024, got;
	uint64_t start = mx_now_ms();
	struct mx_endpoint ep;
	struct mx_err e;
	char *big;

	(void)state;
	big = calloc(1, n);
	assert_non_null(big);
	fake_start(&peer, turns, 1, FAKE_NOW, 0);
	ep = (struct mx_endpoint){ peer.path, start + 300, 0, false };
	assert_int_equal(mx_ask(&ep, big, n, reply, sizeof reply, &got, &e), MX_TEMP);
	assert_string_equal(e.code, "daemon-timeout");
	assert_true(mx_now_ms() - start < 300 + SLACK_MS);
	free(big);
}

/* One line is enough where one is expected: the rest, or the close, is not waited for. */
static void one_line(void **state)
{
	static const struct fake_turn turns[] = {
		{ FAKE_DRIBBLE, "OK\tabc\nmore\n", 0, 40 }, { FAKE_ANSWER, "OK", 2, 0 },
	};
	struct mx_endpoint ep = { .retry_ms = 0, .one_line = true };
	struct mx_err e;
	size_t got;

	(void)state;
	fake_start(&peer, turns, 2, FAKE_NOW, 0);
	ep.path = peer.path;
	ep.deadline = mx_now_ms() + 5000;
	assert_int_equal(mx_ask(&ep, REQUEST, strlen(REQUEST), reply, sizeof reply, &got, &e), MX_OK);
	assert_int_equal(got, 7);
	assert_memory_equal(reply, "OK\tabc\n", 7);
	/* A line that ends with the connection is for the parser to judge. */
	assert_int_equal(mx_ask(&ep, REQUEST, strlen(REQUEST), reply, sizeof reply, &got, &e), MX_OK);
	assert_int_equal(got, 2);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(answers, teardown),
		cmocka_unit_test_teardown(one_line, teardown),
		cmocka_unit_test_teardown(table, teardown),
		cmocka_unit_test_teardown(longest, teardown),
		cmocka_unit_test_teardown(full_backlog, teardown),
		cmocka_unit_test_teardown(paths, teardown),
		cmocka_unit_test_teardown(low_descriptors, teardown),
		cmocka_unit_test_teardown(permission, teardown),
		cmocka_unit_test_teardown(out_of_descriptors, teardown),
		cmocka_unit_test_teardown(signals, teardown),
		cmocka_unit_test_teardown(writing, teardown),
	};

	return cmocka_run_group_tests_name("common/client", tests, NULL, NULL);
}
