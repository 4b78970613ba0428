#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/out.h"
#include "ctl/setup/aside.h"
#include "ctl/setup/run.h"

#define ASIDE ".mta-xoauth2"	/* no plugin's name ends so */

/* Does a package have this file? */
static bool packaged(const char *path)
{
	char *query = su_find_program("dpkg-query");
	const char *const argv[] = { query, "--search", path, NULL };
	struct su_output o = { 0 };
	bool yes = query != NULL && su_run(argv, &o) && o.status == 0;

	su_output_free(&o);
	free(query);
	return yes;
}

static void divert(const char *program, const char *path, const char *aside, bool away)
{
	const char *const add[] = { program, "--local", "--no-rename", "--divert", aside, "--add", path, NULL };
	const char *const end[] = { program, "--no-rename", "--remove", path, NULL };
	struct su_output o = { 0 };

	if (su_run(away ? add : end, &o) && o.status != 0)
		out_error("%s %s failed (exit status %d): an update of its package may bring the plugin back: %s", program,
		    path, o.status, o.err);
	su_output_free(&o);
}

void su_divert(const struct su_set *set)
{
	char *program = su_find_program("dpkg-divert"), *aside;

	for (size_t i = 0; program != NULL && i < set->n; i++) {
		const struct su_change *c = &set->c[i];

		if (c->kind != SU_PLUGIN || !packaged(c->path) || (aside = su_join(c->path, ASIDE, "")) == NULL)
			continue;
		divert(program, c->path, aside, !c->after.there);
		/* What an update has brought meanwhile is newer than what was kept. */
		if (c->after.there && rename(aside, c->path) == -1 && errno != ENOENT)
			out_error("%s cannot be renamed to %s (%s)", aside, c->path, strerror(errno));
		free(aside);
	}
	free(program);
}
