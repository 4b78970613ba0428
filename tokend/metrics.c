/*
 * The answer to METRICS, in Prometheus's text format 0.0.4. A row of the table below is one family; those with a
 * line for each client go over all clients one after the other, since the lines of a family stand together.
 */
#include "config.h"

#include <inttypes.h>
#include <stdbool.h>

#include "common/clock.h"
#include "common/wire.h"
#include "engine/engine.h"
#include "tokend/audit.h"
#include "tokend/expiry.h"
#include "tokend/label.h"
#include "tokend/log.h"
#include "tokend/report.h"
#include "tokend/sandbox.h"
#include "tokend/server.h"
#include "tokend/side.h"
#include "tokend/threshold.h"

#define PREFIX "mta_xoauth2_"

static void sample(struct mx_buf *b, const char *name, uint64_t v)
{
	mx_buf_addf(b, PREFIX "%s %" PRIu64 "\n", name, v);
}

static void labelled(struct mx_buf *b, const char *name, const char *key, const char *value, uint64_t v)
{
	mx_buf_addf(b, PREFIX "%s{", name);
	label_add(b, key, value);
	mx_buf_addf(b, "} %" PRIu64 "\n", v);
}

/* Milliseconds as seconds; may be negative. */
static void client_seconds(struct mx_buf *b, const char *name, const char *client, int64_t ms)
{
	uint64_t u = ms < 0 ? -(uint64_t)ms : (uint64_t)ms;

	mx_buf_addf(b, PREFIX "%s{", name);
	label_add(b, "client", client);
	mx_buf_addf(b, "} %s%" PRIu64 ".%03" PRIu64 "\n", ms < 0 ? "-" : "", u / 1000, u % 1000);
}

/* --- of the daemon ------------------------------------------------------------------------------- */

static void requests(struct server *s, const char *name, struct mx_buf *b)
{
	int i;

	for (i = MX_VERB_NONE; i < MX_VERB_N; i++)	/* none: what was no request, or came too late */
		labelled(b, name, "verb", i == MX_VERB_NONE ? "none" : mx_verb_name((enum mx_verb)i),
		    s->count.requests[i]);
}

static void answers(struct server *s, const char *name, struct mx_buf *b)
{
	int i;

	for (i = 0; i < MX_CLASS_N; i++)
		labelled(b, name, "class", mx_class_info((enum mx_class)i)->name, s->count.results[i]);
}

static void answer_times(struct server *s, const char *name, struct mx_buf *b)
{
	(void)name;
	histogram_print(b, PREFIX "answer_duration_seconds", "kind=\"token\"", &s->answer_time[0], &histogram_answer);
	histogram_print(b, PREFIX "answer_duration_seconds", "kind=\"other\"", &s->answer_time[1], &histogram_answer);
}

static void fetch_times(struct server *s, const char *name, struct mx_buf *b)
{
	(void)name;
	histogram_print(b, PREFIX "fetch_duration_seconds", "", &s->fetch_time, &histogram_fetch);
}

static void fetches(struct server *s, const char *name, struct mx_buf *b)
{
	labelled(b, name, "result", "ok", s->count.fetch_ok);
	labelled(b, name, "result", "temporary", s->count.fetch_temp);
	labelled(b, name, "result", "permanent", s->count.fetch_perm);
}

static void turned_away(struct server *s, const char *name, struct mx_buf *b)
{
	sample(b, name, s->count.refused_busy);
}

static void rejected(struct server *s, const char *name, struct mx_buf *b)
{
	sample(b, name, s->count.rejected);
}

static void bugs(struct server *s, const char *name, struct mx_buf *b)
{
	sample(b, name, s->count.bugs);
}

static void lines_dropped(struct server *s, const char *name, struct mx_buf *b)
{
	(void)s;
	sample(b, name, log_dropped_total());
}

static void lines_suppressed(struct server *s, const char *name, struct mx_buf *b)
{
	(void)s;
	sample(b, name, audit_suppressed_total());
}

static void connections(struct server *s, const char *name, struct mx_buf *b)
{
	sample(b, name, s->nconns);
}

static void clients(struct server *s, const char *name, struct mx_buf *b)
{
	sample(b, name, engine_count(s->engine));
}

static void accounts(struct server *s, const char *name, struct mx_buf *b)
{
	sample(b, name, s->conf->conf->naccounts);
}

