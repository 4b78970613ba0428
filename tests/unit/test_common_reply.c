/* reply.c: one well-formed line, or nothing of it is believed. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/text.h"
#include "common/wire.h"

#define S(s) s, sizeof s - 1
#define ID64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* In memory of exactly its size, so that a sanitizer sees every byte too far. */
static char *copy(const char *s, size_t n)
{
	char *p = malloc(n == 0 ? 1 : n);

	assert_non_null(p);
	memcpy(p, s, n);
	return p;
}

static void good(void **state)
{
	static const struct { const char *s; size_t n; uint64_t expires; const char *id,
	    *payload; } t[] = {
		{ S("OK\t3599\tab-12\tdXNlcj0=\n"), 3599, "ab-12", "dXNlcj0=" },
		{ S("OK\t0\tA\tx\n"), 0, "A", "x" },
		{ S("OK\t4294967295\t" ID64 "\ttoken\n"), 4294967295u, ID64, "token" },
		{ S("OK\t1\ta\t\303\244\n"), 1, "a", "\303\244" },
	};
	struct mx_reply r;
	struct mx_err e;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof t / sizeof t[0]; i++) {
		char *p = copy(t[i].s, t[i].n);

		assert_int_equal(mx_reply_parse(p, t[i].n, &r, &e), MX_OK);
		assert_int_equal(r.expires_in_s, t[i].expires);
		assert_string_equal(r.token_id, t[i].id);
		assert_int_equal(r.payload_len, strlen(t[i].payload));
		assert_memory_equal(r.payload, t[i].payload, r.payload_len);
		free(p);
	}
}

static void malformed(void **state)
{
	static const struct { const char *s; size_t n; } t[] = {
		{ S("") }, { S("\n") }, { S("OK\n") }, { S("OK") }, { S("OK\t\n") },
		{ S("OK\t1\n") }, { S("OK\t1\ta\n") },
		{ S("OK\t1\ta\t\n") }, { S("OK\t1\ta\tx") }, { S("OK\t1\ta\tx\ty\n") },
		{ S("OK\t1\ta\tx\t\n") },
		{ S("OK\t1\ta\tx\n\n") }, { S("OK\t1\ta\tx\nmore\n") }, { S("OK\t1\ta\tx\r\n") },
		{ S("OK 1\ta\tx\n") },
		{ S("ok\t1\ta\tx\n") }, { S("OKAY\t1\ta\tx\n") }, { S(" OK\t1\ta\tx\n") },
		{ S("\nOK\t1\ta\tx\n") },
		{ S("OK\t-1\ta\tx\n") }, { S("OK\t01\ta\tx\n") }, { S("OK\t4294967296\ta\tx\n") },
		{ S("OK\t\ta\tx\n") },
		{ S("OK\t1\t\tx\n") }, { S("OK\t1\ta_b\tx\n") }, { S("OK\t1\t" ID64 "0\tx\n") },
		{ S("OK\t1\ta b\tx\n") },
		{ S("OK\t1\ta\tx\001\n") }, { S("OK\t1\ta\tx\0y\n") }, { S("OK\t1\ta\0\tx\n") },
		{ S("\0OK\t1\ta\tx\n") },
		{ S("HTTP/1.1 400 Bad Request\r\n\r\n") }, { S("220 mail ESMTP\r\n") },
		{ S("{}\n") },
		{ S("ERR\n") }, { S("ERR\t\n") }, { S("ERR\ttemp\n") }, { S("ERR\ttemp\tcode\n") },
		{ S("ERR\ttemp\tcode\ttext") }, { S("ERR\ttemp\tcode\ttext\textra\n") },
		{ S("ERR\t\tcode\ttext\n") },
		{ S("ERR\ttemp\t\ttext\n") }, { S("ERR\tok\tcode\ttext\n") },
		{ S("ERR temp code text\n") },
		{ S("ERR\ttemp\tcode\ttext\nERR\ttemp\tcode\ttext\n") },
		{ S("ERR\ttemp\tcode\ta\001b\n") },
		{ S("ERR\ttemp\tcode\t\377\n") }, { S("ERR\tte mp\tcode\ttext\n") },
		{ S("ERR\ttemp\tco/de\ttext\n") },
		{ S("ERR\ttemp\t0123456789012345678901234567890123456789012345678\ttext\n") },
		{ S("ERR\ttemp\tcode\ta\0b\n") }, { S("ERR\tabcdefghijabcdefghijk\tcode\ttext\n") },
	};
	struct mx_reply r;
	struct mx_err e;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof t / sizeof t[0]; i++) {
		char *p = copy(t[i].s, t[i].n);

		if (mx_reply_parse(p, t[i].n, &r, &e) != MX_BAD_REQUEST ||
		    strcmp(e.code, "malformed-reply") != 0)
			fail_msg("row %zu was believed: %s", i, t[i].s);
		assert_null(r.payload);
		free(p);
	}
}

