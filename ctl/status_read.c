#include "config.h"

#include <string.h>

#include "common/text.h"
#include "ctl/out.h"
#include "ctl/status.h"

/* In the order of SD_ and SC_. The names for JSON are a promise: mta-xoauth2(8). */
const struct status_key status_daemon_keys[SD_N + 1] = {
	[SD_VERSION] = { "version", "version", false },
	[SD_PID] = { "pid", "pid", true },
	[SD_UPTIME] = { "uptime", "uptime_s", true },
	[SD_CONF] = { "configuration", "configuration", false },
	[SD_LOADED] = { "loaded_ago", "loaded_ago_s", true },
	[SD_CLIENTS] = { "clients", "clients", true },
	[SD_MAILBOXES] = { "mailboxes", "mailboxes", true },
	[SD_ACCOUNTS] = { "accounts", "accounts", true },
	[SD_CONNS] = { "connections", "connections", true },
	[SD_SECRET] = { "secret_bytes", "secret_bytes", true },
	[SD_UNLOCKED] = { "secret_bytes_not_locked", "secret_bytes_not_locked", true },
	[SD_RELOAD_AGO] = { "reload_ago", "reload_ago_s", true },
	[SD_RELOAD_CODE] = { "reload_code", "reload_code", false },
	[SD_RELOAD_ERROR] = { "reload_error", "reload_error", false },
	[SD_SANDBOX] = { "sandbox", "sandbox", false },
};

const struct status_key status_client_keys[SC_N + 1] = {
	[SC_NAME] = { "name", "name", false },
	[SC_STATE] = { "state", "state", false },
	[SC_TOKEN] = { "token", "token_id", false },
	[SC_EXPIRES] = { "expires_in", "expires_in_s", true },
	[SC_NEXT] = { "next_in", "next_in_s", true },
	[SC_WAITING] = { "waiting", "waiting", true },
	[SC_FETCHES] = { "fetches", "fetches", true },
	[SC_FAILURES] = { "failures", "failures", true },
	[SC_ANSWERS] = { "answers", "answers", true },
	[SC_REJECTIONS] = { "rejections", "rejections", true },
	[SC_FAILED_AGO] = { "failed_ago", "failed_ago_s", true },
	[SC_CLASS] = { "class", "error_class", false },
	[SC_CODE] = { "code", "error_code", false },
	[SC_ERROR] = { "error", "error", false },
	[SC_MARGIN] = { "margin", "margin_s", true },
	[SC_OKS] = { "fetches_ok", "fetches_ok", true },
	[SC_TEMPORARY] = { "fetches_temporary", "fetches_temporary", true },
	[SC_PERMANENT] = { "fetches_permanent", "fetches_permanent", true },
	[SC_SUCCESS_AGO] = { "last_success_ago", "last_success_ago_s", true },
	[SC_PAST_AGO] = { "last_failure_ago", "last_failure_ago_s", true },
	[SC_PAST_CLASS] = { "last_failure_class", "last_failure_class", false },
	[SC_PAST_CODE] = { "last_failure_code", "last_failure_code", false },
	[SC_PAST_ERROR] = { "last_failure_error", "last_failure_error", false },
	[SC_CREDENTIAL] = { "credential_expires_in", "credential_expires_in_s", true },
	[SC_ENDING] = { "credential_expires", "credential_expires", true },
	[SC_KIND] = { "credential_kind", "credential_kind", false },
	[SC_USED] = { "credential", "credential", true },
	[SC_REFUSED] = { "credential_failures", "credential_failures", true },
};

const struct status_key status_user_keys[SU_N + 1] = {
	[SU_UID] = { "uid", "uid", true },
	[SU_CONNS] = { "connections", "connections", true },
	[SU_REQUESTS] = { "requests", "requests", true },
	[SU_ANSWERS] = { "answers", "answers", true },
	[SU_DENIED] = { "denied", "denied", true },
	[SU_TURNED_AWAY] = { "turned_away", "turned_away", true },
};

_Static_assert(SD_N <= STATUS_KEYS_MAX && SC_N <= STATUS_KEYS_MAX && SU_N <= STATUS_KEYS_MAX,
    "more keys than a line has room for");

/* The first of a key counts. */
static void field(struct status_line *l, const struct status_key *keys, const char *s, size_t n)
{
	const char *eq = memchr(s, '=', n);
	size_t k, i;

	if (eq == NULL)
		return;
	k = (size_t)(eq - s);
	for (i = 0; keys[i].wire != NULL; i++)
		if (strlen(keys[i].wire) == k && memcmp(keys[i].wire, s, k) == 0 &&
		    l->v[i].s == NULL)
			l->v[i] = (struct mx_span){ eq + 1, n - k - 1 };
}

static bool is(const char *s, size_t n, const char *word)
{
	return strlen(word) == n && memcmp(s, word, n) == 0;
}

