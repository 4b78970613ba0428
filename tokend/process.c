#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef HAVE_SYS_PRCTL_H
#include <sys/prctl.h>
#endif

#include "tokend/process.h"

/* ptrace and core dumps: also called after the change of user, which makes a process dumpable again. */
static void no_dumps(void)
{
#if defined(HAVE_SYS_PRCTL_H) && defined(PR_SET_DUMPABLE) && !defined(MX_SANITIZED)
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);	/* leak detection has to trace the process */
#endif
}

void process_harden(void)
{
	struct rlimit none = { 0, 0 };
	struct sigaction ign = { .sa_handler = SIG_IGN };
	int fd;

	(void)setrlimit(RLIMIT_CORE, &none);
	no_dumps();
	(void)sigaction(SIGPIPE, &ign, NULL);
	(void)sigaction(SIGXFSZ, &ign, NULL);	/* a file that must not grow is an error like a full disk */
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= 2);
	if (fd > 2)
		close(fd);
}

void process_considerate(void)
{
#ifdef SCHED_BATCH
	const struct sched_param p = { 0 };

	if (sched_getscheduler(0) == SCHED_OTHER)	/* anything else is the administrator's choice */
		(void)sched_setscheduler(0, SCHED_BATCH, &p);
#endif
}

enum mx_class process_drop(const char *user, struct mx_err *e)
{
	const struct passwd *pw;

	if (geteuid() != 0)
		return MX_OK;
	if ((pw = getpwnam(user)) == NULL)
		return mx_fail(e, MX_CONFIG, "unknown-user", "there is no user \"%s\" to run as; make it (useradd --system "
		    "--no-create-home --shell /usr/sbin/nologin %s) or name another one by \"user:\" in the configuration",
		    user, user);
	if (pw->pw_uid == 0)
		return MX_OK;			/* asked for by "user: root" */
	if (initgroups(user, pw->pw_gid) == -1 || setgid(pw->pw_gid) == -1 || setuid(pw->pw_uid) == -1 ||
	    setuid(0) == 0)
		return mx_fail(e, MX_CONFIG, "cannot-change-user", "cannot become user \"%s\": %s", user, strerror(errno));
	no_dumps();
	return MX_OK;
}

bool process_background(int *ready, struct mx_err *e)
{
	int p[2], st = 0, null;
	ssize_t n;
	char c;
	pid_t pid;

	if (pipe(p) == -1 || (pid = fork()) == -1) {
		mx_fail(e, MX_TEMP, "fork", "cannot go to the background: %s", strerror(errno));
		return false;
	}
	if (pid > 0) {
		close(p[1]);
		do
			n = read(p[0], &c, 1);
		while (n == -1 && errno == EINTR);
		if (n == 1)
			_exit(0);
		(void)waitpid(pid, &st, 0);	/* it ended before it was ready, and has said why */
		_exit(WIFEXITED(st) && WEXITSTATUS(st) != 0 ? WEXITSTATUS(st) : 75);
	}
	close(p[0]);
	(void)fcntl(p[1], F_SETFD, FD_CLOEXEC);
	(void)setsid();
	if (chdir("/") == -1 || (null = open("/dev/null", O_RDWR)) == -1) {
		mx_fail(e, MX_TEMP, "background", "cannot go to the background: %s", strerror(errno));
		return false;
	}
	(void)dup2(null, STDIN_FILENO);
	(void)dup2(null, STDOUT_FILENO);
	if (null > 2)
		close(null);
	*ready = p[1];		/* standard error stays until the daemon is ready: complaints are read there */
	return true;
}

void process_ready(int ready)
{
	int null;

	if (ready == -1)
		return;
	if ((null = open("/dev/null", O_RDWR)) != -1) {
		(void)dup2(null, STDERR_FILENO);
		if (null > 2)
			close(null);
	}
	if (write(ready, "", 1) == -1)
		(void)errno;	/* the parent was killed: nobody waits */
	close(ready);
}
