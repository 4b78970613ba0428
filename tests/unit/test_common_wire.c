/* wire.c: requests, parsed and built. reply.c has its own test. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/wire.h"

#define M "TOKEND/1\t"
#define A320 A64 A64 A64 A64 A64
#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/*
 * Parses a copy in memory of exactly the size that is promised, so that a sanitizer sees every
 * step aside.
 */
static enum mx_class parse(const char *s, size_t n, struct mx_request *r, struct mx_err *e,
    char **mem)
{
	*mem = malloc(n + 1);
	assert_non_null(*mem);
	memcpy(*mem, s, n);
	return mx_request_parse(*mem, n, r, e);
}

static const struct {
	const char *line, *code;		/* NULL: fine */
	enum mx_verb verb;
	const char *account;
} rows[] = {
	{ M "PING\n", NULL, MX_VERB_PING, NULL },
	{ M "PING", NULL, MX_VERB_PING, NULL },
	{ M "PING\r\n", NULL, MX_VERB_PING, NULL },
	{ M "SASL\tmech=XOAUTH2\taccount=a@b.c\thost=h\tport=587\tdeadline_ms=10000\n", NULL,
	    MX_VERB_SASL, "a@b.c" },
	{ M "RAW\taccount64=YUBiLmM=\n", NULL, MX_VERB_RAW, "a@b.c" },
	{ M "TOKEN\taccount=\n", NULL, MX_VERB_TOKEN, "" },
	{ M "TOKEN\taccount=a=b\n", NULL, MX_VERB_TOKEN, "a=b" },
	{ M "TOKEN\taccount=\303\244@b\n", NULL, MX_VERB_TOKEN, "\303\244@b" },
	{ M "TOKEN\taccount=" A320 "\n", NULL, MX_VERB_TOKEN, A320 },
	{ M "REJECTED\taccount=a\tchallenge=AQ==\ttoken_id=x\n", NULL, MX_VERB_REJECTED, "a" },
	{ M "STATUS\n", NULL, MX_VERB_STATUS, NULL },
	{ M "FLUSH\taccount=x\n", NULL, MX_VERB_FLUSH, "x" },
	{ M "RELOAD\n", NULL, MX_VERB_RELOAD, NULL },
	{ M "METRICS\n", NULL, MX_VERB_METRICS, NULL },
	{ M "TOKEN\tfuture=1\taccount=a\tshape=round\n", NULL, MX_VERB_TOKEN, "a" },
	{ M "TOKEN\tfuture=1\tfuture=2\taccount=a\n", NULL, MX_VERB_TOKEN, "a" },
	{ M "TOKEN\taccounts=q\taccount=a\taccount6=q\n", NULL, MX_VERB_TOKEN, "a" },

	{ "", "unknown-version", 0, NULL }, { "\n", "unknown-version", 0, NULL },
	{ "TOKEND/1\n", "bad-request", 0, NULL },
	{ "TOKEND/2\tPING\n", "unknown-version", 0, NULL },
	{ "TOKEND/10\tPING\n", "unknown-version", 0, NULL },
	{ "tokend/1\tPING\n", "unknown-version", 0, NULL },
	{ "TOKEND/1 PING\n", "unknown-version", 0, NULL },
	{ " " M "PING\n", "unknown-version", 0, NULL },
	{ "GET / HTTP/1.1\r\n", "unknown-version", 0, NULL },
	{ M "\n", "unknown-verb", 0, NULL }, { M "ping\n", "unknown-verb", 0, NULL },
	{ M "PINGS\n", "unknown-verb", 0, NULL }, { M "PIN\n", "unknown-verb", 0, NULL },
	{ M "TOKEN\taccount\n", "bad-request", 0, NULL },
	{ M "TOKEN\t=a\n", "bad-request", 0, NULL },
	{ M "TOKEN\t\taccount=a\n", "bad-request", 0, NULL },
	{ M "TOKEN\taccount=a\t\n", "bad-request", 0, NULL },
	{ M "TOKEN\taccount=a\taccount=a\n", "bad-request", 0, NULL },
	{ M "TOKEN\taccount=a\taccount64=YQ==\n", "bad-request", 0, NULL },
	{ M "TOKEN\taccount64=YQ==\taccount=a\n", "bad-request", 0, NULL },
	{ M "TOKEN\taccount64=YQ=\n", "bad-request", 0, NULL },
	{ M "TOKEN\taccount64=YQ==\r\r\n", "bad-request", 0, NULL },
	{ M "TOKEN\taccount64=YQo=\n", "bad-request", 0, NULL },		/* "a", LF */
	/* a TAB inside: no injected field */
	{ M "TOKEN\taccount64=YQlob3N0PWI=\n", "bad-request", 0, NULL },
	{ M "TOKEN\taccount64=AA==\n", "bad-request", 0, NULL },		/* NUL */
	{ M "TOKEN\taccount64=/w==\n", "bad-request", 0, NULL },		/* not UTF-8 */
	{ M "TOKEN\taccount=a\001b\n", "bad-request", 0, NULL },
	{ M "TOKEN\taccount=a\177\n", "bad-request", 0, NULL },
	{ M "TOKEN\taccount=a\rb\n", "bad-request", 0, NULL },
	{ M "TOKEN\taccount=\377\n", "bad-request", 0, NULL },
	{ M "TOKEN\taccount=a\nb\n", "bad-request", 0, NULL },
	{ M "PING\n" M "PING\n", "bad-request", 0, NULL },
	{ M "TOKEN\taccount=" A320 "a\n", "bad-request", 0, NULL },
	/* not even where it is ignored */
	{ M "TOKEN\tfuture=a\001b\taccount=a\n", "bad-request", 0, NULL },
	{ M "TOKEN\tfut\001ure=a\taccount=a\n", "bad-request", 0, NULL },
	{ M "SASL\tmech=\n", "bad-request", 0, NULL },
	{ M "SASL\tuser=\n", "bad-request", 0, NULL },
	{ M "SASL\tport=0\n", "bad-request", 0, NULL },
	{ M "SASL\tport=65536\n", "bad-request", 0, NULL },
	{ M "SASL\tport=0587\n", "bad-request", 0, NULL },
	{ M "SASL\tport=\n", "bad-request", 0, NULL },
	{ M "SASL\tport=-1\n", "bad-request", 0, NULL },
	{ M "SASL\tdeadline_ms=600001\n", "bad-request", 0, NULL },
	{ M "SASL\tmax=1048577\n", "bad-request", 0, NULL },
	{ M "SASL\tmax=3069b\n", "bad-request", 0, NULL },
	{ M "REJECTED\tchallenge=A\n", "bad-request", 0, NULL },
};

