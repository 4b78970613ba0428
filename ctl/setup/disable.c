/*
 * What was changed is taken back: byte for byte where nobody has touched it since, else line by line.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/out.h"
#include "ctl/setup/block.h"
#include "ctl/setup/grant.h"
#include "ctl/setup/lines.h"
#include "oauth/refresh_file.h"

/* Lines from..from+n of an edited file that stand in the way. */
static void say_conflict(const struct su_change *c, const struct su_file *now, size_t from, size_t n)
{
	const char *p = now->p, *end;

	out_error("%s was edited since, right where this tool's lines are; nothing was changed. Take these lines "
	    "back, or remove this tool's lines by hand, and run this again:%s", c->path,
	    n == 0 ? " (lines are missing here)" : "");
	for (size_t i = 0; p != NULL && i < from + (n == 0 ? 1 : n) && *p != '\0'; i++, p = *end != '\0' ? end + 1 :
	    end) {
		end = p + strcspn(p, "\n");
		if (i < from)
			continue;
		if (c->kind != SU_FILE && c->kind != SU_BLOCK)
			out_error("%s:%zu", c->path, i + 1);
		else
			out_error("%s:%zu: %.*s", c->path, i + 1, (int)(end - p), p);
	}
}

/* "final" of a file that is neither as it was nor as it was made. */
static int merged(const struct su_change *c, const struct su_file *now, struct su_file *final)
{
	const struct su_text base = { c->after.p, c->after.n }, mine = { c->before.p, c->before.n };
	const struct su_text theirs = { now->p, now->n };
	size_t at = 0, n = 0;

	*final = *now;
	final->p = NULL;
	switch (su_merge(&base, &mine, &theirs, &final->p, &final->n, &at, &n)) {
	case SU_MERGED:
		if (final->n == 0 && !c->before.there) {
			free(final->p);
			*final = (struct su_file){ 0 };
		}
		return CTL_FINE;
	case SU_CONFLICT:
		say_conflict(c, now, at, n);
		break;
	case SU_NO_MEMORY:
		out_error("no memory to compare files");
		break;
	}
	*final = (struct su_file){ 0 };
	return CTL_CONFIG;
}

/* anew: it is an index, and to be made of the text as that then is. */
static int undo_as_is(const struct su_change *c, const struct su_file *now, struct su_file *final, bool *intact,
    bool *anew)
{
	bool ok = true;

	if (c->kind == SU_GRANT) {	/* whatever it holds now has gone back into the token file */
		ok = su_file_copy(final, &c->before);
	} else if (c->kind == SU_TOKEN) {
		return su_grant_back(c, now, final) ? CTL_FINE : CTL_CONFIG;
	} else if (c->kind == SU_PLUGIN && now->there) {
		ok = su_file_copy(final, now);	/* an update has brought it back, and it may be a newer one */
	} else if (su_file_bytes_equal(now, &c->before)) {
		*intact &= su_file_bytes_equal(&c->before, &c->after);
		ok = su_file_copy(final, &c->before);
	} else if (su_file_bytes_equal(now, &c->after)) {
		ok = su_file_copy(final, &c->before);
		if (ok && now->there && final->there && (now->mode != c->after.mode || now->uid != c->after.uid ||
		    now->gid != c->after.gid))
			final->mode = now->mode, final->uid = now->uid, final->gid = now->gid;
	} else if (c->kind == SU_INDEX) {
		*anew = true;
		ok = su_file_copy(final, now);
	} else if (!now->there) {
		*intact = false;
		if (!c->before.there)
			return CTL_FINE;
		out_error("%s was removed since; nothing was changed. Put it back (a copy is in the state folder), "
		    "and run this again", c->path);
		return CTL_CONFIG;
	} else {
		return merged(c, now, final);
	}
	if (!ok)
		out_error("no memory to compare files");
	return ok ? CTL_FINE : CTL_TEMP;
}

/* What was edited within our blocks is as we made it. */
static int undo_file(const struct su_change *c, const struct su_file *now, struct su_file *final, bool *intact,
    bool *anew)
{
	struct su_file made = *now;
	int r;

	made.p = NULL;
	if (c->kind == SU_BLOCK && !su_block_made(c, now, &made.p))
		return out_failed(ENOMEM);
	if (made.p == NULL)
		return undo_as_is(c, now, final, intact, anew);
	made.n = strlen(made.p);
	r = undo_as_is(c, &made, final, intact, anew);
	su_file_free(&made);
	return r;
}

