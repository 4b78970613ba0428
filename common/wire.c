/*
 * Requests: parsed in place, built field by field. Replies are in reply.c.
 */
#include "config.h"

#include <string.h>

#include "common/base64.h"
#include "common/row.h"
#include "common/text.h"
#include "common/wire.h"

static const char *const verbs[MX_VERB_N] = {
	"", "SASL", "RAW", "TOKEN", "REJECTED", "PING", "STATUS", "FLUSH", "RELOAD", "METRICS"
};

const char *mx_verb_name(enum mx_verb v)
{
	return (unsigned)v < MX_VERB_N ? verbs[v] : "";
}

enum ftype { F_TEXT, F_BINARY, F_NUMBER };

/* The keys, their limits, and where they go. Unknown ones are skipped (doc/protocol.md). */
static const struct field {
	const char *key;
	enum ftype type;
	size_t off;
	uint32_t min, max;		/* bytes of a text, value of a number */
} fields[] = {
#define F(k, t, lo, hi) { #k, t, offsetof(struct mx_request, k), lo, hi }
	F(mech,        F_TEXT,   1, 20),
	F(account,     F_TEXT,   0, MX_ACCOUNT_MAX),
	F(user,        F_TEXT,   1, MX_ACCOUNT_MAX),
	F(host,        F_TEXT,   0, MX_HOST_MAX),
	F(service,     F_TEXT,   0, MX_SERVICE_MAX),
	F(token_id,    F_TEXT,   0, MX_TOKEN_ID_MAX),
	F(challenge,   F_BINARY, 0, 4096),
	F(reply,       F_BINARY, 0, 4096),
	F(port,        F_NUMBER, 1, 65535),
	F(max,         F_NUMBER, 1, 1u << 20),
	F(deadline_ms, F_NUMBER, 1, 600000),
#undef F
};
#define NFIELDS (sizeof fields / sizeof fields[0])

static enum mx_class bad(struct mx_err *e, const char *code, const char *what, const char *key)
{
	return mx_fail_row(e, code, "bad request: %s%s%s", what, *key != '\0' ? " " : "", key);
}

/* A key as written -> its row; *b64 when it came with the 64 suffix. NULL: unknown. */
static const struct field *find(const char *key, size_t n, bool *b64)
{
	size_t i, k;

	for (i = 0; i < NFIELDS; i++) {
		k = strlen(fields[i].key);
		*b64 = n == k + 2 && memcmp(key + k, "64", 2) == 0;
		if ((n == k || *b64) && memcmp(key, fields[i].key, k) == 0)
			return &fields[i];
	}
	return NULL;
}

static enum mx_class store(const struct field *f, char *v, size_t n, bool b64, struct mx_request *r,
    struct mx_err *e)
{
	void *to = (char *)r + f->off;
	uint64_t number;
	ssize_t d;

	if (b64) {
		if ((d = mx_b64_decode(v, n, v, n)) < 0)
			return bad(e, "bad-request", "not canonical base64:", f->key);
		n = (size_t)d;
	}
	if (f->type == F_NUMBER) {
		if (!mx_parse_uint(v, n, f->min, f->max, &number))
			return bad(e, "bad-request", "not a number in range:", f->key);
		*(uint32_t *)to = (uint32_t)number;
		return MX_OK;
	}
	if (f->type == F_BINARY) {
		if ((d = mx_b64_decode(v, n, v, n)) < 0)
			return bad(e, "bad-request", "not canonical base64:", f->key);
		n = (size_t)d;
	} else if (mx_has_ctl(v, n) || !mx_utf8_ok(v, n)) {
		return bad(e, "bad-request", "control characters or bad UTF-8 in", f->key);
	}
	if (n < f->min || n > f->max)
		return bad(e, "bad-request", "empty or too long:", f->key);
	v[n] = '\0';		/* on the TAB, the LF, or the byte the caller keeps behind the line */
	*(struct mx_span *)to = (struct mx_span){ v, n };
	return MX_OK;
}

