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

#include "common/text.h"
#include "ctl/ask.h"
#include "ctl/out.h"
#include "ctl/setup/aside.h"
#include "ctl/setup/job.h"
#include "ctl/setup/lines.h"
#include "ctl/setup/run.h"
#include "ctl/setup/trust.h"

bool su_plain_path(const char *s)
{
	return *s == '/' && strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+@~") ==
	    strlen(s);
}

int su_relay(const struct call *c, char **host, uint32_t *number)
{
	const char *s = c->relayhost, *end = s != NULL && *s == '[' ? strchr(s, ']') : NULL;
	uint64_t port = 0;

	if (s == NULL)
		return CTL_FINE;
	if (end == NULL || end == s + 1 || end - s > MX_HOST_MAX ||
	    strspn(s + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:") !=
	    (size_t)(end - s - 1) ||
	    (end[1] != '\0' && (end[1] != ':' || !mx_parse_uint(end + 2, strlen(end + 2), 1, 65535, &port))))
		return out_usage(c->verb, "--relayhost is \"%s\"; it must look like [smtp.office365.com]:587, "
		    "brackets and all", s);
	*number = (uint32_t)port;
	*host = strndup(s + 1, (size_t)(end - s - 1));
	return *host != NULL ? CTL_FINE : out_failed(ENOMEM);
}

/* What an interrupted run was about to write or to remove. */
static void clear_up(const struct su_place *s)
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

int su_place_open(const struct su_job *j, struct su_place *s, bool take)
{
	char why[SU_WHY], *dir;
	int err = su_trust_kept(j->c->state, j->server->name, take, &dir, why);

	*s = (struct su_place){ .fd = -1, .name = su_name(j->dir) };
	if (err != 0 && err != ENOENT && (take || err != EACCES)) {	/* who may not look is told so later */
		out_error("%s; what \"disable\" needs is kept there", why);
		free(dir);
		return CTL_CONFIG;
	}
	err = 0;
	if (dir != NULL && s->name != NULL) {
		s->dir = su_concat(dir, "/", s->name, NULL);
		s->undo = su_concat(dir, "/", s->name, ".undo", NULL);
		s->lock = su_concat(dir, "/", s->name, ".lock", NULL);
	}
	if (s->dir == NULL || s->undo == NULL || s->lock == NULL)
		err = ENOMEM;
	else if (take) {
		s->fd = open(s->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		err = s->fd == -1 ? errno : flock(s->fd, LOCK_EX | LOCK_NB) == -1 ? errno : 0;
	}
	if (err == 0 && take)
		clear_up(s);
	else if (err == EWOULDBLOCK)
		out_error("another run is changing this %s; wait for its end", j->server->title);
	else if (err != 0)
		out_error("%s cannot be written (%s), but what \"disable\" needs has to be kept there%s",
		    dir != NULL ? dir : "the state's folder", strerror(err), geteuid() != 0 ? "; run this as root" : "");
	free(dir);
	return err == 0 ? CTL_FINE : err == EWOULDBLOCK ? CTL_TEMP : CTL_CONFIG;
}

void su_place_close(struct su_place *s)
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

/* What has no lines to show. false: it has. */
static bool show_whole(const struct su_change *c)
{
	const char *what = NULL;

	if (c->kind == SU_SECRET)
		what = c->after.there ? "new file, with the client's secret" : "removed";
	else if (c->kind == SU_GRANT)
		what = c->after.there ? "new file, with the refresh token" : "removed";
	else if (c->kind == SU_TOKEN)
		what = c->after.there ? "put back, with the newest refresh token" :
		    "removed, and kept for \"disable\": its refresh token is the daemon's then";
	else if (c->kind == SU_PLUGIN)
		what = c->after.there ? "plugin put back" : "plugin set aside, and kept for \"disable\"";
	else if (c->kind == SU_INDEX)
		what = "made of its text";
	if (what == NULL)
		return false;
	printf("%s: ", what);
	out_text(stdout, c->path, strlen(c->path));
	putchar('\n');
	return true;
}

bool su_show(const struct su_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct su_change *c = &set->c[i];
		const struct su_text before = { c->before.there ? c->before.p : NULL, c->before.n };
		const struct su_text after = { c->after.there ? c->after.p : NULL, c->after.n };

		if (c->kind == SU_FOLDER) {
			show_folder(c);
		} else if (show_whole(c)) {
			continue;
		} else if (!su_file_bytes_equal(&c->before, &c->after) &&
		    !su_diff_show(stdout, c->path, &before, &after, c->kind == SU_PASSWORDS)) {
			out_error("no memory to compare files");
			return false;
		}
	}
	return true;
}

int su_confirm(const struct su_job *j)
{
	char line[16];

	if (j->c->yes)
		return CTL_FINE;
	if (isatty(0) == 0)
		return out_usage(j->c->verb, "nothing was changed: there is no terminal to ask at; look at the diff, "
		    "and then say --yes");
	printf("\nMake these changes? [y/N] ");
	fflush(stdout);
	if (fgets(line, sizeof line, stdin) != NULL && (strcmp(line, "y\n") == 0 || strcmp(line, "yes\n") == 0))
		return CTL_FINE;
	out_error("nothing was changed");
	return CTL_FOUND;
}

int su_unchanged(const struct su_set *set)
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

int su_apply(const struct su_set *set)
{
	const char *path = "";
	int err = su_set_apply(set, &path);

	if (err == 0)
		return CTL_FINE;
	out_error("%s cannot be changed (%s)", path, strerror(err));
	return CTL_CONFIG;
}

/*
 * systemd makes the socket, so it has to hear of it: the socket cannot be changed while the service runs, and only what
 * systemd knows at the stop is removed by it.
 */
static void tell_systemd(void)
{
	static const char *const words[][2] = { { "stop", "mta-xoauth2-tokend.service" },
		{ "stop", "mta-xoauth2-tokend.socket" }, { "daemon-reload", NULL },
		{ "start", "mta-xoauth2-tokend.socket" }, { "start", "mta-xoauth2-tokend.service" } };
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
static int tell_daemon(const struct su_job *j, bool systemd)
{
	struct mx_endpoint ep;
	struct answer a = { 0 };
	int r;

	if (systemd)
		tell_systemd();
	if ((r = ask_endpoint(j->c, &ep)) != CTL_FINE)
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

int su_reload(const struct su_job *j, const struct su_set *set, bool forth)
{
	bool systemd = false, daemon = false, good;
	int r = CTL_FINE;

	for (size_t i = 0; i < set->n; i++) {
		if (strstr(set->c[i].path, "/mta-xoauth2-tokend.socket.d/") != NULL)
			systemd = true;
		if (strstr(set->c[i].path, ".yaml") != NULL)
			daemon = true;
	}
	su_divert(set);
	if (forth && (daemon || systemd) && (r = tell_daemon(j, systemd)) == CTL_CONFIG)
		return r;
	good = j->server->reload(j->arg);
	if (!forth && (daemon || systemd))
		r = tell_daemon(j, systemd);
	return r != CTL_FINE ? r : good ? CTL_FINE : CTL_CONFIG;
}
