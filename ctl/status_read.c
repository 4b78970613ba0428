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
	[SD_ACCOUNTS] = { "accounts", "accounts", true },
	[SD_CONNS] = { "connections", "connections", true },
	[SD_SECRET] = { "secret_bytes", "secret_bytes", true },
	[SD_UNLOCKED] = { "secret_bytes_not_locked", "secret_bytes_not_locked", true },
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
};

_Static_assert(SD_N <= STATUS_KEYS_MAX && SC_N <= STATUS_KEYS_MAX,
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
	const struct status_key *keys = NULL;
	const char *s = *p, *lf, *tab;

	if (s == end)
		return false;
	*l = (struct status_line){ .kind = STATUS_OTHER };
	if ((lf = memchr(s, '\n', (size_t)(end - s))) == NULL)
		lf = end;
	*p = lf == end ? end : lf + 1;
	for (;; s = tab + 1) {
		if ((tab = memchr(s, '\t', (size_t)(lf - s))) == NULL)
			tab = lf;
		if (keys != NULL) {
			field(l, keys, s, (size_t)(tab - s));
		} else if (is(s, (size_t)(tab - s), "daemon")) {
			l->kind = STATUS_DAEMON;
			keys = status_daemon_keys;
		} else if (is(s, (size_t)(tab - s), "client")) {
			l->kind = STATUS_CLIENT;
			keys = status_client_keys;
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

enum status_health status_health(const struct status_line *c)
{
	int64_t left;

	if (c->v[SC_CODE].s == NULL)
		return STATUS_GOOD;
	return c->v[SC_TOKEN].s != NULL && status_number(&c->v[SC_EXPIRES], &left) && left > 0 ?
	    STATUS_WARNING : STATUS_CRITICAL;
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
		if (l.kind != STATUS_CLIENT)
			continue;
		s->clients++;
		h = status_health(&l);
		s->by_health[h]++;
		if (h > s->worst) {
			s->worst = h;
			s->worst_client = l;
		}
		w = l.v[SC_NAME].s != NULL ? out_width(l.v[SC_NAME].s, l.v[SC_NAME].n) : 0;
		s->name_width = w > s->name_width ? w : s->name_width;
	}
	/* The daemon says how many rows follow: an answer that lost some is not taken for whole. */
	return status_number(&s->daemon.v[SD_CLIENTS], &said) && said == (int64_t)s->clients;
}
