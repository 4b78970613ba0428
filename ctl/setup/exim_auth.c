/*
 * A password relay: Debian's Exim logs in with the passwords of passwd.client, which it looks up by the server's
 * canonical name. That one may be another each hour, so it is no use to take a line out of that file: instead each
 * authenticator with a password gets a condition, by which it is not tried on the way that the tokens take. The file
 * stays as it is, and other ways out go on using it.
 */
#include "config.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/out.h"
#include "ctl/setup/exim.h"

#define OURS "mta_xoauth2"
#define GUARD "  # no password on the way that tokens take (mta-xoauth2)\n" \
	"  client_condition = ${if !eq{$transport_name}{" OURS "}}\n"

/* Is there a line that says this option has a value? */
static bool has_value(const char *text, const char *option)
{
	size_t n = strlen(option);

	for (; *text != '\0'; text += strcspn(text, "\n"), text += *text == '\n')
		if (strncmp(text, option, n) == 0 && strncmp(text + n, " = ", 3) == 0 && strchr("\n", text[n + 3]) == NULL)
			return true;
	return false;
}

/* What -bP says of an authenticator: does it log in somewhere, and may it on our way? */
static void judge(struct ex *e, const char *file, const char *name, const char *said, struct ex_clients *c)
{
	static const char *const options[] = { "client_send", "client_name", "client_username", "client_password",
		"client_secret", "client_domain" };
	bool client = false;
	char *more;

	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
		client = client || has_value(said, options[i]);
	if (!client || strstr(said, "{$transport_name}{" OURS "}") != NULL)
		return;
	if (has_value(said, "client_condition") && file == NULL)
		su_find(&e->found, SU_WRONG, "passwords", "the authenticator %s has a client_condition of its own: add "
		    "{!eq{$transport_name}{" OURS "}} to it, so that no password is tried where the token goes", name);
	else if ((more = su_concat(c->names, name, "\n", NULL)) == NULL)
		e->found.no_memory = true;
	else
		free(c->names), c->names = more;
}

bool ex_find_clients(struct ex *e, const char *file, struct ex_clients *c)
{
	const char *const list[] = { "-C", file, "-bP", "authenticator_list", NULL };
	struct su_output o = { 0 }, one = { 0 };
	char *name, *rest;
	bool ok = (c->names = strdup("")) != NULL && ex_run(e, file != NULL ? list : list + 2, &o);

	for (rest = ok ? o.out : NULL; ok && (name = strsep(&rest, "\n")) != NULL;) {
		const char *const show[] = { "-C", file, "-bP", "authenticator", name, NULL };

		if (*name == '\0' || strcmp(name, OURS) == 0)
			continue;
		if ((ok = ex_run(e, file != NULL ? show : show + 2, &one)))
			judge(e, file, name, one.out, c);
		su_output_free(&one);
	}
	su_output_free(&o);
	return ok && !e->found.no_memory;
}

/* Behind the line "NAME:" of text; NULL: there is none. *twice: there are several. */
static const char *head_of(const char *text, const char *name, size_t n, bool *twice)
{
	const char *found = NULL;

	for (; *text != '\0'; text += strcspn(text, "\n"), text += *text == '\n')
		if (strncmp(text, name, n) == 0 && text[n] == ':' && text[n + 1 + strspn(text + n + 1, " \t")] == '\n') {
			*twice = *twice || found != NULL;
			found = text + strcspn(text, "\n") + 1;
		}
	return found;
}

/* text with the condition in this authenticator; NULL: it is not there, or no memory. */
static char *guarded(struct ex *e, const char *text, const char *section, const char *name, size_t n)
{
	bool twice = false;
	const char *at = head_of(section, name, n, &twice);
	char *head, *out = NULL;

	if (at == NULL)
		return NULL;
	if (twice)
		su_find(&e->found, SU_WRONG, "passwords", "there are two authenticators %.*s in one file: remove one", (int)n,
		    name);
	if ((head = strndup(text, (size_t)(at - text))) != NULL)
		out = su_concat(head, GUARD, at, NULL);
	free(head);
	e->found.no_memory |= out == NULL;
	return out;
}