static void errors(void **state)
{
	static const struct { const char *s; enum mx_class c; } t[] = {
		{ "ERR\ttemp\tprovider-unreachable\tthe sentence\n", MX_TEMP },
		{ "ERR\tprovider\tclient-secret-rejected\tthe sentence\n", MX_PROVIDER },
		{ "ERR\tconfig\ta\tthe sentence\n", MX_CONFIG },
		{ "ERR\tdenied\ta\tthe sentence\n", MX_DENIED },
		{ "ERR\tbusy\ta\tthe sentence\n", MX_BUSY },
		{ "ERR\tbad-request\ta\tthe sentence\n", MX_BAD_REQUEST },
		{ "ERR\tquantum\ta\tthe sentence\n", MX_TEMP },		/* a newer daemon's class */
		{ "ERR\ttemp\ta\t\n", MX_TEMP },
	};
	char big[MX_TEXT_MAX + 32] = "ERR\ttemp\ta\t";
	const char *more;
	struct mx_reply r;
	struct mx_err e;
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof t / sizeof t[0]; i++) {
		assert_int_equal(mx_reply_parse(t[i].s, strlen(t[i].s), &r, &e), t[i].c);
		assert_int_equal(e.cls, t[i].c);
		assert_string_equal(e.text, i == 7 ? "" : "the sentence");
		assert_int_equal(mx_reply_plain(t[i].s, strlen(t[i].s), &more, &n, NULL), t[i].c);
	}
	n = strlen(big);
	memset(big + n, 'x', MX_TEXT_MAX - 1);
	big[n + MX_TEXT_MAX - 1] = '\n';
	/* just fits */
	assert_int_equal(mx_reply_parse(big, n + MX_TEXT_MAX, &r, &e), MX_TEMP);
	big[n + MX_TEXT_MAX - 1] = 'x';
	big[n + MX_TEXT_MAX] = '\n';
	assert_int_equal(mx_reply_parse(big, n + MX_TEXT_MAX + 1, &r, &e), MX_BAD_REQUEST);
}

/* What mx_fail() and mx_reply_error() make, mx_reply_parse() takes: any text, any class. */
static void round_trip(void **state)
{
	char wire[1024], hostile[700];
	struct mx_reply r;
	struct mx_err in, out;
	struct mx_buf b;
	int c;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof hostile - 1; i++)
		hostile[i] = (char)(i * 37 % 255 + 1);
	hostile[i] = '\0';
	for (c = MX_TEMP; c < MX_CLASS_N; c++) {
		(void)mx_fail(&in, (enum mx_class)c, "some-code", "%s", hostile);
		mx_buf_init(&b, wire, sizeof wire);
		mx_reply_error(&b, &in, '\t');
		assert_false(b.bad);
		assert_int_equal(mx_reply_parse(wire, b.len, &r, &out), c);
		assert_string_equal(out.text, in.text);
		assert_string_equal(out.code, "some-code");
	}
	mx_buf_init(&b, wire, sizeof wire);
	(void)mx_fail(&in, MX_DENIED, "denied", "no");
	mx_reply_error(&b, &in, ' ');
	assert_string_equal(mx_buf_str(&b), "ERR denied denied no");
}

static void plain(void **state)
{
	const char *more;
	struct mx_err e;
	size_t n;

	(void)state;
	assert_int_equal(mx_reply_plain(S("OK\n"), &more, &n, &e), MX_OK);
	assert_int_equal(n, 0);
	assert_int_equal(mx_reply_plain(S("OK\tnew\tfields\nline 1\nline 2"), &more, &n, &e),
	    MX_OK);
	assert_int_equal(n, 13);
	assert_memory_equal(more, "line 1\nline 2", 13);
	assert_int_equal(mx_reply_plain(S("OKAY\n"), &more, &n, &e), MX_BAD_REQUEST);
	assert_int_equal(mx_reply_plain(S("OK"), &more, &n, &e), MX_BAD_REQUEST);
	assert_int_equal(mx_reply_plain(S(""), &more, &n, &e), MX_BAD_REQUEST);
}

static void damaged(void **state)
{
	static const char *const lines[] = {
		"OK\t3599\tab-12\tdXNlcj1hQGIuYwFhdXRoPUJlYXJlciBUAQE=\n",
		"ERR\tprovider\tclient-secret-rejected\tthe client secret of a@b.c is wrong\n",
	};
	struct mx_reply r;
	struct mx_err e;
	size_t k, i;

	(void)state;
	for (k = 0; k < 2; k++) {
		size_t n = strlen(lines[k]);

		for (i = 0; i < n; i++) {
			char *p = copy(lines[k], i);

			assert_int_equal(mx_reply_parse(p, i, &r, &e), MX_BAD_REQUEST);
			free(p);
		}
		for (i = 0; i < n * 8; i++) {
			char *p = copy(lines[k], n);

			p[i / 8] = (char)(p[i / 8] ^ 1 << i % 8);
			if (mx_reply_parse(p, n, &r, &e) == MX_OK)
				assert_true(r.payload > p &&
				    r.payload + r.payload_len == p + n - 1);
			else
				assert_true(mx_utf8_ok(e.text, strlen(e.text)) &&
				    !mx_has_ctl(e.text, strlen(e.text)));
			free(p);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(good), cmocka_unit_test(malformed), cmocka_unit_test(errors),
		cmocka_unit_test(round_trip), cmocka_unit_test(plain), cmocka_unit_test(damaged),
	};

	return cmocka_run_group_tests_name("common/reply", tests, NULL, NULL);
}
