#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl/out.h"
#include "ctl/setup/postfix.h"

static void look_at_changes(struct pf *p, const struct su_set *set)
{
	const struct su_change *main_cf = set->n > 0 ? &set->c[set->n - 1] : NULL;
	struct su_file now;
	bool same = true;

	for (size_t i = 0; i < set->n; i++) {
		if (set->c[i].kind == SU_FOLDER)
			continue;
		if (su_file_read(set->c[i].path, &now) != 0 || !su_file_bytes_equal(&now, &set->c[i].after)) {
			su_find(&p->found, SU_GOOD, "edited", "%s was edited since", set->c[i].path);
			same = false;
		}
		su_file_free(&now);
	}
	su_find(&p->found, SU_GOOD, "set-up", "by \"postfix enable\"%s: %s (relay, account, senders)",
	    same ? ", all as it left it" : "", main_cf != NULL ? main_cf->note : "?");
}

static void look_at_state(struct pf *p, const struct pf_state *s)
{
	struct su_set set, undo;
	int err;

	switch (su_set_load(s->undo, &undo, &err)) {
	case SU_NONE:
		break;
	default:
		su_find(&p->found, SU_ODD, "set-up", "\"postfix disable\" was interrupted: run it again");
		su_set_free(&undo);
		return;
	}
	switch (su_set_load(s->dir, &set, &err)) {
	case SU_NONE:
		if (p->service)
			su_find(&p->found, SU_GOOD, "set-up", "by hand: there is a service " PF_SERVICE " in "
			    "master.cf");
		else
			su_find(&p->found, SU_GOOD, "set-up", "none: \"postfix enable\" has not been run");
		break;
	case SU_DAMAGED:
		su_find(&p->found, SU_ODD, "set-up", "%s cannot be used (%s)", s->dir, err != 0 ? strerror(err) :
		    "damaged");
		break;
	case SU_APPLYING:
		su_find(&p->found, SU_ODD, "set-up", "\"postfix enable\" was interrupted: run it again, or \"postfix "
		    "disable\"");
		su_set_free(&set);
		break;
	case SU_DONE:
		look_at_changes(p, &set);
		su_set_free(&set);
		break;
	}
}

int pf_status(struct pf *p)
{
	struct pf_state s;
	int r;

	if (!pf_look(p))
		return CTL_CONFIG;
	if ((r = pf_state_open(p, &s, false)) == CTL_FINE) {
		look_at_state(p, &s);
		pf_look_daemon(p);
		if (p->c->json)
			su_found_json(&p->found, "postfix", p->dir);
		else
			su_found_show(&p->found, SU_GOOD);
		r = p->found.no_memory ? out_failed(ENOMEM) : p->found.worst == SU_GOOD ? CTL_FINE : CTL_FOUND;
	}
	pf_state_close(&s);
	return r;
}