/* Each of the names that text has is taken out of the list. Takes text over; NULL: no memory. */
static char *guard_all(struct ex *e, char *text, const char *begin, bool *changed)
{
	char *all = e->clients.names, *left = strdup(""), *more;
	size_t n;

	for (const char *name = all; text != NULL && left != NULL && *name != '\0'; name += n + 1) {
		const char *section = begin != NULL ? strstr(text, begin) : text;

		n = strcspn(name, "\n");
		if (section != NULL && (more = guarded(e, text, section, name, n)) != NULL) {
			free(text);
			text = more;
			*changed = true;
		} else {
			char *one = strndup(name, n + 1);

			more = one != NULL ? su_concat(left, one, NULL) : NULL;
			free(one);
			free(left);
			left = more;
		}
	}
	e->found.no_memory |= left == NULL;
	if (left != NULL) {
		free(all);
		e->clients.names = left;
	}
	return text;
}

static void not_found(struct ex *e, const char *where)
{
	if (*e->clients.names != '\0')
		su_find(&e->found, SU_WRONG, "passwords", "the authenticator %.*s is not in %s, but it could try a password "
		    "where the token goes: give it \"client_condition = ${if !eq{$transport_name}{" OURS "}}\"",
		    (int)strcspn(e->clients.names, "\n"), e->clients.names, where);
}

char *ex_guard_template(struct ex *e, char *text)
{
	bool changed = false;

	if (text != NULL && e->passwords) {
		text = guard_all(e, text, "\nbegin authenticators", &changed);
		not_found(e, "exim4.conf.template");
	}
	return text;
}

static void guard_file(struct ex *e, const char *path, struct su_set *out)
{
	struct su_file before = { 0 };
	bool changed = false;
	char *text;

	if (su_read(&e->found, path, &before) && before.there && strlen(before.p) == before.n &&
	    (text = strdup(before.p)) != NULL) {
		text = guard_all(e, text, NULL, &changed);
		if (changed && text != NULL) {
			if (!su_change_to(out, SU_FILE, path, "", &before, text, strlen(text), 0644))
				e->found.no_memory = true;
			return;
		}
		free(text);
	}
	su_file_free(&before);
}

void ex_guard_files(struct ex *e, struct su_set *out)
{
	char *folder = su_join(e->dir, "/conf.d/auth", ""), *path;
	DIR *d = folder != NULL && e->passwords ? opendir(folder) : NULL;
	const struct dirent *f;

	while (d != NULL && (f = readdir(d)) != NULL) {
		if (strchr(f->d_name, '.') != NULL || strchr(f->d_name, '~') != NULL)	/* update-exim4.conf takes none of these */
			continue;
		if ((path = su_join(folder, "/", f->d_name)) == NULL)
			e->found.no_memory = true;
		else
			guard_file(e, path, out);
		free(path);
	}
	if (d != NULL)
		closedir(d);
	if (e->passwords)
		not_found(e, folder != NULL ? folder : "conf.d/auth");
	free(folder);
}

/* A line of passwd.client that is one? */
static bool any_line(const char *s)
{
	for (; *s != '\0'; s += strcspn(s, "\n"), s += *s == '\n')
		if (strchr("# \t\r\n", *s) == NULL)
			return true;
	return false;
}

void ex_look_at_passwords(struct ex *e)
{
	char *path = su_join(e->dir, "/passwd.client", "");
	char *text = path != NULL ? su_concat("${lookup{", e->host, "}nwildlsearch{", path, "}{${extract{1}{:}{$value}}}{}}",
	    NULL) : NULL;
	const char *const args[] = { "-be", text, NULL };
	struct su_output o = { 0 };
	struct su_file f = { 0 };

	if (text == NULL) {
		e->found.no_memory = true;
	} else if (su_read(&e->found, path, &f)) {
		e->passwords = f.there && any_line(f.p);
		if (!e->passwords)
			su_find(&e->found, SU_GOOD, "passwords", "%s has no passwords", path);
		else if (!ex_run(e, args, &o))
			su_find(&e->found, SU_WRONG, "passwords", "Exim cannot look into %s: %.200s", path, o.err != NULL ? o.err :
			    "");
		else
			su_find(&e->found, SU_GOOD, "passwords", "%s has passwords%s: it stays as it is, but none of them is tried "
			    "where the token goes", path, *o.out != '\n' && *o.out != '\0' ? ", also for this server" : "");
		if (e->account == NULL && e->passwords && o.out != NULL && strchr(o.out, '@') != NULL)
			e->account = e->owned_account = strndup(o.out, strcspn(o.out, "\n"));
	}
	if (e->passwords && !ex_find_clients(e, NULL, &e->clients))
		su_find(&e->found, SU_WRONG, "passwords", "Exim does not say which authenticators it has");
	su_output_free(&o);
	su_file_free(&f);
	free(text);
	free(path);
}