static enum mx_class parse_field(char *p, size_t n, uint32_t *seen, struct mx_request *r, struct mx_err *e)
{
	char *eq = memchr(p, '=', n);
	const struct field *f;
	uint32_t bit;
	bool b64;

	if (eq == NULL || eq == p)
		return bad(e, "bad-request", "a field is not key=value", "");
	if (mx_has_ctl(p, n))		/* not even in a field that is ignored */
		return bad(e, "bad-request", "control characters in a field", "");
	if ((f = find(p, (size_t)(eq - p), &b64)) == NULL)
		return MX_OK;			/* a newer asker's: ignored */
	bit = 1u << (f - fields);
	if (*seen & bit)
		return bad(e, "bad-request", "given twice:", f->key);
	*seen |= bit;
	return store(f, eq + 1, n - (size_t)(eq + 1 - p), b64, r, e);
}

static enum mx_verb verb_by_name(const char *s, size_t n)
{
	int v;

	for (v = MX_VERB_NONE + 1; v < MX_VERB_N; v++)
		if (strlen(verbs[v]) == n && memcmp(verbs[v], s, n) == 0)
			return (enum mx_verb)v;
	return MX_VERB_NONE;
}

enum mx_class mx_request_parse(char *line, size_t len, struct mx_request *r, struct mx_err *e)
{
	enum mx_class cls = MX_OK;
	uint32_t seen = 0;
	char *p, *end, *tab;
	unsigned nr;

	*r = (struct mx_request){ 0 };
	if (len > 0 && line[len - 1] == '\n')
		len--;
	if (len > 0 && line[len - 1] == '\r')	/* socat and people's fingers */
		len--;
	if (memchr(line, '\n', len) != NULL)
		return bad(e, "bad-request", "more than one line", "");
	end = line + len;
	for (p = line, nr = 0; p <= end && cls == MX_OK; p = tab + 1, nr++) {
		size_t n;

		tab = memchr(p, '\t', (size_t)(end - p));
		if (tab == NULL)
			tab = end;
		n = (size_t)(tab - p);
		if (nr == 0) {
			if (n != sizeof MX_WIRE_MAGIC - 1 || memcmp(p, MX_WIRE_MAGIC, n) != 0)
				return bad(e, "unknown-version", "the line does not begin with", MX_WIRE_MAGIC);
		} else if (nr == 1) {
			if ((r->verb = verb_by_name(p, n)) == MX_VERB_NONE)
				return bad(e, "unknown-verb", "this daemon does not know the verb", "");
		} else {
			cls = parse_field(p, n, &seen, r, e);
		}
	}
	if (cls == MX_OK && nr < 2)
		return bad(e, "bad-request", "no verb", "");
	return cls;
}

void mx_request_begin(struct mx_buf *b, enum mx_verb v)
{
	mx_buf_adds(b, MX_WIRE_MAGIC "\t");
	mx_buf_adds(b, mx_verb_name(v));
}

static void add_key(struct mx_buf *b, const char *key, const char *suffix)
{
	mx_buf_addc(b, '\t');
	mx_buf_adds(b, key);
	mx_buf_adds(b, suffix);
	mx_buf_addc(b, '=');
}

void mx_request_field(struct mx_buf *b, const char *key, const char *value)
{
	size_t n;

	if (value == NULL)
		return;
	n = strlen(value);
	if (!mx_has_ctl(value, n)) {
		add_key(b, key, "");
		mx_buf_add(b, value, n);
	} else {
		add_key(b, key, "64");
		mx_b64_encode(b, value, n);
	}
}

void mx_request_bytes(struct mx_buf *b, const char *key, const void *value, size_t n)
{
	add_key(b, key, "");
	mx_b64_encode(b, value, n);
}

void mx_request_number(struct mx_buf *b, const char *key, uint64_t value)
{
	add_key(b, key, "");
	mx_buf_addf(b, "%llu", (unsigned long long)value);
}

void mx_request_end(struct mx_buf *b)
{
	mx_buf_addc(b, '\n');
	if (b->len > MX_WIRE_REQUEST_MAX)
		b->bad = true;
}
