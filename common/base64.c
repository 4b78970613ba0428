#include "config.h"

#include <stdint.h>

#include "common/base64.h"

/*
 * Every message has its token pass here, once each way: no branch depends on what the bytes are, which in a
 * token are as good as random and would be mispredicted (2 KB: 1 us instead of 7).
 */
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void mx_b64_encode(struct mx_buf *out, const void *src, size_t n)
{
	size_t fit = (out->cap - out->len) / 4 * 3;
	const unsigned char *s = src;
	char *q;

	if (out->bad)
		return;
	if (n > fit) {
		out->bad = true;
		n = fit;
	}
	if (n == 0)
		return;
	q = out->p + out->len;
	out->len += MX_B64_LEN(n);
	for (; n > 2; n -= 3, s += 3, q += 4) {
		unsigned v = (unsigned)s[0] << 16 | (unsigned)s[1] << 8 | s[2];

		q[0] = alphabet[v >> 18];
		q[1] = alphabet[v >> 12 & 63];
		q[2] = alphabet[v >> 6 & 63];
		q[3] = alphabet[v & 63];
	}
	if (n > 0) {
		unsigned v = (unsigned)s[0] << 16 | (n > 1 ? (unsigned)s[1] << 8 : 0);

		q[0] = alphabet[v >> 18];
		q[1] = alphabet[v >> 12 & 63];
		q[2] = n > 1 ? alphabet[v >> 6 & 63] : '=';
		q[3] = '=';
	}
}

void mx_b64url_encode(struct mx_buf *out, const void *src, size_t n)
{
	size_t from = out->len;

	mx_b64_encode(out, src, n);
	if (out->bad)
		return;
	while (out->len > from && out->p[out->len - 1] == '=')
		out->len--;
	for (char *q = out->p + from; q < out->p + out->len; q++)
		*q = *q == '+' ? '-' : *q == '/' ? '_' : *q;
}

/* The value of each character plus 1, so that 0, what is not named here, is none. */
static const uint8_t values[256] = {
	['A'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
	['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52,
	['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, ['+'] = 63, ['/'] = 64,
};

/* 0 to 63, or something with a bit of ~63 set. */
static unsigned value(char c)
{
	return values[(unsigned char)c] - 1u;
}

/* The last four characters, which may end in one or two '='. -1: they are not canonical base64. */
static ssize_t decode_last(unsigned char *o, size_t cap, const char *in)
{
	size_t pad = in[3] != '=' ? 0 : in[2] != '=' ? 1 : 2;
	unsigned a = value(in[0]), b = value(in[1]);
	unsigned c = pad == 2 ? 0 : value(in[2]), d = pad > 0 ? 0 : value(in[3]);
	unsigned v;

	if ((a | b | c | d) > 63 || cap < 3 - pad)
		return -1;
	v = a << 18 | b << 12 | c << 6 | d;
	if ((pad == 2 && (v & 0xffff) != 0) || (pad == 1 && (v & 0xff) != 0))
		return -1;		/* unused bits must be zero: canonical form only */
	o[0] = (unsigned char)(v >> 16);
	if (pad < 2)
		o[1] = (unsigned char)(v >> 8);
	if (pad < 1)
		o[2] = (unsigned char)v;
	return (ssize_t)(3 - pad);
}

ssize_t mx_b64_decode(void *out, size_t cap, const char *in, size_t n)
{
	unsigned char *o = out;
	unsigned wrong = 0;
	size_t done = 0;
	ssize_t last;

	if (n == 0)
		return 0;
	if (n % 4 != 0 || n / 4 * 3 - 3 > cap)
		return -1;
	for (; n > 4; n -= 4, in += 4, done += 3) {
		unsigned a = value(in[0]), b = value(in[1]), c = value(in[2]), d = value(in[3]);

		wrong |= a | b | c | d;
		o[done] = (unsigned char)(a << 2 | b >> 4);
		o[done + 1] = (unsigned char)(b << 4 | c >> 2);
		o[done + 2] = (unsigned char)(c << 6 | d);
	}
	if (wrong > 63)
		return -1;
	last = decode_last(o + done, cap - done, in);
	return last == -1 ? -1 : (ssize_t)done + last;
}
