#include "config.h"

#include "common/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void mx_b64_encode(struct mx_buf *out, const void *src, size_t n)
{
	const unsigned char *s = src;
	char q[4];

	while (n > 0 && !out->bad) {
		unsigned v = (unsigned)s[0] << 16 | (n > 1 ? (unsigned)s[1] << 8 : 0) | (n > 2 ? s[2] : 0);

		q[0] = alphabet[v >> 18];
		q[1] = alphabet[v >> 12 & 63];
		q[2] = n > 1 ? alphabet[v >> 6 & 63] : '=';
		q[3] = n > 2 ? alphabet[v & 63] : '=';
		mx_buf_add(out, q, 4);
		s += n > 2 ? 3 : n;
		n -= n > 2 ? 3 : n;
	}
}

static int value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

ssize_t mx_b64_decode(void *out, size_t cap, const char *in, size_t n)
{
	unsigned char *o = out;
	size_t i, done = 0;

	if (n % 4 != 0)
		return -1;
	for (i = 0; i < n; i += 4) {
		int pad = i + 4 < n || in[i + 3] != '=' ? 0 : in[i + 2] == '=' ? 2 : 1;
		int a = value(in[i]), b = value(in[i + 1]);
		int c = pad == 2 ? 0 : value(in[i + 2]), d = pad > 0 ? 0 : value(in[i + 3]);
		unsigned v;

		if (a < 0 || b < 0 || c < 0 || d < 0)
			return -1;
		v = (unsigned)a << 18 | (unsigned)b << 12 | (unsigned)c << 6 | (unsigned)d;
		if ((pad == 2 && (v & 0xffff) != 0) || (pad == 1 && (v & 0xff) != 0))
			return -1;		/* unused bits must be zero: canonical form only */
		if (cap - done < (size_t)(3 - pad))
			return -1;
		o[done++] = (unsigned char)(v >> 16);
		if (pad < 2)
			o[done++] = (unsigned char)(v >> 8);
		if (pad < 1)
			o[done++] = (unsigned char)v;
	}
	return (ssize_t)done;
}
