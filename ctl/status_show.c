#include "config.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "ctl/out.h"
#include "ctl/status.h"

#define NAME_WIDTH_MIN 6
#define NAME_WIDTH_MAX 40
#define USER_WIDTH 16

static void span(FILE *f, const struct mx_span *v)
{
	if (v->s != NULL)
		out_text(f, v->s, v->n);
	else
		fputc('-', f);
}

const char *status_duration(char out[static 40], const struct mx_span *v)
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

const char *status_ending(char out[static 64], const struct status_line *l)
{
	const struct mx_span *kind = &l->v[SC_KIND];
	int64_t n;
	size_t i = 0;

	/* what the daemon of another version may say there is not printed */
	while (kind->s != NULL && i < kind->n && kind->s[i] >= 'a' && kind->s[i] <= 'z')
		i++;
	if (!status_number(&l->v[SC_ENDING], &n) || i == 0 || i != kind->n || i > 20)
		(void)snprintf(out, 64, "credential");
	else
		(void)snprintf(out, 64, "credential %" PRId64 " (%.*s)", n, (int)i, kind->s);
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

/* The failure that is there, or else the last one there was. */
static void failure(const struct status_line *l)
{
	bool now = l->v[SC_CODE].s != NULL;
	char d[40];

	if (!now && l->v[SC_PAST_CODE].s == NULL)
		return;
	if (now)
		printf("    %s: ", status_cause(l) == CAUSE_NO_TOKEN ? "critical" : "warning");
	else
		printf("    mended: ");
	span(stdout, &l->v[now ? SC_CODE : SC_PAST_CODE]);
	printf(", %s ago: ", status_duration(d, &l->v[now ? SC_FAILED_AGO : SC_PAST_AGO]));
	span(stdout, &l->v[now ? SC_ERROR : SC_PAST_ERROR]);
	putchar('\n');
}

static void row(const struct status_line *l, size_t name_width)
{
	int64_t left, used, refused;
	char d[40], which[64];

	cell(&l->v[SC_NAME], name_width);
	cell(&l->v[SC_STATE], 7);
	printf("%8s", status_duration(d, &l->v[SC_EXPIRES]));
	printf("%8s", status_duration(d, &l->v[SC_NEXT]));
	printf("%9s", status_duration(d, &l->v[SC_SUCCESS_AGO]));
	number(&l->v[SC_WAITING], 9);
	number(&l->v[SC_FETCHES], 9);
	number(&l->v[SC_FAILURES], 10);
	number(&l->v[SC_ANSWERS], 10);
	number(&l->v[SC_REJECTIONS], 10);
	printf("  ");
	span(stdout, &l->v[SC_TOKEN]);
	putchar('\n');
	failure(l);
	if (status_number(&l->v[SC_USED], &used) && status_number(&l->v[SC_REFUSED], &refused) &&
	    (used > 1 || refused > 0))
		printf("    credential %" PRId64 " is in use; refused or unusable so far: %" PRId64 " times\n", used,
		    refused);
	if (!status_number(&l->v[SC_CREDENTIAL], &left))
		return;
	if (left <= 0)
		printf("    critical: %s has expired\n", status_ending(which, l));
	else
		printf("    %s%s expires in %s\n", left < STATUS_EXPIRES_S ? "warning: " : "", status_ending(which, l),
		    status_duration(d, &l->v[SC_CREDENTIAL]));
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
	printf(", up %s", status_duration(d, &v[SD_UPTIME]));
	printf("\nconfiguration ");
	span(stdout, &v[SD_CONF]);
	printf(", read %s ago\nclients ", status_duration(d, &v[SD_LOADED]));
	span(stdout, &v[SD_CLIENTS]);
	printf(", accounts ");
	span(stdout, &v[SD_ACCOUNTS]);
	printf(", connections ");
	span(stdout, &v[SD_CONNS]);
	putchar('\n');
	if (v[SD_SANDBOX].s != NULL) {
		printf("sandbox ");
		span(stdout, &v[SD_SANDBOX]);
		putchar('\n');
	}
	if (status_number(&v[SD_UNLOCKED], &unlocked) && unlocked > 0)
		printf("warning: %" PRId64 " bytes that hold secrets are not locked in memory and "
		    "may reach swap; raise LimitMEMLOCK\n", unlocked);
	if (s->reload_failed) {
		printf("warning: the last reload failed, %s ago: ",
		    status_duration(d, &v[SD_RELOAD_AGO]));
		span(stdout, &v[SD_RELOAD_ERROR]);
		putchar('\n');
	}
}

static void user(const struct status_line *l)
{
	const struct passwd *pw = NULL;
	int64_t uid;
	char name[40];

	if (l->kind == STATUS_OTHERS)
		(void)snprintf(name, sizeof name, "others");
	else if (!status_number(&l->v[SU_UID], &uid))
		(void)snprintf(name, sizeof name, "-");
	else if (uid >= 0 && uid < UINT32_MAX && (pw = getpwuid((uid_t)uid)) != NULL)
		(void)snprintf(name, sizeof name, "%.32s", pw->pw_name);
	else
		(void)snprintf(name, sizeof name, "%" PRId64, uid);
	out_text(stdout, name, strlen(name));
	printf("%*s", (int)(strlen(name) < USER_WIDTH ? USER_WIDTH - strlen(name) : 0), "");
	number(&l->v[SU_CONNS], 13);
	number(&l->v[SU_REQUESTS], 12);
	number(&l->v[SU_ANSWERS], 12);
	number(&l->v[SU_DENIED], 12);
	number(&l->v[SU_TURNED_AWAY], 13);
	putchar('\n');
}

static void users(const struct answer *a)
{
	const char *p = a->more, *end = a->more + a->n;
	struct status_line l;

	printf("\n%-*s%13s%12s%12s%12s%13s\n", USER_WIDTH, "USER", "CONNECTIONS", "REQUESTS",
	    "ANSWERS", "DENIED", "TURNED AWAY");
	while (status_line(&p, end, &l))
		if (l.kind == STATUS_USER || l.kind == STATUS_OTHERS)
			user(&l);
}

void status_table(const struct answer *a, const struct status_sum *s)
{
	const char *p = a->more, *end = a->more + a->n;
	size_t width = s->name_width < NAME_WIDTH_MIN ? NAME_WIDTH_MIN :
	    s->name_width > NAME_WIDTH_MAX ? NAME_WIDTH_MAX : s->name_width;
	struct status_line l;

	about(s);
	if (s->clients > 0)
		printf("\n%-*s  %-7s  %8s%8s%9s%9s%9s%10s%10s%10s  %s\n", (int)width, "CLIENT",
		    "STATE", "EXPIRES", "NEXT", "RENEWED", "WAITING", "FETCHES", "FAILURES",
		    "ANSWERS", "REJECTED", "TOKEN");
	while (status_line(&p, end, &l))
		if (l.kind == STATUS_CLIENT || l.kind == STATUS_MAILBOX)
			row(&l, width);
	if (s->users > 0 || s->others.kind == STATUS_OTHERS)
		users(a);
}

/* Every key of the list from number first on, null where it is not given. */
static void members(const struct status_line *l, const struct status_key *k, size_t first)
{
	int64_t n;
	size_t i;

	for (i = first; k[i].wire != NULL; i++) {
		printf("%s\"%s\": ", i > first ? ", " : "", k[i].json);
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

static void json_clients(const struct answer *a, enum status_kind kind)
{
	const char *p = a->more, *end = a->more + a->n, *sep = "\n";
	struct status_line l;

	while (status_line(&p, end, &l)) {
		if (l.kind != kind)
			continue;
		printf("%s{\"health\": \"%s\", ", sep, status_health_name(status_health(&l)));
		members(&l, status_client_keys, 0);
		putchar('}');
		sep = ",\n";
	}
}

void status_json(const struct answer *a, const struct status_sum *s)
{
	const char *p = a->more, *end = a->more + a->n, *sep = "\n";
	struct status_line l;

	printf("{\"format\": 1, \"health\": \"%s\",\n\"daemon\": {", status_health_name(s->worst));
	members(&s->daemon, status_daemon_keys, 0);
	printf("},\n\"clients\": [");
	json_clients(a, STATUS_CLIENT);
	printf("%s],\n\"mailboxes\": [", s->clients > 0 ? "\n" : "");
	json_clients(a, STATUS_MAILBOX);
	printf("%s],\n\"users\": [", s->mailboxes > 0 ? "\n" : "");
	for (p = a->more, sep = "\n"; status_line(&p, end, &l);) {
		if (l.kind != STATUS_USER)
			continue;
		printf("%s{", sep);
		members(&l, status_user_keys, 0);
		putchar('}');
		sep = ",\n";
	}
	printf("%s],\n\"others\": ", s->users > 0 ? "\n" : "");
	if (s->others.kind == STATUS_OTHERS) {
		putchar('{');
		members(&s->others, status_user_keys, SU_UID + 1);
		putchar('}');
	} else {
		printf("null");
	}
	printf("}\n");
}
