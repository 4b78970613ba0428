/*
 * The daemon: does it answer, does it know what the files say, and may the mail server's user ask it.
 */
#include "config.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "ctl/ask.h"
#include "ctl/diagnose/here.h"
#include "ctl/setup/job.h"
#include "ctl/status.h"

static void newest(const char *path, time_t *t)
{
	struct stat st;

	if (stat(path, &st) == 0 && st.st_mtime > *t)
		*t = st.st_mtime;
}

/* When the configuration was written last: the file, those of conf.d, and that folder. */
static time_t written(const char *config)
{
	char *folder = strndup(config, (size_t)(strrchr(config, '/') - config));
	char *conf_d = folder != NULL ? su_join(folder, "/conf.d", "") : NULL;
	time_t t = 0;

	newest(config, &t);
	if (conf_d != NULL)
		newest(conf_d, &t);
	free(folder);
	free(conf_d);
	return t;
}

static bool same(const char *a, const struct mx_span *b)
{
	char *x = realpath(a, NULL), *copy = strndup(b->s, b->n), *y = copy != NULL ? realpath(copy, NULL) : NULL;
	bool is = x != NULL && y != NULL && strcmp(x, y) == 0;

	free(x);
	free(copy);
	free(y);
	return is;
}

/* What the daemon says of the client at hand: evidence. */
static void client(struct dg_walk *w, const struct status_line *l)
{
	const struct mx_span *name = &l->v[SC_NAME], *code = &l->v[SC_CODE], *error = &l->v[SC_ERROR];

	if (name->s == NULL || strlen(w->client->oc.name) != name->n || memcmp(w->client->oc.name, name->s, name->n) != 0)
		return;
	if (code->s != NULL && error->s != NULL)
		dg_evidence(w, "the daemon's last token request failed: %.*s [%.*s]", (int)error->n, error->s, (int)code->n,
		    code->s);
}

static void compare(struct dg_walk *w, const char *path, const struct answer *a)
{
	const char *p = a->more, *end = a->more + a->n;
	const struct mx_span *conf, *code, *error;
	struct status_line l;
	struct status_sum s;
	int64_t loaded = 0;
	char when[40];

	if (!status_sum(a, &s)) {
		dg_ok(w, "answers at %s", path);
		return;
	}
	while (status_line(&p, end, &l))
		if (l.kind == STATUS_CLIENT)
			client(w, &l);
	conf = &s.daemon.v[SD_CONF], code = &s.daemon.v[SD_RELOAD_CODE], error = &s.daemon.v[SD_RELOAD_ERROR];
	(void)status_number(&s.daemon.v[SD_LOADED], &loaded);
	if (conf->s != NULL && !same(w->config, conf)) {
		w->stale = true;
		dg_note(w, "answers at %s, but it runs with another configuration: %.*s", path, (int)conf->n, conf->s);
	} else if (code->s != NULL && error->s != NULL) {
		w->stale = true;
		dg_note(w, "answers at %s, with its old configuration: the last reload failed: %.*s", path, (int)error->n, error->s);
	} else if ((int64_t)written(w->config) > (int64_t)(mx_wall_ms() / 1000) - loaded) {
		w->stale = true;
		dg_note(w, "answers at %s; the configuration was changed since it was read, %s ago (mta-xoauth2 reload)", path,
		    status_duration(when, &s.daemon.v[SD_LOADED]));
	} else {
		dg_ok(w, "answers at %s, with this configuration", path);
	}
}

/* Where the configuration has it listen, if not where it was asked. false: nobody answers there either. */
static bool elsewhere(struct dg_walk *w, struct mx_endpoint *ep, struct answer *a)
{
	const struct conf *c = w->conf;

	for (size_t i = 0; w->call->socket == NULL && i < c->nlisten; i++) {
		if (c->listen[i].protocol != CONF_PROTOCOL_TOKEND || strcmp(c->listen[i].path, ep->path) == 0)
			continue;
		answer_free(a);
		ep->path = c->listen[i].path;
		if (ask(ep, MX_VERB_STATUS, NULL, a) == MX_OK || a->spoke)
			return true;
	}
	return false;
}

