/*
 * Values in texts that somebody is going to paste: a mailbox may have an apostrophe, and a name from a configuration may have
 * anything. What is not plain is quoted for its language; what no quotes can hold is left out, and the placeholder's
 * name stands there.
 */
#include "config.h"

#include <string.h>

#include "catalogue/catalogue.h"
#include "catalogue/quote.h"
#include "common/text.h"

#define VALUE_MAX 1024

static const char *const names[] = {
	"account", "mailbox", "client", "client_id", "tenant", "oid", "relay", "socket", "config", "thumbprint", "sender",
	"recipient", "user", "uid", "proxy", "issuer", "subject", "audience", "skew", "file", "mta", "instance",
	"daemon_socket", "folder", "hop", "key", "list", "at", "make_socket", "mapped", "mech", "parameter", "port", "profile", "profile_file", "reload",
	"set", "transport", "wrapper", "scope", "host", "endpoint", "certificate",
};

const char *cat_name_at(size_t i)
{
	return i < sizeof names / sizeof names[0] ? names[i] : NULL;
}

/* May the value stand in a text? In a command it has to be whole, and no option in disguise. */
static bool usable(const char *value, const char *lang, size_t lang_n)
{
	size_t n = value != NULL ? strlen(value) : 0;
	char clean[VALUE_MAX + 1];

	if (n == 0 || n > VALUE_MAX)
		return false;
	if (lang_n == 0)
		return true;
	if (lang_n == 2 && memcmp(lang, "in", 2) == 0)
		return cat_quote_needs_none(value);
	memcpy(clean, value, n + 1);
	mx_clean(clean, n);
	return *value != '-' && memcmp(clean, value, n) == 0;
}

static void put(struct mx_buf *b, const char *lang, size_t lang_n, const char *value)
{
	size_t at = b->len;

	if (lang_n == 2 && memcmp(lang, "in", 2) == 0) {
		mx_buf_adds(b, value);
	} else if (lang_n == 0) {
		mx_buf_adds(b, value);
		if (!b->bad)
			mx_clean(b->p + at, b->len - at);
	} else if (lang_n == 2 && memcmp(lang, "sh", 2) == 0) {
		cat_quote_sh(b, value);
	} else if (lang_n == 2 && memcmp(lang, "ps", 2) == 0) {
		cat_quote_ps(b, value, false);
	} else {
		cat_quote_yaml(b, value);
	}
}

/* What stands where no value is known, and where a name in capitals would not help: of the commonest cloud, in main.cf. */
static const struct { const char *name, *text; } usual[] = {
	{ "scope", "https://outlook.office365.com/.default" },
	{ "set", "-e " },
	{ "endpoint", "HOST:PORT" },
	{ "reload", "postmap FILE && postfix reload" },
};

static void put_name(struct mx_buf *b, const char *name, size_t n)
{
	for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
		if (strlen(usual[i].name) == n && memcmp(usual[i].name, name, n) == 0) {
			mx_buf_adds(b, usual[i].text);
			return;
		}
	for (size_t i = 0; i < n; i++)
		mx_buf_addc(b, (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 'a' + 'A' : name[i]));
}

bool cat_fill(struct mx_buf *out, const char *text, const struct cat_value *v, size_t n)
{
	static const char name_chars[] = "abcdefghijklmnopqrstuvwxyz_:";
	const char *open, *colon, *name, *value;
	size_t len, name_n, lang_n;

	while ((open = strchr(text, '{')) != NULL) {
		mx_buf_add(out, text, (size_t)(open - text));
		len = strspn(open + 1, name_chars);
		if (len == 0 || open[1 + len] != '}') {		/* a brace of the text's own */
			mx_buf_addc(out, '{');
			text = open + 1;
			continue;
		}
		colon = memchr(open + 1, ':', len);
		name = colon != NULL ? colon + 1 : open + 1;
		name_n = (size_t)(open + 1 + len - name);
		lang_n = colon != NULL ? (size_t)(colon - open - 1) : 0;
		value = NULL;
		for (size_t i = 0; i < n; i++)
			if (v[i].name != NULL && strlen(v[i].name) == name_n && memcmp(v[i].name, name, name_n) == 0)
				value = v[i].value;
		if (usable(value, open + 1, lang_n))
			put(out, open + 1, lang_n, value);
		else
			put_name(out, name, name_n);
		text = open + 2 + len;
	}
	mx_buf_adds(out, text);
	return !out->bad;
}
