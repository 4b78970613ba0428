/*
 * check: the configuration as the daemon would read it, that is as the user the daemon runs as.
 * Root can become that user, in a child, and so sees what modes and access control lists allow.
 */
#include "config.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/check.h"
#include "ctl/child.h"
#include "ctl/out.h"
#include "ctl/verb.h"

void check_complain(const struct conf_report *r)
{
	size_t i;

	for (i = 0; i < r->n; i++) {
		const struct conf_complaint *c = &r->c[i];

		out_text(stderr, c->at.file, strlen(c->at.file));
		if (c->at.line != 0)
			fprintf(stderr, ":%u:%u", c->at.line, c->at.column);
		fputs(c->severity == 'e' ? ": error: " : ": warning: ", stderr);
		out_text(stderr, c->text, strlen(c->text));
		fputc('\n', stderr);
	}
}

/* "2 errors", "1 warning", "no errors" */
static void count(FILE *f, size_t n, const char *what)
{
	if (n == 0)
		fprintf(f, "no %ss", what);
	else
		fprintf(f, "%zu %s%s", n, what, n == 1 ? "" : "s");
}

/* Judges the files as this process may read them. as: the daemon's user, if that is who reads. */
static int judge(const char *path, const char *as)
{
	struct conf_report rep;
	struct conf *c = conf_load(path, CONF_CHECK_SECRETS | CONF_BY_HAND, &rep);
	int r = c != NULL ? CTL_FINE : CTL_CONFIG;
	FILE *f = c != NULL ? stdout : stderr;

	check_complain(&rep);
	out_text(f, path, strlen(path));
	fputs(": ", f);
	count(f, rep.errors, "error");
	fputs(", ", f);
	count(f, rep.warnings, "warning");
	if (c != NULL)
		fprintf(f, "; clients: %zu, accounts: %zu", c->nclients, c->naccounts);
	if (as != NULL) {
		fputs("; read as user \"", f);
		out_text(f, as, strlen(as));
		fputs("\", whom the daemon runs as", f);
	}
	fputc('\n', f);
	conf_report_free(&rep);
	conf_free(c);
	return r;
}

/* In the child: never comes back. */
static void judge_as(const char *path, const struct passwd *pw)
{
	char *name = strdup(pw->pw_name);	/* the next look-up overwrites *pw */
	int r;

	if (name == NULL || !child_become(pw)) {
		out_error("cannot become user \"%s\" to check what that one may read (%s)",
		    pw->pw_name, strerror(errno));
		_exit(CTL_TEMP);
	}
	r = judge(path, name);
	free(name);
	_exit(out_end(r));	/* what runs at an exit is the parent's */
}

static int judge_in_child(const char *path, const struct passwd *pw)
{
	pid_t pid, got;
	int st = 0;

	(void)fflush(stdout);
	if ((pid = fork()) == -1) {
		out_error("no process to check what user \"%s\" may read (%s); try again",
		    pw->pw_name, strerror(errno));
		return CTL_TEMP;
	}
	if (pid == 0)
		judge_as(path, pw);
	while ((got = waitpid(pid, &st, 0)) == -1 && errno == EINTR)
		;
	if (got == -1 || !WIFEXITED(st)) {
		out_error("the process that reads the files as user \"%s\" died", pw->pw_name);
		return CTL_TEMP;
	}
	return WEXITSTATUS(st);
}

int check_run(const struct call *c)
{
	const char *path = c->config != NULL ? c->config : CTL_CONF;
	const struct passwd *pw = NULL;
	struct conf_report rep;
	struct conf *conf;

	if (geteuid() == 0) {
		conf = conf_load(path, CONF_BY_HAND, &rep);	/* for its user; complaints come below */
		conf_report_free(&rep);
		if (conf != NULL && (pw = getpwnam(conf->user)) == NULL)
			out_error("there is no user \"%s\" for the daemon to run as, so what "
			    "that one may read is not checked; make it: useradd --system "
			    "--no-create-home --shell /usr/sbin/nologin %s", conf->user,
			    conf->user);
		conf_free(conf);
	}
	return pw != NULL && pw->pw_uid != 0 ? judge_in_child(path, pw) : judge(path, NULL);
}
