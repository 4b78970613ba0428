/*
 * setup exchange: the command line; what it does is in exchange/.
 */
#include "config.h"

#include <string.h>

#include "ctl/exchange/exchange.h"
#include "ctl/out.h"

int setup_run(const struct call *c)
{
	struct xo x = { .c = c };
	int r;

	if (strcmp(c->arg, "exchange") != 0)
		return out_usage(c->verb, "\"%s\" is nothing that can be set up; \"setup exchange\" is for Exchange Online", c->arg);
	r = xo_run(&x);
	xo_free(&x);
	return r;
}
