/*
 * A password relay: the map's line for the relay keeps its user and loses its password.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/buf.h"
#include "ctl/out.h"
#include "ctl/setup/postfix.h"

static const char *const types[] = { "texthash", "hash", "btree", "lmdb", "cdb" };

struct line { const char *user; size_t user_n; const char *colon; const char *end; bool more; };

/* Is the line that ends here continued? postmap(1) passes over comments and empty lines in between. */
static bool goes_on(const char *p)
{
	bool blank = false;

	for (; *p == '\n'; p += strcspn(p, "\n")) {
		p++;
		blank = *p == ' ' || *p == '\t';
		p += strspn(p, " \t\r");
		if (*p != '\n' && *p != '#')
			return blank && *p != '\0';
	}
	return false;
}

/* The line of text that has this key: its user, and the colon before the password, if there is one. */
static bool find_line(const char *text, const char *key, struct line *l)
{
	size_t n = strlen(key);

	for (const char *p = text; *p != '\0'; p += strcspn(p, "\n"), p += *p == '\n') {
		if (strncasecmp(p, key, n) != 0 || (p[n] != ' ' && p[n] != '\t'))
			continue;
		l->user = p + n + strspn(p + n, " \t");
		l->end = l->user + strcspn(l->user, "\n");
		l->colon = memchr(l->user, ':', (size_t)(l->end - l->user));
		l->user_n = (size_t)((l->colon != NULL ? l->colon : l->end) - l->user);
		while (l->user_n > 0 && strchr(" \t\r", l->user[l->user_n - 1]) != NULL)
			l->user_n--;
		l->more = goes_on(l->end);
		return true;
	}
	return false;
}

/* The source of the next table with such a line, among those that are files. false: none. */
static bool next_source(struct pf *p, const char **list, size_t *type, char *name, size_t room, struct su_file *f,
    struct line *l)
{
	char kind[64];

	while (pf_table(list, kind, sizeof kind, name, room)) {
		for (*type = 0; *type < sizeof types / sizeof types[0]; ++*type)
			if (strcmp(kind, types[*type]) == 0)
				break;
		if (*type == sizeof types / sizeof types[0] || *name != '/' || !su_read(&p->found, name, f))
			continue;
		if (f->there && strlen(f->p) == f->n && find_line(f->p, p->c->relayhost, l))
			return true;
		su_file_free(f);
	}
	return false;
}

static char *mapped(struct pf *p, bool path)
{
	const char *list = p->value[PF_PASSWORDS], *s;
	char name[1024], *out = NULL;
	struct su_file f;
	struct line l;
	size_t type;

	if (next_source(p, &list, &type, name, sizeof name, &f, &l)) {
		if (!path && l.user_n > 0)
			out = strndup(l.user, l.user_n);
		for (s = l.end; path && l.colon != NULL && strchr(" \t\r", s[-1]) != NULL; s--)
			;
		if (path && l.colon != NULL && l.colon[1] == '/')
			out = strndup(l.colon + 1, (size_t)(s - l.colon - 1));
		su_file_free(&f);
	}
	return out;
}

char *pf_mapped_user(struct pf *p)
{
	return mapped(p, false);
}

char *pf_mapped_path(struct pf *p)
{
	return mapped(p, true);
}

char *pf_other_path(struct pf *p)
{
	const char *list = p->value[PF_PASSWORDS], *s, *colon;
	size_t type, n = strlen(p->c->relayhost), key;
	char name[1024], *out = NULL;
	struct su_file f;
	struct line l;

	while (out == NULL && next_source(p, &list, &type, name, sizeof name, &f, &l)) {
		for (s = f.p; out == NULL && *s != '\0'; s += strcspn(s, "\n"), s += *s == '\n') {
			key = strcspn(s, " \t\r\n");
			colon = memchr(s + key, ':', strcspn(s + key, "\n"));
			if (*s != '#' && key > 0 && colon != NULL && colon[1] == '/' &&
			    (key != n || strncasecmp(s, p->c->relayhost, n) != 0))
				out = strndup(s, key);
		}
		su_file_free(&f);
	}
	return out;
}

/* The index of the new text, made beside the copies. */
static bool plan_index(struct pf *p, size_t type, const char *source, const char *text, struct su_set *out)
{
	char *path = su_join(source, pf_index(types[type]), ""), *copy = su_join(p->stage, "/passwords", "");
	char *made = copy != NULL ? su_join(copy, pf_index(types[type]), "") : NULL;
	char *map = copy != NULL ? su_join(types[type], ":", copy) : NULL;
	char *note = su_join(types[type], ":", source);
	const char *const args[] = { map, NULL };
	struct su_file before = { 0 }, after = { 0 }, f = { .there = true, .mode = 0600 };
	struct su_output o = { 0 };
	bool ok = path != NULL && made != NULL && map != NULL && note != NULL && (f.p = strdup(text)) != NULL;

	if (ok && su_read(&p->found, path, &before) && before.there) {
		f.n = strlen(f.p);
		ok = su_file_put(copy, &f) == 0 && pf_run(p, p->stage, "postmap", args, &o) &&
		    su_file_read(made, &after) == 0 && after.there;
		if (ok && (ok = su_change_to(out, SU_INDEX, path, note, &before, after.p, after.n, 0600)))
			after = (struct su_file){ 0 };
	}
	su_output_free(&o);
	su_file_free(&before);
	su_file_free(&f);
	su_file_free(&after);
	free(path);
	free(copy);
	free(made);
	free(map);
	free(note);
	return ok;
}

static char *without_password(const struct su_file *f, const struct line *l, size_t *n)
{
	char *out = malloc(f->n + 1), *to = out;
	size_t head = (size_t)(l->user + l->user_n - f->p), tail = f->n - (size_t)(l->end - f->p);

	if (out == NULL)
		return NULL;
	memcpy(to, f->p, head);
	memcpy(to + head, l->end, tail);
	*n = head + tail;
	out[*n] = '\0';
	return out;
}

bool pf_plan_passwords(struct pf *p, struct su_set *out)
{
	const char *list = p->value[PF_PASSWORDS];
	char name[1024], *text;
	struct su_file f;
	struct line l;
	size_t type, n;
	bool ok = true;

	while (ok && p->c->sender == NULL && next_source(p, &list, &type, name, sizeof name, &f, &l)) {
		if (l.colon == NULL || su_set_find(out, name) != NULL) {
			su_file_free(&f);
			continue;
		}
		if (l.more) {
			su_find(&p->found, SU_WRONG, "passwords", "%s: the line of %s goes on in the next line: write "
			    "it in one", name,
			    p->c->relayhost);
			su_file_free(&f);
			continue;
		}
		su_find(&p->found, SU_GOOD, "passwords", "%s has a password for %s, which is not needed any more: it "
		    "is kept for \"postfix disable\" alone", name, p->c->relayhost);
		text = without_password(&f, &l, &n);
		/* The text first: Postfix wants the index to be the newer one. */
		ok = text != NULL && su_change_to(out, SU_PASSWORDS, name, "", &f, text, n, 0600) &&
		    (*pf_index(types[type]) == '\0' || p->c->dry_run ||
		    plan_index(p, type, name, out->c[out->n - 1].after.p, out));
	}
	return ok;
}
