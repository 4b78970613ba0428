#include "config.h"

#include <stdio.h>
#include <string.h>

#include "ctl/out.h"
#include "ctl/status.h"

#define UNKNOWN 3	/* of Nagios' plugin convention; 0, 1 and 2 are enum status_health */

/* Behind a bar the convention has numbers, so text may hold none. */
static void plugin_text(const char *s, size_t n)
{
	while (n > 0) {
		const char *bar = memchr(s, '|', n);
		size_t len = bar != NULL ? (size_t)(bar - s) : n;

		out_text(stdout, s, len);
		if (bar == NULL)
			break;
		putchar('/');
		s += len + 1;
		n -= len + 1;
	}
}

static const char *trouble(const struct status_sum *s)
{
	static const char *const words[CAUSE_N] = {
		[CAUSE_RENEWAL] = "failed to renew a token that still serves",
		[CAUSE_EXPIRING] = "with a credential that expires soon",
		[CAUSE_EXPIRED] = "with a credential that has expired",
		[CAUSE_NO_TOKEN] = "without a token",
	};
	enum status_cause c = status_cause(&s->worst_client);

	return s->by_cause[c] == s->by_health[s->worst_of_clients] ? words[c] : "in trouble";
}

/* The first of the worst clients, and what it suffers from. */
static void worst_client(const struct status_sum *s)
{
	const struct mx_span *v = s->worst_client.v;
	enum status_cause cause = status_cause(&s->worst_client);
	char d[40], which[64];
	int64_t n;

	printf("%zu of %zu client%s %s: ", s->by_health[s->worst_of_clients], s->clients,
	    s->clients == 1 ? "" : "s", trouble(s));
	if (v[SC_NAME].s != NULL)
		plugin_text(v[SC_NAME].s, v[SC_NAME].n);
	if ((cause == CAUSE_EXPIRING || cause == CAUSE_EXPIRED) && status_number(&v[SC_ENDING], &n))
		printf(": %s", status_ending(which, &s->worst_client));
	if (cause == CAUSE_EXPIRING)
		printf("%s in %s", status_number(&v[SC_ENDING], &n) ? "" : ":", status_duration(d, &v[SC_CREDENTIAL]));
	if ((cause == CAUSE_RENEWAL || cause == CAUSE_NO_TOKEN) && v[SC_ERROR].s != NULL) {
		printf(": ");
		plugin_text(v[SC_ERROR].s, v[SC_ERROR].n);
	}
}

static int plugin_line(const struct status_sum *s)
{
	static const char *const words[] = { "OK", "WARNING", "CRITICAL" };
	const struct mx_span *d = s->daemon.v;
	char ago[40];

	printf("%s - ", words[s->worst]);
	if (s->worst == STATUS_GOOD)
		printf("clients: %zu, none of them in trouble", s->clients);
	if (s->worst_of_clients != STATUS_GOOD)
		worst_client(s);
	if (s->reload_failed) {
		printf("%sthe last reload failed, %s ago: ",
		    s->worst_of_clients != STATUS_GOOD ? "; " : "",
		    status_duration(ago, &d[SD_RELOAD_AGO]));
		if (d[SD_RELOAD_ERROR].s != NULL)
			plugin_text(d[SD_RELOAD_ERROR].s, d[SD_RELOAD_ERROR].n);
	}
	printf(" | clients=%zu warning=%zu critical=%zu\n", s->clients,
	    s->by_health[STATUS_WARNING], s->by_health[STATUS_CRITICAL]);
	return (int)s->worst;
}

/* Where nothing answers no mail server gets a token; else it is only this check that failed. */
static int plugin_failed(const struct call *c, const struct answer *a)
{
	bool down = a->err.cls == MX_TEMP || a->err.cls == MX_BUSY ||
	    (!a->spoke && a->err.cls == MX_BAD_REQUEST);
	char advice[256];

	printf("%s - ", down ? "CRITICAL" : "UNKNOWN");
	plugin_text(a->err.text, strlen(a->err.text));
	(void)ask_advice(advice, sizeof advice, c, &a->err);
	plugin_text(advice, strlen(advice));
	putchar('\n');
	return down ? STATUS_CRITICAL : UNKNOWN;
}

int status_run(const struct call *c)
{
	struct mx_endpoint ep;
	struct status_sum s;
	struct answer a;
	int r = CTL_FINE;

	if ((r = ask_endpoint(c, &ep)) != CTL_FINE)
		return c->check ? UNKNOWN : r;
	if (ask(&ep, MX_VERB_STATUS, NULL, &a) != MX_OK ||
	    (!status_sum(&a, &s) && ask_cut_off(&a) != MX_OK))
		r = c->check ? plugin_failed(c, &a) : ask_failed(c, &a.err, a.spoke);
	else if (c->check)
		r = plugin_line(&s);
	else if (c->json)
		status_json(&a, &s);
	else
		status_table(&a, &s);
	answer_free(&a);
	return r;
}
