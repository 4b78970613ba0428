/*
 * The answers: each from its option, else from the last run, else from a person, else as most hosts want it.
 */
#include "config.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/exchange/exchange.h"
#include "ctl/out.h"
#include "ctl/setup/job.h"

#define O(f) offsetof(struct call, f)

const struct xo_question xo_questions[XO_N] = {
	[XO_NAME] = { "--name", "name", O(name), "Name of the client", "A word for this set-up: files are named after it.",
	    xo_judge_name },
	[XO_TENANT] = { "--tenant", "tenant", O(tenant), "Tenant",
	    "Its domain, such as contoso.onmicrosoft.com, or its ID (Entra: Overview, Tenant ID).", xo_judge_tenant },
	[XO_MAILBOX] = { "--mailbox", "mailbox", O(mailbox), "Mailboxes",
	    "The mailboxes that mail is sent from, with commas between several. A shared mailbox needs no licence.",
	    xo_judge_mailboxes },
	[XO_CREDENTIAL] = { "--credential", "credential", O(credential), "Credential",
	    "certificate: a key is made here and never leaves. secret: Entra makes it. managed-identity: for machines of "
	    "Azure.", xo_judge_credential },
	[XO_PERMISSION] = { "--permission", "permission", O(permission), "Permission",
	    "classic: SMTP.SendAsApp and full access to these mailboxes. app-rbac: a role in Exchange for these mailboxes, "
	    "and nothing more.", xo_judge_permission },
	[XO_CLOUD] = { "--cloud", "cloud", O(cloud), "Cloud", "public (also GCC), gcc-high, dod or china.", xo_judge_cloud },
	[XO_USERS] = { "--users", "users", O(users), "Users",
	    "Users of this host that may have tokens: the mail server's, with commas between several, or none.",
	    xo_judge_users },
	[XO_APP] = { "--app-name", "app", O(app_name), NULL, NULL, xo_judge_app },
	[XO_CLIENT_ID] = { "--client-id", "client-id", O(client_id), NULL, NULL, xo_judge_guid },
	[XO_SECRET_FILE] = { "--secret-file", "secret-file", O(secret_file), NULL, NULL, xo_judge_path },
	[XO_PROXY] = { "--proxy", "proxy", O(proxy), NULL, NULL, xo_judge_text },
	[XO_CA_FILE] = { "--ca-file", "ca-file", O(ca_file), NULL, NULL, xo_judge_path },
	[XO_OUTPUT] = { "--output", "output", O(output), NULL, NULL, xo_judge_text },
};

/* Those of the users that mail servers run as that are here. Owned. */
static char *mail_users(void)
{
	static const char *const known[] = { "postfix", "Debian-exim", "exim" };
	char *list = strdup(""), *more;

	for (size_t i = 0; list != NULL && i < sizeof known / sizeof known[0]; i++)
		if (getpwnam(known[i]) != NULL) {
			more = su_concat(list, *list != '\0' ? "," : "", known[i], NULL);
			free(list);
			list = more;
		}
	if (list == NULL || *list != '\0')
		return list;
	free(list);
	return strdup("none");
}

static char *here(const char *path)
{
	char *cwd, *out;

	if (*path == '/')
		return strdup(path);
	cwd = getcwd(NULL, 0);
	out = cwd != NULL ? su_join(cwd, "/", path) : NULL;
	free(cwd);
	return out;
}

/* Owned. NULL with *err 0: it has no default. */
static char *otherwise(const struct xo *x, enum xo_key k, int *err)
{
	char *s = NULL;

	*err = 0;
	switch (k) {
	case XO_NAME: s = strdup("exchange"); break;
	case XO_CREDENTIAL: s = strdup("certificate"); break;
	case XO_PERMISSION: s = strdup("classic"); break;
	case XO_CLOUD: s = strdup("public"); break;
	case XO_USERS: s = mail_users(); break;
	case XO_APP: s = su_concat("mta-xoauth2 ", x->v[XO_NAME], NULL); break;
	case XO_OUTPUT: s = here("exchange-setup.ps1"); break;
	default: return NULL;
	}
	if (s == NULL)
		*err = errno != 0 ? errno : ENOMEM;
	return s;
}

/* From a person; *v is what it is without an answer, or NULL, and then the answer. An exit status. */
static int ask(const struct xo_question *q, char **v)
{
	const char *wrong;
	char *line;

	if (q->help != NULL)
		printf("\n%s\n", q->help);
	for (;;) {
		if ((line = xo_line(q->ask, *v)) == NULL)
			return CTL_FOUND;
		if (*line == '\0' && *v != NULL) {
			free(line);
			return CTL_FINE;
		}
		if ((wrong = q->judge(line)) == NULL)
			break;
		free(line);
		printf("It %s.\n", wrong);
	}
	free(*v);
	*v = line;
	return CTL_FINE;
}

