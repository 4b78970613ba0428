#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "settings/report.h"

/* One block for the text and the file's name behind it: the report outlives the configuration. */
static bool fill(struct conf_complaint *c, char severity, const struct conf_where *at,
    const char *text)
{
	const size_t nt = strlen(text) + 1, nf = strlen(at->file) + 1;
	char *p = malloc(nt + nf);

	if (p == NULL)
		return false;
	memcpy(p, text, nt);
	memcpy(p + nt, at->file, nf);
	*c = (struct conf_complaint){ { p + nt, at->line, at->column }, severity, p, NULL };
	return true;
}

static void drop(struct conf_report *r, size_t i)
{
	free((char *)r->c[i].text);
	r->n--;
	memmove(&r->c[i], &r->c[i + 1], (r->n - i) * sizeof *r->c);
}

/* Makes room for one complaint; an error may push out the last warning. */
static bool room(struct conf_report *r, char severity)
{
	if (r->c == NULL)
		r->c = calloc(CONF_COMPLAINTS_MAX + 1, sizeof *r->c);
	if (r->c == NULL)
		return false;
	if (r->n == CONF_COMPLAINTS_MAX && severity == 'e')
		for (size_t i = r->n; i-- > 0;)
			if (r->c[i].severity == 'w') {
				drop(r, i);
				break;
			}
	return r->n < CONF_COMPLAINTS_MAX;
}

/* false: not kept. */
static bool __attribute__((format(printf, 4, 0))) say(struct conf_report *r, char severity,
    const struct conf_where *at, const char *fmt, va_list ap)
{
	char text[CF_TEXT];

	if (severity == 'e')
		r->errors++;
	else
		r->warnings++;
	if (!room(r, severity))
		return false;
	(void)vsnprintf(text, sizeof text, fmt, ap);
	size_t n = strlen(text);
	while (n > 0 && !mx_utf8_ok(text, n))	/* cut within a character */
		text[--n] = '\0';
	for (char *p = text; *p != '\0'; p++)
		if (mx_has_ctl(p, 1))
			*p = '?';
	if (!fill(&r->c[r->n], severity, at, text))
		return false;
	r->n++;
	return true;
}

void cf_error(struct conf_report *r, const struct conf_where *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)say(r, 'e', at, fmt, ap);
	va_end(ap);
}

void cf_error_scope(struct conf_report *r, const struct conf_where *at, const char *preset, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (say(r, 'e', at, fmt, ap))
		r->c[r->n - 1].scope = preset;
	va_end(ap);
}

void cf_warn(struct conf_report *r, const struct conf_where *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)say(r, 'w', at, fmt, ap);
	va_end(ap);
}

bool cf_report_full(const struct conf_report *r)
{
	return r->errors >= CONF_COMPLAINTS_MAX;
}

void cf_report_end(struct conf_report *r, const char *file)
{
	const struct conf_where at = { file, 0, 0 };
	const size_t more = r->errors + r->warnings - r->n;
	size_t kept = 0;
	char text[64];

	if (more == 0 || r->n < CONF_COMPLAINTS_MAX)
		return;
	for (size_t i = 0; i < r->n; i++)
		kept += r->c[i].severity == 'e';
	(void)snprintf(text, sizeof text, "... and %zu more", more);
	if (fill(&r->c[r->n], r->errors > kept ? 'e' : 'w', &at, text))
		r->n++;
}

const char *cf_first_place(char *out, size_t cap, const struct conf_where *first,
    const struct conf_where *now)
{
	if (strcmp(first->file, now->file) == 0)
		(void)snprintf(out, cap, " (already at line %u)", first->line);
	else
		(void)snprintf(out, cap, " (already at %s:%u)", first->file, first->line);
	return out;
}

void conf_report_free(struct conf_report *r)
{
	for (size_t i = 0; i < r->n; i++)
		free((char *)r->c[i].text);
	free(r->c);
	*r = (struct conf_report){ 0 };
}

const char *conf_complaint_str(char *out, size_t cap, const struct conf_complaint *c)
{
	const char *what = c->severity == 'e' ? "error" : "warning";

	if (c->at.line == 0)
		(void)snprintf(out, cap, "%s: %s: %s", c->at.file, what, c->text);
	else
		(void)snprintf(out, cap, "%s:%u:%u: %s: %s", c->at.file, c->at.line, c->at.column,
		    what, c->text);
	return out;
}
