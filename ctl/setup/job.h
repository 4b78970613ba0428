/*
 * A mail server that is set up, or set back: what all of them have in common. What is different with each is in
 * struct su_server.
 */
#ifndef MX_CTL_SETUP_JOB_H
#define MX_CTL_SETUP_JOB_H

#include "ctl/setup/file.h"
#include "ctl/setup/found.h"
#include "ctl/setup/state.h"
#include "ctl/verb.h"
#include "settings/conf.h"

/* arg: su_job.arg. What is wrong has been said, or is in su_job.found where the plan is made. */
struct su_server {
	const char *name;	/* of the verb, and of the folder with the states */
	const char *title;	/* in sentences */
	int (*look)(void *arg, const char *folder);	/* before the plan; folder: to work in. An exit status */
	bool (*plan)(void *arg, struct su_set *out);	/* the changes; the last one's note: relay, account, senders */
	bool (*check)(void *arg);			/* by its own checker, once the changes are made */
	bool (*reload)(void *arg);			/* after changes, in either direction */
	void (*remake)(void *arg, const struct su_set *undo);	/* indexes, of edited text; NULL: it has none */
	int (*login)(void *arg);			/* the first one, tried; an exit status */
	void (*how_to_test)(void *arg);
};

struct su_job {
	const struct call *c;
	const struct su_server *server;
	void *arg;
	const char *dir;	/* of its configuration */
	const char *config;	/* tokend.yaml */
	const char *socket;	/* one that goes with its folder; NULL: none */
	struct su_found *found;
};

/* What goes into configuration files and into arguments of programs as it is. */
bool su_plain_path(const char *s);
/* --relayhost, [host]:port, taken apart: *host is owned and NULL, *number 0, where it has none. An exit status. */
int su_relay(const struct call *c, char **host, uint32_t *number);

int su_enable(const struct su_job *j);	/* exit statuses */
int su_disable(const struct su_job *j);

/* Where the state of dir is kept (job.c). */
struct su_place { char *dir, *undo, *name, *lock; int fd; };
/* take: make the folder, lock it, clear up. An exit status. To be closed in any case. */
int su_place_open(const struct su_job *j, struct su_place *s, bool take);
void su_place_close(struct su_place *s);
/* Found: what is kept there. by_hand: what shows a set-up without this tool; NULL: nothing does. */
void su_find_kept(const struct su_job *j, const struct su_place *s, const char *by_hand);

bool su_show(const struct su_set *set);			/* as a diff */
int su_confirm(const struct su_job *j);			/* CTL_FINE: go on */
int su_unchanged(const struct su_set *set);		/* since it was shown: CTL_FINE */
int su_apply(const struct su_set *set);			/* an exit status; what failed has been said */
/*
 * The mail server and the daemon take note of what has changed. forth: the daemon first, or mail that waits would be tried
 * before it may have a token. An exit status.
 */
int su_reload(const struct su_job *j, const struct su_set *set, bool forth);

/*
 * What takes the changes of set back, as the files are now: edits made since are kept. CTL_CONFIG: that is not
 * possible, and the lines in question have been said. intact: the set's own lines are all there.
 */
int su_undo_plan(const struct su_set *set, struct su_set *undo, bool *intact);
/* Takes it back, asking nobody: of an interrupted run, or of one whose result is not good. An exit status. */
int su_undo(const struct su_job *j, const struct su_place *s, const struct su_set *set);
int su_undo_finish(const struct su_job *j, const struct su_place *s);	/* of one that was interrupted */

/* A file as it is now. false: it cannot be read, which is found. */
bool su_read(struct su_found *found, const char *path, struct su_file *f);

/*
 * A change of "before" to a text, with mode and owner as they are; a new file gets mode and belongs to root. Takes
 * both over; text NULL: no memory.
 */
bool su_change_to(struct su_set *out, enum su_kind kind, const char *path, const char *note, struct su_file *before,
    char *text, size_t n, mode_t mode);

bool su_folder(struct su_set *out, const char *path);	/* made, if it is not there */

/* Text by parts, NULL behind the last; owned. NULL: no memory. */
char *su_concat(const char *first, ...);

/* The name of an instance's state: its folder as one word. Owned; NULL: no memory. */
char *su_name(const char *dir);

/* As a YAML string in double quotes; owned. */
char *su_quoted(const char *s);

/* The daemon's configuration, loaded and found; written: it is to be made where there is none. NULL: it cannot be read. */
struct conf *su_find_conf(const struct su_job *j, bool written);

/* Text for conf.d that lets the user have the account's token; "" when it may. Owned; NULL: no memory. */
char *su_leave(const struct su_job *j, const struct conf_account *a, const char *host, const char *user, uid_t uid,
    gid_t gid);
/* That text in a file of conf.d; whole: as the main file, without which conf.d is not read. false: no memory. */
bool su_conf_file(const struct su_job *j, bool whole, const char *text, struct su_set *out);

#endif
