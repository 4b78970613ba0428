/*
 * From looking to the first login: each step is made only when all before it were good.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/out.h"
#include "ctl/setup/job.h"

static bool good_check(const struct su_job *j)
{
	struct conf_report r;
	struct conf *c;

	if (!j->server->check(j->arg))
		return false;
	if ((c = conf_load(j->config, 0, &r)) == NULL)
		out_error("the daemon would not take its configuration: %s", r.n > 0 ? r.c[0].text : "?");
	conf_free(c);
	conf_report_free(&r);
	return c != NULL;
}

static int carry_out(const struct su_job *j, const struct su_place *s, const struct su_set *set)
{
	int err = su_set_save(s->dir, set), r;

	if (err != 0) {
		out_error("%s cannot be written (%s); nothing was changed", s->dir, strerror(err));
		return CTL_CONFIG;
	}
	if (su_apply(set) != CTL_FINE || !good_check(j)) {
		out_error("all of it is taken back");
		(void)su_undo(j, s, set);
		return CTL_CONFIG;
	}
	if ((err = su_set_done(s->dir)) != 0) {
		out_error("%s cannot be written (%s); run this again", s->dir, strerror(err));
		return CTL_CONFIG;
	}
	if ((r = su_reload(j, set, true)) == CTL_CONFIG) {
		out_error("all of it is taken back");
		(void)su_undo(j, s, set);
		return r;
	}
	if (r == CTL_FINE)
		r = j->server->login(j->arg);
	j->server->how_to_test(j->arg);
	return r;
}

/* The state says that this was done already. */
static int enabled(const struct su_job *j, const struct su_set *set)
{
	const char *note = set->n > 0 ? set->c[set->n - 1].note : "";
	size_t n = strlen(j->c->relayhost);
	struct su_set undo;
	bool intact, same = strncmp(note, j->c->relayhost, n) == 0 && note[n] == ' ';
	const char *account = same ? note + n + 1 : "", *sender = strrchr(note, ' ');
	int r;

	sender = sender != NULL ? sender + 1 : "";
	if (j->c->account != NULL && same)
		same = strlen(j->c->account) + 1 == (size_t)(sender - account) &&
		    strncmp(account, j->c->account, strlen(j->c->account)) == 0;
	if (!same || strcmp(j->c->sender != NULL ? j->c->sender : "-", sender) != 0) {
		out_error("this %s is set up already, as: %s (relay, account, senders); run \"mta-xoauth2 "
		    "%s disable\" first", j->server->title, note, j->server->name);
		return CTL_CONFIG;
	}
	if ((r = su_undo_plan(set, &undo, &intact)) == CTL_FINE) {
		if (intact) {
			puts("This is set up already; nothing was changed.");
		} else {
			out_error("this was set up, but lines of it are gone since: run \"mta-xoauth2 %s "
			    "disable\" and this again", j->server->name);
			r = CTL_FOUND;
		}
	}
	su_set_free(&undo);
	return r;
}

/* Where copies are edited: in a folder that nobody else may look into. NULL: it has been said. */
static char *work_folder(const struct su_job *j, const struct su_place *s)
{
	char *dir = j->c->dry_run ? strdup("/tmp/mta-xoauth2.XXXXXX") : su_join(s->dir, ".stage", "");
	int err = 0;

	if (dir == NULL)
		err = ENOMEM;
	else if (j->c->dry_run)
		err = mkdtemp(dir) == NULL ? errno : 0;
	else
		err = su_make_folders(dir, 0700);
	if (err == 0)
		return dir;
	out_error("%s cannot be made (%s)", dir != NULL ? dir : "a folder", strerror(err));
	free(dir);
	return NULL;
}

static int change(const struct su_job *j, const struct su_place *s)
{
	struct su_set set = { 0 };
	int r = CTL_CONFIG;

	if (!j->server->plan(j->arg, &set)) {
		out_error("nothing was changed");
	} else if (j->found->worst == SU_WRONG) {
		su_found_show(j->found, SU_ODD);
		out_error("nothing was changed: see what is wrong above");
	} else {
		su_found_show(j->found, SU_GOOD);
		putchar('\n');
		if (!su_show(&set))
			r = CTL_TEMP;
		else if (j->c->dry_run)
			r = CTL_FINE, puts("\nNothing was changed: --dry-run.");
		else if ((r = su_confirm(j)) == CTL_FINE && (r = su_unchanged(&set)) == CTL_FINE)
			r = carry_out(j, s, &set);
	}
	su_set_free(&set);
	return r;
}

static int look_and_change(const struct su_job *j, const struct su_place *s)
{
	char *folder = work_folder(j, s);
	int r = folder != NULL ? j->server->look(j->arg, folder) : CTL_CONFIG;

	free(folder);
	return r == CTL_FINE ? change(j, s) : r;
}

static int begin(const struct su_job *j, const struct su_place *s)
{
	struct su_set set;
	int r = su_undo_finish(j, s), err;

	if (r != CTL_FINE)
		return r;
	switch (su_set_load(s->dir, &set, &err)) {
	case SU_NONE:
		return look_and_change(j, s);
	case SU_DONE:
		r = enabled(j, &set);
		break;
	case SU_APPLYING:
		puts("An earlier \"enable\" was interrupted; what it did is taken back first.");
		if (!j->c->dry_run && (r = su_undo(j, s, &set)) == CTL_FINE)
			r = look_and_change(j, s);
		break;
	case SU_DAMAGED:
		out_error("%s is damaged (%s); nothing was changed. Copies of the files as they were are in there "
		    "(before.*)",
		    s->dir, err != 0 ? strerror(err) : "its content");
		return CTL_CONFIG;
	}
	su_set_free(&set);
	return r;
}

int su_enable(const struct su_job *j)
{
	struct su_place s;
	int r = su_place_open(j, &s, !j->c->dry_run);

	if (r == CTL_FINE)
		r = begin(j, &s);
	su_place_close(&s);
	return r;
}
