#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/text.h"
#include "ctl/out.h"
#include "ctl/verb.h"

#define LINE 2048

/* Bytes of the character at s, n being there; 0: not UTF-8. *cp: its number. */
static size_t character(const char *s, size_t n, uint32_t *cp)
{
	const unsigned char *u = (const unsigned char *)s;
	size_t len = u[0] < 0x80 ? 1 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4, i;

	if (len > n || !mx_utf8_ok(s, len))
		return 0;
	*cp = len == 1 ? u[0] : u[0] & (0x7fu >> len);
	for (i = 1; i < len; i++)
		*cp = *cp << 6 | (u[i] & 0x3fu);
	return len;
}

/* Does it act on a terminal, or on the order or the end of a line, instead of showing itself? */
static bool acts(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0x061c ||
	    (cp >= 0x200b && cp <= 0x200f) || (cp >= 0x2028 && cp <= 0x202e) ||
	    (cp >= 0x2060 && cp <= 0x206f) || cp == 0xfeff;
}

static size_t text(FILE *f, const char *s, size_t n)
{
	size_t i = 0, width = 0, len, k;
	uint32_t cp = 0;

	while (i < n) {
		len = character(s + i, n - i, &cp);
		if (len != 0 && !acts(cp)) {
			if (f != NULL)
				fwrite(s + i, 1, len, f);
			width++;
		} else {
			len = len == 0 ? 1 : len;
			for (k = 0; f != NULL && k < len; k++)
				fprintf(f, "\\x%02x", (unsigned)(unsigned char)s[i + k]);
			width += 4 * len;
		}
		i += len;
	}
	return width;
}

size_t out_text(FILE *f, const char *s, size_t n)
{
	return text(f, s, n);
}

size_t out_width(const char *s, size_t n)
{
	return text(NULL, s, n);
}

void out_json(FILE *f, const char *s, size_t n)
{
	size_t i = 0, len;
	uint32_t cp = 0;

	fputc('"', f);
	while (i < n) {
		len = character(s + i, n - i, &cp);
		if (len == 0)
			fputs("\\ufffd", f);
		else if (acts(cp))
			fprintf(f, "\\u%04x", (unsigned)cp);
		else if (cp == '"' || cp == '\\')
			fprintf(f, "\\%c", (char)cp);
		else
			fwrite(s + i, 1, len, f);
		i += len == 0 ? 1 : len;
	}
	fputc('"', f);
}

static void __attribute__((format(printf, 1, 0))) say(const char *fmt, va_list ap)
{
	char line[LINE];
	int n = vsnprintf(line, sizeof line, fmt, ap);

	fputs("mta-xoauth2: ", stderr);
	if (n > 0)
		out_text(stderr, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

void out_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

int out_usage(const struct verb *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	fprintf(stderr, " (see: mta-xoauth2 %s%s--help)\n", v != NULL ? v->name : "",
	    v != NULL ? " " : "");
	return CTL_USAGE;
}

int out_failed(int sys)
{
	out_error("the output cannot be written (%s)", strerror(sys));
	return CTL_TEMP;
}

int out_end(int status)
{
	bool bad = ferror(stdout) != 0;

	errno = 0;
	if (fflush(stdout) == 0 && !bad)
		return status;
	return out_failed(errno != 0 ? errno : EIO);
}
