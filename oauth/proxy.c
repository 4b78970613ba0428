#include "config.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "oauth/file.h"
#include "oauth/proxy.h"
#include "oauth/secretfile.h"

enum mx_class oauth_proxy_credentials(const char *path, struct mx_secret *user, struct mx_secret *password,
    struct mx_err *e)
{
	struct mx_secret pair = { 0 };
	const unsigned char *colon;
	enum mx_class cls;

	*user = *password = (struct mx_secret){ 0 };
	if ((cls = oauth_secret_read_as(&oauth_file_proxy, path, &pair, e)) != MX_OK)
		return cls;
	colon = memchr(pair.p, ':', pair.len);
	if (colon == NULL || colon == pair.p)
		cls = mx_fail(e, MX_CONFIG, "proxy-credentials-malformed",
		    "the proxy credentials file must hold USER:PASSWORD, as one line: %s", path);
	else if (!mx_secret_set(user, pair.p, (size_t)(colon - pair.p)) ||
	    !mx_secret_set(password, colon + 1, pair.len - (size_t)(colon - pair.p) - 1))
		cls = mx_fail(e, MX_TEMP, "no-memory", "no memory for the proxy's credentials");
	mx_secret_free(&pair);
	if (cls != MX_OK) {
		mx_secret_free(user);
		mx_secret_free(password);
	}
	return cls;
}

/* --- which hosts are reached without ---------------------------------------------------------- */

/* The first bits of two addresses. */
static bool same_bits(const unsigned char *a, const unsigned char *b, unsigned bits)
{
	const unsigned whole = bits / 8, rest = bits % 8;

	return memcmp(a, b, whole) == 0 && (rest == 0 || ((a[whole] ^ b[whole]) & (0xff00 >> rest & 0xff)) == 0);
}

/* An entry of the list against an address; entry: NUL-terminated, perhaps with /BITS and in brackets. */
static bool in_network(int family, const unsigned char *address, char *entry)
{
	const unsigned max = family == AF_INET ? 32 : 128;
	unsigned char net[sizeof(struct in6_addr)];
	char *slash = strchr(entry, '/'), *end;
	unsigned long bits = max;

	if (slash != NULL) {
		*slash = '\0';
		bits = strtoul(slash + 1, &end, 10);
		if (end == slash + 1 || *end != '\0' || bits > max)
			return false;
	}
	if (entry[0] == '[' && (end = strchr(entry, ']')) != NULL) {
		*end = '\0';
		entry++;
	}
	return inet_pton(family, entry, net) == 1 && same_bits(address, net, (unsigned)bits);
}

/* A name, or a domain with or without a dot before it. */
static bool in_domain(const char *host, size_t n, const char *entry)
{
	size_t k = strlen(entry);

	if (k > 0 && entry[k - 1] == '.')
		k--;
	if (k > 0 && entry[0] == '.')
		entry++, k--;
	return k > 0 && n >= k && strncasecmp(host + n - k, entry, k) == 0 && (n == k || host[n - k - 1] == '.');
}

bool oauth_no_proxy(const char *list, const char *url)
{
	const char *host = strstr(url, "://"), *p;
	unsigned char address[sizeof(struct in6_addr)];
	char text[256];
	int family = 0;
	size_t n;

	if (list == NULL || host == NULL)
		return false;
	if (strcmp(list, "*") == 0)
		return true;
	host += 3;
	if (*host == '[') {
		n = strcspn(++host, "]");
		family = AF_INET6;
	} else {
		n = strcspn(host, ":/?#");
		if (n > 0 && host[n - 1] == '.')
			n--;
	}
	if (n >= sizeof text)
		return false;
	memcpy(text, host, n);
	text[n] = '\0';
	if (family == 0 && inet_pton(AF_INET, text, address) == 1)
		family = AF_INET;
	else if (family != 0 && inet_pton(AF_INET6, text, address) != 1)
		return false;
	for (p = list; *p != '\0'; p += strspn(p, ", ")) {
		const size_t k = strcspn(p, ", ");

		if (k > 0 && k < sizeof text) {
			memcpy(text, p, k);
			text[k] = '\0';
			if (family != 0 ? in_network(family, address, text) : in_domain(host, n, text))
				return true;
		}
		p += k;
	}
	return false;
}
