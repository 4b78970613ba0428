#include "config.h"

#include <string.h>

#include "common/text.h"

static bool is_ctl(unsigned char c)
{
	return c < 0x20 || c == 0x7f;
}

/*
 * Eight bytes at a time, since whole replies pass here. (w - 0x20...) & ~w has the high bit of a byte that is
 * below 0x20, (x - 0x01...) & ~x of one that is 0; a borrow may add the bit above such a byte, never without one.
 */
bool mx_has_ctl(const void *p, size_t n)
{
	const uint64_t ones = 0x0101010101010101u;
	const unsigned char *s = p;
	uint64_t found = 0;

	for (; n >= 8; n -= 8, s += 8) {
		uint64_t w, x;

		memcpy(&w, s, 8);
		x = w ^ ones * 0x7f;
		found |= ((w - ones * 0x20) & ~w) | ((x - ones) & ~x);
	}
	for (; n > 0; n--, s++)
		found |= is_ctl(*s) ? 0x80 : 0;
	return (found & ones * 0x80) != 0;
}

/* Length of the UTF-8 sequence at s (n bytes are there), 0 if it is not one. RFC 3629 section 4. */
static size_t utf8_len(const unsigned char *s, size_t n)
{
	unsigned char lo = 0x80, hi = 0xbf;
	size_t len, i;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	len = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (len > n)
		return 0;
	switch (s[0]) {		/* overlong forms, surrogates, beyond U+10FFFF */
	case 0xe0: lo = 0xa0; break;
	case 0xed: hi = 0x9f; break;
	case 0xf0: lo = 0x90; break;
	case 0xf4: hi = 0x8f; break;
	}
	if (s[1] < lo || s[1] > hi)
		return 0;
	for (i = 2; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

bool mx_utf8_ok(const void *p, size_t n)
{
	const unsigned char *s = p;
	size_t i = 0, len;

	while (i < n) {
		if ((len = utf8_len(s + i, n - i)) == 0)
			return false;
		i += len;
	}
	return true;
}

/*
 * Characters that show nothing but change what is seen, of len bytes: C1 controls, which terminals obey
 * (U+0080 to U+009F), and those that turn the direction of text round.
 */
static bool is_deceptive(const unsigned char *s, size_t len)
{
	if (len == 2)
		return s[0] == 0xc2 && s[1] < 0xa0;
	if (len != 3 || s[0] != 0xe2)
		return false;
	return (s[1] == 0x80 && (s[2] == 0x8e || s[2] == 0x8f || (s[2] >= 0xa8 && s[2] <= 0xae))) ||
	    (s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9);
}

void mx_clean(char *p, size_t n)
{
	unsigned char *s = (unsigned char *)p;
	size_t i = 0, len;

	while (i < n) {
		len = utf8_len(s + i, n - i);
		if (len == 0 || is_ctl(s[i]) || is_deceptive(s + i, len)) {
			s[i] = '?';
			len = 1;
		}
		i += len;
	}
}

/* Letters, digits and "-._~+/". */
static unsigned char is_b64token_char(unsigned char c)
{
	unsigned char letter = (unsigned char)((c | 0x20) - 'a') < 26;
	unsigned char dash_to_nine = (unsigned char)(c - '-') < 13;

	return letter | dash_to_nine | (c == '_') | (c == '~') | (c == '+');
}

#define ROW 32		/* compilers make a few vector instructions of a row of fixed length */

static bool is_b64token_row(const unsigned char *s)
{
	unsigned char all = 1;
	size_t i;

	for (i = 0; i < ROW; i++)
		all &= is_b64token_char(s[i]);
	return all != 0;
}

bool mx_is_b64token(const void *p, size_t n)
{
	const unsigned char *s = p;
	size_t i = 0;

	while (n - i >= ROW && is_b64token_row(s + i))
		i += ROW;
	while (i < n && is_b64token_char(s[i]))
		i++;
	if (i == 0)
		return false;
	while (i < n && s[i] == '=')
		i++;
	return i == n;
}

bool mx_parse_uint(const char *s, size_t n, uint64_t lo, uint64_t hi, uint64_t *out)
{
	uint64_t v = 0;
	size_t i;

	if (n == 0 || n > 20 || (n > 1 && s[0] == '0'))
		return false;
	for (i = 0; i < n; i++) {
		unsigned d = (unsigned)((unsigned char)s[i] - '0');

		if (d > 9 || v > (UINT64_MAX - d) / 10)
			return false;
		v = v * 10 + d;
	}
	if (v < lo || v > hi)
		return false;
	*out = v;
	return true;
}

const char *mx_quote(char *out, size_t cap, const char *p, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *s = (const unsigned char *)p;
	size_t i = 0, o = 0, len, need;

	out[o++] = '"';
	while (i < n) {
		bool plain;

		len = utf8_len(s + i, n - i);
		plain = len != 0 && !is_ctl(s[i]) && s[i] != '"' && s[i] != '\\' && !is_deceptive(s + i, len);
		need = plain ? len : 4;
		/* Room for this piece, a cut mark should more follow, the quote and the NUL. */
		if (o + need + (i + (plain ? len : 1) < n ? 3 : 0) + 2 > cap) {
			memcpy(out + o, "...", 3);
			o += 3;
			break;
		}
		if (plain) {
			memcpy(out + o, s + i, len);
			i += len;
		} else {
			out[o] = '\\', out[o + 1] = 'x';
			out[o + 2] = hex[s[i] >> 4], out[o + 3] = hex[s[i] & 15];
			i++;
		}
		o += need;
	}
	out[o++] = '"';
	out[o] = '\0';
	return out;
}
