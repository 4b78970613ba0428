/*
 * What is Postfix's own in enable, disable and status.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/out.h"
#include "ctl/setup/postfix.h"

/* From where smtp(8) asks. */
struct su_asker pf_asker(const struct pf *p)
{
	return (struct su_asker){ p->value[PF_OWNER], p->chroot ? p->value[PF_QUEUE] : NULL, p->uid, p->gid, p->socket };
}

static int try_login(void *arg)
{
	const struct pf *p = arg;
	const struct su_asker a = pf_asker(p);

	return su_try_login(&a, p->account, p->host, p->port);
}

static void how_to_test(void *arg)
{
	const struct pf *p = arg;
	bool usual = strcmp(p->dir, "/etc/postfix") == 0;

	printf("\nTry it:\n  echo \"It works.\" | sendmail %s%s%s-f ", usual ? "" : "-C ", usual ? "" : p->dir,
	    usual ? "" : " ");
	out_text(stdout, p->account, strlen(p->account));
	puts(" you@example.org\nand look for \"status=sent\" in the mail log. Back again:");
	printf("  mta-xoauth2 postfix disable%s%s\n", usual ? "" : " --instance ", usual ? "" : p->dir);
}

static bool check(void *arg)
{
	static const char *const none[] = { "check", NULL };
	struct pf *p = arg;
	struct su_output o;
	bool ok = pf_run(p, p->dir, "postfix", none, &o);

	if (!ok && o.err != NULL)
		out_error("Postfix does not take it: %s%s", o.out, o.err);
	su_output_free(&o);
	return ok;
}

static bool reload(void *arg)
{
	const struct pf *p = arg;
	char *postfix = su_join(p->commands, "/postfix", "");
	const char *const status[] = { postfix, "-c", p->dir, "status", NULL };
	const char *const again[] = { postfix, "-c", p->dir, "reload", NULL };
	struct su_output o = { 0 };

	if (postfix != NULL && su_run(status, &o) && o.status == 0) {
		su_output_free(&o);
		if (su_run(again, &o) && o.status == 0)
			puts("postfix: reloaded");
		else
			out_error("postfix reload failed (exit status %d): %s", o.status, o.err != NULL ? o.err : "");
	} else {
		puts("postfix: does not run, so it was not reloaded");
	}
	su_output_free(&o);
	free(postfix);
	return true;	/* the files are right; a reload can be made up for */
}

/* An index whose text was edited is made anew by postmap(1). */
static void make_indexes(void *arg, const struct su_set *undo)
{
	struct pf *p = arg;

	for (size_t i = 0; i < undo->n; i++) {
		const char *const args[] = { undo->c[i].note, NULL };
		struct su_output o = { 0 };

		if (undo->c[i].kind == SU_INDEX && *undo->c[i].note != '\0')
			(void)pf_run(p, p->dir, "postmap", args, &o);
		su_output_free(&o);
	}
}

static int look(void *arg, const char *folder)
{
	struct pf *p = arg;

	if (!pf_stage(p, folder) || !pf_look(p))
		return CTL_CONFIG;
	if (p->account == NULL)
		p->account = p->owned_account = pf_mapped_user(p);
	if (p->account == NULL || strchr(p->account, '@') == NULL)
		return out_usage(p->c->verb, "enable needs --account: the mailbox that logs in");
	return CTL_FINE;
}

static bool plan(void *arg, struct su_set *out)
{
	return pf_plan(arg, out);
}

const struct su_server pf_server = { "postfix", "Postfix", look, plan, check, reload, make_indexes, try_login,
	how_to_test };

int pf_enable(struct pf *p)
{
	return pf_read_all(p) ? su_enable(&p->job) : CTL_CONFIG;
}

int pf_disable(struct pf *p)
{
	return pf_read_all(p) ? su_disable(&p->job) : CTL_CONFIG;
}

int pf_status(struct pf *p)
{
	struct su_place s;
	int r;

	if (!pf_look(p))
		return CTL_CONFIG;
	if ((r = su_place_open(&p->job, &s, false)) == CTL_FINE) {
		su_find_kept(&p->job, &s, p->service ? "there is a service " PF_SERVICE " in master.cf" : NULL);
		pf_look_daemon(p);
		if (p->c->json)
			su_found_json(&p->found, "postfix", p->dir);
		else
			su_found_show(&p->found, SU_GOOD);
		r = p->found.no_memory ? out_failed(ENOMEM) : p->found.worst == SU_GOOD ? CTL_FINE : CTL_FOUND;
	}
	su_place_close(&s);
	return r;
}
