/* text.c, buf.c, status.c: judging, showing, building and saying what went wrong. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/buf.h"
#include "common/status.h"
#include "common/text.h"

#define S(s) s, sizeof s - 1

static void control(void **state)
{
	unsigned c;

	(void)state;
	for (c = 0; c < 256; c++) {
		unsigned char s[3] = { 'a', (unsigned char)c, 'b' };

		assert_int_equal(mx_has_ctl(s, 3), c < 32 || c == 127);
	}
	assert_false(mx_has_ctl("", 0));
	assert_true(mx_has_ctl(S("a\0")));
}

static const struct { const char *s; size_t n; bool ok; } utf8[] = {
	{ S(""), true }, { S("plain"), true }, { S("\303\244"), true }, { S("\342\202\254"), true },
	{ S("\360\237\230\200"), true }, { S("\364\217\277\277"), true },
	{ S("\355\237\277"), true },
	{ S("\356\200\200"), true }, { S("\0"), true },
	/* overlong */
	{ S("\300\200"), false }, { S("\301\277"), false }, { S("\340\200\200"), false },
	{ S("\340\237\277"), false }, { S("\360\200\200\200"), false },
	{ S("\360\217\277\277"), false },
	/* surrogates */
	{ S("\355\240\200"), false }, { S("\355\277\277"), false },
	{ S("\364\220\200\200"), false }, { S("\365\200\200\200"), false }, { S("\377"), false },
	{ S("\200"), false }, { S("a\277"), false }, { S("\303"), false }, { S("\342\202"), false },
	{ S("\360\237\230"), false }, { S("\303a"), false }, { S("\342\202a"), false },
	{ S("\342a\202"), false },
};

static void utf8_table(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof utf8 / sizeof utf8[0]; i++)
		if (mx_utf8_ok(utf8[i].s, utf8[i].n) != utf8[i].ok)
			fail_msg("utf8 row %zu: %s", i, utf8[i].s);
}

static void b64token(void **state)
{
	static const struct { const char *s; size_t n; bool ok; } t[] = {
		{ S("TOKEN"), true }, { S("a"), true }, { S("aZ09-._~+/"), true },
		{ S("abc="), true },
		{ S("abc==="), true }, { S("eyJ0.eyJ1.c2ln"), true },
		{ S(""), false }, { S("="), false }, { S("=a"), false }, { S("a=b"), false },
		{ S("a b"), false },
		{ S("a\001"), false }, { S("a\n"), false }, { S("a\0"), false },
		{ S("a,b"), false }, { S("\303\244"), false },
		{ S("a\""), false }, { S("a:"), false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof t / sizeof t[0]; i++)
		if (mx_is_b64token(t[i].s, t[i].n) != t[i].ok)
			fail_msg("b64token row %zu: %s", i, t[i].s);
}

static void numbers(void **state)
{
	static const struct { const char *s; bool ok; uint64_t want; } t[] = {
		{ "0", true, 0 }, { "1", true, 1 }, { "600", true, 600 },
		{ "18446744073709551615", true, UINT64_MAX },
		{ "", false, 0 }, { "-1", false, 0 }, { "+1", false, 0 }, { " 1", false, 0 },
		{ "1 ", false, 0 },
		{ "01", false, 0 }, { "00", false, 0 }, { "1.0", false, 0 }, { "1e3", false, 0 },
		{ "0x1", false, 0 },
		{ "18446744073709551616", false, 0 }, { "184467440737095516150", false, 0 },
		{ "1\n", false, 0 },
	};
	uint64_t v;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof t / sizeof t[0]; i++) {
		v = 0;
		if (mx_parse_uint(t[i].s, strlen(t[i].s), 0, UINT64_MAX, &v) != t[i].ok ||
		    v != t[i].want)
			fail_msg("number: '%s'", t[i].s);
	}
	assert_false(mx_parse_uint("5", 1, 6, 9, &v));
	assert_false(mx_parse_uint("10", 2, 6, 9, &v));
	assert_true(mx_parse_uint("61", 1, 6, 9, &v));	/* one byte of it is looked at */
	assert_int_equal(v, 6);
	assert_false(mx_parse_uint("1\0002", 3, 0, 999, &v));
}

