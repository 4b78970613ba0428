#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/status.h"
#include "common/text.h"

/*
 * SASL results: the texts that Cyrus makes of them reach the mail log, so the one that misleads least
 * is taken. -24 "remote authentication server unavailable", -13 "authentication failure",
 * -14 "authorization failure", -1 "generic failure" (only for a peer that breaks the protocol).
 * Exim: every class makes the recipe's ACL drop, so that one message waits and nothing bounces.
 */
static const struct mx_class_info classes[MX_CLASS_N] = {
	[MX_OK]          = { "ok",          0,   0,  "sends the response" },
	[MX_TEMP]        = { "temp",        -24, 75, "defers this message" },
	[MX_PROVIDER]    = { "provider",    -13, 5,  "defers this message" },
	[MX_CONFIG]      = { "config",      -24, 3,  "defers this message" },
	[MX_DENIED]      = { "denied",      -14, 3,  "defers this message" },
	[MX_BUSY]        = { "busy",        -24, 75, "defers this message" },
	[MX_BAD_REQUEST] = { "bad-request", -1,  2,  "defers this message" },
};

const struct mx_class_info *mx_class_info(enum mx_class cls)
{
	if ((unsigned)cls >= MX_CLASS_N)
		cls = MX_TEMP;
	return &classes[cls];
}

enum mx_class mx_class_by_name(const char *name, size_t n)
{
	int i;

	for (i = 0; i < MX_CLASS_N; i++)
		if (strlen(classes[i].name) == n && memcmp(classes[i].name, name, n) == 0)
			return (enum mx_class)i;
	return MX_CLASS_N;
}

/* Cuts at a character, not within one: back over UTF-8 continuation bytes, of which there are at most 3. */
static void cut(char *s, size_t cap)
{
	size_t n = cap - 4;

	while (n > cap - 7 && ((unsigned char)s[n] & 0xc0) == 0x80)
		n--;
	memcpy(s + n, "...", 4);
}

enum mx_class mx_fail(struct mx_err *e, enum mx_class cls, const char *code, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (e == NULL)
		return cls;
	e->cls = cls;
	n = snprintf(e->code, sizeof e->code, "%s", code);
	if (n < 0)
		e->code[0] = '\0';
	va_start(ap, fmt);
	n = vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	if (n < 0)
		e->text[0] = '\0';
	else if ((size_t)n >= sizeof e->text)
		cut(e->text, sizeof e->text);
	mx_clean(e->text, strlen(e->text));
	return cls;
}
