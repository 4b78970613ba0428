/*
 * The plugin in hosts that leave it little: no descriptors 0 to 2, more than a thousand others or none at all, no memory, no
 * /proc, few system calls; and in those that use it from threads, interrupt it all the time, or load it over and over.
 */
#include "config.h"

#include <fcntl.h>
#include <pthread.h>
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
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sasl/sasl.h>

#include "tests/unit/fakedaemon.h"
#include "tests/unit/realhost.h"
#include "tests/unit/sandbox.h"

#define SKIPPED 77
#define XRAW "user=app@contoso.com\001auth=Bearer eyJ0eXAi." RH_NEEDLE "-of-it.c2lnbmF0dXJl\001\001"

static struct fake_daemon peer;
static char xok[512];

static int setup(void **state)
{
	static const struct fake_turn turn = { FAKE_ANSWER, xok, 0, 0 };

	(void)state;
	fake_ok(xok, sizeof xok, "id-1", XRAW, sizeof XRAW - 1);
	fake_start(&peer, &turn, 1, FAKE_NOW, 0);
	setenv("MTA_XOAUTH2_SOCKET", peer.path, 1);
	unsetenv("MTA_XOAUTH2_TIMEOUT");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sasl_client_done();
	fake_stop(&peer);
	assert_false(rh_dirty);
	return 0;
}

/* One connection and the first step of it; the result, and whether the response is right where it is SASL_CONTINUE. */
static int ask(void)
{
	const char *out, *mech;
	sasl_conn_t *c = NULL;
	unsigned len;
	int r;

	r = sasl_client_new("smtp", "smtp.example.com", NULL, NULL, rh_postfix, 0, &c);
	if (r == SASL_OK)
		r = sasl_client_start(c, "XOAUTH2", NULL, &out, &len, &mech);
	if (r == SASL_CONTINUE && (len != sizeof XRAW - 1 || memcmp(out, XRAW, len) != 0))
		r = SASL_BADPROT;
	sasl_dispose(&c);
	return r;
}

