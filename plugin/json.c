/*
 * Just enough JSON (RFC 8259) to find two strings in a server's challenge, which may be anything: a
 * scan in one pass, without recursion or memory of its own, that never looks behind the end.
 */
#include "config.h"

#include <string.h>

#include "plugin/plugin.h"

struct scan { const char *p, *end; };

static void blanks(struct scan *s)
{
	while (s->p < s->end && memchr(" \t\r\n", *s->p, 4) != NULL)
		s->p++;
}

static bool take(struct scan *s, char c)
{
	blanks(s);
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

static char unescape(struct scan *s)
{
	char c = *s->p;

	if (c == 'u') {
		s->p += s->end - s->p > 4 ? 4 : s->end - s->p - 1;
		return '?';
	}
	return memchr("bfnrt", c, 5) != NULL ? ' ' : c;
}

/* A string; out may be NULL when only its end is wanted. */
static bool string(struct scan *s, char *out, size_t cap)
{
	size_t n = 0;

	if (!take(s, '"'))
		return false;
	for (; s->p < s->end && *s->p != '"'; s->p++) {
		char c = *s->p;

		if (c == '\\') {
			if (++s->p == s->end)
				return false;
			c = unescape(s);
		}
		if (out != NULL && n + 1 < cap)
			out[n++] = c;
	}
	if (out != NULL)
		out[n] = '\0';
	return take(s, '"');
}

/* A number, true, false or null. */
static bool word(struct scan *s, char *out, size_t cap)
{
	size_t n = 0;
	const char *start;

	blanks(s);
	for (start = s->p; s->p < s->end && memchr(",:]} \t\r\n\"[{", *s->p, 11) == NULL; s->p++)
		if (out != NULL && n + 1 < cap)
			out[n++] = *s->p;
	if (out != NULL)
		out[n] = '\0';
	return s->p > start;
}

/* An array or object, with all that is in it. */
static bool nested(struct scan *s)
{
	size_t depth = 0;

	do {
		blanks(s);
		if (s->p == s->end)
			return false;
		if (*s->p == '"') {
			if (!string(s, NULL, 0))
				return false;
			continue;
		}
		if (*s->p == '[' || *s->p == '{')
			depth++;
		if (*s->p == ']' || *s->p == '}')
			depth--;
		s->p++;
	} while (depth > 0);
	return true;
}

bool mxp_json_member(const char *s, size_t n, const char *key, char *out, size_t cap)
{
	struct scan in = { s, s + n };
	char name[32];

	if (!take(&in, '{'))
		return false;
	do {
		bool found, plain;

		if (!string(&in, name, sizeof name) || !take(&in, ':'))
			return false;
		blanks(&in);
		if (in.p == in.end)
			return false;
		found = strcmp(name, key) == 0;
		plain = *in.p != '[' && *in.p != '{';
		if (!plain && !nested(&in))
			return false;
		if (plain && *in.p == '"' ? !string(&in, found ? out : NULL, cap) :
		    plain && !word(&in, found ? out : NULL, cap))
			return false;
		if (found)
			return plain;
	} while (take(&in, ','));
	return false;
}
