#include "config.h"

#include <string.h>
#include <strings.h>

#include "common/text.h"
#include "smtp/reply.h"

void smtp_reply_clear(struct smtp_reply *r)
{
	memset(r, 0, sizeof *r);
}

static void keep(struct smtp_reply *r, const char *s, size_t n)
{
	const size_t sep = r->lines > 1 ? 1 : 0;
	size_t room = sizeof r->text - 1 - r->n;

	if (room <= sep) {
		r->cut = true;
		return;
	}
	if (sep > 0)
		r->text[r->n++] = '\n';
	room -= sep;
	if (n > room) {
		r->cut = true;
		n = room;
	}
	memcpy(r->text + r->n, s, n);
	mx_clean(r->text + r->n, n);
	r->n += n;
	r->text[r->n] = '\0';
}

static bool digit(char c, char lo, char hi)
{
	return c >= lo && c <= hi;
}

/* A line of n bytes without its end. */
static void judge(struct smtp_reply *r, const char *s, size_t n)
{
	unsigned code;

	if (n < 3 || !digit(s[0], '2', '5') || !digit(s[1], '0', '9') || !digit(s[2], '0', '9') ||
	    (n > 3 && s[3] != ' ' && s[3] != '-')) {
		r->broken = "a line is no reply of a mail server's";
		return;
	}
	code = (unsigned)(s[0] - '0') * 100 + (unsigned)(s[1] - '0') * 10 + (unsigned)(s[2] - '0');
	if (r->code != 0 && code != r->code) {
		r->broken = "its lines have different codes";
		return;
	}
	if (r->lines == SMTP_LINES_MAX) {
		r->broken = "it has too many lines";
		return;
	}
	r->code = code;
	r->lines++;
	keep(r, n > 4 ? s + 4 : "", n > 4 ? n - 4 : 0);
	r->whole = n == 3 || s[3] == ' ';
}

size_t smtp_reply_take(struct smtp_reply *r, const char *p, size_t n)
{
	size_t used = 0, len;
	const char *end;

	while (used < n && !r->whole && r->broken == NULL) {
		end = memchr(p + used, '\n', n - used);
		len = end != NULL ? (size_t)(end - (p + used)) + 1 : n - used;
		if (len > sizeof r->line - r->have) {
			r->broken = "a line is too long";
			break;
		}
		memcpy(r->line + r->have, p + used, len);
		r->have += len;
		used += len;
		if (end == NULL)
			break;
		len = r->have - 1;
		if (len > 0 && r->line[len - 1] == '\r')
			len--;
		judge(r, r->line, len);
		r->have = 0;
	}
	return used;
}

const char *smtp_reply_offer(const struct smtp_reply *r, const char *keyword, size_t *len)
{
	const char *s = strchr(r->text, '\n'), *end;
	const size_t k = strlen(keyword);

	for (; s != NULL; s = *end != '\0' ? end : NULL) {
		s++;
		if ((end = strchr(s, '\n')) == NULL)
			end = s + strlen(s);
		/* "AUTH=LOGIN" is an old form that some servers send beside the right one. */
		if ((size_t)(end - s) < k || strncasecmp(s, keyword, k) != 0 ||
		    ((size_t)(end - s) > k && s[k] != ' '))
			continue;
		s += k;
		while (s < end && *s == ' ')
			s++;
		*len = (size_t)(end - s);
		return s;
	}
	return NULL;
}

bool smtp_reply_has_word(const char *list, size_t len, const char *word)
{
	const size_t k = strlen(word);
	const char *end = list + len, *s = list, *stop;

	while (s < end) {
		stop = memchr(s, ' ', (size_t)(end - s));
		if (stop == NULL)
			stop = end;
		if ((size_t)(stop - s) == k && strncasecmp(s, word, k) == 0)
			return true;
		s = stop + (stop < end ? 1 : 0);
	}
	return false;
}