static void clean(void **state)
{
	static const struct { const char *in; size_t n; const char *out; } t[] = {
		{ S("fine"), "fine" }, { S("a\nb\tc\177"), "a?b?c?" },
		{ S("\303\244\303"), "\303\244?" },
		{ S("\377\376"), "??" }, { S("\355\240\200x"), "???x" }, { S("\033[31m"), "?[31m" },
		{ S("\302\23331m"), "??31m" }, { S("a\342\200\256b"), "a???b" },	/* CSI, RLO */
		{ S("\302\240\342\200\246"), "\302\240\342\200\246" },	/* no-break space, ellipsis */
	};
	char room[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof t / sizeof t[0]; i++) {
		memcpy(room, t[i].in, t[i].n + 1);
		mx_clean(room, t[i].n);
		assert_string_equal(room, t[i].out);
		assert_true(mx_utf8_ok(room, strlen(room)) && !mx_has_ctl(room, strlen(room)));
	}
}

static void quote(void **state)
{
	static const struct { const char *in; size_t n; size_t cap; const char *out; } t[] = {
		{ S(""), 8, "\"\"" }, { S("abc"), 8, "\"abc\"" }, { S("abcde"), 10, "\"abcde\"" },
		{ S("abcdef"), 8, "\"ab...\"" }, { S("a\"b"), 32, "\"a\\x22b\"" },
		{ S("a\\b"), 32, "\"a\\x5cb\"" },
		{ S("a\nb"), 32, "\"a\\x0ab\"" }, { S("\0"), 32, "\"\\x00\"" },
		{ S("\303\244"), 32, "\"\303\244\"" },
		{ S("\303"), 32, "\"\\xc3\"" }, { S("\355\240\200"), 32, "\"\\xed\\xa0\\x80\"" },
		{ S("\n\n\n\n"), 8, "\"...\"" },
		{ S("\302\2331m"), 32, "\"\\xc2\\x9b1m\"" },
		{ S("\342\201\246"), 32, "\"\\xe2\\x81\\xa6\"" },
		{ S("\303\244\303\244\303\244\303\244"), 10, "\"\303\244\303\244...\"" },
	};
	char room[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof t / sizeof t[0]; i++) {
		memset(room, 'X', sizeof room);
		mx_quote(room, t[i].cap, t[i].in, t[i].n);
		if (strcmp(room, t[i].out) != 0)
			fail_msg("quote row %zu: %s", i, room);
		assert_int_equal(room[t[i].cap], 'X');
	}
}

/*
 * Any bytes, any room: ends in a quote and a NUL, within its room, valid UTF-8, no control bytes.
 */
static void quote_hostile(void **state)
{
	unsigned char in[40];
	uint32_t rnd = 12345;
	char out[80];
	size_t cap, n, i, round;

	(void)state;
	for (round = 0; round < 3000; round++) {
		for (i = 0; i < sizeof in; i++) {
			rnd = rnd * 1664525u + 1013904223u;
			in[i] = (unsigned char)(rnd >> 24);
		}
		n = round % (sizeof in + 1);
		cap = 8 + round % 60;
		memset(out, 'X', sizeof out);
		mx_quote(out, cap, (char *)in, n);
		assert_true(strlen(out) < cap);
		assert_int_equal(out[cap], 'X');
		assert_true(out[0] == '"' && out[strlen(out) - 1] == '"');
		assert_true(mx_utf8_ok(out, strlen(out)) && !mx_has_ctl(out, strlen(out)));
		mx_clean((char *)in, n);
		assert_true(mx_utf8_ok(in, n) && !mx_has_ctl(in, n));
	}
}

static void buffers(void **state)
{
	char room[8];
	struct mx_buf b;

	(void)state;
	mx_buf_init(&b, room, sizeof room);
	mx_buf_adds(&b, "1234");
	mx_buf_addf(&b, "%d", 567);
	assert_string_equal(mx_buf_str(&b), "1234567");
	mx_buf_addc(&b, '8');
	assert_null(mx_buf_str(&b));			/* no room for the NUL: bad from now on */
	assert_true(b.bad);
	mx_buf_init(&b, room, sizeof room);
	mx_buf_adds(&b, "123456789");			/* refused whole, and sticky */
	mx_buf_adds(&b, "1");
	assert_true(b.bad);
	assert_int_equal(b.len, 0);
	mx_buf_init(&b, room, sizeof room);
	mx_buf_adds(&b, "1234567");
	mx_buf_addf(&b, "%s", "8");			/* vsnprintf's NUL has no room */
	assert_true(b.bad);
	mx_buf_add(&b, NULL, 0);
	mx_buf_wipe(&b);
	assert_memory_equal(room, "\0\0\0\0\0\0\0\0", sizeof room);
	assert_true(b.len == 0 && !b.bad);
	mx_wipe(NULL, 0);
}

