/*
 * exim enable, disable, status: what the command line says is judged here, the rest is in setup/.
 */
#include "config.h"

#include <string.h>

#include "ctl/out.h"
#include "ctl/setup/client.h"
#include "ctl/setup/exim.h"

static int judge_enable(const struct call *c)
{
	if (c->relayhost == NULL)
		return out_usage(c->verb, "enable needs --relayhost, such as '[smtp.office365.com]:587'");
	if (c->account != NULL && !ex_address(c->account))
		return out_usage(c->verb, "--account is \"%s\"; it must be an address of letters, digits and ._-+",
		    c->account);
	return su_judge_client(c);
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
