/*
 * The daemon sees a new file by itself; here it forgets what it had of whoever agreed before, and is asked for a token,
 * so that a login that does not help is noticed now.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "ctl/ask.h"
#include "ctl/login.h"
#include "ctl/out.h"

#define TRIES 3		/* a renewal that began before may still end in the old failure */

static enum mx_class flush(const struct login *l, struct mx_err *e, bool *spoke)
{
	struct mx_endpoint ep;
	struct answer a;
	enum mx_class cls;

	(void)ask_endpoint(l->call, &ep);	/* it was fine at the start */
	if ((cls = ask(&ep, MX_VERB_FLUSH, l->call->arg, &a)) != MX_OK)
		*e = a.err;
	*spoke = a.spoke;
	answer_free(&a);
	return cls;
}

/* The token itself is of no interest here. */
static enum mx_class try(const struct login *l, uint64_t *left_s, struct mx_err *e, bool *spoke)
{
	struct mx_secret s = { 0 };
	struct mx_endpoint ep;
	struct mx_reply reply;
	enum mx_class cls;

	(void)ask_endpoint(l->call, &ep);
	cls = token_ask(&ep, l->call->arg, &s, &reply, e, spoke);
	if (cls == MX_OK)
		*left_s = reply.expires_in_s;
	mx_secret_free(&s);
	return cls;
}

static void by_mail(const struct login *l)
{
	fputs("Send a mail to see that the mail server takes it, and look into the mail log: echo test | sendmail -f ",
	    stdout);
	out_text(stdout, l->call->arg, strlen(l->call->arg));
	puts(" YOU@EXAMPLE.ORG");
}

int login_tell(const struct login *l)
{
	uint64_t left_s = 0;
	struct mx_err e;
	enum mx_class cls;
	bool spoke = false;
	char advice[256];

	for (int i = 0; i < TRIES; i++) {
		cls = flush(l, &e, &spoke);
		if (cls == MX_OK)
			cls = try(l, &left_s, &e, &spoke);
		if (cls == MX_OK || !spoke || cls == MX_DENIED || strcmp(e.code, "account-unknown") == 0)
			break;
	}
	if (cls == MX_OK) {
		printf("the daemon has a token, for %llu minutes\n", (unsigned long long)left_s / 60);
		by_mail(l);
		return CTL_FINE;
	}
	if (!spoke) {
		out_error("the daemon was not told: %s; once it runs it will find the refresh token by itself (if "
		    "somebody else agreed before, have it forget that one's token then: mta-xoauth2 flush %s)", e.text,
		    l->call->arg);
		return CTL_FINE;
	}
	if (cls == MX_DENIED) {
		out_error("not seen whether the daemon gets a token, since it does not tell you: %s%s", e.text,
		    ask_advice(advice, sizeof advice, l->call, &e));
		by_mail(l);
		return CTL_FINE;
	}
	if (strcmp(e.code, "account-unknown") == 0)
		out_error("the daemon runs with another configuration, without this account; have it read this one: "
		    "mta-xoauth2 reload");
	else
		out_error("the refresh token is stored, but the daemon gets no token with it: %s", e.text);
	return ask_exit(&e, spoke);
}
