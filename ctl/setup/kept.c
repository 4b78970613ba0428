/*
 * What "status" says of the kept state.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "ctl/setup/job.h"

static void look_at_changes(const struct su_job *j, const struct su_set *set)
{
	const struct su_change *last = set->n > 0 ? &set->c[set->n - 1] : NULL;
	struct su_file now;
	bool same = true;

	for (size_t i = 0; i < set->n; i++) {
		if (set->c[i].kind == SU_FOLDER || set->c[i].kind == SU_GRANT)
			continue;
		if (su_file_read(set->c[i].path, &now) != 0 || !su_file_bytes_equal(&now, &set->c[i].after)) {
			su_find(j->found, SU_GOOD, "edited", "%s was edited since", set->c[i].path);
			same = false;
		}
		su_file_free(&now);
	}
	su_find(j->found, SU_GOOD, "set-up", "by \"%s enable\"%s: %s (relay, account, senders)",
	    j->server->name, same ? ", all as it left it" : "", last != NULL ? last->note : "?");
}

void su_find_kept(const struct su_job *j, const struct su_place *s, const char *by_hand)
{
	struct su_set set, undo;
	int err;

	switch (su_set_load(s->undo, &undo, &err)) {
	case SU_NONE:
		break;
	default:
		su_find(j->found, SU_ODD, "set-up", "\"%s disable\" was interrupted: run it again",
		    j->server->name);
		su_set_free(&undo);
		return;
	}
	switch (su_set_load(s->dir, &set, &err)) {
	case SU_NONE:
		if (by_hand != NULL)
			su_find(j->found, SU_GOOD, "set-up", "by hand: %s", by_hand);
		else
			su_find(j->found, SU_GOOD, "set-up", "none: \"%s enable\" has not been run",
			    j->server->name);
		break;
	case SU_DAMAGED:
		su_find(j->found, SU_ODD, "set-up", "%s cannot be used (%s)", s->dir, err != 0 ? strerror(err) :
		    "damaged");
		break;
	case SU_APPLYING:
		su_find(j->found, SU_ODD, "set-up", "\"%s enable\" was interrupted: run it again, or \"%s "
		    "disable\"", j->server->name, j->server->name);
		su_set_free(&set);
		break;
	case SU_DONE:
		look_at_changes(j, &set);
		su_set_free(&set);
		break;
	}
}