int su_undo_plan(const struct su_set *set, struct su_set *undo, bool *intact)
{
	struct su_file now, final;
	int r = CTL_FINE, err;
	bool anew;

	*undo = (struct su_set){ 0 };
	*intact = true;
	/* Files in the order in which they were made, then folders from the innermost out. */
	for (size_t i = 0; r == CTL_FINE && i < set->n; i++) {
		const struct su_change *c = &set->c[i];

		if (c->kind == SU_FOLDER)
			continue;
		final = (struct su_file){ 0 };
		anew = false;
		if ((err = su_file_read(c->path, &now)) != 0) {
			out_error("%s cannot be read (%s)", c->path, strerror(err));
			r = CTL_CONFIG;
		} else if ((r = undo_file(c, &now, &final, intact, &anew)) == CTL_FINE) {
			if (!su_set_add(undo, c->kind, c->path, anew || c->kind == SU_TOKEN ? c->note : "", &now,
			    &final))
				r = out_failed(ENOMEM);
		}
		su_file_free(&now);
	}
	for (size_t i = set->n; r == CTL_FINE && i-- > 0;) {
		struct su_file made = set->c[i].after, none = { 0 };

		if (set->c[i].kind == SU_FOLDER && !su_set_add(undo, SU_FOLDER, set->c[i].path, "", &made, &none))
			r = out_failed(ENOMEM);
	}
	if (r != CTL_FINE)
		su_set_free(undo);
	return r;
}

/* The socket that a daemon which does not run any more has left in a folder that is to go. */
static void remove_socket(const struct su_job *j, const struct su_set *undo)
{
	const char *slash = j->socket != NULL ? strrchr(j->socket, '/') : NULL;

	for (size_t i = 0; slash != NULL && i < undo->n; i++)
		if (undo->c[i].kind == SU_FOLDER && strlen(undo->c[i].path) == (size_t)(slash - j->socket) &&
		    strncmp(undo->c[i].path, j->socket, (size_t)(slash - j->socket)) == 0)
			(void)remove(j->socket);
}

/* The kept undo is carried out, the state goes; both may have been begun by an earlier run. */
static int carry_out(const struct su_job *j, const struct su_place *s, const struct su_set *undo)
{
	struct su_set files = *undo, folders;
	int r, err;

	for (files.n = 0; files.n < undo->n && undo->c[files.n].kind != SU_FOLDER; files.n++)
		;
	folders = (struct su_set){ undo->c + files.n, undo->n - files.n, 0 };
	if ((r = su_apply(&files)) != CTL_FINE)
		return r;
	if (j->server->remake != NULL)
		j->server->remake(j->arg, &files);
	r = su_reload(j, undo, false);
	su_grant_forget(undo);
	remove_socket(j, &folders);
	(void)su_apply(&folders);	/* one that cannot be removed does no harm */
	if ((err = su_set_remove(s->dir)) != 0 || (err = su_set_remove(s->undo)) != 0) {
		out_error("%s cannot be removed (%s)", s->dir, strerror(err));
		return CTL_CONFIG;
	}
	return r == CTL_UNREACHABLE ? CTL_FINE : r;	/* a daemon that does not run has nothing to forget */
}

static int keep_and_carry_out(const struct su_job *j, const struct su_place *s, const struct su_set *undo)
{
	int err = su_set_save(s->undo, undo);

	if (err != 0) {
		out_error("%s cannot be written (%s); nothing was changed", s->undo, strerror(err));
		return CTL_CONFIG;
	}
	return carry_out(j, s, undo);
}

