/*
 * Strings for PowerShell. In single quotes nothing is expanded, and the only special character is the quote. But
 * PowerShell takes four more characters for that quote.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "ctl/exchange/exchange.h"

bool xo_shows_itself(const char *s)
{
	const size_t n = strlen(s);
	char *copy;
	bool same;

	/* Lines end at U+2028 and U+2029 for some programs; U+FEFF is not seen. */
	if (mx_has_ctl(s, n) || !mx_utf8_ok(s, n) || strstr(s, "\xe2\x80\xa8") != NULL ||
	    strstr(s, "\xe2\x80\xa9") != NULL || strstr(s, "\xef\xbb\xbf") != NULL)
		return false;
	if ((copy = strdup(s)) == NULL)
		return false;
	mx_clean(copy, n);
	same = strcmp(copy, s) == 0;
	free(copy);
	return same;
}

/* Bytes of the quote at s, 0: none. U+2018, U+2019, U+201A and U+201B are e2 80 98 to e2 80 9b. */
static size_t quote_at(const char *s)
{
	const unsigned char *u = (const unsigned char *)s;

	if (*s == '\'')
		return 1;
	return u[0] == 0xe2 && u[1] == 0x80 && u[2] >= 0x98 && u[2] <= 0x9b ? 3 : 0;
}

void xo_quote_ps(struct mx_buf *b, const char *s)
{
	size_t n;

	mx_buf_addc(b, '\'');
	for (; *s != '\0'; s += n) {
		if ((n = quote_at(s)) > 0)
			mx_buf_add(b, s, n);
		else
			n = 1;
		mx_buf_add(b, s, n);
	}
	mx_buf_addc(b, '\'');
}
