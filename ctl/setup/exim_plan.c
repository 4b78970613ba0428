/*
 * What has to be changed: exactly what doc/exim.md does by hand, with the files of conf/exim.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/setup/client.h"
#include "ctl/setup/exim.h"

/* In the order in which they stand in a configuration: where a piece goes, split and unsplit. */
static const struct { const char *name, *file, *line; bool before; } pieces[] = {
	{ "macros", "/conf.d/main/000_mta-xoauth2", NULL, false },
	{ "acl", "/conf.d/acl/50_mta-xoauth2", "begin acl", false },
	{ "router", "/conf.d/router/190_mta-xoauth2", "smarthost:", true },
	{ "transport", "/conf.d/transport/30_mta-xoauth2", "begin transports", false },
	{ "retry", "/conf.d/retry/20_mta-xoauth2", "begin retry", false },
	{ "auth", "/conf.d/auth/25_mta-xoauth2", "begin authenticators", false },
};

#define PIECES (sizeof pieces / sizeof pieces[0])

/* The one line of text that begins with this, and only once. NULL: none, or several. */
static const char *find_line(const char *text, const char *begin)
{
	const char *found = NULL;
	size_t n = strlen(begin);

	for (; *text != '\0'; text += strcspn(text, "\n"), text += *text == '\n')
		if (strncmp(text, begin, n) == 0) {
			if (found != NULL)
				return NULL;
			found = text;
		}
	return found;
}

/* The value behind "NAME =" becomes this one. Takes text over; NULL: no memory, or no such line, which is found. */
static char *with_value(struct ex *e, char *text, const char *name, const char *value)
{
	const char *at = text != NULL ? find_line(text, name) : NULL;
	char *head, *out = NULL;

	if (text != NULL && at == NULL) {
		su_find(&e->found, SU_WRONG, "pieces", "%s/macros has not one line \"%s\"", e->pieces, name);
	} else if (text != NULL && (head = strndup(text, (size_t)(at - text))) != NULL) {
		out = su_concat(head, name, " ", value, at + strcspn(at, "\n"), NULL);
		free(head);
	}
	if (text != NULL && at != NULL && out == NULL)
		e->found.no_memory = true;
	free(text);
	return out;
}

/* A piece with the site's values in it; owned. NULL: there is none, which is found, or no memory. */
static char *load_piece(struct ex *e, size_t i)
{
	char *path = su_join(e->pieces, "/", pieces[i].name), *text = NULL;
	struct su_file f = { 0 };

	if (path == NULL) {
		e->found.no_memory = true;
	} else if (su_read(&e->found, path, &f)) {
		if (!f.there || strlen(f.p) != f.n || f.n == 0 || f.p[f.n - 1] != '\n')
			su_find(&e->found, SU_WRONG, "pieces", "%s is not there, or is no text: install mta-xoauth2 anew",
			    path);
		else if ((text = strdup(f.p)) == NULL)
			e->found.no_memory = true;
	}
	if (pieces[i].line == NULL) {
		text = with_value(e, text, "MTA_XOAUTH2_MAILBOX =", e->account);
		text = with_value(e, text, "MTA_XOAUTH2_SOCKET =", e->socket);
	}
	su_file_free(&f);
	free(path);
	return text;
}

/* A file of its own. Takes text over. */
static void add_file(struct ex *e, const char *path, const char *note, char *text, struct su_set *out)
{
	struct su_file before;

	if (!su_read(&e->found, path, &before)) {
		free(text);
		return;
	}
	if (before.there)
		su_find(&e->found, SU_WRONG, "files", "%s is there already, and was not made by this tool: is this set up "
		    "by hand? Then take that out first (exim.md, \"Take it out again\")", path);
	if (!su_change_to(out, SU_BLOCK, path, note, &before, text, strlen(text), 0644))
		e->found.no_memory = true;
}

/* Before or behind its line. Takes both over; NULL: no memory, or no place, which is found. */
static char *inserted(struct ex *e, char *all, char *piece, size_t i)
{
	const char *at = find_line(all, pieces[i].line);
	char *head, *out = NULL;

	if (at == NULL) {
		su_find(&e->found, SU_WRONG, "template", "%s/exim4.conf.template has not one line that begins with \"%s\", "
		    "where a piece belongs: put the pieces in by hand (exim.md, \"Debian, unsplit\")", e->dir,
		    pieces[i].line);
	} else {
		if (!pieces[i].before)
			at += strcspn(at, "\n"), at += *at == '\n';
		if ((head = strndup(all, (size_t)(at - all))) != NULL)
			out = su_concat(head, piece, at, NULL);
		free(head);
		e->found.no_memory |= out == NULL;
	}
	free(all);
	free(piece);
	return out;
}