void dg_daemon(struct dg_walk *w)
{
	struct mx_endpoint ep;
	struct mx_err e;
	struct answer a;

	if (ask_endpoint(w->call, &ep) != CTL_FINE)
		return;		/* it was judged before */
	ep.retry_ms = 0;
	if (ask(&ep, MX_VERB_STATUS, NULL, &a) != MX_OK && !a.spoke) {
		e = a.err;
		if (elsewhere(w, &ep, &a)) {
			w->socket = ep.path;
		} else {	/* perhaps it is being restarted, and nothing is broken */
			answer_free(&a);
			ep.path = w->socket;
			ep.retry_ms = MX_RETRY_MS;
			if (ask(&ep, MX_VERB_STATUS, NULL, &a) != MX_OK && !a.spoke)
				a.err = e;
		}
	}
	if (a.err.cls == MX_OK)
		compare(w, ep.path, &a);
	else if (a.spoke && a.err.cls == MX_DENIED)
		dg_ok(w, "answers at %s; what it runs with it tells root alone", ep.path);
	else if (strcmp(a.err.code, "socket-unreachable") == 0)
		dg_broken(w, "daemon-not-running", "%s", a.err.text);
	else
		dg_broken_err(w, &a.err);
	answer_free(&a);
}

/* The account's list with one word more, as a line of YAML; owned. */
static char *with(size_t n, const char *const *words, const char *more)
{
	char *list = strdup("["), *next, *q;

	for (size_t i = 0; list != NULL && i <= n; i++) {
		const char *word = i < n ? words[i] : more;
		const bool plain = strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == strlen(word);

		q = plain ? strdup(word) : su_quoted(word);
		next = q != NULL ? su_concat(list, i > 0 ? ", " : "", q, NULL) : NULL;
		free(q);
		free(list);
		list = next;
	}
	next = list != NULL ? su_concat(list, "]", NULL) : NULL;
	free(list);
	return next;
}

static void tell_list(struct dg_walk *w, size_t n, const char *const *words, const char *more)
{
	char *list = with(n, words, more), at[600];

	(void)snprintf(at, sizeof at, "%.500s, line %u", w->entry->at.file, w->entry->at.line);
	dg_value(w, "at", at);
	dg_value(w, "list", list);
	free(list);
}

/* As tokend/policy.c judges it; a mail server's delivery process has no supplementary groups. */
static bool listed(const struct conf_account *a, uid_t uid, gid_t gid)
{
	if (a->allow_groups.n > 0 && a->allow_users.n == 0)
		return conf_gid_listed(&a->allow_groups, gid);
	return conf_uid_listed(&a->allow_users, uid) || conf_gid_listed(&a->allow_groups, gid);
}

void dg_policy(struct dg_walk *w)
{
	const struct conf_account *a = w->entry;
	static const char *const root = "root";
	char uid[24], at[600];

	(void)snprintf(at, sizeof at, "account \"%s\" (%s:%u)", a->pattern, a->at.file, a->at.line);
	if (w->asker.user != NULL && !listed(a, w->asker.uid, w->asker.gid)) {
		(void)snprintf(uid, sizeof uid, "%lu", (unsigned long)w->asker.uid);
		dg_value(w, "user", w->asker.user);
		dg_value(w, "uid", uid);
		if (a->allow_users.n > 0)
			tell_list(w, a->allow_users.n, a->allow_users.name, w->asker.user);
		else
			tell_list(w, 1, &root, w->asker.user);
		dg_broken(w, "uid-not-listed", "%s admits %s%s%s, and %s asks as user %s (uid %s)", at,
		    a->allow_users.n > 0 ? "the users of allow_users" : a->allow_groups.n > 0 ? "" : "root alone",
		    a->allow_users.n > 0 && a->allow_groups.n > 0 ? " and " : "",
		    a->allow_groups.n > 0 ? "the groups of allow_groups" : "", w->mta_name, w->asker.user, uid);
	} else if (!conf_relay_allowed(a, w->relay, strlen(w->relay))) {
		tell_list(w, a->nrelays, a->relays, w->relay);
		dg_broken(w, "relay-not-listed", "%s does not let tokens go to %s", at, w->relay);
	} else if (w->mta_name != NULL && strcmp(w->mta_name, "exim") == 0 && !a->xoauth2) {
		dg_broken(w, "mechanism-not-listed", "%s does not have XOAUTH2 among its mechanisms", at);
	} else {
		dg_ok(w, "user %s may have logins for %s at %s", w->asker.user != NULL ? w->asker.user : "root", w->account,
		    w->relay);
	}
}
