#include "config.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/buf.h"
#include "common/text.h"
#include "settings/build.h"
#include "settings/check.h"
#include "settings/suggest.h"

struct cf_value *cf_value_of(void *section, const struct conf_key *k)
{
	return (struct cf_value *)(void *)((char *)section + k->off);
}

bool cf_oom(struct build *b)
{
	const struct conf_where at = { b->main_file, 0, 0 };

	if (!b->oom)
		cf_error(b->r, &at, "no memory");
	b->oom = true;
	return false;
}

/* The text for a complaint; never that of a key that may hold a secret by mistake. */
static const char *shown(char *out, size_t cap, const struct conf_key *k, const char *s, size_t n)
{
	if (k->type == CONF_T_SECRET || k->type == CONF_T_URL || k->type == CONF_T_PROXY)
		return "the value";
	return mx_quote(out, cap, s, n);
}

/* Number with an optional unit, in milliseconds; false: not that, or beyond 49 days. */
static bool duration(const char *s, size_t n, uint64_t *ms)
{
	static const struct { const char *suffix; uint32_t ms;
	} units[] = {
		{ "ms", 1 },
		{ "s", 1000 },
		{ "min", 60 * 1000 },
		{ "m", 60 * 1000 },
		{ "h", 3600 * 1000 },
		{ "", 1000 },
	};
	size_t digits = 0;

	while (digits < n && s[digits] >= '0' && s[digits] <= '9')
		digits++;
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (strlen(units[i].suffix) != n - digits ||
		    strncmp(s + digits, units[i].suffix, n - digits) != 0)
			continue;
		if (!mx_parse_uint(s, digits, 0, UINT32_MAX / units[i].ms, ms))
			return false;
		*ms *= units[i].ms;
		return true;
	}
	return false;
}

/* A bound as people write it: 300 s, 100 ms. */
static const char *span(char *out, size_t cap, const struct conf_key *k, uint32_t v)
{
	struct mx_buf b;

	mx_buf_init(&b, out, cap);
	if (k->type == CONF_T_SECONDS)
		mx_buf_addf(&b, "%us", v);
	else if (k->type == CONF_T_MS && v % 1000 == 0)
		mx_buf_addf(&b, "%us", v / 1000);
	else if (k->type == CONF_T_MS)
		mx_buf_addf(&b, "%ums", v);
	else
		mx_buf_addf(&b, "%u", v);
	return mx_buf_str(&b) == NULL ? "" : out;
}

static bool in_bounds(struct build *b, const struct conf_key *k, const struct conf_where *at,
    const char *text, uint64_t v)
{
	char lo[24], hi[24];

	if (v >= k->min && v <= k->max)
		return true;
	cf_error(b->r, at, "\"%s\": %s is out of bounds: from %s to %s", k->name, text,
	    span(lo, sizeof lo, k, k->min), span(hi, sizeof hi, k, k->max));
	return false;
}

static void set_duration(struct build *b, const struct conf_key *k, struct cf_value *v,
    const char *s, size_t n, const struct conf_where *at)
{
	char q[96];
	uint64_t ms;

	if (!duration(s, n, &ms)) {
		cf_error(b->r, at,
		    "\"%s\": %s is no length of time: write whole seconds, or a whole number with "
		    "ms, s, m, min or h (30s, 500ms, 5m)",
		    k->name, mx_quote(q, sizeof q, s, n));
		return;
	}
	(void)mx_quote(q, sizeof q, s, n);
	if (k->type == CONF_T_SECONDS && ms % 1000 != 0)
		cf_error(b->r, at, "\"%s\": %s is not a whole number of seconds", k->name, q);
	else if (in_bounds(b, k, at, q, k->type == CONF_T_SECONDS ? ms / 1000 : ms))
		v->v = (uint32_t)(k->type == CONF_T_SECONDS ? ms / 1000 : ms);
}

static void set_count(struct build *b, const struct conf_key *k, struct cf_value *v, const char *s,
    size_t n, const struct conf_where *at)
{
	char q[96];
	uint64_t x;

	(void)mx_quote(q, sizeof q, s, n);
	if (!mx_parse_uint(s, n, 0, UINT32_MAX, &x))
		cf_error(b->r, at, "\"%s\": %s is no number: write decimal digits", k->name, q);
	else if (in_bounds(b, k, at, q, x))
		v->v = (uint32_t)x;
}

static void set_mode(struct build *b, const struct conf_key *k, struct cf_value *v, const char *s,
    size_t n, const struct conf_where *at)
{
	uint32_t x = 0;
	char q[96];

	for (size_t i = 0; i < n; i++) {
		x = x << 3 | (uint32_t)(s[i] - '0');
		if (s[i] < '0' || s[i] > '7' || x > k->max || n < 3) {
			cf_error(b->r, at,
			    "\"%s\": %s is no file mode: write octal digits from 0000 to 0777",
			    k->name, mx_quote(q, sizeof q, s, n));
			return;
		}
	}
	v->v = x;
}

