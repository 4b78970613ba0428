#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/hash.h"
#include "ctl/setup/state.h"

#define HEAD "mta-xoauth2 changes 1\n"
#define TAIL "end\n"

bool su_set_add(struct su_set *s, enum su_kind kind, const char *path, const char *note, struct su_file *before,
    struct su_file *after)
{
	struct su_change *c;

	if (s->n == s->cap) {
		if ((c = reallocarray(s->c, s->cap * 2 + 8, sizeof *c)) == NULL)
			goto fail;
		s->c = c;
		s->cap = s->cap * 2 + 8;
	}
	c = &s->c[s->n];
	*c = (struct su_change){ .kind = kind, .path = strdup(path), .note = strdup(note) };
	if (c->path == NULL || c->note == NULL) {
		free(c->path);
		free(c->note);
		goto fail;
	}
	c->before = *before;
	c->after = *after;
	*before = *after = (struct su_file){ 0 };
	s->n++;
	return true;
fail:
	su_file_free(before);
	su_file_free(after);
	return false;
}

struct su_change *su_set_find(const struct su_set *s, const char *path)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->c[i].path, path) == 0)
			return &s->c[i];
	return NULL;
}

void su_set_free(struct su_set *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->c[i].path);
		free(s->c[i].note);
		su_file_free(&s->c[i].before);
		su_file_free(&s->c[i].after);
	}
	free(s->c);
	*s = (struct su_set){ 0 };
}

/* --- kept ------------------------------------------------------------------------------------- */

static int put_text(const char *path, const char *p, size_t n)
{
	char *copy = strndup(p, n);
	struct su_file f = { .there = true, .p = copy, .n = n, .mode = 0600 };
	int err;

	if (copy == NULL)
		return ENOMEM;
	f.uid = geteuid(), f.gid = getegid();
	err = su_file_put(path, &f);
	free(copy);
	return err;
}

static char *copy_name(const char *dir, const char *what, size_t i)
{
	char name[40];

	(void)snprintf(name, sizeof name, "/%s.%zu", what, i);
	return su_join(dir, name, "");
}

static int save_copy(const char *dir, const char *what, size_t i, const struct su_file *f)
{
	struct su_file copy = *f;
	char *path;
	int err;

	if (f->p == NULL)
		return 0;
	if ((path = copy_name(dir, what, i)) == NULL)
		return ENOMEM;
	copy.mode = 0600, copy.uid = geteuid(), copy.gid = getegid();
	err = su_file_put(path, &copy);
	free(path);
	return err;
}

static void describe(FILE *f, const struct su_file *x)
{
	fprintf(f, " %d %o %lu %lu %zu %016" PRIx64, x->there, (unsigned)x->mode, (unsigned long)x->uid,
	    (unsigned long)x->gid, x->n, mx_fnv(MX_FNV_BASIS, x->p, x->n));
}

static int manifest(const struct su_set *s, char **p, size_t *n)
{
	FILE *f = open_memstream(p, n);

	if (f == NULL)
		return errno;
	fputs(HEAD, f);
	for (size_t i = 0; i < s->n; i++) {
		const struct su_change *c = &s->c[i];

		fprintf(f, "%c", (char)c->kind);
		describe(f, &c->before);
		describe(f, &c->after);
		fprintf(f, " %s\n %s\n", c->path, c->note);
	}
	fputs(TAIL, f);
	return fclose(f) == 0 ? 0 : errno;
}

int su_set_save(const char *dir, const struct su_set *s)
{
	char *temp = su_join(dir, "~", ""), *list = temp != NULL ? su_join(temp, "/manifest", "") : NULL, *text = NULL;
	size_t n = 0;
	int err = list == NULL ? ENOMEM : su_remove_folder(temp);

	if (err == 0)
		err = su_make_folders(temp, 0700);
	for (size_t i = 0; err == 0 && i < s->n; i++)
		if ((err = save_copy(temp, "before", i, &s->c[i].before)) == 0)
			err = save_copy(temp, "after", i, &s->c[i].after);
	if (err == 0 && (err = manifest(s, &text, &n)) == 0 && (err = put_text(list, text, n)) == 0)
		err = rename(temp, dir) == -1 ? errno : su_sync_folder(dir);
	free(text);
	free(list);
	free(temp);
	return err;
}

int su_set_done(const char *dir)
{
	char *path = su_join(dir, "/done", "");
	int err = path == NULL ? ENOMEM : put_text(path, TAIL, strlen(TAIL));

	free(path);
	return err;
}

int su_set_remove(const char *dir)
{
	char *temp = su_join(dir, "~", "");
	int err = temp == NULL ? ENOMEM : su_remove_folder(temp);

	if (err == 0 && rename(dir, temp) == -1)
		err = errno == ENOENT ? 0 : errno;
	if (err == 0)
		err = su_sync_folder(dir);
	if (err == 0)
		err = su_remove_folder(temp);
	free(temp);
	return err;
}

