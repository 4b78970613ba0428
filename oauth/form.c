#include "config.h"

#include <stdbool.h>
#include <string.h>

#include "oauth/form.h"

/* Not isalnum(): that depends on the locale. '~' is escaped, as the HTML form rules have it. */
static bool stays(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	    c == '-' || c == '.' || c == '_' || c == '*';
}

void oauth_form_escape(struct mx_buf *b, const void *p, size_t n)
{
	static const char hex[] = "0123456789ABCDEF";
	const unsigned char *s = p;

	for (size_t i = 0; i < n; i++) {
		if (stays(s[i])) {
			mx_buf_addc(b, (char)s[i]);
		} else if (s[i] == ' ') {
			mx_buf_addc(b, '+');
		} else {
			mx_buf_addc(b, '%');
			mx_buf_addc(b, hex[s[i] >> 4]);
			mx_buf_addc(b, hex[s[i] & 15]);
		}
	}
}

void oauth_form_add(struct mx_buf *b, const char *name, const char *value)
{
	if (value != NULL)
		oauth_form_add_bytes(b, name, value, strlen(value));
}

void oauth_form_add_bytes(struct mx_buf *b, const char *name, const void *value, size_t n)
{
	if (value == NULL)
		return;
	if (b->len > 0)
		mx_buf_addc(b, '&');
	oauth_form_escape(b, name, strlen(name));
	mx_buf_addc(b, '=');
	oauth_form_escape(b, value, n);
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' &&
	    c <= 'f' ? c - 'a' + 10 : -1;
}

bool oauth_form_decode(struct mx_buf *b, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char c = s[i] == '+' ? ' ' : s[i];

		if (c == '%') {
			if (n - i < 3 || hex(s[i + 1]) < 0 || hex(s[i + 2]) < 0)
				return false;
			c = (char)(hex(s[i + 1]) * 16 + hex(s[i + 2]));
			i += 2;
		}
		if (c == '\0')
			return false;
		mx_buf_addc(b, c);
	}
	return true;
}
