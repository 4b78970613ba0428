#include "config.h"

#include <inttypes.h>
#include <stdio.h>

#include "ctl/out.h"
#include "ctl/status.h"

#define NAME_WIDTH_MIN 6
#define NAME_WIDTH_MAX 40

static void span(FILE *f, const struct mx_span *v)
{
	if (v->s != NULL)
		out_text(f, v->s, v->n);
	else
		fputc('-', f);
}

/* The two largest units of a time; "-" when it is not given. */
static const char *duration(char out[static 40], const struct mx_span *v)
{
	int64_t s;

	if (!status_number(v, &s))
		(void)snprintf(out, 40, "-");
	else if (s < 0)
		(void)snprintf(out, 40, "ended");
	else if (s < 60)
		(void)snprintf(out, 40, "%" PRId64 "s", s);
	else if (s < 3600)
		(void)snprintf(out, 40, "%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
	else if (s < 86400)
		(void)snprintf(out, 40, "%" PRId64 "h%02" PRId64 "m", s / 3600, s % 3600 / 60);
	else
		(void)snprintf(out, 40, "%" PRId64 "d%02" PRId64 "h", s / 86400, s % 86400 / 3600);
	return out;
}

/* Left-aligned in a column and a gap. */
static void cell(const struct mx_span *v, size_t width)
{
	size_t w = v->s != NULL ? out_width(v->s, v->n) : 1;

	span(stdout, v);
	printf("%*s", (int)(w < width ? width - w : 0) + 2, "");
}

static void number(const struct mx_span *v, int width)
{
	int64_t n;

	if (status_number(v, &n))
		printf("%*" PRId64, width, n);
	else
		printf("%*s", width, "-");
}

static void row(const struct status_line *l, size_t name_width)
{
	char d[40];

	cell(&l->v[SC_NAME], name_width);
	cell(&l->v[SC_STATE], 7);
	printf("%8s", duration(d, &l->v[SC_EXPIRES]));
	printf("%8s", duration(d, &l->v[SC_NEXT]));
	number(&l->v[SC_WAITING], 9);
	number(&l->v[SC_FETCHES], 9);
	number(&l->v[SC_FAILURES], 10);
	number(&l->v[SC_ANSWERS], 10);
	number(&l->v[SC_REJECTIONS], 10);
	printf("  ");
	span(stdout, &l->v[SC_TOKEN]);
	putchar('\n');
	if (l->v[SC_CODE].s == NULL)
		return;
	printf("    %s: ", status_health_name(status_health(l)));
	span(stdout, &l->v[SC_CODE]);
	printf(", %s ago: ", duration(d, &l->v[SC_FAILED_AGO]));
	span(stdout, &l->v[SC_ERROR]);
	putchar('\n');
}

static void about(const struct status_sum *s)
{
	const struct mx_span *v = s->daemon.v;
	int64_t unlocked;
	char d[40];

	printf("mta-xoauth2-tokend ");
	span(stdout, &v[SD_VERSION]);
	printf(", process ");
	span(stdout, &v[SD_PID]);
	printf(", up %s", duration(d, &v[SD_UPTIME]));
	printf("\nconfiguration ");
	span(stdout, &v[SD_CONF]);
	printf(", read %s ago\nclients ", duration(d, &v[SD_LOADED]));
	span(stdout, &v[SD_CLIENTS]);
	printf(", accounts ");
	span(stdout, &v[SD_ACCOUNTS]);
	printf(", connections ");
	span(stdout, &v[SD_CONNS]);
	putchar('\n');
	if (status_number(&v[SD_UNLOCKED], &unlocked) && unlocked > 0)
		printf("warning: %" PRId64 " bytes that hold secrets are not locked in memory and "
		    "may reach swap; raise LimitMEMLOCK\n", unlocked);
}

void status_table(const struct answer *a, const struct status_sum *s)
{
	const char *p = a->more, *end = a->more + a->n;
	size_t width = s->name_width < NAME_WIDTH_MIN ? NAME_WIDTH_MIN :
	    s->name_width > NAME_WIDTH_MAX ? NAME_WIDTH_MAX : s->name_width;
	struct status_line l;

	about(s);
	if (s->clients > 0)
		printf("\n%-*s  %-7s  %8s%8s%9s%9s%10s%10s%10s  %s\n", (int)width, "CLIENT",
		    "STATE", "EXPIRES", "NEXT", "WAITING", "FETCHES", "FAILURES", "ANSWERS",
		    "REJECTED", "TOKEN");
	while (status_line(&p, end, &l))
		if (l.kind == STATUS_CLIENT)
			row(&l, width);
}

/* Every key of the list, null where it is not given. */
static void members(const struct status_line *l, const struct status_key *k)
{
	int64_t n;
	size_t i;

	for (i = 0; k[i].wire != NULL; i++) {
		printf("%s\"%s\": ", i > 0 ? ", " : "", k[i].json);
		if (l->v[i].s == NULL)
			printf("null");
		else if (!k[i].number)
			out_json(stdout, l->v[i].s, l->v[i].n);
		else if (status_number(&l->v[i], &n))
			printf("%" PRId64, n);
		else
			printf("null");
	}
}

void status_json(const struct answer *a, const struct status_sum *s)
{
	const char *p = a->more, *end = a->more + a->n, *sep = "\n";
	struct status_line l;

	printf("{\"format\": 1, \"health\": \"%s\",\n\"daemon\": {", status_health_name(s->worst));
	members(&s->daemon, status_daemon_keys);
	printf("},\n\"clients\": [");
	while (status_line(&p, end, &l)) {
		if (l.kind != STATUS_CLIENT)
			continue;
		printf("%s{\"health\": \"%s\", ", sep, status_health_name(status_health(&l)));
		members(&l, status_client_keys);
		putchar('}');
		sep = ",\n";
	}
	printf("%s]}\n", s->clients > 0 ? "\n" : "");
}