/* What host() returns in a process of its own: 0 good, SKIPPED, or what was wrong (its number). */
static void in_child(int (*host)(void))
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		alarm(60);
		_exit(host());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED) {
		print_message("# this host cannot be made here\n");
		return;
	}
	if (status != 0)
		fail_msg("the host ended with %s %d", WIFSIGNALED(status) ? "signal" : "status",
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static unsigned open_descriptors(void)
{
	unsigned n = 0;
	int fd;

	for (fd = 0; fd < 2048; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

/* --- the hosts ------------------------------------------------------------------------------- */

static void over_and_over(void **state)
{
	unsigned before = 0;
	int i;

	(void)state;
	for (i = 0; i < 30; i++) {
		rh_init(false);
		assert_int_equal(ask(), SASL_CONTINUE);
		sasl_client_done();
		if (i == 0)
			before = open_descriptors();
		assert_int_equal(open_descriptors(), before);
	}
	rh_init(false);
	rh_init(false);			/* as when two libraries of one host use it */
	assert_int_equal(ask(), SASL_CONTINUE);
	sasl_client_done();
	assert_int_equal(ask(), SASL_CONTINUE);
}

static int without_standard_descriptors(void)
{
	int fd;

	for (fd = 0; fd < 3; fd++)
		close(fd);
	if (ask() != SASL_CONTINUE)
		return 2;
	return open("/dev/null", O_RDWR) == 0 ? 0 : 3;
}

static void standard_descriptors_closed(void **state)
{
	(void)state;
	rh_init(false);
	in_child(without_standard_descriptors);
	assert_int_equal(fake_count(&peer), 1);
	assert_false(peer.seen->low_fd[0]);
}

/* Above what select(2) can hold. */
static int with_many_descriptors(void)
{
	struct rlimit l;
	int fd;

	if (getrlimit(RLIMIT_NOFILE, &l) == -1 || (l.rlim_max != RLIM_INFINITY && l.rlim_max < 2000))
		return SKIPPED;
	l.rlim_cur = 2000;
	if (setrlimit(RLIMIT_NOFILE, &l) == -1)
		return SKIPPED;
	while ((fd = dup(2)) != -1 && fd < 1500)
		;
	return fd == 1500 && ask() == SASL_CONTINUE ? 0 : 2;
}

static void many_descriptors(void **state)
{
	(void)state;
	rh_init(false);
	in_child(with_many_descriptors);
}

static int without_descriptors(void)
{
	struct rlimit l = { 64, 64 };
	int fd, last = -1;

	if (setrlimit(RLIMIT_NOFILE, &l) == -1)
		return SKIPPED;
	while ((fd = dup(2)) != -1)
		last = fd;
	if (last >= 64)
		return SKIPPED;			/* valgrind's limit is another one */
	if (ask() != SASL_UNAVAIL || rh_nlines != 1)
		return 2;
	if (strstr(rh_lines[0], "(Too many open files)") == NULL)
		return 3;
	close(last);
	return ask() == SASL_CONTINUE ? 0 : 4;
}

static void no_descriptors(void **state)
{
	(void)state;
	rh_init(false);
	in_child(without_descriptors);
}

#ifndef MX_SANITIZED

/* Memory that the limit leaves, and that is given back bit by bit, until there is enough for one authentication. */
static int with_little_memory(void)
{
	static void *piece[1 << 16];
	struct rlimit l;
	size_t n = 0, size;
	int r;

	if (getenv("MX_VALGRIND") != NULL || getrlimit(RLIMIT_AS, &l) == -1)
		return SKIPPED;			/* memcheck cannot live so */
	l.rlim_cur = 1 << 20;			/* less than there is: what is mapped stays, and no more comes */
	if (setrlimit(RLIMIT_AS, &l) == -1)
		return SKIPPED;
	for (size = 1 << 16; size >= 64; size /= 2)
		while (n < sizeof piece / sizeof piece[0] && (piece[n] = malloc(size)) != NULL)
			n++;
	if (ask() != SASL_NOMEM)
		return 2;
	while (n > 0) {
		free(piece[--n]);
		r = ask();
		if (r == SASL_CONTINUE)
			return 0;
		if (r != SASL_NOMEM)
			return 3;
	}
	return 4;
}

static void little_memory(void **state)
{
	(void)state;
	rh_init(false);
	in_child(with_little_memory);
}

#endif

/* The daemon's folder is all there is. */
static int without_proc(void)
{
	if (geteuid() != 0 || chroot(peer.dir) == -1 || chdir("/") == -1)
		return SKIPPED;
	setenv("MTA_XOAUTH2_SOCKET", "/sock", 1);
	return access("/proc", F_OK) == -1 && ask() == SASL_CONTINUE ? 0 : 2;
}

static void no_proc(void **state)
{
	(void)state;
	rh_init(false);
	in_child(without_proc);
}

/*
 * Calls that the plugin's README names, and no other. The connections are made before: libsasl2 asks for the machine's name then.
 * A login that the server refuses, and one without a daemon.
 */
static int in_a_sandbox(void)
{
	sasl_conn_t *refused = rh_connect(rh_postfix, SASL_SEC_NOANONYMOUS),
		*alone = rh_connect(rh_postfix, SASL_SEC_NOANONYMOUS);
	const char *out, *mech;
	unsigned len;

	if (!sandbox_enter()) {
		sasl_dispose(&refused);
		sasl_dispose(&alone);
		return SKIPPED;
	}
	if (sasl_client_start(refused, "XOAUTH2", NULL, &out, &len, &mech) == SASL_CONTINUE &&
	    sasl_client_step(refused, "{}", 2, NULL, &out, &len) == SASL_OK && rh_nlines == 1) {
		sasl_dispose(&refused);
		setenv("MTA_XOAUTH2_SOCKET", "/nowhere/sock", 1);
		setenv("MTA_XOAUTH2_TIMEOUT", "1", 1);
		if (sasl_client_start(alone, "XOAUTH2", NULL, &out, &len, &mech) == SASL_UNAVAIL && rh_nlines == 2 &&
		    sandbox_denied() == 0)
			return 0;
	}
	return sandbox_denied() != 0 ? 100 + (int)(sandbox_denied() % 100) : 2;	/* nothing can be written here */
}

static void sandbox(void **state)
{
	(void)state;
	rh_init(false);
	in_child(in_a_sandbox);
}

/* Does the sandbox hold at all? */
static int sandbox_leaks(void)
{
	if (!sandbox_enter())
		return SKIPPED;
	if (open("/dev/null", O_RDONLY) != -1 || sandbox_denied() == 0)
		return 2;
	return socket(AF_INET, SOCK_DGRAM, 0) == -1 ? 0 : 3;
}

static void sandbox_holds(void **state)
{
	(void)state;
	in_child(sandbox_leaks);
}

static volatile sig_atomic_t alarms;

static void on_alarm(int sig)
{
	(void)sig;
	alarms++;
}

/* A timer that goes off all the time, and whose handler makes no call go on. */
static void interrupted(void **state)
{
	static const struct fake_turn turn = { FAKE_DRIBBLE, xok, 0, 3 };
	struct sigaction sa = { .sa_handler = on_alarm }, was;
	struct itimerval every = { { 0, 2000 }, { 0, 2000 } }, never = { { 0, 0 }, { 0, 0 } };

	(void)state;
	fake_stop(&peer);
	fake_start(&peer, &turn, 1, FAKE_NOW, 0);
	setenv("MTA_XOAUTH2_SOCKET", peer.path, 1);
	rh_init(false);
	assert_int_equal(sigaction(SIGALRM, &sa, &was), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &every, NULL), 0);
	assert_int_equal(ask(), SASL_CONTINUE);
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	sa.sa_handler = SIG_IGN;		/* one that is under way is forgotten */
	assert_int_equal(sigaction(SIGALRM, &sa, NULL), 0);
	assert_int_equal(sigaction(SIGALRM, &was, NULL), 0);
	assert_true(alarms > 20);
}

/* --- threads, as of the LDAP tools ----------------------------------------------------------- */

#define THREADS 8

static void *mutex_new(void)
{
	pthread_mutex_t *m = malloc(sizeof *m);

	if (m != NULL)
		(void)pthread_mutex_init(m, NULL);
	return m;
}

static int mutex_lock(void *m)
{
	return pthread_mutex_lock(m);
}

static int mutex_unlock(void *m)
{
	return pthread_mutex_unlock(m);
}

static void mutex_free(void *m)
{
	(void)pthread_mutex_destroy(m);
	free(m);
}

static void *asks(void *arg)
{
	unsigned *good = arg;
	int i;

	for (i = 0; i < 25; i++)
		*good += ask() == SASL_CONTINUE;
	return NULL;
}

static void threads(void **state)
{
	unsigned good[THREADS] = { 0 };
	pthread_t thread[THREADS];
	pthread_attr_t attr;
	int i;

	(void)state;
	sasl_set_mutex(mutex_new, mutex_lock, mutex_unlock, mutex_free);
	rh_init(false);
	assert_int_equal(pthread_attr_init(&attr), 0);
#ifndef MX_SANITIZED
	assert_int_equal(pthread_attr_setstacksize(&attr, 128 * 1024), 0);	/* musl's */
#endif
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], &attr, asks, &good[i]), 0);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	assert_int_equal(pthread_attr_destroy(&attr), 0);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(good[i], 25);
	assert_int_equal(fake_count(&peer), THREADS * 25);
	assert_int_equal(rh_nlines, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		T(over_and_over), T(standard_descriptors_closed), T(many_descriptors), T(no_descriptors),
#ifndef MX_SANITIZED
		T(little_memory),
#endif
		T(no_proc), T(sandbox), T(sandbox_holds), T(interrupted),
		T(threads),		/* the last one: libsasl2 keeps the mutexes' functions */
	};
	int r;

	if (rh_open() == -1)
		return 99;
	r = cmocka_run_group_tests_name("plugin in hosts that leave it little", tests, NULL, NULL);
	rh_close();
	return r;
}
