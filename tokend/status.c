#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "tokend/conn.h"
#include "tokend/status.h"

static void client_line(void *arg, struct engine_client *c)
{
	struct engine_status s;
	FILE *f = arg;

	engine_status(c, &s);
	fprintf(f, "client\tname=%s\tstate=%s\twaiting=%zu\tfetches=%llu\tfailures=%llu\tanswers=%llu\trejections=%llu",
	    s.name, engine_state_name(s.state), s.waiting, (unsigned long long)s.fetches,
	    (unsigned long long)s.failures, (unsigned long long)s.answers, (unsigned long long)s.rejections);
	if (s.token_id != NULL)
		fprintf(f, "\ttoken=%s\texpires_in=%lld", s.token_id, (long long)(s.expires_in_ms / 1000));
	if (s.next_in_ms != 0)
		fprintf(f, "\tnext_in=%llu", (unsigned long long)((s.next_in_ms + 999) / 1000));
	if (s.err != NULL)
		fprintf(f, "\tfailed_ago=%llu\tclass=%s\tcode=%s\terror=%s", (unsigned long long)(s.failed_ago_ms / 1000),
		    mx_class_info(s.err->cls)->name, s.err->code, s.err->text);
	fputc('\n', f);
}

static void answer_file(struct conn *c, FILE *f, char **text, size_t *n)
{
	struct mx_err e;

	if (fclose(f) == 0) {
		conn_answer(c, *text, *n, NULL);
	} else {
		mx_fail(&e, MX_BUSY, "no-memory", "the token daemon has no memory left; try again");
		conn_fail(c, &e);
	}
	free(*text);
}

static FILE *open_answer(struct conn *c, char **text, size_t *n)
{
	FILE *f = open_memstream(text, n);
	struct mx_err e;

	if (f == NULL) {
		mx_fail(&e, MX_BUSY, "no-memory", "the token daemon has no memory left; try again");
		conn_fail(c, &e);
	} else {
		fputs("OK\n", f);
	}
	return f;
}

void status_answer(struct conn *c)
{
	struct server *s = c->s;
	size_t n = 0, mapped, unlocked;
	char *text = NULL;
	FILE *f = open_answer(c, &text, &n);

	if (f == NULL)
		return;
	mx_secret_stats(&mapped, &unlocked);
	fprintf(f, "daemon\tversion=%s\tpid=%ld\tuptime=%llu\tconfiguration=%s\tloaded_ago=%llu\tclients=%zu\taccounts=%zu"
	    "\tconnections=%zu\tsecret_bytes=%zu\tsecret_bytes_not_locked=%zu\n", PACKAGE_VERSION, (long)getpid(),
	    (unsigned long long)((mx_wall_ms() - s->started_wall_ms) / 1000), s->conf_path,
	    (unsigned long long)((mx_wall_ms() - s->loaded_wall_ms) / 1000), s->conf->conf->nclients,
	    s->conf->conf->naccounts, s->nconns, mapped, unlocked);
	engine_each(s->engine, client_line, f);
	answer_file(c, f, &text, &n);
}

static void client_metrics(void *arg, struct engine_client *c)
{
	struct engine_status s;
	FILE *f = arg;

	engine_status(c, &s);
	if (s.token_id != NULL)
		fprintf(f, "mta_xoauth2_token_seconds_to_expiry{client=\"%s\"} %.3f\n", s.name,
		    (double)s.expires_in_ms / 1000);
}

static void family(FILE *f, const char *name, const char *type, const char *help)
{
	fprintf(f, "# HELP mta_xoauth2_%s %s\n# TYPE mta_xoauth2_%s %s\n", name, help, name, type);
}

void metrics_answer(struct conn *c)
{
	const struct counters *k = &c->s->count;
	size_t n = 0;
	char *text = NULL;
	FILE *f = open_answer(c, &text, &n);
	int i;

	if (f == NULL)
		return;
	family(f, "requests_total", "counter", "Requests by verb.");
	for (i = MX_VERB_SASL; i < MX_VERB_N; i++)
		fprintf(f, "mta_xoauth2_requests_total{verb=\"%s\"} %llu\n", mx_verb_name((enum mx_verb)i),
		    (unsigned long long)k->requests[i]);
	family(f, "answers_total", "counter", "Answers by class.");
	for (i = 0; i < MX_CLASS_N; i++)
		fprintf(f, "mta_xoauth2_answers_total{class=\"%s\"} %llu\n", mx_class_info((enum mx_class)i)->name,
		    (unsigned long long)k->results[i]);
	family(f, "turned_away_total", "counter", "Connections refused before they were read.");
	fprintf(f, "mta_xoauth2_turned_away_total %llu\n", (unsigned long long)k->refused_busy);
	family(f, "fetch_total", "counter", "Token requests by result.");
	fprintf(f, "mta_xoauth2_fetch_total{result=\"ok\"} %llu\nmta_xoauth2_fetch_total{result=\"temporary\"} %llu\n"
	    "mta_xoauth2_fetch_total{result=\"permanent\"} %llu\n", (unsigned long long)k->fetch_ok,
	    (unsigned long long)k->fetch_temp, (unsigned long long)k->fetch_perm);
	family(f, "rejected_total", "counter", "Reports that a mail server refused a token.");
	fprintf(f, "mta_xoauth2_rejected_total %llu\n", (unsigned long long)k->rejected);
	family(f, "connections", "gauge", "Open connections.");
	fprintf(f, "mta_xoauth2_connections %zu\n", c->s->nconns);
	family(f, "token_seconds_to_expiry", "gauge", "Life left of the cached token.");
	engine_each(c->s->engine, client_metrics, f);
	answer_file(c, f, &text, &n);
}
