/*
 * What enable and disable have in common: the kept state and its lock, the diff, the question, the reload.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "ctl/ask.h"
#include "ctl/out.h"
#include "ctl/setup/lines.h"
#include "ctl/setup/postfix.h"

/* What an interrupted run was about to write or to remove. */
static void clear_up(const struct pf_state *s)
{
	char *a = su_join(s->dir, "~", ""), *b = su_join(s->undo, "~", ""), *c = su_join(s->dir, ".stage", "");

	if (a != NULL && b != NULL && c != NULL) {
		(void)su_remove_folder(a);
		(void)su_remove_folder(b);
		(void)su_remove_folder(c);
	}
	free(a);
	free(b);
	free(c);
}

int pf_state_open(struct pf *p, struct pf_state *s, bool take)
{
	const char *base = p->c->state != NULL ? p->c->state : MX_STATEDIR;
	char *dir = su_join(base, "/postfix", "");
	int err = 0;

	*s = (struct pf_state){ .fd = -1, .name = pf_name(p->dir) };
	if (dir != NULL && s->name != NULL) {
		s->dir = pf_text(dir, "/", s->name, NULL);
		s->undo = pf_text(dir, "/", s->name, ".undo", NULL);
		s->lock = pf_text(dir, "/", s->name, ".lock", NULL);
	}
	if (s->dir == NULL || s->undo == NULL || s->lock == NULL)
		err = ENOMEM;
	else if (take && ((err = su_make_folders(dir, 0700)) == 0 || err == EEXIST)) {
		s->fd = open(s->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		err = s->fd == -1 ? errno : flock(s->fd, LOCK_EX | LOCK_NB) == -1 ? errno : 0;
	}
	free(dir);
	if (err == 0) {
		if (take)
			clear_up(s);
		return CTL_FINE;
	}
	if (err == EWOULDBLOCK)
		out_error("another run is changing this Postfix; wait for its end");
	else
		out_error("%s/postfix cannot be written (%s), but what \"disable\" needs has to be kept there%s", base,
		    strerror(err), geteuid() != 0 ? "; run this as root" : "");
	return err == EWOULDBLOCK ? CTL_TEMP : CTL_CONFIG;
}

void pf_state_close(struct pf_state *s)
{
	if (s->fd != -1)
		close(s->fd);
	free(s->dir);
	free(s->undo);
	free(s->name);
	free(s->lock);
}

static void show_folder(const struct su_change *c)
{
	fputs(c->after.there ? "new folder: " : "folder removed, if it is empty: ", stdout);
	out_text(stdout, c->path, strlen(c->path));
	putchar('\n');
}

bool pf_show(const struct su_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct su_change *c = &set->c[i];
		const struct su_text before = { c->before.there ? c->before.p : NULL, c->before.n };
		const struct su_text after = { c->after.there ? c->after.p : NULL, c->after.n };

		if (c->kind == SU_SECRET) {
			fputs(c->after.there ? "new file, with the client's secret: " : "removed: ", stdout);
			out_text(stdout, c->path, strlen(c->path));
			putchar('\n');
		} else if (c->kind == SU_FOLDER) {
			show_folder(c);
		} else if (c->kind == SU_INDEX) {
			fputs("made of its text: ", stdout);
			out_text(stdout, c->path, strlen(c->path));
			putchar('\n');
		} else if (!su_file_bytes_equal(&c->before, &c->after) &&
		    !su_diff_show(stdout, c->path, &before, &after, c->kind == SU_PASSWORDS)) {
			out_error("no memory to compare files");
			return false;
		}
	}
	return true;
}

int pf_confirm(const struct pf *p)
{
	char line[16];

	if (p->c->yes)
		return CTL_FINE;
	if (isatty(0) == 0)
		return out_usage(p->c->verb, "nothing was changed: there is no terminal to ask at; look at the diff, "
		    "and then say --yes");
	printf("\nMake these changes? [y/N] ");
	fflush(stdout);
	if (fgets(line, sizeof line, stdin) != NULL && (strcmp(line, "y\n") == 0 || strcmp(line, "yes\n") == 0))
		return CTL_FINE;
	out_error("nothing was changed");
	return CTL_FOUND;
}

