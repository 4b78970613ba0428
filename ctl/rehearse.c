/*
 * rehearse: hands over to the Python programs in MX_DATADIR/rehearse, with an environment that nothing is looked up in.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "ctl/out.h"
#include "ctl/setup/run.h"
#include "ctl/verb.h"

#define DAEMON MX_SBINDIR "/mta-xoauth2-tokend"
#define PIECES MX_DATADIR "/rehearse"

/* Absolute, since the programs go elsewhere; as it was given where that fails: they say what is wrong with it. */
static char *absolute(const char *path)
{
	char *s = realpath(path, NULL);

	return s != NULL ? s : strdup(path);
}

/* Where the private folder is made; NULL: where such folders usually are. */
static const char *folder(void)
{
#if defined(HAVE_SECURE_GETENV)
	const char *v = secure_getenv("TMPDIR");

	return v != NULL && *v == '/' ? v : NULL;
#else
	return NULL;
#endif
}

static int no_python(void)
{
	out_error("rehearse needs Python 3.7 or newer, and there is no python3; install it (Debian: apt install python3). "
	    "The daemon and the mail servers do without");
	return CTL_CONFIG;
}

int rehearse_run(const struct call *c)
{
	const char *pieces = c->pieces != NULL ? c->pieces : PIECES, *tmp = folder();
	char *python = su_find_program("python3"), *daemon, main[PATH_MAX], tmpdir[PATH_MAX];
	char *env[] = { (char []){ "PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin" },
	    (char []){ "LANG=C.UTF-8" }, NULL, NULL };
	sigset_t held, before;
	struct mx_buf b;
	int err = ENOMEM;

	if (python == NULL)
		return no_python();
	mx_buf_init(&b, main, sizeof main);
	mx_buf_addf(&b, "%s/__main__.py", pieces);
	if (mx_buf_str(&b) == NULL || access(main, R_OK) == -1) {
		out_error("%s cannot be read; is mta-xoauth2 installed as a whole? --pieces names another folder than %s",
		    b.bad ? pieces : main, PIECES);
		free(python);
		return CTL_CONFIG;
	}
	mx_buf_init(&b, tmpdir, sizeof tmpdir);
	mx_buf_addf(&b, "TMPDIR=%s", tmp != NULL ? tmp : "");
	if (tmp != NULL && mx_buf_str(&b) != NULL)
		env[2] = tmpdir;
	daemon = absolute(c->daemon != NULL ? c->daemon : DAEMON);
	if (daemon != NULL) {
		const char *args[] = { python, "-I", "-B", pieces, daemon, c->keep ? "yes" : "no", c->list ? "yes" : "no",
		    c->scenario != NULL ? c->scenario : "delivery", NULL };
		char *argv[sizeof args / sizeof args[0]];

		memcpy(argv, args, sizeof args);
		(void)fflush(stdout);
		/* Until Python has its own handlers, Ctrl-C waits. */
		(void)sigemptyset(&held);
		(void)sigaddset(&held, SIGINT);
		(void)sigaddset(&held, SIGTERM);
		(void)sigaddset(&held, SIGHUP);
		(void)sigprocmask(SIG_BLOCK, &held, &before);
		(void)execve(python, argv, env);
		err = errno;
		(void)sigprocmask(SIG_SETMASK, &before, NULL);
	}
	out_error("%s cannot be started (%s)", python, strerror(err));
	free(daemon);
	free(python);
	return CTL_TEMP;
}