static int take_option(struct xo *x, enum xo_key k, const char *s)
{
	const struct xo_question *q = &xo_questions[k];
	const char *wrong = q->judge(s);

	if (wrong != NULL)
		return out_usage(x->c->verb, "%s is \"%s\"; it %s", q->flag, s, wrong);
	x->v[k] = k == XO_OUTPUT ? here(s) : strdup(s);
	return x->v[k] != NULL ? CTL_FINE : out_failed(ENOMEM);
}

/* found: what the last run had for it, or NULL; taken over. */
static int answer(struct xo *x, enum xo_key k, char **found)
{
	const struct xo_question *q = &xo_questions[k];
	const char *option = *(const char *const *)((const char *)x->c + q->offset);
	int err = 0;

	if (option != NULL) {
		if (take_option(x, k, option) != CTL_FINE)
			return CTL_USAGE;
		if (k != XO_CLIENT_ID && (*found == NULL || strcmp(*found, x->v[k]) != 0 || k == XO_OUTPUT))
			x->changed = true;
		return CTL_FINE;
	}
	if (*found != NULL) {
		x->v[k] = *found;
		*found = NULL;
		return CTL_FINE;
	}
	if ((x->v[k] = otherwise(x, k, &err)) == NULL && err != 0)
		return out_failed(err);
	/* A complete set of answers is not asked about again, nor its name where the ID has come. */
	if (q->ask != NULL && x->terminal && (x->v[k] == NULL || (!x->again && !x->c->yes &&
	    !(k == XO_NAME && x->c->client_id != NULL))))
		return ask(q, &x->v[k]);
	if (q->ask != NULL && x->v[k] == NULL)
		return out_usage(x->c->verb, "%s is needed: there is no terminal to ask at", q->flag);
	return CTL_FINE;
}

/* What the options are good for together. */
static int judge(const struct xo *x)
{
	if (x->v[XO_SECRET_FILE] != NULL && !x->secret)
		return out_usage(x->c->verb, "--secret-file belongs to --credential secret");
	if (x->identity && (x->v[XO_PROXY] != NULL || x->v[XO_CA_FILE] != NULL))
		return out_usage(x->c->verb, "--proxy and --ca-file are of no use with --credential managed-identity: its "
		    "tokens come from the machine itself");
	return CTL_FINE;
}

static int settle(struct xo *x)
{
	const char *credential = x->v[XO_CREDENTIAL], *slash = strrchr(x->config, '/'), *name = x->v[XO_NAME];

	x->certificate = strcmp(credential, "certificate") == 0;
	x->secret = strcmp(credential, "secret") == 0;
	x->identity = strcmp(credential, "managed-identity") == 0;
	x->rbac = strcmp(x->v[XO_PERMISSION], "app-rbac") == 0;
	for (unsigned i = 0; i < OAUTH_CLOUD_N; i++)
		if (strcmp(x->v[XO_CLOUD], oauth_cloud_name(i)) == 0)
			x->cloud = (enum oauth_cloud)i;
	x->folder = strndup(x->config, (size_t)(slash - x->config));
	if (x->folder != NULL) {
		x->yaml = su_concat(x->folder, "/conf.d/", name, ".yaml", NULL);
		x->key = su_concat(x->folder, "/", name, ".key", NULL);
		x->crt = su_concat(x->folder, "/", name, ".crt", NULL);
		x->secret_file = x->v[XO_SECRET_FILE] != NULL ? strdup(x->v[XO_SECRET_FILE]) :
		    su_concat(x->folder, "/", name, ".secret", NULL);
		x->script = strdup(x->v[XO_OUTPUT]);
	}
	x->config_there = access(x->config, F_OK) == 0;
	if (x->yaml == NULL || x->key == NULL || x->crt == NULL || x->secret_file == NULL || x->script == NULL)
		return out_failed(ENOMEM);
	return judge(x);
}

int xo_answers(struct xo *x)
{
	char *found[XO_N] = { NULL };
	int r;

	x->config = x->c->config != NULL ? x->c->config : CTL_CONF;
	if (*x->config != '/' || !xo_shows_itself(x->config))
		return out_usage(x->c->verb, "--config must be an absolute path without control characters");
	x->terminal = isatty(0) == 1;
	r = answer(x, XO_NAME, &found[XO_NAME]);
	x->changed = false;
	if (r == CTL_FINE)
		r = xo_saved_read(x, found);
	for (unsigned k = XO_NAME + 1; r == CTL_FINE && k < XO_N; k++)
		r = answer(x, (enum xo_key)k, &found[k]);
	for (unsigned k = 0; k < XO_N; k++)
		free(found[k]);
	return r == CTL_FINE ? settle(x) : r;
}

void xo_free(struct xo *x)
{
	for (unsigned k = 0; k < XO_N; k++)
		free(x->v[k]);
	free(x->folder);
	free(x->yaml);
	free(x->key);
	free(x->crt);
	free(x->secret_file);
	free(x->script);
	free(x->saved);
	free(x->user);
}