int pf_unchanged(const struct su_set *set)
{
	struct su_file now;
	bool same = true;

	for (size_t i = 0; same && i < set->n; i++) {
		if (set->c[i].kind == SU_FOLDER)
			continue;
		same = su_file_read(set->c[i].path, &now) == 0 && su_file_equal(&now, &set->c[i].before);
		su_file_free(&now);
		if (!same)
			out_error("%s was changed meanwhile; nothing was done: run this again", set->c[i].path);
	}
	return same ? CTL_FINE : CTL_TEMP;
}

int pf_apply(const struct su_set *set)
{
	const char *path = "";
	int err = su_set_apply(set, &path);

	if (err == 0)
		return CTL_FINE;
	out_error("%s cannot be changed (%s)", path, strerror(err));
	return CTL_CONFIG;
}

/* systemd makes the socket, so it has to hear of it: the socket cannot be changed while the service runs. */
static void tell_systemd(void)
{
	static const char *const words[][3] = { { "daemon-reload", NULL }, { "stop", "mta-xoauth2-tokend.service" },
		{ "restart", "mta-xoauth2-tokend.socket" }, { "start", "mta-xoauth2-tokend.service" } };
	char *systemctl = su_find_program("systemctl");
	struct su_output o = { 0 };

	for (size_t i = 0; systemctl != NULL && i < sizeof words / sizeof words[0]; i++) {
		const char *const argv[] = { systemctl, words[i][0], words[i][1], NULL };

		if (su_run(argv, &o) && o.status != 0)
			out_error("systemctl %s %s failed (exit status %d)", words[i][0],
			    words[i][1] != NULL ? words[i][1] : "", o.status);
		su_output_free(&o);
	}
	free(systemctl);
}

/* The daemon is told when its files have changed. */
static int tell_daemon(struct pf *p, bool systemd)
{
	struct mx_endpoint ep;
	struct answer a = { 0 };
	int r;

	if (systemd)
		tell_systemd();
	if ((r = ask_endpoint(p->c, &ep)) != CTL_FINE)
		return r;
	if (!systemd)
		ep.retry_ms = 0;	/* nobody has just stopped it */
	if (ask(&ep, MX_VERB_RELOAD, NULL, &a) != MX_OK) {
		r = ask_exit(&a.err, a.spoke);
		if (a.spoke)
			out_error("the token daemon does not take its new configuration: %s", a.err.text);
		else
			out_error("%s; start it: its configuration has changed", a.err.text);
	} else {
		puts("token daemon: reloaded");
	}
	answer_free(&a);
	return r;
}

static void tell_postfix(struct pf *p)
{
	char *postfix = su_join(p->commands, "/postfix", "");
	const char *const status[] = { postfix, "-c", p->dir, "status", NULL };
	const char *const reload[] = { postfix, "-c", p->dir, "reload", NULL };
	struct su_output o = { 0 };

	if (postfix != NULL && su_run(status, &o) && o.status == 0) {
		su_output_free(&o);
		if (su_run(reload, &o) && o.status == 0)
			puts("postfix: reloaded");
		else
			out_error("postfix reload failed (exit status %d): %s", o.status, o.err != NULL ? o.err : "");
	} else {
		puts("postfix: does not run, so it was not reloaded");
	}
	su_output_free(&o);
	free(postfix);
}

int pf_reload(struct pf *p, const struct su_set *set)
{
	bool systemd = false, daemon = false;

	for (size_t i = 0; i < set->n; i++) {
		if (strstr(set->c[i].path, "/mta-xoauth2-tokend.socket.d/") != NULL)
			systemd = true;
		if (strstr(set->c[i].path, ".yaml") != NULL)
			daemon = true;
	}
	tell_postfix(p);
	return daemon || systemd ? tell_daemon(p, systemd) : CTL_FINE;
}