bool status_line(const char **p, const char *end, struct status_line *l)
{
	static const struct { const char *word; enum status_kind kind; const struct status_key *keys;
	} kinds[] = {
		{ "daemon", STATUS_DAEMON, status_daemon_keys },
		{ "client", STATUS_CLIENT, status_client_keys },
		{ "mailbox", STATUS_MAILBOX, status_client_keys },
		{ "user", STATUS_USER, status_user_keys },
		{ "others", STATUS_OTHERS, status_user_keys },
	};
	const struct status_key *keys = NULL;
	const char *s = *p, *lf, *tab;
	size_t i;

	if (s == end)
		return false;
	*l = (struct status_line){ .kind = STATUS_OTHER };
	if ((lf = memchr(s, '\n', (size_t)(end - s))) == NULL)
		lf = end;
	*p = lf == end ? end : lf + 1;
	for (;; s = tab + 1) {
		if ((tab = memchr(s, '\t', (size_t)(lf - s))) == NULL)
			tab = lf;
		if (keys != NULL)
			field(l, keys, s, (size_t)(tab - s));
		for (i = 0; keys == NULL && i < sizeof kinds / sizeof kinds[0]; i++) {
			if (!is(s, (size_t)(tab - s), kinds[i].word))
				continue;
			l->kind = kinds[i].kind;
			keys = kinds[i].keys;
			break;
		}
		if (tab == lf || keys == NULL)
			return true;
	}
}

bool status_number(const struct mx_span *v, int64_t *out)
{
	bool minus = v->s != NULL && v->n > 0 && *v->s == '-';
	uint64_t u;

	if (v->s == NULL || !mx_parse_uint(v->s + minus, v->n - minus, 0, INT64_MAX, &u))
		return false;
	*out = minus ? -(int64_t)u : (int64_t)u;
	return true;
}

enum status_cause status_cause(const struct status_line *c)
{
	int64_t left, margin, days;
	bool serves = c->v[SC_TOKEN].s != NULL && status_number(&c->v[SC_EXPIRES], &left) &&
	    (status_number(&c->v[SC_MARGIN], &margin) ? left >= margin && left > 0 : left > 0);
	bool dated = status_number(&c->v[SC_CREDENTIAL], &days);

	if (c->v[SC_CODE].s != NULL && !serves)
		return CAUSE_NO_TOKEN;
	if (dated && days <= 0)
		return CAUSE_EXPIRED;
	if (c->v[SC_CODE].s != NULL)
		return CAUSE_RENEWAL;
	return dated && days < STATUS_EXPIRES_S ? CAUSE_EXPIRING : CAUSE_NONE;
}

enum status_health status_health(const struct status_line *c)
{
	static const enum status_health health[CAUSE_N] = {
		[CAUSE_NONE] = STATUS_GOOD, [CAUSE_RENEWAL] = STATUS_WARNING,
		[CAUSE_EXPIRING] = STATUS_WARNING, [CAUSE_EXPIRED] = STATUS_CRITICAL,
		[CAUSE_NO_TOKEN] = STATUS_CRITICAL,
	};

	return health[status_cause(c)];
}

const char *status_health_name(enum status_health h)
{
	static const char *const names[] = { "ok", "warning", "critical" };

	return names[h];
}

bool status_sum(const struct answer *a, struct status_sum *s)
{
	const char *p = a->more, *end = a->more + a->n;
	struct status_line l;
	enum status_health h;
	int64_t said;
	size_t w;

	*s = (struct status_sum){ 0 };
	while (status_line(&p, end, &l)) {
		if (l.kind == STATUS_DAEMON)
			s->daemon = l;
		if (l.kind == STATUS_OTHERS)
			s->others = l;
		s->users += l.kind == STATUS_USER;
		s->mailboxes += l.kind == STATUS_MAILBOX;
		if (l.kind != STATUS_CLIENT && l.kind != STATUS_MAILBOX)
			continue;
		w = l.v[SC_NAME].s != NULL ? out_width(l.v[SC_NAME].s, l.v[SC_NAME].n) : 0;
		s->name_width = w > s->name_width ? w : s->name_width;
		if (l.kind == STATUS_MAILBOX)
			continue;
		s->clients++;
		h = status_health(&l);
		s->by_health[h]++;
		s->by_cause[status_cause(&l)]++;
		if (h > s->worst_of_clients) {
			s->worst_of_clients = h;
			s->worst_client = l;
		}
	}
	s->reload_failed = s->daemon.v[SD_RELOAD_CODE].s != NULL;
	s->worst = s->worst_of_clients;
	if (s->reload_failed && s->worst == STATUS_GOOD)
		s->worst = STATUS_WARNING;
	/* The daemon says how many rows follow: an answer that lost some is not taken for whole. */
	return status_number(&s->daemon.v[SD_CLIENTS], &said) && said == (int64_t)s->clients;
}