int su_undo(const struct su_job *j, const struct su_place *s, const struct su_set *set)
{
	struct oauth_refresh_lock *lock;
	struct su_set undo = { 0 };
	bool intact;
	int r = su_grant_lock(set, &lock);

	if (r == CTL_FINE)
		r = su_undo_plan(set, &undo, &intact);
	/* On a full disk it goes unkept: what enable has kept is enough to begin anew, and new files that go make room. */
	if (r == CTL_FINE && su_set_save(s->undo, &undo) != 0)
		(void)su_set_remove(s->undo);
	if (r == CTL_FINE)
		r = carry_out(j, s, &undo);
	if (r == CTL_CONFIG)
		out_error("not all of it is taken back yet: mend what is named above, then run \"mta-xoauth2 %s disable\"",
		    j->server->name);
	oauth_refresh_unlock(lock);
	su_set_free(&undo);
	return r;
}

/* Each file is as the interrupted run found it or as it left it; else somebody came between. */
static int untouched(const struct su_set *undo)
{
	struct su_file now;
	int r = CTL_FINE;

	for (size_t i = 0; r == CTL_FINE && i < undo->n; i++) {
		if (strchr("ditgx", (char)undo->c[i].kind) != NULL)
			continue;
		if (su_file_read(undo->c[i].path, &now) != 0 || (!su_file_bytes_equal(&now, &undo->c[i].before) &&
		    !su_file_bytes_equal(&now, &undo->c[i].after))) {
			out_error("an earlier \"disable\" was interrupted, and %s was edited since; nothing was "
			    "changed. Take that edit back, run this again, and then make it anew", undo->c[i].path);
			r = CTL_CONFIG;
		}
		su_file_free(&now);
	}
	return r;
}

int su_undo_finish(const struct su_job *j, const struct su_place *s)
{
	struct oauth_refresh_lock *lock = NULL;
	struct su_set undo;
	int err, r = CTL_FINE;

	switch (su_set_load(s->undo, &undo, &err)) {
	case SU_NONE:
		return CTL_FINE;
	case SU_DAMAGED:
		out_error("%s is damaged; nothing was changed", s->undo);
		return CTL_CONFIG;
	default:
		break;
	}
	puts("An earlier \"disable\" was interrupted; it is finished first.");
	if (j->c->dry_run)
		(void)su_show(&undo);
	else if ((r = untouched(&undo)) == CTL_FINE && (r = su_grant_lock(&undo, &lock)) == CTL_FINE)
		r = su_grant_renew(&undo) ? carry_out(j, s, &undo) : CTL_CONFIG;
	oauth_refresh_unlock(lock);
	su_set_free(&undo);
	return r;
}

static int disable(const struct su_job *j, const struct su_place *s, const struct su_set *set)
{
	struct oauth_refresh_lock *lock = NULL;
	struct su_set undo;
	bool intact;
	int r = su_undo_plan(set, &undo, &intact);

	if (r == CTL_FINE && !su_show(&undo))
		r = CTL_TEMP;
	if (r == CTL_FINE)
		su_grant_tell(set, &undo), su_block_tell(set, &undo);
	if (r == CTL_FINE && j->c->dry_run)
		puts("\nNothing was changed: --dry-run.");
	else if (r == CTL_FINE && (r = su_confirm(j)) == CTL_FINE && (r = su_grant_lock(set, &lock)) == CTL_FINE &&
	    (r = su_unchanged(&undo)) == CTL_FINE) {
		if ((r = keep_and_carry_out(j, s, &undo)) == CTL_FINE)
			printf("%s is as it was before, but for edits that others made since.\n", j->server->title);
	}
	oauth_refresh_unlock(lock);
	su_set_free(&undo);
	return r;
}

int su_disable(const struct su_job *j)
{
	struct su_place s;
	struct su_set set = { 0 };
	int r, err;

	if ((r = su_place_open(j, &s, !j->c->dry_run)) == CTL_FINE)
		r = su_undo_finish(j, &s);
	if (r == CTL_FINE) {
		switch (su_set_load(s.dir, &set, &err)) {
		case SU_NONE:
			printf("Nothing to take back: \"mta-xoauth2 %s enable\" has not changed this %s.\n",
			    j->server->name, j->server->title);
			break;
		case SU_DAMAGED:
			out_error("%s is damaged; nothing was changed. Copies of the files as they were are in there "
			    "(before.*)",
			    s.dir);
			r = CTL_CONFIG;
			break;
		default:
			r = disable(j, &s, &set);
		}
	}
	su_set_free(&set);
	su_place_close(&s);
	return r;
}
