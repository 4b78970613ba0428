/*
 * A service as it is: with the values that master.cf gives it, else main.cf's. And what a table has for a key.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/setup/postfix.h"

#define WORD "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

static bool ran(const char *const argv[], struct su_output *o)
{
	return argv[0] != NULL && su_run(argv, o) && o->status == 0;
}

const char *pf_index(const char *type)
{
	static const struct { const char *type, *index; } types[] = {
		{ "hash", ".db" }, { "btree", ".db" }, { "lmdb", ".lmdb" }, { "cdb", ".cdb" }, { "dbm", ".pag" },
	};

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (strcmp(type, types[i].type) == 0)
			return types[i].index;
	return "";
}

/* Is the file there that would be read? postmap(1) tells the mail log that it is not. */
static bool readable(const char *type, const char *name)
{
	char *path = su_join(name, pf_index(type), "");
	bool yes = *name != '/' || (path != NULL && access(path, R_OK) == 0);

	free(path);
	return yes;
}

char *pf_query(const struct pf *p, const char *list, const char *key)
{
	char type[64], name[1024], *found = NULL;

	while (found == NULL && pf_table(&list, type, sizeof type, name, sizeof name)) {
		char *postmap = su_join(p->commands, "/postmap", ""), *map = su_join(type, ":", name);
		const char *const argv[] = { postmap, "-c", p->dir, "-q", key, map, NULL };
		struct su_output o = { 0 };

		if (map != NULL && pf_has_map(p, type) && readable(type, name) && ran(argv, &o))
			found = strndup(o.out, strcspn(o.out, "\n"));
		su_output_free(&o);
		free(postmap);
		free(map);
	}
	return found;
}

bool pf_proves_name(const char *policy)
{
	static const char *const good[] = { "secure", "verify", "fingerprint", "dane-only" };

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		if (strncmp(policy, good[i], strlen(good[i])) == 0)
			return true;
	return false;
}

/* The value behind PREFIX/NAME, in what postconf has printed; NULL: not there. */
static char *value_of(const char *text, const char *name)
{
	size_t n = strlen(name);
	const char *eq, *key;

	for (; *text != '\0'; text += strcspn(text, "\n"), text += *text == '\n') {
		eq = strstr(text, " =");
		if (eq == NULL || eq > text + strcspn(text, "\n") || (size_t)(eq - text) < n)
			continue;
		key = eq - n;
		if (strncmp(key, name, n) == 0 && (key == text || key[-1] == '/')) {
			eq += 2 + strspn(eq + 2, " ");
			return strndup(eq, strcspn(eq, "\n"));
		}
	}
	return NULL;
}

static bool keep(const char *const argv[], char **text)
{
	struct su_output o = { 0 };

	*text = ran(argv, &o) ? strdup(o.out) : NULL;
	su_output_free(&o);
	return *text != NULL;
}

bool pf_service_read(const struct pf *p, const char *name, struct pf_service *s)
{
	char *unix_name = su_join(name, "/unix", ""), *chroot = NULL, *command = NULL;
	const char *const fields[] = { p->postconf, "-c", p->dir, "-F", unix_name, NULL };
	const char *const own[] = { p->postconf, "-c", p->dir, "-x", "-P", unix_name, NULL };
	const char *const raw[] = { p->postconf, "-c", p->dir, NULL }, *const all[] = { p->postconf, "-c", p->dir, "-x", NULL };
	struct su_output o = { 0 };
	bool ok = false;

	*s = (struct pf_service){ 0 };
	if (unix_name != NULL && *name != '\0' && strspn(name, WORD) == strlen(name) && ran(fields, &o)) {
		chroot = value_of(o.out, "chroot");
		command = value_of(o.out, "command");
	}
	su_output_free(&o);
	if (command != NULL && chroot != NULL && strncmp(command, "smtp", 4) == 0 && strchr(" ", command[4]) != NULL &&
	    ran(own, &o)) {
		s->chroot = *chroot == 'y' || (*chroot == '-' && strtod(p->value[PF_COMPATIBILITY], NULL) < 1);
		s->name = strdup(name);
		s->own = strdup(o.out);
		ok = s->name != NULL && s->own != NULL && keep(raw, &s->raw) && keep(all, &s->all);
	}
	su_output_free(&o);
	free(unix_name);
	free(chroot);
	free(command);
	return ok;
}

bool pf_service_own(const struct pf_service *s, const char *parameter)
{
	char *own = value_of(s->own, parameter);

	free(own);
	return own != NULL;
}

void pf_service_free(struct pf_service *s)
{
	free(s->name);
	free(s->own);
	free(s->raw);
	free(s->all);
	*s = (struct pf_service){ 0 };
}

/* $NAME and nothing else: the parameter that is meant, which the service may have of its own. NULL: it is not that. */
static char *reference(const char *text, const char *parameter)
{
	char *raw = value_of(text, parameter), *name = NULL;

	if (raw != NULL && *raw == '$') {
		const char *s = raw + 1 + (raw[1] == '{');
		const size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz_");

		if (n > 0 && (s[n] == '\0' || strcmp(s + n, "}") == 0))
			name = strndup(s, n);
	}
	free(raw);
	return name;
}

char *pf_service_value(const struct pf_service *s, const char *parameter)
{
	char *value = value_of(s->own, parameter), *other = value == NULL ? reference(s->raw, parameter) : NULL;

	if (value == NULL && other != NULL)
		value = value_of(s->own, other);
	if (value == NULL)
		value = value_of(s->all, parameter);
	free(other);
	return value != NULL ? value : strdup("");
}
