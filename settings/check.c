#include "config.h"

#include <string.h>
#include <strings.h>

#include "common/text.h"
#include "oauth/key.h"
#include "settings/check.h"

#define ALPHA "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"

static bool only(const char *s, size_t n, const char *set)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] == '\0' || strchr(set, s[i]) == NULL)
			return false;
	return n > 0;
}

bool cf_is_guid(const char *s, size_t n)
{
	if (n != 36)
		return false;
	for (size_t i = 0; i < n; i++) {
		const bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? s[i] != '-' : strchr("0123456789abcdefABCDEF", s[i]) == NULL)
			return false;
	}
	return true;
}

/* Bytes beyond ASCII pass: internationalized names are compared as they are written. */
bool cf_is_domain(const char *s, size_t n)
{
	size_t label = 0;

	if (n > 1 && s[n - 1] == '.')
		n--;
	if (n == 0 || n > 253)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '.') {
			if (label == 0 || s[i - 1] == '-')
				return false;
			label = 0;
		} else if (++label > 63 || (label == 1 && s[i] == '-') ||
		    ((s[i] & 0x80) == 0 && strchr(ALPHA DIGIT "-_", s[i]) == NULL))
			return false;
	}
	return label > 0 && s[n - 1] != '-';
}

const char *cf_bad_tenant(const char *s, size_t n)
{
	if (cf_is_guid(s, n) ||
	    (cf_is_domain(s, n) && s[n - 1] != '.' && only(s, n, ALPHA DIGIT "-._")))
		return NULL;
	return "must be the tenant's GUID or one of its domains";
}

static bool printable(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] < 0x20 || s[i] > 0x7e)
			return false;
	return true;
}

const char *cf_bad_client_id(const char *s, size_t n)
{
	if (!printable(s, n))
		return "must be of printable ASCII characters";
	return s[0] == ' ' || s[n - 1] == ' ' ? "must not begin or end with a blank" : NULL;
}

const char *cf_bad_scope(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const bool edge = i == 0 || i == n - 1;

		if (s[i] == ' ' ? edge || s[i - 1] == ' ' : s[i] < 0x21 || s[i] > 0x7e ||
		    s[i] == '"' || s[i] == '\\')
			return "must be words of printable ASCII characters without \" and \\, "
			       "with one "
			       "blank between them";
	}
	return NULL;
}

const char *cf_bad_resource(const char *s, size_t n)
{
	const char *colon = memchr(s, ':', n);

	if (!printable(s, n) || memchr(s, ' ', n) != NULL || memchr(s, '#', n) != NULL)
		return "must be a URI without a fragment";
	return colon == NULL && !cf_is_guid(s, n) ?
	    "must be a URI, such as https://outlook.office365.com" : NULL;
}

const char *cf_bad_guid(const char *s, size_t n)
{
	return cf_is_guid(s, n) ? NULL : "must be a GUID, as the identity's page in Azure shows it";
}

const char *cf_bad_resource_id(const char *s, size_t n)
{
	static const char begin[] = "/subscriptions/";

	return n > sizeof begin - 1 && strncasecmp(s, begin, sizeof begin - 1) == 0 && printable(s, n) &&
	    memchr(s, ' ', n) == NULL ? NULL : "must be a resource ID of Azure, which begins with /subscriptions/";
}

const char *cf_bad_relay(const char *s, size_t n)
{
	if (n == 1 && s[0] == '*')
		return NULL;
	if (n > 2 && s[0] == '*' && s[1] == '.')
		s += 2, n -= 2;
	if (memchr(s, '*', n) != NULL)
		return "must be a server's name, an address, \"*.DOMAIN\" for all names below a "
		       "domain, or "
		       "\"*\"";
	if (memchr(s, '/', n) != NULL || memchr(s, '@', n) != NULL)
		return "must be a server's name, not a URL or a mailbox";
	if (cf_is_domain(s, n))
		return NULL;
	if (n > 2 && s[0] == '[' && s[n - 1] == ']')
		s++, n -= 2;
	if (only(s, n, "0123456789abcdefABCDEF:.") && memchr(s, ':', n) != memrchr(s, ':', n))
		return NULL;		/* IPv6 */
	if (memchr(s, ':', n) != NULL)
		return "must be a server's name without a port";
	return "must be a server's name, an address, \"*.DOMAIN\" or \"*\"";
}

const char *cf_bad_no_proxy(const char *s, size_t n)
{
	return only(s, n, ALPHA DIGIT "-._*:/[],") ? NULL :
	    "must be a host's name, a domain, an address or \"*\"";
}