static void table(void **state)
{
	struct mx_request r;
	struct mx_err e;
	char *mem;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		enum mx_class c = parse(rows[i].line, strlen(rows[i].line), &r, &e, &mem);

		if (rows[i].code == NULL) {
			if (c != MX_OK || r.verb != rows[i].verb)
				fail_msg("refused: %s: %s", rows[i].line, e.text);
			if (rows[i].account == NULL)
				assert_null(r.account.s);
			else
				assert_string_equal(r.account.s, rows[i].account);
		} else if (c != MX_BAD_REQUEST || strcmp(e.code, rows[i].code) != 0) {
			fail_msg("row %zu, wanted %s, got class %d code %s: %s", i, rows[i].code,
			    (int)c,
			    c == MX_OK ? "" : e.code, rows[i].line);
		}
		free(mem);
	}
}

static void every_key(void **state)
{
	static const char line[] =
	    M "SASL\tmech=XOAUTH2\taccount=a\tuser=u\thost=h\tservice=smtp\ttoken_id=t-1\t"
	    "challenge=eyJ9\treply=AAEC\tport=25\tmax=3069\tdeadline_ms=1\n";
	struct mx_request r;
	struct mx_err e;
	char *mem;

	(void)state;
	assert_int_equal(parse(line, sizeof line - 1, &r, &e, &mem), MX_OK);
	assert_string_equal(r.mech.s, "XOAUTH2");
	assert_string_equal(r.user.s, "u");
	assert_string_equal(r.host.s, "h");
	assert_string_equal(r.service.s, "smtp");
	assert_string_equal(r.token_id.s, "t-1");
	assert_string_equal(r.challenge.s, "{\"}");
	assert_int_equal(r.reply.n, 3);
	assert_memory_equal(r.reply.s, "\000\001\002\0", 4);
	assert_int_equal(r.port, 25);
	assert_int_equal(r.max, 3069);
	assert_int_equal(r.deadline_ms, 1);
	free(mem);
}

/*
 * Every prefix and every flipped bit of a good line: refused or understood, never a byte beyond
 * it.
 */
