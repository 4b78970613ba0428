#include "config.h"

#include <string.h>

#include "catalogue/quote.h"

#define BARE "@._/:+,=-"		/* beside letters and digits, what no shell takes for its own */
#define BARE_FEW "@._/-"		/* nor PowerShell, nor YAML */

static bool plain(const char *s, const char *more)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

	if (strchr(safe, *s) == NULL)
		return false;
	for (; *s != '\0'; s++)
		if (strchr(safe, *s) == NULL && strchr(more, *s) == NULL)
			return false;
	return true;
}

bool cat_quote_needs_none(const char *s)
{
	return plain(*s == '/' ? s + 1 : s, BARE);
}

void cat_quote_sh(struct mx_buf *b, const char *s)
{
	if (cat_quote_needs_none(s)) {
		mx_buf_adds(b, s);
		return;
	}
	mx_buf_addc(b, '\'');
	for (; *s != '\0'; s++) {
		if (*s == '\'')
			mx_buf_adds(b, "'\\''");
		else
			mx_buf_addc(b, *s);
	}
	mx_buf_addc(b, '\'');
}

static void put_doubled(struct mx_buf *b, const char *s, size_t (*quote)(const char *))
{
	mx_buf_addc(b, '\'');
	while (*s != '\0') {
		size_t n = quote(s);

		if (n > 0)
			mx_buf_add(b, s, n);
		else
			n = 1;
		mx_buf_add(b, s, n);
		s += n;
	}
	mx_buf_addc(b, '\'');
}

/* PowerShell ends a quoted string at any of U+2018 to U+201B too. */
static size_t ps_quote(const char *s)
{
	if (*s == '\'')
		return 1;
	if (strncmp(s, "\xE2\x80", 2) == 0 && (unsigned char)s[2] >= 0x98 && (unsigned char)s[2] <= 0x9B)
		return 3;
	return 0;
}

void cat_quote_ps(struct mx_buf *b, const char *s, bool always)
{
	if (!always && plain(s, BARE_FEW))
		mx_buf_adds(b, s);
	else
		put_doubled(b, s, ps_quote);
}

static size_t yaml_quote(const char *s)
{
	return *s == '\'' ? 1 : 0;
}

void cat_quote_yaml(struct mx_buf *b, const char *s)
{
	if (plain(s, BARE_FEW))
		mx_buf_adds(b, s);
	else
		put_doubled(b, s, yaml_quote);
}
