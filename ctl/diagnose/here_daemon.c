/*
 * The daemon: does it answer, does it know what the files say, and may the mail server's user ask it.
 */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "ctl/ask.h"
#include "ctl/diagnose/here.h"
#include "ctl/status.h"

void dg_daemon(struct dg_walk *w)
{
	struct mx_endpoint ep;
	struct answer a;

	if (ask_endpoint(w->call, &ep) != CTL_FINE)
		return;		/* it was judged before */
	ep.retry_ms = 0;
	if (ask(&ep, MX_VERB_PING, NULL, &a) == MX_OK)
		dg_ok(w, "answers at %s", ep.path);
	else
		dg_broken_err(w, &a.err);
	answer_free(&a);
}

void dg_policy(struct dg_walk *w)
{
	const struct conf_account *a = w->entry;

	if (!conf_relay_allowed(a, w->relay, strlen(w->relay))) {
		dg_broken(w, "relay-not-listed", "account \"%s\" (%s:%u) does not let tokens go to %s", a->pattern,
		    a->at.file, a->at.line, w->relay);
		return;
	}
	dg_ok(w, "tokens may go to %s", w->relay);
}