static void secret_bytes(struct server *s, const char *name, struct mx_buf *b)
{
	size_t mapped, unlocked;

	(void)s;
	mx_secret_stats(&mapped, &unlocked);
	labelled(b, name, "locked", "yes", mapped - unlocked);
	labelled(b, name, "locked", "no", unlocked);
}

static void sandbox(struct server *s, const char *name, struct mx_buf *b)
{
	int i;

	(void)s;
	for (i = 0; i < SANDBOX_PARTS; i++)
		labelled(b, name, "part", sandbox_part_name((enum sandbox_part)i), sandbox_has((enum sandbox_part)i));
}

static void build_info(struct server *s, const char *name, struct mx_buf *b)
{
	(void)s;
	labelled(b, name, "version", PACKAGE_VERSION, 1);
}

static void start_time(struct server *s, const char *name, struct mx_buf *b)
{
	sample(b, name, s->started_wall_ms / 1000);
}

static void loaded_time(struct server *s, const char *name, struct mx_buf *b)
{
	sample(b, name, s->loaded_wall_ms / 1000);
}

static void reload_ok(struct server *s, const char *name, struct mx_buf *b)
{
	sample(b, name, !(s->last_reload.any && s->last_reload.failed));
}

/* --- of each client ------------------------------------------------------------------------------ */

static bool each(struct engine_client *c)
{
	const struct conf_client *conf = engine_client_of(c);

	return oauth_grant_each(conf->oc.grant);
}

/*
 * Of a client with a token for each mailbox: the one that ends first. Mailboxes are no labels: there may be very many,
 * and they are addresses.
 */
static void token_life(const struct engine_status *st, struct engine_client *c, const char *name,
    struct mx_buf *b)
{
	struct engine_subs s = { 0 };

	if (each(c))
		engine_sub_sum(c, &s);
	if (st->token_id != NULL || s.any_token)
		client_seconds(b, name, st->name, st->token_id != NULL ? st->expires_in_ms : s.expires_in_ms);
}

static void mailboxes(const struct engine_status *st, struct engine_client *c, const char *name, struct mx_buf *b)
{
	struct engine_subs s;

	if (!each(c))
		return;
	engine_sub_sum(c, &s);
	labelled(b, name, "client", st->name, s.n);
}

static void mailboxes_failing(const struct engine_status *st, struct engine_client *c, const char *name,
    struct mx_buf *b)
{
	struct engine_subs s;

	if (!each(c))
		return;
	engine_sub_sum(c, &s);
	labelled(b, name, "client", st->name, s.failing);
}

static void credential_life(const struct engine_status *st, struct engine_client *c, const char *name,
    struct mx_buf *b)
{
	const struct expiry first = expiry_first(c);

	if (first.ends != 0)
		client_seconds(b, name, st->name, (int64_t)first.ends * 1000 - (int64_t)mx_wall_ms());
}

static void of_credential(struct mx_buf *b, const char *name, const char *client, const struct expiry *x, uint64_t v)
{
	mx_buf_addf(b, PREFIX "%s{", name);
	label_add(b, "client", client);
	mx_buf_addf(b, ",credential=\"%zu\",kind=\"%s\"} %" PRIu64 "\n", x->credential + 1, x->kind, v);
}

static void credential_ends(const struct engine_status *st, struct engine_client *c, const char *name,
    struct mx_buf *b)
{
	const struct conf_client *conf = engine_client_of(c);

	for (size_t i = 0; i < conf->oc.ncredentials; i++) {
		const struct expiry x = expiry_of(c, i);

		if (x.ends != 0)
			of_credential(b, name, st->name, &x, x.ends);
	}
}

static void credential_threshold(const struct engine_status *st, struct engine_client *c, const char *name,
    struct mx_buf *b)
{
	const struct conf_client *conf = engine_client_of(c);

	for (size_t i = 0; i < conf->oc.ncredentials; i++) {
		const struct expiry x = expiry_of(c, i);
		unsigned crossed = threshold_crossed((int64_t)x.ends - (int64_t)(mx_wall_ms() / 1000));

		if (x.ends != 0 && crossed > 0)
			of_credential(b, name, st->name, &x, threshold_days(crossed));
	}
}

static void credential_failures(const struct engine_status *st, struct engine_client *c, const char *name,
    struct mx_buf *b)
{
	const struct side *side = side_find(c);

	labelled(b, name, "client", st->name, side != NULL ? side->failed : 0);
}

static void last_success(const struct engine_status *st, struct engine_client *c, const char *name,
    struct mx_buf *b)
{
	(void)c;
	if (st->ever_ok)
		client_seconds(b, name, st->name, (int64_t)(mx_wall_ms() - st->ok_ago_ms));
}

