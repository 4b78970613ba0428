/*
 * Replies of the daemon: one well-formed line, or nothing of it is believed.
 */
#include "config.h"

#include <string.h>

#include "common/row.h"
#include "common/text.h"
#include "common/wire.h"

static enum mx_class malformed(struct mx_err *e)
{
	return mx_fail_row(e, "malformed-reply", "what answered on the token daemon's socket does not speak its protocol");
}

/* Takes the bytes up to the next TAB (or the end) off *p. false: nothing left. */
static bool next(const char **p, const char *end, const char **s, size_t *n)
{
	const char *tab;

	if (*p > end)
		return false;
	tab = memchr(*p, '\t', (size_t)(end - *p));
	if (tab == NULL)
		tab = end;
	*s = *p;
	*n = (size_t)(tab - *p);
	*p = tab + 1;
	return true;
}

static bool is_word(const char *s, size_t n, size_t max)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
		    (s[i] >= '0' && s[i] <= '9') || s[i] == '-'))
			return false;
	return n > 0 && n <= max;
}

/* ERR, class, code, text: p is behind "ERR" and its TAB. */
static enum mx_class parse_error(const char *p, const char *end, struct mx_err *e)
{
	const char *s, *code, *text;
	size_t n, code_n, text_n;
	enum mx_class cls;

	if (!next(&p, end, &s, &n) || !next(&p, end, &code, &code_n) || !next(&p, end, &text, &text_n) ||
	    p <= end)
		return malformed(e);
	if (!is_word(s, n, 20) || !is_word(code, code_n, MX_CODE_MAX - 1) || text_n >= MX_TEXT_MAX ||
	    mx_has_ctl(text, text_n) || !mx_utf8_ok(text, text_n))
		return malformed(e);
	cls = mx_class_by_name(s, n);
	if (cls == MX_OK)
		return malformed(e);
	if (cls == MX_CLASS_N)		/* a newer daemon's class: to wait is always safe */
		cls = MX_TEMP;
	if (e != NULL) {
		e->cls = cls;
		memcpy(e->code, code, code_n);
		e->code[code_n] = '\0';
		memcpy(e->text, text, text_n);
		e->text[text_n] = '\0';
	}
	return cls;
}

/* Splits off the first line; MX_OK when it begins with OK, *rest (to *end) being what follows "OK". */
static enum mx_class first_line(const char *buf, size_t len, const char **rest, const char **end,
    struct mx_err *e)
{
	*end = len > 0 ? memchr(buf, '\n', len) : NULL;
	if (*end == NULL || *end == buf)
		return malformed(e);
	if (*end - buf > 4 && memcmp(buf, "ERR\t", 4) == 0) {
		if ((size_t)(*end - buf) + 1 != len)
			return malformed(e);
		return parse_error(buf + 4, *end, e);
	}
	if (*end - buf < 2 || memcmp(buf, "OK", 2) != 0)
		return malformed(e);
	*rest = buf + 2;
	return MX_OK;
}

enum mx_class mx_reply_parse(const char *buf, size_t len, struct mx_reply *r, struct mx_err *e)
{
	const char *p, *end, *s;
	enum mx_class cls;
	size_t n;

	*r = (struct mx_reply){ 0 };
	if ((cls = first_line(buf, len, &p, &end, e)) != MX_OK)
		return cls;
	if ((size_t)(end - buf) + 1 != len || p == end || *p++ != '\t')
		return malformed(e);
	if (!next(&p, end, &s, &n) || !mx_parse_uint(s, n, 0, UINT32_MAX, &r->expires_in_s))
		return malformed(e);
	if (!next(&p, end, &s, &n) || !is_word(s, n, MX_TOKEN_ID_MAX))
		return malformed(e);
	memcpy(r->token_id, s, n);
	if (!next(&p, end, &s, &n) || n == 0 || p <= end || mx_has_ctl(s, n))
		return malformed(e);
	r->payload = s;
	r->payload_len = n;
	return MX_OK;
}

enum mx_class mx_reply_plain(const char *buf, size_t len, const char **more, size_t *more_len,
    struct mx_err *e)
{
	const char *p, *end;
	enum mx_class cls;

	if ((cls = first_line(buf, len, &p, &end, e)) != MX_OK)
		return cls;
	if (p != end && *p != '\t')	/* further fields of a newer daemon are skipped */
		return malformed(e);
	*more = end + 1;
	*more_len = len - (size_t)(end + 1 - buf);
	return MX_OK;
}

void mx_reply_error(struct mx_buf *b, const struct mx_err *e, char sep)
{
	mx_buf_adds(b, "ERR");
	mx_buf_addc(b, sep);
	mx_buf_adds(b, mx_class_info(e->cls)->name);
	mx_buf_addc(b, sep);
	mx_buf_adds(b, e->code);
	mx_buf_addc(b, sep);
	mx_buf_adds(b, e->text);
	if (sep == '\t')
		mx_buf_addc(b, '\n');
}
