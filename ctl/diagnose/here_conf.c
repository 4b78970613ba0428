/*
 * The daemon's configuration: is it right, has it the account, and what time is it.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/timex.h>
#endif
#include <unistd.h>

#include "common/clock.h"
#include "ctl/diagnose/here.h"
#include "settings/suggest.h"

#define BUILT 1767225600u	/* seconds since the epoch: 2026 has begun, since this is there */

/* The first error is the one to mend. */
static void wrong(struct dg_walk *w, const struct conf_report *r)
{
	const struct conf_complaint *c = r->n > 0 ? &r->c[0] : NULL;
	char line[1024], at[600];

	for (size_t i = 0; i < r->n && c->severity != 'e'; i++)
		c = &r->c[i];
	if (c == NULL) {
		dg_broken(w, "configuration-wrong", "%s", w->config);
		return;
	}
	(void)snprintf(at, sizeof at, "%.500s, line %u", c->at.file, c->at.line);
	dg_value(w, "at", at);
	if (c->scope == NULL) {
		dg_broken(w, "configuration-wrong", "%s", conf_complaint_str(line, sizeof line, c));
		dg_explain(w, "the configuration has an error in {at}; a daemon that runs keeps its older one",
		    "mend what stands there (mta-xoauth2 check names all there is), then: mta-xoauth2 reload");
		return;
	}
	dg_value(w, "scope", c->scope);
	dg_broken(w, "scope-names-permission", "%s", conf_complaint_str(line, sizeof line, c));
}

void dg_configuration(struct dg_walk *w)
{
	struct conf_report r;
	char line[1024];

	if (access(w->config, F_OK) == -1) {
		dg_broken(w, errno == ENOENT ? "configuration-missing" : "configuration-unreadable", "%s: %s", w->config,
		    strerror(errno));
		return;
	}
	w->conf = conf_load(w->config, CONF_BY_HAND, &r);
	for (size_t i = 0; i < r.n; i++)
		dg_evidence(w, "%s", conf_complaint_str(line, sizeof line, &r.c[i]));
	if (w->conf == NULL && access(w->config, R_OK) == -1)
		dg_broken(w, "configuration-unreadable", "%s: %s", w->config, strerror(errno));
	else if (w->conf == NULL)
		wrong(w, &r);
	else if (r.warnings > 0)
		dg_note(w, "%s: warnings: %zu (see below)", w->config, r.warnings);
	else
		dg_ok(w, "%s: clients: %zu, accounts: %zu", w->config, w->conf->nclients, w->conf->naccounts);
	conf_report_free(&r);
}

static void values(struct dg_walk *w)
{
	const struct oauth_client *oc = &w->client->oc;

	dg_value(w, "mailbox", w->user);
	dg_value(w, "client", oc->name);
	dg_value(w, "client_id", oc->client_id);
	dg_value(w, "user", w->conf->user);
	dg_value(w, "proxy", oc->proxy);
	dg_value(w, "sender", w->call->from != NULL ? w->call->from : w->user);
	dg_value(w, "recipient", w->call->send_to);
}

void dg_account(struct dg_walk *w)
{
	struct cf_near near;
	char hint[400];

	w->entry = conf_account_find(w->conf, w->account, strlen(w->account));
	if (w->entry == NULL) {
		cf_near_begin(&near, w->account, strlen(w->account));
		for (size_t i = 0; i < w->conf->naccounts; i++)
			cf_near_try(&near, w->conf->accounts[i].pattern);
		dg_broken(w, "account-unknown", "no account in %s matches \"%s\"%s", w->config, w->account,
		    cf_near_text(hint, sizeof hint, &near));
		return;
	}
	w->client = w->entry->client;
	w->user = w->entry->user != NULL ? w->entry->user : w->account;
	w->mech = w->entry->xoauth2 ? MX_MECH_XOAUTH2 : MX_MECH_OAUTHBEARER;
	values(w);
	dg_ok(w, "\"%s\" (%s:%u), client \"%s\"%s%s", w->entry->pattern, w->entry->at.file, w->entry->at.line,
	    w->client->oc.name, strcmp(w->user, w->account) != 0 ? ", mailbox " : "",
	    strcmp(w->user, w->account) != 0 ? w->user : "");
}

void dg_clock(struct dg_walk *w)
{
	const uint64_t now = mx_wall_ms() / 1000;
	bool unsure = false;
#ifdef __linux__
	struct timex t = { 0 };

	unsure = adjtimex(&t) == TIME_ERROR;
#endif
	if (now < BUILT)
		dg_broken(w, "clock-in-the-past", "the clock of this host says %" PRIu64 " s since 1970, which is past", now);
	else if (unsure)
		dg_note(w, "the kernel does not know its clock to be synchronised; it is compared with the provider's below");
	else
		dg_ok(w, "the kernel has it for synchronised");
}
