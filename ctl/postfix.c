/*
 * postfix enable, disable, status: what the command line says is judged here, the rest is in setup/.
 */
#include "config.h"

#include <string.h>

#include "common/text.h"
#include "ctl/out.h"
#include "ctl/setup/client.h"
#include "ctl/setup/postfix.h"

#define WORD "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+"

/* An address as a map may have it: Postfix takes what is behind a colon for a password. */
static bool address(const char *s)
{
	const char *at = strchr(s, '@');

	return at != NULL && at > s && at[1] != '\0' && *s != '#' && strpbrk(s, " :,\"'\\{}$") == NULL && !mx_has_ctl(s, strlen(s));
}

/* @domain or address, commas between them. */
static bool senders(const char *s)
{
	size_t n;

	for (; *s != '\0'; s += s[n] == ',' ? n + 1 : n) {
		const char *at;

		n = strcspn(s, ",");
		at = memchr(s, '@', n);
		if (at == NULL || strspn(s, WORD) != (size_t)(at - s) || n < (size_t)(at - s) + 2 ||
		    strspn(at + 1, WORD) != n - (size_t)(at - s) - 1)
			return false;
	}
	return true;
}

static int judge_enable(const struct call *c)
{
	if (c->relayhost == NULL)
		return out_usage(c->verb, "enable needs --relayhost, such as '[smtp.office365.com]:587'");
	if (c->account != NULL && !address(c->account))
		return out_usage(c->verb, "--account is \"%s\"; it must be an address without blanks, colons and "
		    "quotes",
		    c->account);
	if (c->sender != NULL && !senders(c->sender))
		return out_usage(c->verb, "--sender is \"%s\"; it must be @DOMAIN or ADDRESS, with commas between "
		    "several",
		    c->sender);
	return su_judge_client(c);
}

int postfix_run(const struct call *c)
{
	static const struct { const char *name; int (*run)(struct pf *p); } what[] = {
		{ "enable", pf_enable }, { "disable", pf_disable }, { "status", pf_status },
	};
	struct pf p;
	size_t i;
	int r;

	for (i = 0; i < sizeof what / sizeof what[0] && strcmp(what[i].name, c->arg) != 0; i++)
		;
	if (i == sizeof what / sizeof what[0])
		return out_usage(c->verb, "\"%s\" is none of enable, disable and status", c->arg);
	if (c->json && what[i].run != pf_status)
		return out_usage(c->verb, "--json is an option of status");
	if (what[i].run == pf_enable && (r = judge_enable(c)) != CTL_FINE)
		return r;
	r = pf_open(&p, c);
	if (r == CTL_FINE)
		r = what[i].run(&p);
	pf_close(&p);
	return r;
}
