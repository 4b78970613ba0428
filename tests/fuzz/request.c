/*
 * The request line as the daemon reads it: what is taken reads the same when it is built again.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/wire.h"
#include "tests/fuzz/fuzz.h"

static void check_text(const char *line, size_t n, const struct mx_span *v, size_t max)
{
	if (v->s == NULL) {
		FUZZ_CHECK(v->n == 0);
		return;
	}
	FUZZ_CHECK(v->s > line && v->s + v->n <= line + n && v->n <= max && v->s[v->n] == '\0');
	FUZZ_CHECK(strlen(v->s) == v->n && fuzz_is_clean(v->s, v->n));
}

static void check_bytes(const char *line, size_t n, const struct mx_span *v)
{
	FUZZ_CHECK(v->s == NULL || (v->s > line && v->s + v->n <= line + n && v->n <= 4096 && v->s[v->n] == '\0'));
}

static void add_bytes(struct mx_buf *b, const char *key, const struct mx_span *v)
{
	if (v->s != NULL)
		mx_request_bytes(b, key, v->s, v->n);
}

static void add_number(struct mx_buf *b, const char *key, uint32_t v)
{
	if (v != 0)
		mx_request_number(b, key, v);
}

static void build(struct mx_buf *b, const struct mx_request *r)
{
	mx_request_begin(b, r->verb);
	mx_request_field(b, "mech", r->mech.s);
	mx_request_field(b, "account", r->account.s);
	mx_request_field(b, "user", r->user.s);
	mx_request_field(b, "host", r->host.s);
	mx_request_field(b, "service", r->service.s);
	mx_request_field(b, "token_id", r->token_id.s);
	add_bytes(b, "challenge", &r->challenge);
	add_bytes(b, "reply", &r->reply);
	add_number(b, "port", r->port);
	add_number(b, "max", r->max);
	add_number(b, "deadline_ms", r->deadline_ms);
	mx_request_end(b);
}

static bool same(const struct mx_span *a, const struct mx_span *b)
{
	return a->n == b->n && (a->s == NULL) == (b->s == NULL) && (a->s == NULL || memcmp(a->s, b->s, a->n) == 0);
}

static void check_same(const struct mx_request *a, const struct mx_request *b)
{
	FUZZ_CHECK(a->verb == b->verb && a->port == b->port && a->max == b->max && a->deadline_ms == b->deadline_ms);
	FUZZ_CHECK(same(&a->mech, &b->mech) && same(&a->account, &b->account) && same(&a->user, &b->user));
	FUZZ_CHECK(same(&a->host, &b->host) && same(&a->service, &b->service) && same(&a->token_id, &b->token_id));
	FUZZ_CHECK(same(&a->challenge, &b->challenge) && same(&a->reply, &b->reply));
}

static void check(const char *line, size_t n, const struct mx_request *r)
{
	static char again[MX_WIRE_REQUEST_MAX + 1];
	struct mx_request r2;
	struct mx_err e;
	struct mx_buf b;

	FUZZ_CHECK(r->verb > MX_VERB_NONE && r->verb < MX_VERB_N);
	check_text(line, n, &r->mech, 20);
	check_text(line, n, &r->account, MX_ACCOUNT_MAX);
	check_text(line, n, &r->user, MX_ACCOUNT_MAX);
	check_text(line, n, &r->host, MX_HOST_MAX);
	check_text(line, n, &r->service, MX_SERVICE_MAX);
	check_text(line, n, &r->token_id, MX_TOKEN_ID_MAX);
	check_bytes(line, n, &r->challenge);
	check_bytes(line, n, &r->reply);
	FUZZ_CHECK(r->port <= 65535 && r->max <= 1u << 20 && r->deadline_ms <= 600000);
	mx_buf_init(&b, again, sizeof again - 1);
	build(&b, r);
	FUZZ_CHECK(!b.bad && memchr(b.p, '\n', b.len) == b.p + b.len - 1);
	FUZZ_CHECK(mx_request_parse(again, b.len, &r2, &e) == MX_OK);
	check_same(r, &r2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct mx_request r;
	struct mx_err e;
	enum mx_class cls;
	char *line;

	if (n >= MX_WIRE_REQUEST_MAX)
		return 0;
	line = malloc(n + 1);		/* with the one byte that the parser may write behind it */
	FUZZ_CHECK(line != NULL);
	memcpy(line, data, n);
	line[n] = 'x';
	cls = mx_request_parse(line, n, &r, &e);
	if (cls == MX_OK) {
		check(line, n, &r);
	} else {
		FUZZ_CHECK(cls == MX_BAD_REQUEST);
		fuzz_check_err(&e, cls);
		FUZZ_CHECK(strcmp(e.code, "bad-request") == 0 || strcmp(e.code, "unknown-verb") == 0 ||
		    strcmp(e.code, "unknown-version") == 0);
	}
	free(line);
	return 0;
}
