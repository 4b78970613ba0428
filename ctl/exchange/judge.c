/*
 * One answer by itself. Most of it goes into a configuration and into a script, so little is allowed.
 */
#include "config.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/text.h"
#include "common/wire.h"
#include "ctl/exchange/exchange.h"

#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

size_t xo_part(const char **s, const char **part)
{
	size_t n = strcspn(*s, ",");

	*part = *s;
	*s += (*s)[n] == ',' ? n + 1 : n;
	return n;
}

static bool guid(const char *s)
{
	for (size_t i = 0; i < 36; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23 ? s[i] != '-' :
		    s[i] == '\0' || strchr("0123456789abcdefABCDEF", s[i]) == NULL)
			return false;
	return s[36] == '\0';
}

const char *xo_judge_name(const char *s)
{
	if (strlen(s) > XO_NAME_MAX || strspn(s, ALNUM "._-") != strlen(s) || strchr("._-", *s) != NULL ||
	    strcasecmp(s, "null") == 0)		/* no name for YAML */
		return "must be a word of at most 40 letters, digits, \"-\", \".\" and \"_\", and begin with a letter or a "
		    "digit: files are named after it";
	return NULL;
}

const char *xo_judge_tenant(const char *s)
{
	const size_t n = strlen(s);

	if (guid(s))
		return NULL;
	if (n > 255 || strspn(s, ALNUM ".-") != n || strchr(s, '.') == NULL || *s == '.' || s[n - 1] == '.' ||
	    strstr(s, "..") != NULL)
		return "must be the tenant's domain, such as contoso.onmicrosoft.com, or its ID, a GUID";
	return NULL;
}

static bool mailbox(const char *s, size_t n)
{
	const char *at = memchr(s, '@', n), *domain = at != NULL ? at + 1 : NULL;
	size_t left = at != NULL ? n - (size_t)(domain - s) : 0;

	if (at == NULL || at == s || left == 0 || n > MX_ACCOUNT_MAX || strcspn(s, " \t\"\\()<>[]:;*#") < n)
		return false;
	return strspn(domain, ALNUM ".-") >= left && memchr(domain, '.', left) != NULL && *domain != '.' &&
	    domain[left - 1] != '.';
}

const char *xo_judge_mailboxes(const char *s)
{
	const char *part;
	size_t n;

	if (!xo_shows_itself(s) || *s == '\0' || s[strlen(s) - 1] == ',')
		return "must be ADDRESS, or ADDRESS,ADDRESS";
	while (*s != '\0') {
		n = xo_part(&s, &part);
		if (!mailbox(part, n))
			return "must be the address of a mailbox, such as app@contoso.com, with commas between several; "
			    "each one by its name, and no \"*\"";
	}
	return NULL;
}

const char *xo_judge_credential(const char *s)
{
	return strcmp(s, "certificate") == 0 || strcmp(s, "secret") == 0 || strcmp(s, "managed-identity") == 0 ? NULL :
	    "must be certificate, secret or managed-identity";
}

const char *xo_judge_permission(const char *s)
{
	return strcmp(s, "classic") == 0 || strcmp(s, "app-rbac") == 0 ? NULL : "must be classic or app-rbac";
}

const char *xo_judge_cloud(const char *s)
{
	for (unsigned i = 0; i < OAUTH_CLOUD_N; i++)
		if (strcmp(s, oauth_cloud_name(i)) == 0)
			return NULL;
	return "must be public, gcc-high, dod or china";
}

const char *xo_judge_users(const char *s)
{
	const char *part;
	size_t n;

	if (strcmp(s, "none") == 0)
		return NULL;
	if (*s == '\0' || s[strlen(s) - 1] == ',' || strspn(s, ALNUM "._-,") != strlen(s))
		return "must be users of this host, such as postfix or Debian-exim, with commas between several, or none";
	while (*s != '\0') {
		char *name;
		bool there;

		n = xo_part(&s, &part);
		name = strndup(part, n);
		there = name != NULL && n > 0 && getpwnam(name) != NULL;
		free(name);
		if (!there)
			return "must be users that this host has, with commas between several, or none: is the mail server "
			    "installed?";
	}
	return NULL;
}

const char *xo_judge_app(const char *s)
{
	return *s != '\0' && strlen(s) <= 120 && xo_shows_itself(s) ? NULL :
	    "must be at most 120 bytes of UTF-8, without control characters";
}

const char *xo_judge_guid(const char *s)
{
	return guid(s) ? NULL : "must be a GUID, such as 11111111-2222-3333-4444-555555555555: Entra calls it Application "
	    "(client) ID";
}

const char *xo_judge_path(const char *s)
{
	return *s == '/' && strlen(s) < 4000 && xo_shows_itself(s) ? NULL :
	    "must be an absolute path without control characters";
}

const char *xo_judge_text(const char *s)
{
	return *s != '\0' && strlen(s) < 4000 && xo_shows_itself(s) ? NULL : "must be without control characters";
}

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
