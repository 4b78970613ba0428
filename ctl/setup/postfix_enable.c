/*
 * From looking to the first login: each step is made only when all before it were good.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "ctl/ask.h"
#include "ctl/out.h"
#include "ctl/setup/postfix.h"

/* Does the daemon hand a login to Postfix's user, asked from where smtp(8) asks? */
static int try_login(struct pf *p)
{
	const struct su_asker a = { p->chroot ? p->value[PF_QUEUE] : NULL, p->uid, p->gid, p->socket,
		mx_now_ms() + MX_TIMEOUT_MS };
	struct mx_err e;
	uint64_t left = 0;

	if (geteuid() != 0)
		return CTL_FINE;
	if (su_ask_as(&a, MX_VERB_SASL, p->account, p->host, p->port, &left, &e) != MX_OK) {
		out_error("all is set up, but the token daemon has no login for user %s yet: %s", p->value[PF_OWNER],
		    e.text);
		return ask_exit(&e, strcmp(e.code, "socket-unreachable") != 0);
	}
	printf("token daemon: user %s gets a login for ", p->value[PF_OWNER]);
	out_text(stdout, p->account, strlen(p->account));
	printf(" at %s; its token lives %llu s\n", p->host, (unsigned long long)left);
	return CTL_FINE;
}

static void how_to_test(const struct pf *p)
{
	bool usual = strcmp(p->dir, "/etc/postfix") == 0;

	printf("\nTry it:\n  echo \"It works.\" | sendmail %s%s%s-f ", usual ? "" : "-C ", usual ? "" : p->dir,
	    usual ? "" : " ");
	out_text(stdout, p->account, strlen(p->account));
	puts(" you@example.org\nand look for \"status=sent\" in the mail log. Back again:");
	printf("  mta-xoauth2 postfix disable%s%s\n", usual ? "" : " --instance ", usual ? "" : p->dir);
}

static bool good_check(struct pf *p)
{
	static const char *const none[] = { "check", NULL };
	struct conf_report r;
	struct su_output o;
	struct conf *c;
	bool ok = pf_run(p, p->dir, "postfix", none, &o);

	if (!ok && o.err != NULL)
		out_error("Postfix does not take it: %s%s", o.out, o.err);
	su_output_free(&o);
	if (!ok)
		return false;
	if ((c = conf_load(p->config, 0, &r)) == NULL)
		out_error("the daemon would not take its configuration: %s", r.n > 0 ? r.c[0].text : "?");
	conf_free(c);
	conf_report_free(&r);
	return c != NULL;
}

static int carry_out(struct pf *p, const struct pf_state *s, const struct su_set *set)
{
	int err = su_set_save(s->dir, set), r;

	if (err != 0) {
		out_error("%s cannot be written (%s); nothing was changed", s->dir, strerror(err));
		return CTL_CONFIG;
	}
	if ((r = pf_apply(set)) != CTL_FINE || !good_check(p)) {
		out_error("all of it is taken back");
		(void)pf_undo(p, s, set);
		return CTL_CONFIG;
	}
	if ((err = su_set_done(s->dir)) != 0) {
		out_error("%s cannot be written (%s); run this again", s->dir, strerror(err));
		return CTL_CONFIG;
	}
	if ((r = pf_reload(p, set)) == CTL_CONFIG) {
		out_error("all of it is taken back");
		(void)pf_undo(p, s, set);
		return r;
	}
	if (r == CTL_FINE)
		r = try_login(p);
	how_to_test(p);
	return r;
}

