/*
 * A service as it is: with the values that master.cf gives it, else main.cf's. And what a table has for a key.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/setup/postfix.h"

#define WORD "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

static bool ran(const char *const argv[], struct su_output *o)
{
	return argv[0] != NULL && su_run(argv, o) && o->status == 0;
}

char *pf_query(const struct pf *p, const char *list, const char *key)
{
	char type[64], name[1024], *found = NULL;

	while (found == NULL && pf_table(&list, type, sizeof type, name, sizeof name)) {
		char *postmap = su_join(p->commands, "/postmap", ""), *map = su_join(type, ":", name);
		const char *const argv[] = { postmap, "-c", p->dir, "-q", key, map, NULL };
		struct su_output o = { 0 };

		if (map != NULL && pf_has_map(p, type) && ran(argv, &o))
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

bool pf_service_read(const struct pf *p, const char *name, struct pf_service *s)
{
	char *unix_name = su_join(name, "/unix", ""), *chroot = NULL, *command = NULL;
	const char *const fields[] = { p->postconf, "-c", p->dir, "-F", unix_name, NULL };
	const char *const own[] = { p->postconf, "-c", p->dir, "-x", "-P", unix_name, NULL };
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
		ok = s->name != NULL && s->own != NULL;
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
	*s = (struct pf_service){ 0 };
}

char *pf_service_value(const struct pf *p, const struct pf_service *s, const char *parameter)
{
	const char *const argv[] = { p->postconf, "-c", p->dir, "-x", parameter, NULL };
	char *value = s->own != NULL ? value_of(s->own, parameter) : NULL;
	struct su_output o = { 0 };

	if (value == NULL && ran(argv, &o))
		value = value_of(o.out, parameter);
	su_output_free(&o);
	return value != NULL ? value : strdup("");
}
