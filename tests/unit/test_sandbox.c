/*
 * The daemon's sandbox, from inside: a child shuts itself in as the daemon does, then tries what a burglar would try, and what
 * the daemon needs. Each try is a child of its own, since nobody gets out again.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tokend/log.h"
#include "tokend/sandbox.h"

static char top[] = "/tmp/mx-sandbox-XXXXXX", inside[64], outside[64], token[96];
static struct conf_client client;
static struct conf conf = { .nclients = 1, .clients = &client };

/* What fn returns, an errno or 0, in a sandbox; -1: the part is not to be had here. */
static int try(enum sandbox_part part, int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		log_level(LOG_CRIT);
		sandbox_enter(&conf, true);
		_exit(sandbox_has(part) ? fn() : 255);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status) == 255 ? -1 : WEXITSTATUS(status);
}

static void expect(enum sandbox_part part, int (*fn)(void), int err)
{
	int got = try(part, fn);

	if (got == -1) {
		print_message("NOT TESTED: %s is not to be had here\n", sandbox_part_name(part));
		skip();
	}
	assert_int_equal(got, err);
}

static int result(long r)
{
	return r == -1 ? errno : 0;
}

static int create(const char *folder)
{
	char path[128];
	int fd;

	snprintf(path, sizeof path, "%s/file", folder);
	if ((fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600)) == -1)
		return errno;
	close(fd);
	return result(unlink(path));
}

static int file_inside(void) { return create(inside); }
static int file_outside(void) { return create(outside); }
static int file_below(void) { return mkdir(token, 0700) == 0 || errno == EEXIST ? create(token) : errno; }

static int reads(void)
{
	char c;
	int fd = open("/etc/passwd", O_RDONLY);

	return result(fd == -1 ? -1 : read(fd, &c, 1));
}

static int writes_to_null(void)
{
	return result(open("/dev/null", O_RDWR));
}

static int replaces(void)
{
	char a[128], b[128];
	int fd;

	snprintf(a, sizeof a, "%s/t.new", inside);
	snprintf(b, sizeof b, "%s/t", inside);
	if ((fd = open(a, O_WRONLY | O_CREAT, 0600)) == -1 || ftruncate(fd, 10) == -1 || fsync(fd) == -1 || rename(a, b) == -1)
		return errno;
	return result(unlink(b));
}

/* As a reload may, in a folder nobody knew of. */
static int makes_a_socket(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(sa.sun_path, sizeof sa.sun_path, "%s/new", outside);
	if (fd == -1 || (mkdir(sa.sun_path, 0755) == -1 && errno != EEXIST))
		return errno;
	snprintf(sa.sun_path, sizeof sa.sun_path, "%s/new/s~", outside);
	if (bind(fd, (struct sockaddr *)&sa, sizeof sa) == -1 || listen(fd, 1) == -1 || chmod(sa.sun_path, 0666) == -1)
		return errno;
	return result(unlink(sa.sun_path));
}

static int links(void)
{
	char path[128];

	snprintf(path, sizeof path, "%s/link", inside);
	return result(symlink("/etc/shadow", path));
}

static int runs(void)
{
	static char name[] = "true";
	char *const argv[] = { name, NULL };

	(void)execv("/bin/true", argv);
	return errno;
}

