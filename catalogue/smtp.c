#include "config.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "catalogue/smtp.h"
#include "catalogue/smtp_data.h"
#include "common/base64.h"

#define TEXT_MAX 4096		/* bytes that are looked at: servers say what they mean at once */

struct said {
	char text[TEXT_MAX];	/* one line in lower case, blanks single, without numbers at its lines' beginnings */
	char enhanced[16];	/* "" : none */
};

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Bytes of an enhanced status code (RFC 3463) that s begins with; 0: none. */
static size_t enhanced_len(const char *s, size_t n)
{
	size_t i = 0;

	for (int part = 0; part < 3; part++) {
		size_t from = i;

		while (i < n && digit(s[i]) && i - from < 3)
			i++;
		if (i == from || (part == 0 && i != 1) || (part < 2 && (i == n || s[i++] != '.')))
			return 0;
	}
	return i == n || s[i] == ' ' || s[i] == '\t' || s[i] == ';' || s[i] == ',' || s[i] == ':' ? i : 0;
}

/* Takes "535-" or "535 ", and an enhanced code, off a line. */
static void take_line(struct said *d, size_t *len, const char *s, size_t n)
{
	size_t e;

	if (n >= 3 && s[0] >= '2' && s[0] <= '5' && digit(s[1]) && digit(s[2]) &&
	    (n == 3 || s[3] == ' ' || s[3] == '-')) {
		s += n == 3 ? 3 : 4;
		n -= n == 3 ? 3 : 4;
	}
	while (n > 0 && (*s == ' ' || *s == '\t'))
		s++, n--;
	if ((e = enhanced_len(s, n)) > 0 && e < sizeof d->enhanced) {
		if (d->enhanced[0] == '\0') {
			memcpy(d->enhanced, s, e);
			d->enhanced[e] = '\0';
		}
		s += e;
		n -= e;
	}
	for (size_t i = 0; i <= n; i++) {		/* one blank behind each line */
		char c = i < n ? s[i] : ' ';

		if (c == '\t' || c == '\0')
			c = ' ';
		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if (*len < sizeof d->text - 1 && (c != ' ' || (*len > 0 && d->text[*len - 1] != ' ')))
			d->text[(*len)++] = c;
	}
}

static void take(struct said *d, const char *text)
{
	size_t len = 0;

	memset(d, 0, sizeof *d);
	while (*text != '\0') {
		size_t n = strcspn(text, "\r\n");

		take_line(d, &len, text, n);
		text += n;
		text += strspn(text, "\r\n");
	}
	d->text[len] = '\0';
}

static bool has_enhanced(const char *list, const char *code)
{
	size_t n = strlen(code);

	for (const char *p = list; n > 0 && (p = strstr(p, code)) != NULL; p += n)
		if ((p == list || p[-1] == ' ') && (p[n] == '\0' || p[n] == ' '))
			return true;
	return false;
}

static bool has_words(const char *words, const char *text)
{
	char one[128];

	for (;;) {
		size_t n = strcspn(words, "|");

		if (n < sizeof one) {
			memcpy(one, words, n);
			one[n] = '\0';
			if (strstr(text, one) != NULL)
				return true;
		}
		if (words[n] == '\0')
			return false;
		words += n + 1;
	}
}

static bool fits(const struct cat_smtp *r, enum cat_step step, const char *reply, const struct said *d)
{
	if ((r->steps & 1u << step) == 0)
		return false;
	for (int i = 0; i < 3; i++)
		if (r->reply[i] != 'x' && r->reply[i] != reply[i])
			return false;
	return (r->enhanced == NULL || has_enhanced(r->enhanced, d->enhanced)) &&
	    (r->words == NULL || has_words(r->words, d->text));
}

const struct cat_smtp *cat_smtp(enum cat_step step, unsigned reply, const char *text)
{
	char number[4] = "000", decoded[TEXT_MAX];
	struct said d;
	ssize_t n;

	if (step >= CAT_END)
		step = CAT_DATA;
	if (reply > 999)
		reply = 0;
	for (int i = 2; i >= 0; i--, reply /= 10)
		number[i] = (char)('0' + reply % 10);
	if (text == NULL)
		text = "";
	if (number[0] == '3') {		/* a challenge: its base64, as a rule */
		const char *b64 = strncmp(text, "334 ", 4) == 0 ? text + 4 : text;

		n = mx_b64_decode(decoded, sizeof decoded - 1, b64, strcspn(b64, " \r\n"));
		if (n > 0) {
			decoded[n] = '\0';
			text = decoded;
		}
	}
	take(&d, text);
	for (size_t i = 0; i < cat_smtp_rows_n; i++)
		if (fits(&cat_smtp_rows[i], step, number, &d))
			return &cat_smtp_rows[i];
	return &cat_smtp_rows[cat_smtp_rows_n - 1];
}

const struct cat_smtp *cat_smtp_at(size_t i)
{
	return i < cat_smtp_rows_n ? &cat_smtp_rows[i] : NULL;
}

const struct cat_check *cat_check_at(size_t i)
{
	return i < cat_checks_n ? &cat_checks[i] : NULL;
}