/* [host][:port] at s; port's range too. */
static bool authority(const char *s, size_t n)
{
	size_t host = n;
	unsigned long port = 0;

	if (n > 0 && s[0] == '[') {
		const char *end = memchr(s, ']', n);

		if (end == NULL || !only(s + 1, (size_t)(end - s) - 1, "0123456789abcdefABCDEF:."))
			return false;
		host = (size_t)(end - s) + 1;
	} else {
		const char *colon = memchr(s, ':', n);

		host = colon == NULL ? n : (size_t)(colon - s);
		if (!cf_is_domain(s, host) || !printable(s, host))
			return false;
	}
	if (host == n)
		return true;
	if (s[host] != ':' || n - host - 1 > 5 || !only(s + host + 1, n - host - 1, DIGIT))
		return false;
	for (size_t i = host + 1; i < n; i++)
		port = port * 10 + (unsigned long)(s[i] - '0');
	return port >= 1 && port <= 65535;
}

const char *cf_url_host(const char *url, size_t *n)
{
	const char *s = strstr(url, "://");

	s = s == NULL ? url : s + 3;
	*n = s[0] == '[' ? strcspn(s, "]") + 1 : strcspn(s, ":/?#");
	return s;
}

const char *cf_bad_url(const char *s, size_t n)
{
	static const char tenant[] = "{tenant}";
	size_t auth;

	if (n >= 7 && strncasecmp(s, "http://", 7) == 0)
		return "must begin with https://: http:// would send the secret in the clear";
	if (n < 8 || strncmp(s, "https://", 8) != 0)
		return "must begin with https://";
	auth = strcspn(s + 8, "/?#");
	if (memchr(s + 8, '@', auth) != NULL)
		return "must not hold a user name or a password";
	if (!authority(s + 8, auth))
		return "must name a host, and perhaps a port, after https://";
	for (size_t i = 8 + auth; i < n; i++) {
		if (strncmp(s + i, tenant, sizeof tenant - 1) == 0) {
			i += sizeof tenant - 2;
			continue;
		}
		if (s[i] == '#')
			return "must not hold a fragment (#)";
		if (s[i] < 0x21 || s[i] > 0x7e || strchr("\"<>\\^`{|}", s[i]) != NULL)
			return "holds a character that must be percent-encoded (the only word that "
			       "may "
			       "stand in braces is {tenant})";
	}
	return NULL;
}

const char *cf_bad_proxy(const char *s, size_t n)
{
	static const char *const schemes[] = {
		"http://", "https://", "socks4://", "socks4a://", "socks5://", "socks5h://"
	};

	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
		const size_t k = strlen(schemes[i]);
		size_t rest;

		if (n <= k || strncmp(s, schemes[i], k) != 0)
			continue;
		rest = n - k - (s[n - 1] == '/');
		if (memchr(s + k, '@', rest) != NULL)
			return "must not hold a user name or a password: no secret stands in this file; store "
			       "USER:PASSWORD in a file of its own and name that with proxy_credentials_file";
		return authority(s + k, rest) ? NULL
					      : "must be SCHEME://HOST:PORT and nothing more";
	}
	return "must be SCHEME://HOST:PORT with the scheme http, https, socks4, socks4a, socks5 or "
	       "socks5h";
}

const char *cf_bad_path(const char *s, size_t n)
{
	if (s[0] != '/')
		return "must be an absolute path";
	return s[n - 1] == '/' ? "must name a file, not a directory" : NULL;
}

const char *cf_bad_secret_path(const char *s, size_t n)
{
	static const char cred[] = "credential:";
	const size_t k = sizeof cred - 1;

	if (n > k && strncmp(s, cred, k) == 0) {
		s += k, n -= k;
		return only(s, n, ALPHA DIGIT "-._") && strcmp(s, ".") != 0 && strcmp(s, "..") != 0
		    ? NULL
		    : "must be credential:NAME with a NAME of letters, digits, \"-\", \".\" and "
		      "\"_\"";
	}
	if (s[0] != '/')
		return "must be the absolute path of a file that holds the secret, or "
		       "credential:NAME; the "
		       "secret itself must not stand here";
	return cf_bad_path(s, n);
}

const char *cf_bad_socket_path(const char *s, size_t n)
{
	return cf_bad_path(s, n);
}

const char *cf_bad_user(const char *s, size_t n)
{
	if (memchr(s, ',', n) != NULL)
		return "must be one name; several are written as a list: [postfix, Debian-exim]";
	if (memchr(s, '*', n) != NULL)
		return "must be a name: there is no way to allow everybody";
	return memchr(s, ':', n) != NULL || memchr(s, '/', n) != NULL || s[0] == ' ' ||
		s[n - 1] == ' '
	    ? "must be a name or a numeric id"
	    : NULL;
}

