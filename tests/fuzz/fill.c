/*
 * Placeholders of the catalogue: whatever the value, a shell, PowerShell and YAML read one word that is the value, or
 * the placeholder's name. Parts: value, text.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "catalogue/catalogue.h"
#include "common/text.h"
#include "tests/fuzz/fuzz.h"

static const char bare[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@._/:+,=-";

/* One word as sh(1) reads it, undone. false: it is not one, or has something that a shell would act on. */
static bool sh_word(const char *s, char *out)
{
	for (; *s != '\0'; s++) {
		if (*s == '\'') {
			const char *end = strchr(s + 1, '\'');

			if (end == NULL)
				return false;
			memcpy(out, s + 1, (size_t)(end - s - 1));
			out += end - s - 1;
			s = end;
		} else if (*s == '\\' && s[1] == '\'') {
			*out++ = *++s;
		} else if (strchr(bare, *s) != NULL) {
			*out++ = *s;
		} else {
			return false;
		}
	}
	*out = '\0';
	return true;
}

/* One scalar in single quotes that are doubled inside; q: what ends it. */
static bool doubled(const char *s, char *out, size_t (*q)(const char *))
{
	const char *end = s + strlen(s);

	if (*s != '\'') {
		memcpy(out, s, (size_t)(end - s) + 1);
		return s[strspn(s, bare)] == '\0';
	}
	for (s++; s < end - 1; ) {
		size_t n = q(s);

		if (n > 0) {
			if (q(s + n) == 0)
				return false;
			memcpy(out, s, n);
			out += n;
			s += n + q(s + n);
		} else {
			*out++ = *s++;
		}
	}
	*out = '\0';
	return s == end - 1 && *s == '\'';
}

static size_t yaml_end(const char *s)
{
	return *s == '\'';
}

static size_t ps_end(const char *s)
{
	static const char *const curly[] = { "\xe2\x80\x98", "\xe2\x80\x99", "\xe2\x80\x9a", "\xe2\x80\x9b" };

	for (size_t i = 0; i < 4; i++)
		if (strncmp(s, curly[i], 3) == 0)
			return 3;
	return *s == '\'';
}

static char *fill(const char *text, const char *value, size_t cap)
{
	const struct cat_value v[] = { { "mailbox", value }, { "client_id", "an id" } };
	char *out = malloc(cap);
	struct mx_buf b;

	FUZZ_CHECK(out != NULL);
	mx_buf_init(&b, out, cap);
	FUZZ_CHECK(cat_fill(&b, text, v, 2) && mx_buf_str(&b) != NULL);
	return out;
}

static void check_word(const char *value, const char *text)
{
	char *s = fill(text, value, strlen(value) * 4 + 64), *word = malloc(strlen(s) + 1);
	bool good;

	FUZZ_CHECK(word != NULL);
	good = text[1] == 's' ? sh_word(s, word) : doubled(s, word, text[1] == 'p' ? ps_end : yaml_end);
	FUZZ_CHECK(good && (strcmp(word, value) == 0 || strcmp(word, "MAILBOX") == 0));
	FUZZ_CHECK(fuzz_is_clean(s, strlen(s)) && *s != '-');
	free(word);
	free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fuzz_in in = { data, n };
	char *value, *text, *s, small[16];
	const struct cat_value v = { "mailbox", "x" };
	struct mx_buf b;

	if (n > 1 << 14)
		return 0;
	value = fuzz_str(fuzz_part(&in));
	text = fuzz_str(in);
	check_word(value, "{sh:mailbox}");
	check_word(value, "{ps:mailbox}");
	check_word(value, "{yaml:mailbox}");
	s = fill("{in:mailbox}", value, strlen(value) + 64);
	FUZZ_CHECK(s[strspn(s, bare)] == '\0');
	free(s);
	s = fill("{mailbox}", value, strlen(value) + 64);
	FUZZ_CHECK(fuzz_is_clean(s, strlen(s)));
	free(s);
	free(fill(text, value, (strlen(text) + 1) * (strlen(value) * 4 + 64)));
	mx_buf_init(&b, small, sizeof small);
	FUZZ_CHECK(cat_fill(&b, text, &v, 1) == !b.bad && b.len <= sizeof small);
	free(value);
	free(text);
	return 0;
}
