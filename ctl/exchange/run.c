/*
 * The steps in order: everything is judged before anything is written.
 */
#include "config.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ask.h"
#include "ctl/exchange/exchange.h"
#include "ctl/out.h"
#include "ctl/setup/file.h"
#include "ctl/setup/job.h"
#include "settings/conf.h"

#define NOT_KNOWN "00000000-0000-0000-0000-000000000000"	/* in place of the ID, for a look at the rest */

/* The daemon's user, whose group may read the key. */
static int find_user(struct xo *x)
{
	struct conf_report rep;
	struct conf *conf = NULL;
	const struct passwd *pw;

	if (x->config_there) {
		conf = conf_load(x->config, CONF_BY_HAND, &rep);	/* an empty one has no clients yet: no matter */
		conf_report_free(&rep);
	}
	x->user = strdup(conf != NULL ? conf->user : MX_USER);
	conf_free(conf);
	if (x->user == NULL)
		return out_failed(ENOMEM);
	if ((pw = getpwnam(x->user)) == NULL) {
		out_error("there is no user \"%s\" for the daemon to run as, and the key is to be for that one; make it: useradd "
		    "--system --no-create-home --shell /usr/sbin/nologin %s", x->user, x->user);
		return CTL_CONFIG;
	}
	x->gid = pw->pw_gid;
	return CTL_FINE;
}

static bool complete(const struct xo *x)
{
	return x->identity || x->v[XO_CLIENT_ID] != NULL;
}

/* The script has been written by an earlier run, and would be the same. */
static bool script_wanted(const struct xo *x)
{
	return !x->again || x->changed || access(x->script, F_OK) == -1;
}

static int look(const struct xo *x, const struct mx_buf *yaml)
{
	int r = xo_own_check(x->yaml, "take another --name");

	if (r == CTL_FINE && script_wanted(x))
		r = xo_own_check(x->script, "name another file with --output");
	if (r == CTL_FINE)
		r = xo_credential_look(x);
	return r == CTL_FINE ? xo_stage(x, yaml->p, yaml->len, 0) : r;
}

static void show(const struct xo *x)
{
	const char *what = x->certificate ? "key and certificate" : x->secret ? "secret" : "managed identity";

	printf("\nclient %s: tenant %s, %s, permission %s, cloud %s\nmailboxes: ", x->v[XO_NAME], x->v[XO_TENANT], what,
	    x->v[XO_PERMISSION], x->v[XO_CLOUD]);
	out_text(stdout, x->v[XO_MAILBOX], strlen(x->v[XO_MAILBOX]));
	printf("\nusers of this host that may have tokens: %s\n", x->v[XO_USERS]);
	if (script_wanted(x)) {
		fputs("script for the part in the cloud: ", stdout);
		out_text(stdout, x->script, strlen(x->script));
		putchar('\n');
	}
	if (complete(x))
		printf("configuration: %s\n", x->yaml);
}

static int write_script(const struct xo *x, const char *pem, char *storage)
{
	struct mx_buf b;

	mx_buf_init(&b, storage, XO_TEXT_MAX);
	xo_script(x, *pem != '\0' ? pem : NULL, &b);
	xo_own_seal_ps(&b);
	if (b.bad)
		return out_failed(EFBIG);
	return xo_put(x->script, b.p, b.len, 0644, getegid());
}

/* conf.d is not read without a main file. */
static int write_conf(const struct xo *x, struct mx_buf *yaml)
{
	char *conf_d = su_join(x->folder, "/conf.d", "");
	int err = conf_d != NULL ? su_make_folders(conf_d, 0755) : ENOMEM, r = CTL_FINE;

	if (err != 0 && err != EEXIST) {
		out_error("%s/conf.d cannot be made (%s)", x->folder, strerror(err));
		r = CTL_CONFIG;
	}
	free(conf_d);
	/* Until the last one is there the daemon would complain, so the main file comes last. */
	if (r == CTL_FINE)
		r = xo_put(x->yaml, yaml->p, yaml->len, 0644, 0);
	if (r == CTL_FINE && !x->config_there)
		r = xo_put(x->config, XO_MAIN, strlen(XO_MAIN), 0644, 0);
	if (r == CTL_FINE)
		printf("configuration: %s\n", x->yaml);
	return r;
}

/* As the daemon's user, as "check" does. */
static int check(const struct xo *x)
{
	const struct verb *v = verb_find("check");
	const struct call c = { .verb = v, .config = x->config };

	return v->run(&c);
}

/* It may not run yet. */
static int tell_daemon(const struct xo *x)
{
	struct mx_endpoint ep;
	struct answer a = { 0 };
	int r = ask_endpoint(x->c, &ep);

	if (r != CTL_FINE)
		return r;
	ep.retry_ms = 0;
	if (ask(&ep, MX_VERB_RELOAD, NULL, &a) == MX_OK) {
		puts("token daemon: reloaded");
	} else if (a.spoke) {
		out_error("the token daemon does not take its new configuration: %s", a.err.text);
		r = ask_exit(&a.err, a.spoke);
	} else {
		puts("token daemon: it does not run; start it: systemctl enable --now mta-xoauth2-tokend");
	}
	answer_free(&a);
	return r;
}

static int configure(const struct xo *x, struct mx_buf *yaml)
{
	int r = xo_stage(x, yaml->p, yaml->len, CONF_CHECK_SECRETS);

	if (r == CTL_FINE)
		r = write_conf(x, yaml);
	if (r == CTL_FINE)
		r = check(x);
	return r == CTL_FINE ? tell_daemon(x) : r;
}

static int make(const struct xo *x, struct mx_buf *yaml, char *storage)
{
	char pem[XO_PEM_MAX];
	int r = xo_credential_make(x, pem);

	if (r == CTL_FINE && script_wanted(x) && (r = write_script(x, pem, storage)) == CTL_FINE) {
		fputs("script: ", stdout);
		out_text(stdout, x->script, strlen(x->script));
		putchar('\n');
	}
	if (r == CTL_FINE && complete(x))
		r = configure(x, yaml);
	return r == CTL_FINE ? xo_saved_write(x) : r;
}

int xo_run(struct xo *x)
{
	char *one = malloc(XO_TEXT_MAX), *two = malloc(XO_TEXT_MAX);
	struct mx_buf yaml;
	int r = one != NULL && two != NULL ? xo_answers(x) : out_failed(ENOMEM);

	if (r == CTL_FINE)
		r = find_user(x);
	if (r != CTL_FINE)
		goto out;
	mx_buf_init(&yaml, one, XO_TEXT_MAX);
	xo_yaml(x, x->v[XO_CLIENT_ID] != NULL ? x->v[XO_CLIENT_ID] : NOT_KNOWN, &yaml);
	xo_own_seal(&yaml);
	if (yaml.bad) {
		r = out_failed(EFBIG);
		goto out;
	}
	if ((r = look(x, &yaml)) != CTL_FINE)
		goto out;
	show(x);
	if (x->terminal && !x->c->yes && !xo_agreed("\nGo on?", true)) {
		out_error("nothing was changed");
		r = CTL_FOUND;
		goto out;
	}
	r = make(x, &yaml, two);
	if (r == CTL_FINE)
		r = xo_next(x, complete(x));
out:
	free(one);
	free(two);
	return r;
}
