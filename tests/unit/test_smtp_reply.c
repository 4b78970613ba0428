/* Replies of mail servers: good ones however they are cut, and what a hostile server may send. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "smtp/reply.h"

static struct smtp_reply r;

/* In pieces of so many bytes; returns how many were taken. */
static size_t feed(const char *s, size_t n, size_t piece)
{
	size_t used = 0, now, len;

	smtp_reply_clear(&r);
	while (used < n && !r.whole && r.broken == NULL) {
		len = n - used < piece ? n - used : piece;
		now = smtp_reply_take(&r, s + used, len);
		used += now;
		if (now < len)
			break;
	}
	return used;
}

static const struct { const char *in; unsigned code; const char *text; size_t left; } good[] = {
	{ "220 mx.example.com ESMTP\r\n", 220, "mx.example.com ESMTP", 0 },
	{ "250\r\n", 250, "", 0 },
	{ "250 \r\n", 250, "", 0 },
	{ "334 \r\n", 334, "", 0 },
	{ "235 2.7.0 fine\n", 235, "2.7.0 fine", 0 },
	{ "535-5.7.8 Username and Password not accepted. For more, go to\r\n535 5.7.8  https://example.com q1\r\n", 535,
	    "5.7.8 Username and Password not accepted. For more, go to\n5.7.8  https://example.com q1", 0 },
	{ "250-a\r\n250-\r\n250 b\r\n", 250, "a\n\nb", 0 },
	{ "421 bye\r\n220 next\r\n", 421, "bye", 10 },
	{ "550 5.7.60 \xc3\xa9t\xc3\xa9\r\n", 550, "5.7.60 \xc3\xa9t\xc3\xa9", 0 },
	{ "550 red\x1b[31m\x07 bad\xff\r\n", 550, "red?[31m? bad?", 0 },
	{ "550 one\rtwo\r\n", 550, "one?two", 0 },
};

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		for (size_t piece = 1; piece <= strlen(good[i].in); piece++) {
			size_t n = strlen(good[i].in);

			assert_int_equal(feed(good[i].in, n, piece), n - good[i].left);
			assert_null(r.broken);
			assert_true(r.whole);
			assert_int_equal(r.code, good[i].code);
			assert_string_equal(r.text, good[i].text);
			assert_int_equal(r.n, strlen(good[i].text));
			assert_false(r.cut);
		}
}

/* No part of a reply is one. */
static void test_prefixes(void **state)
{
	static const char in[] = "250-mx\r\n250-SIZE 1\r\n250 AUTH XOAUTH2\r\n";

	(void)state;
	for (size_t n = 0; n < sizeof in - 1; n++) {
		assert_int_equal(feed(in, n, n + 1), n);
		assert_false(r.whole);
		assert_null(r.broken);
	}
}

static const struct { const char *in; const char *broken; } bad[] = {
	{ "HTTP/1.1 400 Bad Request\r\n", "no reply" }, { "\r\n", "no reply" }, { "\n", "no reply" },
	{ "25\r\n", "no reply" }, { "2500 x\r\n", "no reply" }, { "150 x\r\n", "no reply" },
	{ "650 x\r\n", "no reply" }, { "250_x\r\n", "no reply" }, { "25O x\r\n", "no reply" },
	{ " 250 x\r\n", "no reply" }, { "\xff\xfe" "250\r\n", "no reply" },
	{ "250-a\r\n550 b\r\n", "different codes" }, { "250-a\r\nb\r\n", "no reply" },
};

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		for (size_t piece = 1; piece <= strlen(bad[i].in); piece++) {
			feed(bad[i].in, strlen(bad[i].in), piece);
			assert_false(r.whole);
			assert_non_null(r.broken);
			assert_non_null(strstr(r.broken, bad[i].broken));
		}
}

/* NUL is a byte like others. */
static void test_nul(void **state)
{
	static const char in[] = "550 a\0b\r\n";

	(void)state;
	assert_int_equal(feed(in, sizeof in - 1, 3), sizeof in - 1);
	assert_true(r.whole);
	assert_string_equal(r.text, "a?b");
	assert_int_equal(r.n, 3);
}

static void test_endless_line(void **state)
{
	char in[SMTP_LINE_MAX + 2];

	(void)state;
	memset(in, 'x', sizeof in);
	memcpy(in, "250 ", 4);
	for (size_t piece = 1; piece <= sizeof in; piece = piece * 3 + 1) {
		assert_true(feed(in, sizeof in, piece) <= SMTP_LINE_MAX);
		assert_non_null(r.broken);
		assert_non_null(strstr(r.broken, "too long"));
	}
	/* the longest that is taken */
	memcpy(in + SMTP_LINE_MAX - 2, "\r\n", 2);
	assert_int_equal(feed(in, SMTP_LINE_MAX, 100), SMTP_LINE_MAX);
	assert_true(r.whole);
	assert_int_equal(r.n, SMTP_LINE_MAX - 6);
}

static void test_endless_lines(void **state)
{
	static const char line[] = "250-0123456789012345678901234567890123456789\r\n";
	size_t lines = 0;

	(void)state;
	smtp_reply_clear(&r);
	while (r.broken == NULL) {
		(void)smtp_reply_take(&r, line, sizeof line - 1);
		assert_false(r.whole);
		assert_true(r.n < SMTP_TEXT_MAX);
		assert_true(strlen(r.text) == r.n);
		lines++;
		assert_true(lines <= SMTP_LINES_MAX + 1);
	}
	assert_true(r.cut);
	assert_int_equal(lines, SMTP_LINES_MAX + 1);
	assert_non_null(strstr(r.broken, "too many"));
}

static void test_offers(void **state)
{
	static const char ehlo[] = "250-AUTH.example.com AUTH NOTHING\r\n250-SIZE 1000\r\n250-AUTH=LOGIN\r\n"
	    "250-auth LOGIN  xoauth2\r\n250-AUTHX y\r\n250 STARTTLS\r\n";
	const char *s;
	size_t n;

	(void)state;
	feed(ehlo, sizeof ehlo - 1, 7);
	assert_true(r.whole);
	s = smtp_reply_offer(&r, "AUTH", &n);
	assert_non_null(s);
	assert_int_equal(n, strlen("LOGIN  xoauth2"));
	assert_true(smtp_reply_has_word(s, n, "XOAUTH2"));
	assert_true(smtp_reply_has_word(s, n, "login"));
	assert_false(smtp_reply_has_word(s, n, "XOAUTH"));
	assert_false(smtp_reply_has_word(s, n, "OAUTHBEARER"));
	assert_non_null(smtp_reply_offer(&r, "STARTTLS", &n));
	assert_int_equal(n, 0);
	assert_null(smtp_reply_offer(&r, "START", &n));
	assert_null(smtp_reply_offer(&r, "8BITMIME", &n));
	/* the name of the server is no offer */
	feed("250 STARTTLS\r\n", 14, 14);
	assert_null(smtp_reply_offer(&r, "STARTTLS", &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good), cmocka_unit_test(test_prefixes), cmocka_unit_test(test_bad),
		cmocka_unit_test(test_nul), cmocka_unit_test(test_endless_line), cmocka_unit_test(test_endless_lines),
		cmocka_unit_test(test_offers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