/* --- found again ------------------------------------------------------------------------------ */

static bool number(char **p, int base, uint64_t *v)
{
	char *end;

	if (**p != ' ')
		return false;
	errno = 0;
	*v = strtoull(*p + 1, &end, base);
	if (end == *p + 1 || errno != 0)
		return false;
	*p = end;
	return true;
}

/* Root acts upon what is in there: it is his own, or of who runs this. */
static int read_own(const char *path, struct su_file *f)
{
	int err = su_file_read(path, f);

	return err == 0 && f->there && f->uid != 0 && f->uid != geteuid() ? EPERM : err;
}

/* What describe() wrote, and the bytes that belong to it. */
static bool load_copy(char **p, const char *dir, const char *what, size_t i, bool bytes, struct su_file *f)
{
	uint64_t there, mode, uid, gid, n, hash;
	char *path;
	int err;

	*f = (struct su_file){ 0 };
	if (!number(p, 10, &there) || !number(p, 8, &mode) || !number(p, 10, &uid) || !number(p, 10, &gid) ||
	    !number(p, 10, &n) || !number(p, 16, &hash))
		return false;
	if (there != 0 && bytes) {
		if ((path = copy_name(dir, what, i)) == NULL)
			return false;
		err = read_own(path, f);
		free(path);
		if (err != 0 || !f->there || f->n != n || mx_fnv(MX_FNV_BASIS, f->p, f->n) != hash) {
			su_file_free(f);
			return false;
		}
	}
	f->there = there != 0;
	f->mode = (mode_t)mode, f->uid = (uid_t)uid, f->gid = (gid_t)gid;
	return true;
}

/* One change is two lines: the second one has the note. */
static bool load_change(char **p, const char *dir, struct su_set *s)
{
	char *line = *p, *end = strchr(line, '\n'), *second = end != NULL ? end + 1 : NULL;
	char *last = second != NULL ? strchr(second, '\n') : NULL;
	struct su_file before = { 0 }, after = { 0 };
	enum su_kind kind = (enum su_kind)*line;
	bool bytes = kind != SU_FOLDER;

	if (last == NULL || *second != ' ' || strchr("fbpistgxd", *line) == NULL)
		return false;
	*end = *last = '\0';
	*p = last + 1;
	line++;
	if (!load_copy(&line, dir, "before", s->n, bytes, &before) ||
	    !load_copy(&line, dir, "after", s->n, bytes, &after) || *line != ' ' || line[1] != '/') {
		su_file_free(&before);
		su_file_free(&after);
		return false;
	}
	return su_set_add(s, kind, line + 1, second + 1, &before, &after);
}

enum su_state su_set_load(const char *dir, struct su_set *s, int *err)
{
	char *list = su_join(dir, "/manifest", ""), *done = su_join(dir, "/done", ""), *p;
	struct su_file f = { 0 };
	enum su_state r = SU_DAMAGED;

	*s = (struct su_set){ 0 };
	if ((*err = list == NULL || done == NULL ? ENOMEM : read_own(list, &f)) != 0)
		goto out;
	if (!f.there) {
		r = access(dir, F_OK) == -1 && errno == ENOENT ? SU_NONE : SU_DAMAGED;
		goto out;
	}
	p = f.p;
	if (strlen(p) != f.n || strncmp(p, HEAD, strlen(HEAD)) != 0)
		goto out;
	for (p += strlen(HEAD); strcmp(p, TAIL) != 0;)
		if (!load_change(&p, dir, s))
			goto out;
	r = access(done, F_OK) == 0 ? SU_DONE : SU_APPLYING;
out:
	if (r == SU_DAMAGED)
		su_set_free(s);
	su_file_free(&f);
	free(list);
	free(done);
	return r;
}

/* --- made ------------------------------------------------------------------------------------- */

/* A folder that is not empty stays, whoever fills it. */
static int apply_folder(const struct su_change *c)
{
	const struct su_file *f = &c->after;

	if (!f->there)
		return rmdir(c->path) == -1 && errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST ? errno : 0;
	/* At once with its mode: whoever is killed here must not leave one that keeps the daemon out. */
	if (mkdir(c->path, f->mode) == -1 && errno != EEXIST)
		return errno;
	if (lchown(c->path, f->uid, f->gid) == -1 || chmod(c->path, f->mode) == -1)
		return errno;
	return su_sync_folder(c->path);
}

int su_set_apply(const struct su_set *s, const char **path)
{
	struct su_file now;
	int err = 0;

	for (size_t i = 0; err == 0 && i < s->n; i++) {
		*path = s->c[i].path;
		if (s->c[i].kind == SU_FOLDER) {
			err = apply_folder(&s->c[i]);
			continue;
		}
		if ((err = su_file_read(*path, &now)) == 0)
			err = su_file_equal(&now, &s->c[i].after) ? su_file_clear(*path) :
			    su_file_put(*path, &s->c[i].after);
		su_file_free(&now);
	}
	return err;
}
