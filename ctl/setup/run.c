#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "ctl/out.h"
#include "ctl/setup/file.h"
#include "ctl/setup/run.h"

#define SAFE_PATH "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"

static char *look_in(const char *dirs, const char *name)
{
	while (dirs != NULL && *dirs != '\0') {
		size_t n = strcspn(dirs, ":");
		char *dir = strndup(dirs, n), *path = dir != NULL && *dir == '/' ? su_join(dir, "/", name) : NULL;
		struct stat st;

		free(dir);
		if (path != NULL && stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0)
			return path;
		free(path);
		dirs += n + (dirs[n] == ':');
	}
	return NULL;
}

char *su_find_program(const char *name)
{
#if defined(HAVE_SECURE_GETENV)
	char *path = look_in(secure_getenv("PATH"), name);
#else
	char *path = NULL;
#endif

	return path != NULL ? path : look_in(SAFE_PATH, name);
}

static void child(const char *const argv[], int out, int err)
{
	static const char *const env[] = { "PATH=" SAFE_PATH, "LANG=C", "LC_ALL=C", NULL };
	int null = open("/dev/null", O_RDONLY);
	char *args[SU_ARGS_MAX + 1], *envp[sizeof env / sizeof env[0]];
	size_t n;

	memcpy(envp, env, sizeof env);
	for (n = 0; n < SU_ARGS_MAX && argv[n] != NULL; n++)
		;
	memcpy(args, argv, (n + 1) * sizeof *args);
	if (null == -1 || argv[n] != NULL || dup2(null, 0) == -1 || dup2(out, 1) == -1 || dup2(err, 2) == -1 ||
	    setpgid(0, 0) == -1)
		_exit(127);
	execve(args[0], args, envp);
	_exit(127);
}

struct drain { int fd; char *p; size_t n; };

/* false: nothing more comes. What is too much is read and forgotten. */
static bool drain(struct drain *d)
{
	char rest[4096];
	bool room = d->n < SU_OUTPUT_MAX;
	ssize_t got = read(d->fd, room ? d->p + d->n : rest, room ? SU_OUTPUT_MAX - d->n : sizeof rest);

	if (got > 0 && room)
		d->n += (size_t)got;
	if (got > 0 || (got == -1 && errno == EINTR))
		return true;
	close(d->fd);
	d->fd = -1;
	return false;
}

/* A daemon that it starts may keep the pipes: after its end nothing is waited for. */
static bool collect(pid_t pid, struct drain d[2], int *status)
{
	uint64_t end = mx_now_ms() + (uint64_t)SU_RUN_S * 1000;
	struct pollfd p[2];
	bool ended = false;
	int st = 0, ready;

	for (;;) {
		p[0] = (struct pollfd){ d[0].fd, POLLIN, 0 };
		p[1] = (struct pollfd){ d[1].fd, POLLIN, 0 };
		ready = poll(p, 2, ended ? 0 : 10);
		for (int i = 0; i < 2; i++)
			if (d[i].fd != -1 && p[i].revents != 0)
				(void)drain(&d[i]);
		if (ended && ready <= 0)
			break;
		if (!ended && waitpid(pid, &st, WNOHANG) == pid)
			ended = true;
		if (!ended && mx_now_ms() > end) {
			(void)kill(-pid, SIGKILL);
			while (waitpid(pid, &st, 0) == -1 && errno == EINTR)
				;
			return false;
		}
	}
	*status = WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
	return true;
}

bool su_run(const char *const argv[], struct su_output *o)
{
	int a[2] = { -1, -1 }, b[2] = { -1, -1 };
	struct drain d[2];
	bool ok = false;
	pid_t pid;

	*o = (struct su_output){ .out = calloc(1, SU_OUTPUT_MAX + 1), .err = calloc(1, SU_OUTPUT_MAX + 1) };
	if (o->out == NULL || o->err == NULL || pipe2(a, O_CLOEXEC) == -1 || pipe2(b, O_CLOEXEC) == -1)
		goto out;
	if ((pid = fork()) == -1)
		goto out;
	if (pid == 0)
		child(argv, a[1], b[1]);
	close(a[1]);
	close(b[1]);
	a[1] = b[1] = -1;
	d[0] = (struct drain){ a[0], o->out, 0 };
	d[1] = (struct drain){ b[0], o->err, 0 };
	ok = collect(pid, d, &o->status);
	a[0] = d[0].fd, b[0] = d[1].fd;
	if (!ok)
		errno = ETIMEDOUT;
out:
	if (!ok)
		out_error("%s could not be run to its end (%s)", argv[0], strerror(errno));
	for (int i = 0; i < 2; i++) {
		if (a[i] != -1)
			close(a[i]);
		if (b[i] != -1)
			close(b[i]);
	}
	return ok;
}

void su_output_free(struct su_output *o)
{
	free(o->out);
	free(o->err);
	*o = (struct su_output){ 0 };
}

bool su_socket_unit(void)
{
	char *systemctl = su_find_program("systemctl");
	const char *const argv[] = { systemctl, "is-active", "--quiet", "mta-xoauth2-tokend.socket", NULL };
	struct su_output o = { 0 };
	bool yes = systemctl != NULL && su_run(argv, &o) && o.status == 0;

	su_output_free(&o);
	free(systemctl);
	return yes;
}