static void damaged(void **state)
{
	static const char line[] =
	    M "SASL\tmech=XOAUTH2\taccount64=YUBiLmM=\thost=smtp.example.com\tport=587\n";
	char copy[sizeof line];
	struct mx_request r;
	struct mx_err e;
	size_t i, n = sizeof line - 1;
	char *mem;

	(void)state;
	for (i = 0; i < n; i++) {
		enum mx_class c = parse(line, i, &r, &e, &mem);

		if (c == MX_OK && (r.verb != MX_VERB_SASL ||
		    (r.account.s != NULL && strncmp("a@b.c", r.account.s, r.account.n) != 0)))
			fail_msg("prefix of %zu bytes", i);
		free(mem);
	}
	for (i = 0; i < n * 8; i++) {
		memcpy(copy, line, n);
		copy[i / 8] = (char)(copy[i / 8] ^ 1 << i % 8);
		if (parse(copy, n, &r, &e, &mem) == MX_OK && r.account.s != NULL)
			assert_true(r.account.n == strlen(r.account.s));
		free(mem);
	}
	for (i = 0; i < n; i++) {			/* a NUL anywhere */
		memcpy(copy, line, n);
		copy[i] = '\0';
		assert_int_equal(parse(copy, n, &r, &e, &mem), MX_BAD_REQUEST);
		free(mem);
	}
}

static void built(void **state)
{
	char room[MX_WIRE_REQUEST_MAX + 64];
	struct mx_request r;
	struct mx_err e;
	struct mx_buf b;
	char *big;

	(void)state;
	mx_buf_init(&b, room, sizeof room);
	mx_request_begin(&b, MX_VERB_SASL);
	mx_request_field(&b, "mech", "XOAUTH2");
	mx_request_field(&b, "account", "a@b.c");
	mx_request_field(&b, "user", NULL);
	mx_request_number(&b, "port", 587);
	mx_request_bytes(&b, "challenge", "\001\002", 2);
	mx_request_end(&b);
	assert_string_equal(mx_buf_str(&b),
	    M "SASL\tmech=XOAUTH2\taccount=a@b.c\tport=587\tchallenge=AQI=\n");
	assert_int_equal(mx_request_parse(room, b.len, &r, &e), MX_OK);
	assert_int_equal(r.challenge.n, 2);

	/*
	 * Control bytes cannot make a field of their own: they travel as base64, and the reader
	 * refuses them.
	 */
	mx_buf_init(&b, room, sizeof room);
	mx_request_begin(&b, MX_VERB_TOKEN);
	mx_request_field(&b, "account", "a\thost=evil\n");
	mx_request_end(&b);
	assert_string_equal(mx_buf_str(&b), M "TOKEN\taccount64=YQlob3N0PWV2aWwK\n");
	assert_int_equal(mx_request_parse(room, b.len, &r, &e), MX_BAD_REQUEST);

	/* Too long for the wire, though the buffer would hold it. */
	big = calloc(1, MX_WIRE_REQUEST_MAX);
	assert_non_null(big);
	/* TOKEND/1 TAB TOKEN TAB x= ... LF: 18 bytes beside it */
	memset(big, 'a', MX_WIRE_REQUEST_MAX - 17);
	mx_buf_init(&b, room, sizeof room);
	mx_request_begin(&b, MX_VERB_TOKEN);
	mx_request_field(&b, "x", big);
	mx_request_end(&b);
	assert_true(b.bad);
	mx_buf_init(&b, room, sizeof room);
	big[MX_WIRE_REQUEST_MAX - 18] = '\0';
	mx_request_begin(&b, MX_VERB_TOKEN);
	mx_request_field(&b, "x", big);
	mx_request_end(&b);
	assert_false(b.bad);
	assert_int_equal(b.len, MX_WIRE_REQUEST_MAX);
	free(big);
}

static void verbs(void **state)
{
	(void)state;
	assert_string_equal(mx_verb_name(MX_VERB_SASL), "SASL");
	assert_string_equal(mx_verb_name(MX_VERB_METRICS), "METRICS");
	assert_string_equal(mx_verb_name(MX_VERB_NONE), "");
	assert_string_equal(mx_verb_name(MX_VERB_N), "");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(table), cmocka_unit_test(every_key), cmocka_unit_test(damaged),
		cmocka_unit_test(built), cmocka_unit_test(verbs),
	};

	return cmocka_run_group_tests_name("common/wire", tests, NULL, NULL);
}
