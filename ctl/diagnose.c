/*
 * diagnose: what the command line says is judged here, the rest is in diagnose/.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "common/wire.h"
#include "ctl/ask.h"
#include "ctl/diagnose/walk.h"
#include "ctl/out.h"
#include "ctl/setup/job.h"
#include "oauth/http.h"

#define PORT 587

static bool address(const char *s)
{
	const size_t n = strlen(s);
	const char *at = strrchr(s, '@');

	return at != NULL && at > s && at[1] != '\0' && n <= MX_ACCOUNT_MAX && !mx_has_ctl(s, n) && mx_utf8_ok(s, n) &&
	    strpbrk(s, " <>\"") == NULL;
}

/* HOST, HOST:PORT or [HOST]:PORT. */
static int relay(const struct call *c, struct dg_walk *w)
{
	const char *s = c->relay, *host = s, *rest;
	uint64_t port = PORT;
	size_t n;

	if (s == NULL)
		return CTL_FINE;
	if (*s == '[' && (rest = strchr(s, ']')) != NULL) {
		host = s + 1;
		n = (size_t)(rest++ - host);
	} else {
		n = strcspn(s, ":");
		rest = s + n;
	}
	if (n == 0 || n > MX_HOST_MAX ||
	    strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:_") < n ||
	    (*rest != '\0' && (*rest != ':' || !mx_parse_uint(rest + 1, strlen(rest + 1), 1, 65535, &port))))
		return out_usage(c->verb, "--relay is \"%s\"; it must look like smtp.office365.com:587", s);
	w->port = (uint32_t)port;
	w->relay = strndup(host, n);
	return w->relay != NULL ? CTL_FINE : out_failed(ENOMEM);
}

static int judge(const struct call *c, struct dg_walk *w)
{
	if (*c->arg == '\0' || strlen(c->arg) > MX_ACCOUNT_MAX || mx_has_ctl(c->arg, strlen(c->arg)))
		return out_usage(c->verb, "ACCOUNT must be the mailbox that logs in, such as app@contoso.com");
	if (c->mta != NULL && strcmp(c->mta, "postfix") != 0 && strcmp(c->mta, "exim") != 0)
		return out_usage(c->verb, "--mta is \"%s\"; it must be postfix or exim", c->mta);
	if (c->send_to != NULL && !address(c->send_to))
		return out_usage(c->verb, "--send is \"%s\"; it must be an address", c->send_to);
	if (c->from != NULL && !address(c->from))
		return out_usage(c->verb, "--from is \"%s\"; it must be an address", c->from);
	if (!su_plain_path(w->config) || (c->instance != NULL && !su_plain_path(c->instance)))
		return out_usage(c->verb, "--config and --instance must be absolute paths of letters, digits and ._-+@~");
	return relay(c, w);
}

int diagnose_run(const struct call *c)
{
	struct dg_walk w = { .call = c, .account = c->arg, .config = c->config != NULL ? c->config : CTL_CONF };
	struct mx_endpoint ep;
	int r;

	if (!oauth_http_global_init()) {
		out_error("libcurl or OpenSSL cannot be set up");
		return CTL_TEMP;
	}
	if ((r = ask_endpoint(c, &ep)) == CTL_FINE && (r = judge(c, &w)) == CTL_FINE) {
		w.socket = ep.path;
		dg_value(&w, "account", w.account);
		dg_value(&w, "config", w.config);
		dg_value(&w, "socket", w.socket);
		r = dg_run(&w, dg_links);
	}
	dg_free(&w);
	return r;
}
