/*
 * What may be shown is known by its look: words as people write them, numbers, names of hosts. What could be a piece of
 * a secret looks otherwise: letters of both cases mixed, digits among letters, great length.
 */
#include "config.h"

#include <string.h>

#include "ctl/report/mask.h"

#define DIGITS "0123456789"
#define LOWERS "abcdefghijklmnopqrstuvwxyz"
#define UPPERS "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define BETWEEN "-_.:/+\\*%#=~&?!$^"	/* between the pieces of a word */
#define WORD_MAX 15			/* letters */
#define LONG_MAX 64			/* bytes of a word with its pieces */

/* How many bytes of s, at most n, are of set. */
static size_t span(const char *s, size_t n, const char *set)
{
	size_t i;

	for (i = 0; i < n && s[i] != '\0' && strchr(set, s[i]) != NULL; i++)
		;
	return i;
}

/* "SendAsDenied", "MapiException": humps of three letters on average, each with a small one. */
static bool camel(const char *s, size_t n)
{
	size_t i = span(s, n, LOWERS), humps = 0;

	if (n > 40 || i == 1)
		return false;
	while (i < n) {
		size_t small = span(s + i + 1, n - i - 1, LOWERS);

		if (strchr(UPPERS, s[i]) == NULL || small < 1 || ++humps > 5)
			return false;
		i += 1 + small;
	}
	return n >= 3 * humps;
}

static bool unit(const char *s, size_t n)
{
	static const char *const units[] = { "ms", "s", "m", "min", "h", "d", "kB", "KB", "MB", "MiB", "KiB", "bit", "st", "nd", "rd", "th" };

	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
		if (strlen(units[i]) == n && memcmp(units[i], s, n) == 0)
			return true;
	return false;
}

/* Letters, a number, or letters and a short number. *mixed: both. */
static bool piece(const char *s, size_t n, bool *mixed)
{
	size_t digits = span(s, n, DIGITS), small = span(s, n, LOWERS), great = span(s, n, UPPERS), rest;

	*mixed = false;
	if (digits > 0)		/* a number, maybe with a unit; "30T12" and "00Z" of a time */
		return digits <= 10 && (digits == n || unit(s + digits, n - digits) ||
		    (n - digits == 1 && s[digits] == 'Z' && digits <= 3) ||
		    (digits == 2 && s[2] == 'T' && n == 5 && span(s + 3, 2, DIGITS) == 2));
	if (small == n || great == n)
		return n <= WORD_MAX;
	if (n > 6 && memcmp(s, "AADSTS", 6) == 0)
		return n <= 16 && span(s + 6, n - 6, DIGITS) == n - 6;
	if (camel(s, n) || (great == 1 && n <= WORD_MAX && span(s + 1, n - 1, LOWERS) == n - 1))
		return true;
	rest = small > great ? small : great;
	*mixed = true;		/* smtp2, XOAUTH2, TLSv1 */
	if (n == 5 && memcmp(s, "TLSv1", 5) == 0)
		return true;
	return rest >= 2 && rest <= 12 && n - rest <= 3 && span(s + rest, n - rest, DIGITS) == n - rest;
}

bool rp_word_harmless(const char *s, size_t n)
{
	size_t i = 0, len, mixed = 0, letters = 0;
	bool both;

	if (n > LONG_MAX)
		return false;
	while (i < n) {
		if (s[i] != '\0' && strchr(BETWEEN, s[i]) != NULL) {
			if (s[i] == '%' && i + 2 < n && span(s + i + 1, 2, DIGITS "ABCDEFabcdef") == 2)
				return false;
			i++;
			continue;
		}
		len = span(s + i, n - i, DIGITS LOWERS UPPERS);
		if (len == 0 || !piece(s + i, len, &both))
			return false;
		mixed += both;
		letters += len == 1 && span(s + i, 1, LOWERS UPPERS) == 1;
		i += len;
	}
	return mixed <= 2 && letters <= 3;	/* not spelled out, and no pieces without end */
}

bool rp_word_guid(const char *s, size_t n)
{
	static const size_t part[] = { 8, 4, 4, 4, 12 };
	size_t i = 0;

	if (n != 36)
		return false;
	for (size_t k = 0; k < 5; k++, i++) {
		if (span(s + i, part[k], DIGITS "ABCDEFabcdef") != part[k])
			return false;
		i += part[k];
		if (k < 4 && s[i] != '-')
			return false;
	}
	return true;
}

bool rp_word_ipv4(const char *s, size_t n)
{
	size_t i = 0, digits, parts = 0;

	while (i < n) {
		digits = span(s + i, n - i, DIGITS);
		if (digits == 0 || digits > 3)
			return false;
		parts++;
		i += digits;
		if (i < n && (s[i] != '.' || ++i == n))
			return false;
	}
	return parts == 4;
}

bool rp_word_host(const char *s, size_t n)
{
	size_t i = 0, len = 0, digits, labels = 0;

	if (n == 0 || n > 120)
		return false;
	for (; i < n; i += len + 1, labels++) {
		len = span(s + i, n - i, DIGITS LOWERS "-");
		if (len == 0 || len > 24 || (i + len < n && s[i + len] != '.') || i + len + 1 == n)
			return false;
		digits = 0;
		for (size_t k = i; k < i + len; k++)
			digits += s[k] >= '0' && s[k] <= '9';
		if (digits > 4 || (len >= 8 && digits > 0 && span(s + i, len, DIGITS "abcdef") == len))
			return false;
	}
	return labels >= 2 && span(s + n - len, len, LOWERS) == len && len >= 2;
}
