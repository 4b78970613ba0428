/*
 * What is left to do. On a terminal it is offered, by the verbs that this tool has; else it is said.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalogue/quote.h"
#include "ctl/exchange/exchange.h"
#include "ctl/out.h"
#include "ctl/setup/job.h"

/* The first of the mailboxes; owned. */
static char *first(const struct xo *x)
{
	const char *s = x->v[XO_MAILBOX], *part;
	size_t n = xo_part(&s, &part);

	return strndup(part, n);
}

static bool listed(const struct xo *x, const char *user)
{
	const char *s = x->v[XO_USERS], *part;
	size_t n;

	while ((n = xo_part(&s, &part)) > 0)
		if (strlen(user) == n && memcmp(part, user, n) == 0)
			return true;
	return false;
}

/* The mail server that goes with a user of the list; NULL: none that this tool sets up. */
static const char *mail_server(const struct xo *x)
{
	return listed(x, "postfix") ? "postfix" : listed(x, "Debian-exim") ? "exim" : NULL;
}

static void shell(const char *s)
{
	char word[4 * PATH_MAX + 3];
	struct mx_buf b;

	mx_buf_init(&b, word, sizeof word);
	cat_quote_sh(&b, s);
	if (mx_buf_str(&b) != NULL)
		fputs(word, stdout);
}

static void say_config(const struct xo *x)
{
	if (x->c->config != NULL) {
		fputs(" --config ", stdout);
		shell(x->config);
	}
}

static void say_enable(const struct xo *x, const char *server, const char *mailbox, const char *relay)
{
	printf("    mta-xoauth2 %s enable --relayhost '[%s]:587' --account ", server, relay);
	shell(mailbox);
	say_config(x);
	putchar('\n');
}

static void say_diagnose(const struct xo *x, const char *mailbox)
{
	fputs("    mta-xoauth2 diagnose ", stdout);
	shell(mailbox);
	say_config(x);
	putchar('\n');
}

/* Only where it cannot be complete: the script has to run first. */
static int say_script(const struct xo *x)
{
	fputs("\nNext:\n\n1. The script, once, in PowerShell on any machine with a browser, as an administrator of the tenant:\n\n"
	    "    Install-Module Microsoft.Graph.Applications, ExchangeOnlineManagement -Scope CurrentUser\n    ./", stdout);
	out_text(stdout, strrchr(x->script, '/') + 1, strlen(strrchr(x->script, '/') + 1));
	fputs("\n\n2. Here, with the client ID that it prints:\n\n", stdout);
	printf("    mta-xoauth2 setup exchange --name %s --client-id ID", x->v[XO_NAME]);
	say_config(x);
	if (x->c->state != NULL) {
		fputs(" --state ", stdout);
		shell(x->c->state);
	}
	putchar('\n');
	return CTL_FINE;
}

static struct call call_of(const struct xo *x, const struct verb *v, const char *arg, const char *mailbox)
{
	return (struct call){ .verb = v, .arg = arg, .socket = x->c->socket, .timeout_s = x->c->timeout_s,
	    .config = x->c->config, .state = x->c->state, .account = mailbox };
}

static int offer(const struct xo *x, const char *server, const char *mailbox, const char *relay)
{
	const struct verb *diagnose = verb_find("diagnose");
	char question[128], hop[300];
	struct mx_buf b;
	struct call c;
	int r = CTL_FINE;

	mx_buf_init(&b, hop, sizeof hop);
	mx_buf_addf(&b, "[%s]:587", relay);
	if (server != NULL && mx_buf_str(&b) != NULL) {
		mx_buf_init(&b, question, sizeof question);
		mx_buf_addf(&b, "\nHave %s send its mail this way now?", strcmp(server, "postfix") == 0 ? "Postfix" : "Exim");
		if (mx_buf_str(&b) != NULL && xo_agreed(question, false)) {
			c = call_of(x, verb_find(server), "enable", mailbox);
			c.relayhost = hop;
			r = c.verb->run(&c);
		}
	}
	if (r == CTL_FINE && xo_agreed("\nWalk the whole way to Exchange now, to see that it works?", false)) {
		c = call_of(x, diagnose, mailbox, NULL);
		r = diagnose->run(&c);
	}
	return r;
}

int xo_next(const struct xo *x, bool complete)
{
	const char *relay = oauth_provider_find("exchange-online", x->cloud)->relays[0], *server = mail_server(x);
	char *mailbox = first(x);
	int r = CTL_FINE;

	if (mailbox == NULL)
		return out_failed(ENOMEM);
	if (!complete) {
		r = say_script(x);
	} else if (x->terminal && !x->c->yes) {
		r = offer(x, server, mailbox, relay);
	} else {
		fputs("\nNext:\n\n", stdout);
		if (x->identity) {
			fputs("    ./", stdout);
			out_text(stdout, strrchr(x->script, '/') + 1, strlen(strrchr(x->script, '/') + 1));
			fputs("    (once, in PowerShell on any machine with a browser)\n", stdout);
		}
		if (server != NULL)
			say_enable(x, server, mailbox, relay);
		say_diagnose(x, mailbox);
	}
	free(mailbox);
	return r;
}