const char *cf_bad_key(const char *s, size_t n)
{
	size_t k = 0;

	if (s[0] == '/')
		return cf_bad_path(s, n);
	if (oauth_uri_attribute(s, "pin-value") < n)
		return "must not hold a PIN: put it into a file of its own and name that with key_passphrase_file";
	while (k < n && (only(s + k, 1, ALPHA DIGIT "+-.")))
		k++;
	return k > 1 && k + 1 < n && s[k] == ':' ? NULL :
	    "must be an absolute path, or a URI such as pkcs11:object=mail or handle:0x81000001";
}

const char *cf_bad_typ(const char *s, size_t n)
{
	return only(s, n, ALPHA DIGIT "-._+") ? NULL : "must be letters, digits, \"-\", \".\", \"_\" and \"+\"";
}

const char *cf_bad_cache(const char *s, size_t n)
{
	if (n == 4 && memcmp(s, "none", 4) == 0)
		return NULL;
	return cf_bad_path(s, n) == NULL ? NULL : "must be an absolute path on tmpfs, or \"none\"";
}

const char *cf_bad_name(const char *s, size_t n)
{
	return only(s, n, ALPHA DIGIT "-._") && strchr("-._", s[0]) == NULL && n <= 64
	    ? NULL
	    : "must be at most 64 letters, digits, \"-\", \".\" and \"_\", the first a letter or "
	      "digit";
}

const char *cf_bad_mailbox(const char *s, size_t n)
{
	if (memchr(s, '*', n) != NULL)
		return "must be one mailbox, not a pattern";
	return memchr(s, ' ', n) != NULL ? "must be a mailbox, such as scanner@contoso.com" : NULL;
}

const char *cf_bad_pattern(const char *s, size_t n)
{
	static const char what[] = "must be an address, \"*@DOMAIN\" or \"*\"";
	const char *at = memrchr(s, '@', n);
	size_t local;

	if (n == 1 && s[0] == '*')
		return NULL;
	if (at == NULL)
		return cf_is_domain(s, n) && memchr(s, '.', n) != NULL
		    ? "must be an address, \"*@DOMAIN\" or \"*\": for all mailboxes of a domain "
		      "put \"*@\" in "
		      "front"
		    : what;
	local = (size_t)(at - s);
	if (local == 0)
		return "must be an address, \"*@DOMAIN\" or \"*\": for all mailboxes of a domain "
		       "put \"*\" "
		       "in front";
	if (memchr(at, '*', n - local) != NULL)
		return "must be an address, \"*@DOMAIN\" or \"*\": there is no pattern for "
		       "subdomains, each "
		       "domain has an entry of its own";
	if (!cf_is_domain(at + 1, n - local - 1))
		return "must be an address, \"*@DOMAIN\" or \"*\": what follows the \"@\" is no "
		       "domain";
	if (local == 1 && s[0] == '*')
		return NULL;
	if (memchr(s, '*', local) != NULL)
		return "must be an address, \"*@DOMAIN\" or \"*\": \"*\" stands for the whole "
		       "local part";
	return memchr(s, ' ', local) != NULL ? what : NULL;
}

bool cf_date(const char *s, size_t n, uint32_t *out)
{
	static const unsigned char month_days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	static const size_t places[] = { 0, 1, 2, 3, 5, 6, 8, 9 };
	unsigned year, month, day, part[8];
	uint32_t days;
	bool leap;

	if (n != 10 || s[4] != '-' || s[7] != '-')
		return false;
	for (size_t i = 0; i < 8; i++) {
		if (s[places[i]] < '0' || s[places[i]] > '9')
			return false;
		part[i] = (unsigned)(s[places[i]] - '0');
	}
	year = part[0] * 1000 + part[1] * 100 + part[2] * 10 + part[3];
	month = part[4] * 10 + part[5];
	day = part[6] * 10 + part[7];
	if (year < 2000 || year > 2105 || month < 1 || month > 12)	/* 32 bits end in 2106 */
		return false;
	leap = year % 4 == 0 && year != 2100;
	if (day < 1 || day > month_days[month - 1] + (month == 2 && leap ? 1u : 0u))
		return false;
	/* 10957 days lie before 2000, which is a leap year as every fourth up to 2096 is. */
	days = 10957 + (year - 2000) * 365 + (year - 2000 + 3) / 4 - (year > 2100 ? 1 : 0);
	for (unsigned m = 1; m < month; m++)
		days += month_days[m - 1] + (m == 2 && leap ? 1u : 0u);
	*out = (days + day - 1) * 86400;
	return true;
}