static void edit_template(struct ex *e, const char *note, struct su_set *out)
{
	char *path = su_join(e->dir, "/exim4.conf.template", ""), *text = NULL, *piece;
	struct su_file before = { 0 };

	if (path == NULL) {
		e->found.no_memory = true;
		return;
	}
	if (!su_read(&e->found, path, &before))
		goto out;
	if (!before.there || strlen(before.p) != before.n || (text = strdup(before.p)) == NULL)
		su_find(&e->found, SU_WRONG, "template", "%s is not there, or is no text", path);
	for (size_t i = 1; text != NULL && i < PIECES; i++) {
		if ((piece = load_piece(e, i)) != NULL) {
			text = inserted(e, text, piece, i);
		} else {
			free(text);
			text = NULL;
		}
	}
	text = ex_guard_template(e, text);
	if (text != NULL && !su_change_to(out, SU_BLOCK, path, note, &before, text, strlen(text), 0644))
		e->found.no_memory = true;
out:
	su_file_free(&before);
	free(path);
}

/* Behind what somebody has there. */
static void edit_localmacros(struct ex *e, struct su_set *out)
{
	char *path = su_join(e->dir, "/exim4.conf.localmacros", ""), *piece = load_piece(e, 0), *text = NULL;
	struct su_file before = { 0 };

	if (path != NULL && piece != NULL && su_read(&e->found, path, &before)) {
		if (!before.there || before.n == 0)
			text = strdup(piece);
		else
			text = su_concat(before.p, before.p[before.n - 1] == '\n' ? "" : "\n", piece, NULL);
		if (before.there && strlen(before.p) != before.n)
			su_find(&e->found, SU_WRONG, "files", "%s is no text", path);
		if (!su_change_to(out, SU_BLOCK, path, "", &before, text, text != NULL ? strlen(text) : 0, 0644))
			e->found.no_memory = true;
	}
	e->found.no_memory |= path == NULL;
	free(path);
	free(piece);
}

static void add_files(struct ex *e, const char *note, struct su_set *out)
{
	char *path, *piece;

	for (size_t i = 0; i < PIECES; i++) {
		path = su_join(e->dir, pieces[i].file, "");
		if (path == NULL)
			e->found.no_memory = true;
		else if ((piece = load_piece(e, i)) != NULL)
			add_file(e, path, i + 1 == PIECES ? note : "", piece, out);
		free(path);
	}
}

/* Leave for Exim's user. */
static bool plan_daemon(struct ex *e, struct su_set *out)
{
	const char *account = e->account;
	const struct conf_account *a = e->conf != NULL ? conf_account_find(e->conf, account, strlen(account)) : NULL;
	struct su_client k = { 0 };
	char *text;
	bool ok;

	if (a != NULL) {
		text = su_leave(&e->job, a, e->host, EX_USER, e->uid, e->gid);
	} else if (e->c->tenant != NULL) {
		text = su_client_taken(&e->job, e->conf, account) ? strdup("") : su_client_given(e->c, &k) ?
		    su_client_text(&k, account, EX_USER) : NULL;
	} else {
		if (e->conf != NULL)
			su_find_no_account(&e->job, account);
		text = strdup("");
	}
	ok = text != NULL && (*text == '\0' || su_conf_file(&e->job, e->conf == NULL, text, out));
	su_client_free(&k);
	free(text);
	return ok;
}

bool ex_plan(struct ex *e, struct su_set *out)
{
	char *note = su_concat(e->c->relayhost, " ", e->account, " -", NULL);

	if (e->there)
		su_find(&e->found, SU_WRONG, "pieces", "the configuration has a transport mta_xoauth2 that was not made by "
		    "this tool: is this set up by hand? Then take that out first (exim.md, \"Take it out again\")");
	if (note == NULL || !plan_daemon(e, out)) {
		free(note);
		return false;
	}
	if (e->split) {
		ex_guard_files(e, out);
		add_files(e, note, out);
	} else {
		edit_localmacros(e, out);
		edit_template(e, note, out);
	}
	free(note);
	return !e->found.no_memory;
}
