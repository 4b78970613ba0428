/*
 * What is Exim's own in enable, disable and status.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/out.h"
#include "ctl/setup/exim.h"

static struct su_asker asker(const struct ex *e)
{
	return (struct su_asker){ EX_USER, NULL, e->uid, e->gid, e->socket };
}

static int look(void *arg, const char *folder)
{
	struct ex *e = arg;

	if ((e->stage = strdup(folder)) == NULL)
		return out_failed(ENOMEM);
	if (!ex_look(e))
		return out_failed(ENOMEM);
	if (e->account == NULL || !ex_address(e->account))
		return out_usage(e->c->verb, "enable needs --account: the mailbox that logs in");
	return CTL_FINE;
}

static bool plan(void *arg, struct su_set *out)
{
	return ex_plan(arg, out);
}

/* Of Debian's files one is made. file: which one; NULL: the one that Exim reads. */
static bool make(const struct ex *e, const char *file)
{
	const char *const argv[] = { e->update, file != NULL ? "-o" : NULL, file, NULL };
	struct su_output o;
	bool ran = su_run(argv, &o), ok = ran && o.status == 0;

	if (ran && !ok)
		out_error("update-exim4.conf does not take it: %.1000s", o.err);
	su_output_free(&o);
	return ok;
}

/* No password may be tried where the token goes. */
static bool guarded(struct ex *e, const char *file)
{
	struct ex_clients c;
	bool ok = ex_find_clients(e, file, &c);

	if (ok && !(ok = *c.names == '\0'))
		out_error("Exim would try a password where the token goes: the authenticator %.*s has not got its "
		    "client_condition", (int)strcspn(c.names, "\n"), c.names);
	free(c.names);
	return ok;
}

/* A copy first; is our router in it, so that the mail goes there? */
static bool check(void *arg)
{
	struct ex *e = arg;
	char *file = su_join(e->stage, "/config", "");
	const char *const syntax[] = { "-C", file, "-bV", NULL }, *const routers[] = { "-C", file, "-bP", "router_list", NULL };
	struct su_output o = { 0 }, list = { 0 };
	bool ok = file != NULL && make(e, file);

	if (ok && !(ok = ex_run(e, syntax, &o)))
		out_error("Exim does not take it: %.1000s", o.err != NULL ? o.err : "");
	if (ok && !(ok = ex_run(e, routers, &list) && strstr(list.out, "mta_xoauth2\n") != NULL))
		out_error("Exim does not take it: the router mta_xoauth2 is not in what update-exim4.conf has made");
	ok = ok && (!e->passwords || guarded(e, file));
	su_output_free(&o);
	su_output_free(&list);
	free(file);
	return ok && make(e, NULL);
}

/* A service that cannot reload is started anew. */
static void tell_service(void)
{
	char *systemctl = su_find_program("systemctl");
	const char *const active[] = { systemctl, "is-active", "--quiet", "exim4.service", NULL };
	const char *const again[] = { systemctl, "reload-or-restart", "exim4.service", NULL };
	struct su_output o = { 0 };

	if (systemctl != NULL && su_run(active, &o) && o.status == 0) {
		su_output_free(&o);
		if (su_run(again, &o) && o.status == 0)
			puts("exim: reloaded");
		else
			out_error("systemctl reload-or-restart exim4.service failed (exit status %d)", o.status);
	} else {
		puts("exim: no service of systemd runs, so it was not reloaded; where another init has started it, do that");
	}
	su_output_free(&o);
	free(systemctl);
}

static bool reload(void *arg)
{
	if (!make(arg, NULL))
		return false;
	tell_service();
	return true;
}

static int try_login(void *arg)
{
	const struct ex *e = arg;
	const struct su_asker a = asker(e);

	return su_try_login(&a, e->account, e->host, e->port);
}

static void how_to_test(void *arg)
{
	const struct ex *e = arg;

	printf("\nTry it:\n  echo \"It works.\" | sendmail -f %s you@example.org\n", e->account);
	puts("and look for a line with \"=>\" and \"A=mta_xoauth2\" in /var/log/exim4/mainlog. Back again:\n"
	    "  mta-xoauth2 exim disable");
}

static const struct su_server server = { "exim", "Exim", look, plan, check, reload, NULL, try_login, how_to_test };

int ex_enable(struct ex *e)
{
	e->job.server = &server;
	return su_enable(&e->job);
}

int ex_disable(struct ex *e)
{
	e->job.server = &server;
	return su_disable(&e->job);
}

int ex_status(struct ex *e)
{
	const struct su_asker a = asker(e);
	struct su_place s;
	int r;

	e->job.server = &server;
	if (!ex_look(e))
		return out_failed(ENOMEM);
	if ((r = su_place_open(&e->job, &s, false)) == CTL_FINE) {
		su_find_kept(&e->job, &s, e->there ? "there is a transport mta_xoauth2" : NULL);
		su_find_answer(&e->found, &a);
		if (e->c->json)
			su_found_json(&e->found, "exim", e->dir);
		else
			su_found_show(&e->found, SU_GOOD);
		r = e->found.no_memory ? out_failed(ENOMEM) : e->found.worst == SU_GOOD ? CTL_FINE : CTL_FOUND;
	}
	su_place_close(&s);
	return r;
}
