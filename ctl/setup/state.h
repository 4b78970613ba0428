/*
 * A set of changes to files, kept in a folder before the first of them is made: whatever happens then, the next run
 * knows what was there and what was meant to be.
 */
#ifndef MX_CTL_SETUP_STATE_H
#define MX_CTL_SETUP_STATE_H

#include "ctl/setup/file.h"

enum su_kind {
	SU_FILE = 'f',
	SU_BLOCK = 'b',		/* the same, with blocks of ours (block.h) */
	SU_PASSWORDS = 'p',	/* a file whose lines are not all for the eye */
	SU_INDEX = 'i',		/* made of another file by postmap(1); .note is "TYPE:PATH" of that */
	SU_SECRET = 's',	/* a file that is for no eye at all */
	SU_TOKEN = 't',		/* another program's file with a refresh token; .note is the path of the store it goes to */
	SU_GRANT = 'g',		/* that store, which the daemon changes by itself */
	SU_PLUGIN = 'x',	/* a program's part; an update of its package may bring it back */
	SU_FOLDER = 'd'		/* made, empty; n 0 */
};

struct su_change {
	enum su_kind kind;
	char *path, *note;	/* owned; note: "" or as its kind says */
	struct su_file before, after;
};

struct su_set { struct su_change *c; size_t n, cap; };

/* Takes before and after over. false: no memory, and these are freed. */
bool su_set_add(struct su_set *s, enum su_kind kind, const char *path, const char *note, struct su_file *before,
    struct su_file *after);
struct su_change *su_set_find(const struct su_set *s, const char *path);	/* NULL: none */
void su_set_free(struct su_set *s);

enum su_state { SU_NONE, SU_APPLYING, SU_DONE, SU_DAMAGED };

/* Written and synced in full, or not there at all. 0 or errno. dir must not be there. */
int su_set_save(const char *dir, const struct su_set *s);
/* SU_APPLYING becomes SU_DONE. 0 or errno. */
int su_set_done(const char *dir);
/* *err: errno when it cannot be read, which is SU_DAMAGED too. */
enum su_state su_set_load(const char *dir, struct su_set *s, int *err);
int su_set_remove(const char *dir);	/* 0 or errno; half of it is never found again */

/* Makes the changes, folders first. *path: of the one that failed. 0 or errno. */
int su_set_apply(const struct su_set *s, const char **path);

#endif