static void set_bool(struct build *b, const struct conf_key *k, struct cf_value *v, const char *s,
    size_t n, const struct conf_where *at)
{
	static const char *const words[] = { "no", "yes", "false", "true" };
	char q[96];

	for (uint32_t i = 0; i < 4; i++)
		if (strlen(words[i]) == n && strncasecmp(words[i], s, n) == 0) {
			v->v = i & 1;
			return;
		}
	cf_error(b->r, at, "\"%s\": %s is neither yes nor no", k->name, mx_quote(q, sizeof q, s,
	    n));
}

static void set_date(struct build *b, const struct conf_key *k, struct cf_value *v, const char *s,
    size_t n, const struct conf_where *at)
{
	char q[96];

	if (!cf_date(s, n, &v->v))
		cf_error(b->r, at, "\"%s\": %s is no date: write YYYY-MM-DD, a day from 2000 to 2105",
		    k->name, mx_quote(q, sizeof q, s, n));
}

/* Number of a word, without regard to case; complains when it is not one of the key's. */
static bool word(struct build *b, const struct conf_key *k, const char *s, size_t n,
    const struct conf_where *at, uint32_t *number)
{
	char q[96], hint[96], all[256];
	struct cf_near near;
	struct mx_buf list;
	const char *w;

	cf_near_begin(&near, s, n);
	mx_buf_init(&list, all, sizeof all);
	for (uint32_t i = 0; (w = k->word(i)) != NULL; i++) {
		if (strlen(w) == n && strncasecmp(w, s, n) == 0) {
			*number = i;
			return true;
		}
		cf_near_try(&near, w);
		mx_buf_addf(&list, "%s%s", i == 0 ? "" : ", ", w);
	}
	w = mx_buf_str(&list);
	cf_error(b->r, at, "\"%s\": %s is none of those this version knows: %s%s", k->name, mx_quote(q, sizeof q, s, n),
	    w == NULL ? "" : w, cf_near_text(hint, sizeof hint, &near));
	return false;
}

/* Length and the key's own judgement. */
static bool fits(struct build *b, const struct conf_key *k, const char *s, size_t n,
    const struct conf_where *at)
{
	char q[96];
	const char *bad;

	if (n > k->max && k->max != 0) {
		cf_error(b->r, at, "\"%s\": the value is too long: %zu bytes, at most %u", k->name,
		    n, k->max);
		return false;
	}
	if (k->bad != NULL && (bad = k->bad(s, n)) != NULL) {
		cf_error(b->r, at, "\"%s\": %s %s", k->name, shown(q, sizeof q, k, s, n), bad);
		return false;
	}
	if (n < k->min) {
		cf_error(b->r, at, "\"%s\": the value is too short: %zu bytes, at least %u",
		    k->name, n, k->min);
		return false;
	}
	return true;
}

void cf_set(struct build *b, const struct conf_key *k, struct cf_value *v, const char *s, size_t n,
    const struct conf_where *at)
{
	static const struct conf_where compiled_in = { "(compiled in)", 0, 0 };
	uint32_t x;

	if (at == NULL)
		at = &compiled_in;
	else
		v->at = *at;
	switch (k->type) {
	case CONF_T_SECONDS:
	case CONF_T_MS:
		set_duration(b, k, v, s, n, at);
		break;
	case CONF_T_COUNT:
		set_count(b, k, v, s, n, at);
		break;
	case CONF_T_MODE:
		set_mode(b, k, v, s, n, at);
		break;
	case CONF_T_BOOL:
		set_bool(b, k, v, s, n, at);
		break;
	case CONF_T_DATE:
		set_date(b, k, v, s, n, at);
		break;
	case CONF_T_ENUM:
		if (word(b, k, s, n, at, &x))
			v->v = x;
		break;
	case CONF_T_WORDS:
		if (word(b, k, s, n, at, &x))
			v->v |= 1u << x;
		break;
	default:
		if (!fits(b, k, s, n, at))
			break;
		if ((v->s = cf_intern(b->mem, s, n)) == NULL)
			(void)cf_oom(b);
		if (at->line != 0 && (k->type == CONF_T_USER || k->type == CONF_T_GROUP))
			cf_name_known(b, k->type == CONF_T_GROUP, s, n, at);
		break;
	}
}

void cf_defaults(struct build *b, const struct conf_section *s, void *section)
{
	memset(section, 0, s->size);
	for (size_t i = 0; i < s->n; i++)
		if (s->key[i].def != NULL)
			cf_set(b, &s->key[i], cf_value_of(section, &s->key[i]), s->key[i].def,
			    strlen(s->key[i].def), NULL);
}
