/*
 * The daemon's side that all mail servers have: leave for their user, in a file of its own in conf.d.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/setup/job.h"

char *su_quoted(const char *s)
{
	char *out = malloc(2 * strlen(s) + 3), *p = out;

	if (out == NULL)
		return NULL;
	*p++ = '"';
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			*p++ = '\\';
		*p++ = *s;
	}
	*p++ = '"';
	*p = '\0';
	return out;
}

struct conf *su_find_conf(const struct su_job *j, bool written)
{
	struct conf_report r;
	struct conf *c = conf_load(j->config, 0, &r);

	if (c != NULL)
		su_find(j->found, SU_GOOD, "daemon", "%s: clients: %zu, accounts: %zu", j->config, c->nclients,
		    c->naccounts);
	else if (written && access(j->config, F_OK) == -1 && errno == ENOENT)
		su_find(j->found, SU_GOOD, "daemon", "%s is not there yet, and is written", j->config);
	else
		su_find(j->found, SU_WRONG, "daemon", "%s: %s; mta-xoauth2 check shows all of it", j->config,
		    r.n > 0 ? r.c[0].text : "cannot be read");
	conf_report_free(&r);
	return c;
}

char *su_leave(const struct su_job *j, const struct conf_account *a, const char *host, const char *user, uid_t uid,
    gid_t gid)
{
	char *pattern, *out;

	if (!conf_relay_allowed(a, host, strlen(host)))
		su_find(j->found, SU_WRONG, "account", "%s:%u: account \"%s\" does not let tokens go to %s: add that "
		    "name to its \"relays\"", a->at.file, a->at.line, a->pattern, host);
	if (conf_uid_listed(&a->allow_users, uid) || conf_gid_listed(&a->allow_groups, gid))
		return strdup("");
	pattern = su_quoted(a->pattern);
	out = pattern == NULL ? NULL :
	    su_concat("accounts:\n  ", pattern, ":\n    allow_users: [", user, "]\n", NULL);
	free(pattern);
	return out;
}

bool su_conf_file(const struct su_job *j, bool whole, const char *text, struct su_set *out)
{
	const char *slash = strrchr(j->config, '/');
	char *folder = strndup(j->config, (size_t)(slash - j->config));
	char *dir = folder != NULL ? su_join(folder, "/conf.d", "") : NULL;
	char *name = su_name(j->dir);
	char *path = whole ? strdup(j->config) : dir == NULL || name == NULL ? NULL : su_concat(dir, "/50-",
	    j->server->name, "-", name, ".yaml", NULL);
	char *all = su_concat("# Written by \"mta-xoauth2 ", j->server->name, " enable\" for the ", j->server->title,
	    " in ", j->dir, "; \"mta-xoauth2 ", j->server->name, " disable\" takes it back.\n", text, NULL);
	struct su_file before = { 0 };
	bool ok = path != NULL && all != NULL;

	if (ok)
		ok = su_folder(out, whole ? folder : dir);
	if (ok && su_read(j->found, path, &before)) {
		if (before.there)
			su_find(j->found, SU_WRONG, "files", "%s is there already, and this tool has no record of "
			    "it: look what it is, and remove it", path);
		ok = su_change_to(out, SU_FILE, path, "", &before, all, strlen(all), 0644);
		all = NULL;
	}
	free(folder);
	free(dir);
	free(name);
	free(path);
	free(all);
	return ok;
}