static int listens_on_tcp(void)
{
	struct sockaddr_storage sa = { .ss_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return result(fd == -1 ? -1 : bind(fd, (struct sockaddr *)&sa, 16));
}

#ifndef MX_SANITIZED
static int traces(void) { return result(syscall(SYS_ptrace, 0, 0, 0, 0)); }
static int kills(void) { return result(syscall(SYS_kill, getppid(), 0)); }
#endif
static int namespaces(void) { return result(syscall(SYS_unshare, 0x10000000)); }
static int clones_apart(void) { return result(syscall(SYS_clone, 0x10000000 | SIGCHLD, 0, 0, 0, 0)); }
static int packets(void) { return result(socket(17, SOCK_RAW, 0)); }
static int strange_family(void) { return result(socket(40, SOCK_STREAM, 0)); }
static int not_known_yet(void) { return result(syscall(4000)); }
static int watches_by_fanotify(void) { return result(syscall(SYS_fanotify_init, 0, 0)); }

static int writes_and_runs(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno : 0;
}

static int runs_what_it_wrote(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? 250 : result(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static int loads_libraries(void)		/* as dlopen() does */
{
	int fd = open("/proc/self/exe", O_RDONLY);

	return fd != -1 && mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) != MAP_FAILED ? 0 : errno;
}

static void *nothing(void *arg)
{
	return arg;
}

static int thread_and_child(void)
{
	pthread_t t;
	int status;
	pid_t pid;

	if ((status = pthread_create(&t, NULL, nothing, NULL)) != 0 || (status = pthread_join(t, NULL)) != 0)
		return status;
	if ((pid = fork()) == 0)
		_exit(runs() == EPERM ? 7 : 8);		/* it is shut in as well */
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7 ? 0 : 251;
}

static int looks_up_names(void)
{
	struct addrinfo hint = { .ai_socktype = SOCK_STREAM }, *a = NULL;
	int r = getaddrinfo("localhost", "443", &hint, &a);

	if (r == 0)
		freeaddrinfo(a);
	return r == 0 ? 0 : 252;
}

#define LANDLOCK SANDBOX_LANDLOCK
#define SECCOMP SANDBOX_SECCOMP
static const struct { const char *what; enum sandbox_part part; int (*fn)(void); int err; } rows[] = {
	{ "writes where refresh tokens are", LANDLOCK, file_inside, 0 },
	{ "writes in a folder that is made later below one", LANDLOCK, file_below, 0 },
	{ "writes nowhere else", LANDLOCK, file_outside, EACCES },
	{ "replaces a file", LANDLOCK, replaces, 0 },
	{ "reads", LANDLOCK, reads, 0 },
	{ "opens /dev/null", LANDLOCK, writes_to_null, 0 },
	{ "makes sockets anywhere", LANDLOCK, makes_a_socket, 0 },
	{ "makes no links", LANDLOCK, links, EACCES },
	{ "listens on no port", LANDLOCK, listens_on_tcp, EACCES },
	{ "runs nothing", SECCOMP, runs, EPERM },
#ifndef MX_SANITIZED
	{ "traces nobody", SECCOMP, traces, EPERM },
	{ "signals nobody", SECCOMP, kills, EPERM },
#endif
	{ "makes no namespace", SECCOMP, namespaces, EPERM },
	{ "makes no namespace for a child", SECCOMP, clones_apart, ENOSYS },
	{ "sees no packets", SECCOMP, packets, EAFNOSUPPORT },
	{ "has no family of sockets but its own", SECCOMP, strange_family, EAFNOSUPPORT },
	{ "calls that nobody knows yet", SECCOMP, not_known_yet, ENOSYS },
	{ "calls that are not in the list", SECCOMP, watches_by_fanotify, ENOSYS },
	{ "memory to be written and run", SECCOMP, writes_and_runs, EPERM },
	{ "memory to be written, then run", SECCOMP, runs_what_it_wrote, EPERM },
	{ "loads libraries", SECCOMP, loads_libraries, 0 },
	{ "has threads and children", SECCOMP, thread_and_child, 0 },
	{ "looks up names", SECCOMP, looks_up_names, 0 },
};

static void one(void **state)
{
	size_t i = (size_t)(uintptr_t)*state;

	expect(rows[i].part, rows[i].fn, rows[i].err);
}

static int privileges(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[200];
	int seen = 0;

	while (f != NULL && fgets(line, sizeof line, f) != NULL)
		seen += strcmp(line, "NoNewPrivs:\t1\n") == 0 || strcmp(line, "CapEff:\t0000000000000000\n") == 0 ||
		    strcmp(line, "CapPrm:\t0000000000000000\n") == 0 || strcmp(line, "CapInh:\t0000000000000000\n") == 0;
	return seen;
}

static void no_privileges(void **state)
{
	(void)state;
	assert_int_equal(try(SANDBOX_NO_NEW_PRIVILEGES, privileges) >= 1, 1);
	if (geteuid() != 0)
		assert_int_equal(try(SANDBOX_CAPABILITIES, privileges), 4);
}

/* --no-sandbox: nothing but privileges. */
static void not_wanted(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		log_level(LOG_CRIT);
		sandbox_enter(&conf, false);
		_exit(sandbox_has(SANDBOX_NO_NEW_PRIVILEGES) && !sandbox_has(LANDLOCK) && !sandbox_has(SECCOMP) && runs() != 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);		/* true's */
}

static int before(void **state)
{
	(void)state;
	if (mkdtemp(top) == NULL)
		return -1;
	snprintf(inside, sizeof inside, "%s/in", top);
	snprintf(outside, sizeof outside, "%s/out", top);
	snprintf(token, sizeof token, "%s/later", inside);
	if (mkdir(inside, 0700) == -1 || mkdir(outside, 0700) == -1)
		return -1;
	client.oc.refresh_token_file = token;		/* in the folder "in" */
	return 0;
}

static int after(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof path, "%s/new", outside);
	(void)rmdir(path);
	(void)rmdir(token);
	(void)rmdir(outside);
	(void)rmdir(inside);
	return rmdir(top);
}

int main(void)
{
	struct CMUnitTest tests[sizeof rows / sizeof rows[0] + 2];
	size_t i, n = sizeof rows / sizeof rows[0];

	for (i = 0; i < n; i++)
		tests[i] = (struct CMUnitTest){ rows[i].what, one, NULL, NULL, (void *)(uintptr_t)i };
	tests[n] = (struct CMUnitTest)cmocka_unit_test(no_privileges);
	tests[n + 1] = (struct CMUnitTest)cmocka_unit_test(not_wanted);
	return cmocka_run_group_tests(tests, before, after);
}
