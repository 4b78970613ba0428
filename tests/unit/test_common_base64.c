/* base64.c: vectors of RFC 4648 section 10, canonical form only, in place, no room. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base64.h"

static const struct { const char *raw, *text; } good[] = {
	{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
	{ "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" }, { "\001", "AQ==" },
	{ "\373\377\277", "+/+/" },
};

static void vectors(void **state)
{
	char room[64];
	struct mx_buf b;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof good / sizeof good[0]; i++) {
		size_t n = strlen(good[i].raw);

		mx_buf_init(&b, room, sizeof room);
		mx_b64_encode(&b, good[i].raw, n);
		assert_string_equal(mx_buf_str(&b), good[i].text);
		assert_int_equal(b.len, MX_B64_LEN(n));
		assert_int_equal(mx_b64_decode(room, n, good[i].text, strlen(good[i].text)), n);
		assert_memory_equal(room, good[i].raw, n);
	}
}

static void refused(void **state)
{
	static const char *const bad[] = {
		"=", "Z", "Zg", "Zg=", "Zg===", "====", "Z===", "Zh==", "Zm9=", "Zg==Zg==", "Zm=v",
		    "Zm9v\n", "Zm9v\r\n",
		" Zm9", "Zm9v Zm9v", "Zm-v", "Zm_v", "Zm9\200", "Zg=g", "=Zg=", "Zm9vYg==\t",
		    "*m9v", "Zm9vZm9", ".Zg=",
	};
	char room[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (mx_b64_decode(room, sizeof room, bad[i], strlen(bad[i])) != -1)
			fail_msg("decoded: %s", bad[i]);
	assert_int_equal(mx_b64_decode(room, sizeof room, "Zm\0v", 4), -1);
	assert_int_equal(mx_b64_decode(room, 2, "Zm9v", 4), -1);	/* does not fit */
	assert_int_equal(mx_b64_decode(room, 0, "Zg==", 4), -1);
}

static void every_byte_both_ways(void **state)
{
	unsigned char raw[256 + 3], text[400], back[300];
	struct mx_buf b;
	size_t i, n, k;

	(void)state;
	for (i = 0; i < sizeof raw; i++)
		raw[i] = (unsigned char)i;
	for (n = 0; n <= sizeof raw; n++) {
		mx_buf_init(&b, text, sizeof text);
		mx_b64_encode(&b, raw, n);
		assert_false(b.bad);
		assert_int_equal(mx_b64_decode(back, n, (char *)text, b.len), n);
		assert_memory_equal(back, raw, n);
		for (k = 0; k < b.len; k++)	/* a prefix decodes to a prefix, or not at all */
			if (mx_b64_decode(back, n, (char *)text, k) >= 0)
				assert_int_equal(k % 4, 0);
		/* in place */
		assert_int_equal(mx_b64_decode(text, sizeof text, (char *)text, b.len), n);
		assert_memory_equal(text, raw, n);
	}
}

/* A text with one bit flipped is refused, or decodes to something else: never to the same. */
static void bits(void **state)
{
	char text[] = "dXNlcj1hcHBAY29udG9zby5jb20BYXV0aD1CZWFyZXIgVE9LRU4BAQ==";
	size_t n = sizeof text - 1, i;
	char right[64], other[64];
	ssize_t len = mx_b64_decode(right, sizeof right, text, n);

	(void)state;
	assert_true(len > 0);
	for (i = 0; i < n * 8; i++) {
		text[i / 8] = (char)(text[i / 8] ^ 1 << i % 8);
		if (mx_b64_decode(other, sizeof other, text, n) == len)
			assert_memory_not_equal(other, right, (size_t)len);
		text[i / 8] = (char)(text[i / 8] ^ 1 << i % 8);
	}
}

/* RFC 7515 appendix C, and both of the characters that differ. */
static void url(void **state)
{
	static const unsigned char bytes[] = { 3, 236, 255, 224, 193 };
	char room[64];
	struct mx_buf b;

	(void)state;
	mx_buf_init(&b, room, sizeof room);
	mx_buf_adds(&b, "+/=.");	/* what stands before is left alone */
	mx_b64url_encode(&b, bytes, sizeof bytes);
	mx_buf_addc(&b, '.');
	mx_b64url_encode(&b, "", 0);
	mx_b64url_encode(&b, "\373\377\277", 3);
	mx_b64url_encode(&b, "f", 1);
	assert_string_equal(mx_buf_str(&b), "+/=.A-z_4ME.-_-_Zg");
	mx_buf_init(&b, room, 7);
	mx_b64url_encode(&b, "foob", 4);
	assert_null(mx_buf_str(&b));
}

static void no_room(void **state)
{
	char room[8];
	struct mx_buf b;

	(void)state;
	mx_buf_init(&b, room, 7);
	mx_b64_encode(&b, "foob", 4);
	assert_true(b.bad);
	assert_true(b.len <= 7);	/* whole groups or nothing, and the failure is sticky */
	assert_null(mx_buf_str(&b));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors), cmocka_unit_test(refused),
		cmocka_unit_test(every_byte_both_ways),
		cmocka_unit_test(bits), cmocka_unit_test(url), cmocka_unit_test(no_room),
	};

	return cmocka_run_group_tests_name("common/base64", tests, NULL, NULL);
}