static void classes(void **state)
{
	static const struct { enum mx_class c; const char *name; int sasl, exit_code; } t[] = {
		{ MX_OK, "ok", 0, 0 }, { MX_TEMP, "temp", -24, 75 },
		{ MX_PROVIDER, "provider", -13, 5 },
		{ MX_CONFIG, "config", -24, 3 }, { MX_DENIED, "denied", -14, 3 },
		{ MX_BUSY, "busy", -24, 75 },
		{ MX_BAD_REQUEST, "bad-request", -1, 2 },
	};
	size_t i;

	(void)state;
	assert_int_equal(sizeof t / sizeof t[0], MX_CLASS_N);
	for (i = 0; i < MX_CLASS_N; i++) {
		const struct mx_class_info *info = mx_class_info(t[i].c);

		assert_string_equal(info->name, t[i].name);
		assert_int_equal(info->sasl, t[i].sasl);
		assert_int_equal(info->exit_code, t[i].exit_code);
		assert_non_null(info->exim);
		assert_int_equal(mx_class_by_name(t[i].name, strlen(t[i].name)), t[i].c);
		assert_int_equal(mx_class_by_name(t[i].name, strlen(t[i].name) - 1), MX_CLASS_N);
	}
	assert_int_equal(mx_class_by_name("", 0), MX_CLASS_N);
	assert_int_equal(mx_class_by_name("TEMP", 4), MX_CLASS_N);
	assert_ptr_equal(mx_class_info(MX_CLASS_N), mx_class_info(MX_TEMP));
	assert_ptr_equal(mx_class_info((enum mx_class)-1), mx_class_info(MX_TEMP));
}

static void sentences(void **state)
{
	char longer[2 * MX_TEXT_MAX];
	struct mx_err e;
	size_t i, shift;

	(void)state;
	assert_int_equal(mx_fail(&e, MX_BUSY, "too-many", "%s: %d", "a\nb", 7), MX_BUSY);
	assert_int_equal(e.cls, MX_BUSY);
	assert_string_equal(e.code, "too-many");
	assert_string_equal(e.text, "a?b: 7");
	assert_int_equal(mx_fail(NULL, MX_TEMP, "x", "y"), MX_TEMP);
	/* Cut at a character, whatever byte of it falls on the border. */
	for (shift = 0; shift < 4; shift++) {
		memset(longer, 'a', shift);
		for (i = shift; i + 4 < sizeof longer; i += 4)
			memcpy(longer + i, "\360\237\230\200", 4);
		longer[i] = '\0';
		(void)mx_fail(&e, MX_TEMP, "long", "%s", longer);
		assert_true(strlen(e.text) < MX_TEXT_MAX && strlen(e.text) > MX_TEXT_MAX - 9);
		assert_string_equal(e.text + strlen(e.text) - 3, "...");
		assert_null(strchr(e.text, '?'));
	}
	/* Bytes that belong to no character do not eat the sentence. */
	memset(longer, '\200', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	(void)mx_fail(&e, MX_TEMP, "long", "cause: %s", longer);
	assert_memory_equal(e.text, "cause: ????", 11);
	memset(longer, 'c', sizeof longer - 1);
	(void)mx_fail(&e, MX_TEMP, longer, "text");
	assert_int_equal(strlen(e.code), MX_CODE_MAX - 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(control), cmocka_unit_test(utf8_table), cmocka_unit_test(b64token),
		cmocka_unit_test(numbers), cmocka_unit_test(clean), cmocka_unit_test(quote),
		cmocka_unit_test(quote_hostile), cmocka_unit_test(buffers),
		cmocka_unit_test(classes),
		cmocka_unit_test(sentences),
	};

	return cmocka_run_group_tests_name("common/text, buf, status", tests, NULL, NULL);
}