/* The state says that this was done already. */
static int enabled(struct pf *p, const struct su_set *set)
{
	const char *note = set->n > 0 ? set->c[set->n - 1].note : "";
	size_t n = strlen(p->c->relayhost);
	struct su_set undo;
	bool intact, same = strncmp(note, p->c->relayhost, n) == 0 && note[n] == ' ';
	const char *account = same ? note + n + 1 : "", *sender = strrchr(note, ' ');
	int r;

	sender = sender != NULL ? sender + 1 : "";
	if (p->c->account != NULL && same)
		same = strlen(p->c->account) + 1 == (size_t)(sender - account) &&
		    strncmp(account, p->c->account, strlen(p->c->account)) == 0;
	if (!same || strcmp(p->c->sender != NULL ? p->c->sender : "-", sender) != 0) {
		out_error("this Postfix is set up already, as: %s (relay, account, senders); run \"mta-xoauth2 "
		    "postfix disable\" first", note);
		return CTL_CONFIG;
	}
	if ((r = pf_undo_plan(set, &undo, &intact)) == CTL_FINE) {
		if (intact) {
			puts("This is set up already; nothing was changed.");
		} else {
			out_error("this was set up, but lines of it are gone since: run \"mta-xoauth2 postfix "
			    "disable\" and this again");
			r = CTL_FOUND;
		}
	}
	su_set_free(&undo);
	return r;
}

/* Where copies are edited: in a folder that nobody else may look into. NULL: it has been said. */
static char *work_folder(const struct pf *p, const struct pf_state *s)
{
	char *dir = p->c->dry_run ? strdup("/tmp/mta-xoauth2.XXXXXX") : su_join(s->dir, ".stage", "");
	int err = 0;

	if (dir == NULL)
		err = ENOMEM;
	else if (p->c->dry_run)
		err = mkdtemp(dir) == NULL ? errno : 0;
	else
		err = su_make_folders(dir, 0700);
	if (err == 0)
		return dir;
	out_error("%s cannot be made (%s)", dir != NULL ? dir : "a folder", strerror(err));
	free(dir);
	return NULL;
}

static int change(struct pf *p, const struct pf_state *s)
{
	struct su_set set = { 0 };
	int r = CTL_CONFIG;

	if (!pf_plan(p, &set)) {
		out_error("nothing was changed");
	} else if (p->found.worst == SU_WRONG) {
		su_found_show(&p->found, SU_ODD);
		out_error("nothing was changed: see what is wrong above");
	} else {
		su_found_show(&p->found, SU_GOOD);
		putchar('\n');
		if (!pf_show(&set))
			r = CTL_TEMP;
		else if (p->c->dry_run)
			r = CTL_FINE, puts("\nNothing was changed: --dry-run.");
		else if ((r = pf_confirm(p)) == CTL_FINE && (r = pf_unchanged(&set)) == CTL_FINE)
			r = carry_out(p, s, &set);
	}
	su_set_free(&set);
	return r;
}

static int look_and_change(struct pf *p, const struct pf_state *s)
{
	char *folder = work_folder(p, s);
	bool ok = folder != NULL && pf_stage(p, folder) && pf_look(p);

	free(folder);
	if (!ok)
		return CTL_CONFIG;
	if (p->account == NULL)
		p->account = p->owned_account = pf_mapped_user(p);
	if (p->account == NULL || strchr(p->account, '@') == NULL)
		return out_usage(p->c->verb, "enable needs --account: the mailbox that logs in");
	return change(p, s);
}

static int begin(struct pf *p, const struct pf_state *s)
{
	struct su_set set;
	int r = pf_undo_finish(p, s), err;

	if (r != CTL_FINE)
		return r;
	switch (su_set_load(s->dir, &set, &err)) {
	case SU_NONE:
		return look_and_change(p, s);
	case SU_DONE:
		r = enabled(p, &set);
		break;
	case SU_APPLYING:
		puts("An earlier \"enable\" was interrupted; what it did is taken back first.");
		if (!p->c->dry_run && (r = pf_undo(p, s, &set)) == CTL_FINE)
			r = look_and_change(p, s);
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

int pf_enable(struct pf *p)
{
	struct pf_state s;
	int r;

	if (!pf_read_all(p))
		return CTL_CONFIG;
	if ((r = pf_state_open(p, &s, !p->c->dry_run)) == CTL_FINE)
		r = begin(p, &s);
	pf_state_close(&s);
	return r;
}
