#include "config.h"

#include <string.h>
#include <strings.h>

#include "common/hash.h"
#include "oauth/key-private.h"

#define KEPT 64		/* more than devices have keys: the oldest one makes room */

static uint64_t refused[KEPT];
static size_t next;

uint64_t key_pin(const struct oauth_credential *c)
{
	uint64_t h;

	if (c->key_passphrase_file == NULL)
		return 0;
	h = mx_fnv(MX_FNV_BASIS, c->key, strlen(c->key) + 1);
	h = mx_fnv(h, c->key_passphrase_file, strlen(c->key_passphrase_file) + 1);
	h = oauth_file_stamp(h, c->key_passphrase_file);
	return h != 0 ? h : 1;
}

bool key_pin_was_refused(uint64_t pin)
{
	for (size_t i = 0; i < KEPT; i++)
		if (pin != 0 && refused[i] == pin)
			return true;
	return false;
}

void key_pin_refused(uint64_t pin)
{
	if (pin == 0 || key_pin_was_refused(pin))
		return;
	refused[next] = pin;
	next = (next + 1) % KEPT;
}

/* The byte at s, which may be %XX; *n: how many characters that takes. */
static char decoded(const char *s, size_t *n)
{
	static const char hex[] = "0123456789abcdef";
	const char *hi, *lo;

	*n = 1;
	if (s[0] != '%' || s[1] == '\0' || s[2] == '\0' || (hi = strchr(hex, s[1] | 0x20)) == NULL ||
	    (lo = strchr(hex, s[2] | 0x20)) == NULL)
		return s[0];
	*n = 3;
	return (char)((hi - hex) << 4 | (lo - hex));
}

size_t oauth_uri_attribute(const char *uri, const char *name)
{
	const size_t want = strlen(name);
	size_t i = strcspn(uri, ":"), k, n;

	while (uri[i] != '\0') {
		const char *p = uri + ++i;	/* behind the ":", or what stands between two attributes */

		for (k = 0; k < want; k++, p += n) {
			char c = decoded(p, &n);

			if (strncasecmp(&c, name + k, 1) != 0)
				break;
		}
		if (k == want)
			break;
		i += strcspn(uri + i, ";&?");
	}
	return i;
}