static void failing(const struct engine_status *st, struct engine_client *c, const char *name, struct mx_buf *b)
{
	(void)c;
	labelled(b, name, "client", st->name, st->err != NULL);
}

/* --- the table ----------------------------------------------------------------------------------- */

typedef void daemon_fn(struct server *s, const char *name, struct mx_buf *b);
typedef void client_fn(const struct engine_status *st, struct engine_client *c, const char *name, struct mx_buf *b);

/* client NULL: written once, by daemon. */
static const struct family {
	const char *name, *type, *help;
	daemon_fn *daemon;
	client_fn *client;
} families[] = {
	{ "build_info", "gauge", "Version of the daemon; always 1.", build_info, NULL },
	{ "start_time_seconds", "gauge", "When the daemon started, in seconds since the epoch.", start_time, NULL },
	{ "config_loaded_timestamp_seconds", "gauge", "When the configuration in force was read.", loaded_time, NULL },
	{ "config_last_reload_successful", "gauge", "0 if the last reload failed.", reload_ok, NULL },
	{ "clients", "gauge", "OAuth clients of the configuration.", clients, NULL },
	{ "accounts", "gauge", "Accounts of the configuration.", accounts, NULL },
	{ "connections", "gauge", "Open connections.", connections, NULL },
	{ "secret_bytes", "gauge", "Memory for tokens and secrets; what is not locked may reach swap.", secret_bytes,
	    NULL },
	{ "sandbox", "gauge", "1 if that part of the sandbox is in force.", sandbox, NULL },
	{ "requests_total", "counter", "Requests by verb.", requests, NULL },
	{ "answers_total", "counter", "Answers by class.", answers, NULL },
	{ "answer_duration_seconds", "histogram", "Time from accept to answer: kind token is SASL, RAW and TOKEN.",
	    answer_times, NULL },
	{ "turned_away_total", "counter", "Connections refused before they were read.", turned_away, NULL },
	{ "fetch_total", "counter", "Token requests by result.", fetches, NULL },
	{ "fetch_duration_seconds", "histogram", "Duration of token requests, whatever came of them.", fetch_times,
	    NULL },
	{ "rejected_total", "counter", "Reports that a mail server refused a token.", rejected, NULL },
	{ "log_lines_dropped_total", "counter", "Log lines that could not be written.", lines_dropped, NULL },
	{ "log_lines_suppressed_total", "counter", "Log lines left out since one user caused too many.",
	    lines_suppressed, NULL },
	{ "bugs_total", "counter", "States nobody thought of; each has a log line.", bugs, NULL },
	{ "token_seconds_to_expiry", "gauge", "Life left of the cached token.", NULL, token_life },
	{ "credential_expiry_seconds", "gauge", "Time until the first credential ends, by secret_expires or its "
	    "certificate.", NULL, credential_life },
	{ "credential_expires_timestamp_seconds", "gauge", "When a credential ends, in seconds since the epoch.", NULL,
	    credential_ends },
	{ "credential_expiry_threshold_days", "gauge", "The last of 30, 14, 7, 1 and 0 days to its end that is "
	    "crossed.", NULL, credential_threshold },
	{ "credential_failures_total", "counter", "Times that a credential was refused or could not be used.", NULL,
	    credential_failures },
	{ "last_success_timestamp_seconds", "gauge", "When a token was last obtained.", NULL, last_success },
	{ "client_failing", "gauge", "1 if the last token request failed; with mailboxes: and none has a token.", NULL,
	    failing },
	{ "mailboxes", "gauge", "Mailboxes that have or want a token of their own.", NULL, mailboxes },
	{ "mailboxes_failing", "gauge", "Those of them whose last token request failed.", NULL, mailboxes_failing },
};

static size_t count(const struct server *s, size_t part)
{
	return families[part].client != NULL ? engine_count(s->engine) : 1;
}

static void write_family(struct server *s, size_t part, size_t i, struct mx_buf *b)
{
	const struct family *f = &families[part];
	struct engine_client *c;
	struct engine_status st;

	if (i == 0)
		mx_buf_addf(b, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s %s\n", f->name, f->help, f->name, f->type);
	if (f->client == NULL) {
		f->daemon(s, f->name, b);
		return;
	}
	c = engine_at(s->engine, i);
	engine_status(c, &st);
	f->client(&st, c, f->name, b);
}

const struct report_kind report_metrics = { sizeof families / sizeof families[0], count, write_family };
