/*
 * Names behind which a secret or a person stands, as logs, settings, JSON and command lines write them.
 */
#include "config.h"

#include <string.h>
#include <strings.h>

#include "ctl/report/announce.h"

bool rp_is_word(const char *s, size_t n, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strlen(*list) == n && strncasecmp(*list, s, n) == 0)
			return true;
	return false;
}

/* The name at the end of "--client-secret", "x?pin-value", "\"password\\". */
static const char *last_name(const char *s, size_t *n)
{
	const char *end = s + *n, *p;

	while (end > s && strchr("\\\"'", end[-1]) != NULL)
		end--;
	for (p = end; p > s && strchr("?&;:/", p[-1]) == NULL; p--)
		;
	while (p < end && *p == '-')
		p++;
	*n = (size_t)(end - p);
	return p;
}

/* Behind these a secret stands: after "=", or after ":" at the end of the word. */
bool rp_secret_key(const char *s, size_t n)
{
	static const char *const keys[] = { "password", "passwd", "passphrase", "pass", "pwd", "secret", "client_secret", "assertion",
		"client_assertion", "access_token", "refresh_token", "id_token", "authorization", "pin", "pin-value", "pin-source", "private_key",
		"subject_token", "code_verifier", "device_code", "bearer", "response", "initial-response", "refresh-token", "access-token",
		"apikey", "api_key", "api-key", "jwt", "cookie", "set-cookie", "sessionid", NULL };

	static const char *const ends[] = { "password", "passwd", "passphrase", "secret", "_pass", "-cookie", NULL };	/* smtp_password, DB_PASS */
	size_t len;

	s = last_name(s, &n);
	for (size_t i = 0; ends[i] != NULL; i++)
		if (n > (len = strlen(ends[i])) && strncasecmp(s + n - len, ends[i], len) == 0)
			return true;
	return rp_is_word(s, n, keys);
}

/* What a sentence may say of itself, too ("no token: the provider ..."), but not with "=" or as a name in quotes. */
bool rp_secret_name(const char *s, size_t n)
{
	static const char *const keys[] = { "token", "sig", "signature", NULL };

	return rp_secret_key(s, n) || rp_is_word(s, n, keys);
}

/* Behind these and "=" stands a person's name, with a domain or without one. */
bool rp_person_key(const char *s, size_t n)
{
	static const char *const keys[] = { "account", "to", "from", "orig_to", "sasl_username", "mailbox", "sender", "recipient", "upn", "user",
		"username", "login", "ruser", "auth_id", "authid", "authzid", "sasl_sender", "preferred_username", NULL };

	return rp_is_word(s, n, keys);
}

static bool person_title(const char *s, size_t n)	/* before ":" */
{
	static const char *const keys[] = { "user", "username", "login", "sasl_username", "upn", NULL };

	return rp_is_word(s, n, keys);
}

/* What may stand before the "=" in front of an address, and is not the address's own. */
bool rp_address_key(const char *s, size_t n)
{
	static const char *const keys[] = { "account", "user", "to", "from", "orig_to", "sasl_username", "client", "mailbox", "a", "sender",
		"recipient", "upn", "name", NULL };

	return rp_is_word(s, n, keys);
}

/* "A=plain:somebody", as Exim logs who has logged in. */
bool rp_exim_login(const char *key, size_t n, const char *value, const char *end)
{
	return n == 1 && *key == 'A' && memchr(value, ':', (size_t)(end - value)) != NULL;
}

bool rp_inner_quote(const char *s, const char *stop)
{
	return (size_t)(stop - s) >= RP_INNER_N && memcmp(s, RP_INNER, RP_INNER_N) == 0;
}

/* From p on: the end of a name in quotes, and ":" or "=". Behind it, or NULL. */
static const char *key_end(const char *p, const char *stop)
{
	const char *begin = p;

	p += p < stop && *p == '\\';
	if (rp_inner_quote(p, stop))
		p += RP_INNER_N;
	else if (p < stop && (*p == '"' || *p == '\''))
		p++;
	else
		return NULL;
	while (p < stop && *p == ' ')
		p++;
	return p < stop && p > begin && (*p == ':' || *p == '=') ? p + 1 : NULL;
}

/* "is" and "->" between a secret's name and what stands in quotes, or anywhere. */
static const char *told(const char *p, const char *stop)
{
	static const char *const quoted[] = { " is '", " is \"", " was '", " was \"", " '", " \"", NULL };
	static const char *const arrows[] = { " -> ", " => ", " : ", NULL };

	for (size_t i = 0; quoted[i] != NULL; i++)
		if ((size_t)(stop - p) > strlen(quoted[i]) && memcmp(p, quoted[i], strlen(quoted[i])) == 0)
			return p + strlen(quoted[i]) - 1;
	for (size_t i = 0; arrows[i] != NULL; i++)
		if ((size_t)(stop - p) > strlen(arrows[i]) && memcmp(p, arrows[i], strlen(arrows[i])) == 0)
			return p + strlen(arrows[i]);
	return NULL;
}

/* What a word of len bytes, before stop, says of the next one, which begins at *at at the earliest. RP_WORD: nothing. */
enum rp_kind rp_announces(const char *s, size_t len, const char *stop, const char **at)
{
	const char *p = s + len, *behind, *name = s;
	bool equals = len > 1 && s[len - 1] == '=';
	size_t n = len - equals;

	*at = p;
	name = last_name(s, &n);
	if (equals && rp_person_key(name, n))
		return RP_USER;
	if ((equals && rp_secret_name(name, n)) || (len >= 6 && strncasecmp(s + len - 6, "bearer", 6) == 0 && (len == 6 || s[len - 7] == '=')))
		return RP_SECRET;
	if (equals)
		return RP_WORD;
	if ((behind = key_end(s + len - (s[len - 1] == '\\'), stop)) != NULL && behind > p && (rp_secret_name(name, n) || rp_person_key(name, n))) {
		*at = behind;
		return rp_secret_name(name, n) ? RP_SECRET : RP_USER;
	}
	if (p < stop && *p == ':')
		return rp_secret_key(name, n) ? RP_SECRET : person_title(name, n) ? RP_USER : RP_WORD;
	if (!rp_secret_key(name, n))
		return RP_WORD;
	if ((behind = told(p, stop)) != NULL) {
		*at = behind;
		return RP_SECRET;
	}
	if (p < stop && *p == ' ' && ((len > 2 && memcmp(s, "--", 2) == 0) || (len == 4 && memcmp(s, "PASS", 4) == 0)))
		return RP_SECRET;
	while (p < stop && *p == ' ')
		p++;
	return p < stop && *p == '=' ? RP_SECRET : RP_WORD;
}
