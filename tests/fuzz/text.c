/*
 * Judging and showing foreign text, against the plain way to do it; base64 both ways.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "common/text.h"
#include "tests/fuzz/fuzz.h"

static bool plain_ctl(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return true;
	return false;
}

static bool plain_b64token(const char *s, size_t n)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/";
	size_t i = 0, begun;

	while (i < n && s[i] != '\0' && strchr(chars, s[i]) != NULL)
		i++;
	begun = i;
	while (i < n && s[i] == '=')
		i++;
	return begun > 0 && i == n;
}

/* A quoted text, undone; what mx_quote() escapes is \xNN. */
static size_t unquote(char *out, const char *q, bool *cut)
{
	size_t n = strlen(q), o = 0;

	FUZZ_CHECK(n >= 2 && q[0] == '"' && q[n - 1] == '"');
	*cut = n >= 5 && memcmp(q + n - 4, "...", 3) == 0;
	for (size_t i = 1; i < n - 1; i++) {
		if (q[i] != '\\') {
			out[o++] = q[i];
			continue;
		}
		FUZZ_CHECK(i + 3 < n - 1 && q[i + 1] == 'x');
		out[o++] = (char)strtoul((const char[]){ q[i + 2], q[i + 3], '\0' }, NULL, 16);
		i += 3;
	}
	return o;
}

static void check_quote(const char *s, size_t n)
{
	static const size_t caps[] = { 8, 13, 40, 200 };
	char q[200], back[200];
	bool cut;

	for (size_t i = 0; i < sizeof caps / sizeof caps[0]; i++) {
		size_t len;

		FUZZ_CHECK(mx_quote(q, caps[i], s, n) == q && strlen(q) < caps[i] && fuzz_is_clean(q, strlen(q)));
		len = unquote(back, q, &cut);
		if (cut && (len != n || memcmp(back, s, n) != 0))
			len -= 3;
		else
			FUZZ_CHECK(len == n);
		FUZZ_CHECK(len <= n && memcmp(back, s, len) == 0);
	}
}

static void check_clean(const char *s, size_t n)
{
	char *p = malloc(n + 1);

	FUZZ_CHECK(p != NULL);
	memcpy(p, s, n);
	mx_clean(p, n);
	FUZZ_CHECK(fuzz_is_clean(p, n));
	for (size_t i = 0; i < n; i++)
		FUZZ_CHECK(p[i] == s[i] || p[i] == '?');
	free(p);
}

static void check_base64(const char *s, size_t n)
{
	size_t cap = MX_B64_LEN(n) + 1;
	char *coded = malloc(cap), *back = malloc(n + 1);
	struct mx_buf b;
	ssize_t d;

	FUZZ_CHECK(coded != NULL && back != NULL);
	mx_buf_init(&b, coded, cap);
	mx_b64_encode(&b, s, n);
	FUZZ_CHECK(!b.bad && mx_b64_decode(back, n, coded, b.len) == (ssize_t)n && memcmp(back, s, n) == 0);
	FUZZ_CHECK(n == 0 || mx_b64_decode(back, n - 1, coded, b.len) == -1);
	/* The input as base64: only what is canonical is taken, so it is the same when it is coded again. */
	if ((d = mx_b64_decode(back, n, s, n)) >= 0) {
		mx_buf_init(&b, coded, cap);
		mx_b64_encode(&b, back, (size_t)d);
		FUZZ_CHECK(b.len == n && memcmp(b.p, s, n) == 0);
	}
	free(coded);
	free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fuzz_in in = { data, n };
	char *s = fuzz_copy(in);
	uint64_t v;

	FUZZ_CHECK(mx_has_ctl(s, n) == plain_ctl(s, n));
	FUZZ_CHECK(mx_is_b64token(s, n) == plain_b64token(s, n));
	if (mx_parse_uint(s, n, 5, 1000, &v))
		FUZZ_CHECK(v >= 5 && v <= 1000 && n <= 4 && v == fuzz_number(in, 1000000));
	check_quote(s, n);
	check_clean(s, n);
	check_base64(s, n);
	free(s);
	return 0;
}
