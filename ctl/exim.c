/*
 * exim enable, disable, status: what the command line says is judged here, the rest is in setup/.
 */
#include "config.h"

#include <string.h>

#include "ctl/out.h"
#include "ctl/setup/exim.h"

#define WORD "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+"

/* It stands in expansions of Exim, as a macro. */
static bool address(const char *s)
{
	size_t n = strspn(s, WORD);

	return n > 0 && s[n] == '@' && s[n + 1] != '\0' && s[n + 1 + strspn(s + n + 1, WORD)] == '\0';
}

static int judge_enable(const struct call *c)
{
	if (c->relayhost == NULL)
		return out_usage(c->verb, "enable needs --relayhost, such as '[smtp.office365.com]:587'");
	if (c->account == NULL)
		return out_usage(c->verb, "enable needs --account: the mailbox that logs in");
	if (!address(c->account))
		return out_usage(c->verb, "--account is \"%s\"; it must be an address of letters, digits and ._-+",
		    c->account);
	return CTL_FINE;
}

int exim_run(const struct call *c)
{
	static const struct { const char *name; int (*run)(struct ex *e); } what[] = {
		{ "enable", ex_enable }, { "disable", ex_disable }, { "status", ex_status },
	};
	struct ex e;
	size_t i;
	int r;

	for (i = 0; i < sizeof what / sizeof what[0] && strcmp(what[i].name, c->arg) != 0; i++)
		;
	if (i == sizeof what / sizeof what[0])
		return out_usage(c->verb, "\"%s\" is none of enable, disable and status", c->arg);
	if (c->json && what[i].run != ex_status)
		return out_usage(c->verb, "--json is an option of status");
	if (what[i].run == ex_enable && (r = judge_enable(c)) != CTL_FINE)
		return r;
	r = ex_open(&e, c);
	if (r == CTL_FINE)
		r = what[i].run(&e);
	ex_close(&e);
	return r;
}
