/*
 * Verbs whose answer is shown as it comes, or is a plain yes.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "ctl/ask.h"
#include "ctl/out.h"

/* Asks; on success *a is the caller's to free. Otherwise what failed has been said. */
static int simple(const struct call *c, enum mx_verb v, struct mx_endpoint *ep, struct answer *a)
{
	int r = ask_endpoint(c, ep);

	if (r != CTL_FINE)
		return r;
	if (ask(ep, v, c->arg, a) != MX_OK) {
		r = ask_failed(c, &a->err, a->spoke);
		answer_free(a);
	}
	return r;
}

int flush_run(const struct call *c)
{
	struct mx_endpoint ep;
	struct answer a;
	int r = simple(c, MX_VERB_FLUSH, &ep, &a);

	if (r != CTL_FINE)
		return r;
	out_text(stdout, c->arg, strlen(c->arg));
	puts(": forgotten; the next asker causes a new token to be fetched");
	answer_free(&a);
	return CTL_FINE;
}

int reload_run(const struct call *c)
{
	struct mx_endpoint ep;
	struct answer a;
	int r = simple(c, MX_VERB_RELOAD, &ep, &a);

	if (r != CTL_FINE)
		return r;
	puts("reloaded");
	answer_free(&a);
	return CTL_FINE;
}

int ping_run(const struct call *c)
{
	struct mx_endpoint ep;
	struct answer a;
	uint64_t start = mx_now_ms();
	int r = simple(c, MX_VERB_PING, &ep, &a);

	if (r != CTL_FINE)
		return r;
	out_text(stdout, ep.path, strlen(ep.path));
	printf(": the token daemon answers (%llu ms)\n", (unsigned long long)(mx_now_ms() - start));
	answer_free(&a);
	return CTL_FINE;
}

/* A scraper wants the bytes as they are; control characters belong to no metric. */
static void put_lines(const char *p, size_t n)
{
	while (n > 0) {
		const char *lf = memchr(p, '\n', n);
		size_t len = lf != NULL ? (size_t)(lf - p) : n;

		out_text(stdout, p, len);
		putchar('\n');
		if (lf == NULL)
			break;
		p += len + 1;
		n -= len + 1;
	}
}

int metrics_run(const struct call *c)
{
	struct mx_endpoint ep;
	struct answer a;
	int r = simple(c, MX_VERB_METRICS, &ep, &a);

	if (r != CTL_FINE)
		return r;
	put_lines(a.more, a.n);
	answer_free(&a);
	return CTL_FINE;
}
