#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "common/text.h"
#include "settings/events.h"

#define DEPTH_MAX 8	/* the deepest place in use is 6 */

struct cf_events {
	yaml_parser_t p;
	yaml_event_t ev;
	const char *file, *text;
	size_t n;
	struct conf_report *r;
	unsigned depth, documents;
	unsigned ends;		/* CF_END still to be handed out before ev */
	bool have;		/* ev holds something to be freed */
	bool ready;		/* ev has been parsed ahead and not been handed out */
	bool dead;
};

struct cf_events *cf_events_open(const char *file, const char *text, size_t n,
    struct conf_report *r)
{
	struct cf_events *y = calloc(1, sizeof *y);

	if (y == NULL)
		return NULL;
	if (!yaml_parser_initialize(&y->p)) {
		free(y);
		return NULL;
	}
	yaml_parser_set_encoding(&y->p, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&y->p, (const unsigned char *)text, n);
	y->file = file, y->text = text, y->n = n, y->r = r;
	return y;
}

void cf_events_close(struct cf_events *y)
{
	if (y == NULL)
		return;
	if (y->have)
		yaml_event_delete(&y->ev);
	yaml_parser_delete(&y->p);
	free(y);
}

static struct conf_where place(const struct cf_events *y, const yaml_mark_t *m)
{
	return (struct conf_where){ y->file, (unsigned)m->line + 1, (unsigned)m->column + 1 };
}

/* What libyaml says (both must be found in its texts), where to point, and what it means here. */
static const struct {
	const char *context, *problem;
	bool at_context;
	const char *text;
} syntax[] = {
	{ "scanning an anchor", "", true, "\"&\" begins an anchor in YAML, which is not "
	    "supported: if it belongs to the value, put it in quotes" },
	{ "quoted scalar", "unexpected end", true,
	    "the quote that begins here is never closed (is the file cut off?)" },
	{ "quoted scalar", "document indicator", true, "the quote that begins here is never "
	    "closed" },
	{ "quoted scalar", "", false, "wrong escape within double quotes: write \\\\ for a "
	    "backslash, or use single quotes" },
	{ "flow sequence", "", true, "the list that \"[\" begins here is not closed with \"]\", "
	    "or a comma is missing (is the file cut off?)" },
	{ "flow mapping", "", true, "the mapping that \"{\" begins here is not closed with \"}\", "
	    "or a comma is missing (is the file cut off?)" },
	{ "simple key", "expected ':'", true, "expected \"KEY: VALUE\": the colon and a blank are "
	    "missing (is the file cut off?)" },
	{ "", "mapping values are not allowed", false, "unexpected colon: the indentation is "
	    "wrong, or the value belongs in quotes" },
	{ "block mapping", "expected key", false, "wrong indentation: this line fits none above "
	    "it" },
	{ "block collection", "", false, "wrong indentation: a \"- \" was expected" },
	{ "", "block sequence entries are not allowed", false, "a list cannot begin here: put \"- "
	    "\" on a line of its own" },
	{ "", "cannot start any token", false, "this character cannot begin a value in YAML: put "
	    "the value in quotes" },
	{ "tag", "", true, "\"!\" begins a tag in YAML, which is not supported: if it belongs to "
	    "the value, put it in quotes" },
	{ "", "expected <document start>", false, "nothing may follow the end of the document" },
	{ "", "", false, NULL },
};

/*
 * "*@contoso.com:" without quotes, the commonest slip. The text is shown only where it is a key,
 * that is, where nothing but blanks stands before it: elsewhere it might be part of a secret.
 */
static void alias(struct cf_events *y, const yaml_mark_t *m)
{
	const struct conf_where at = place(y, m);
	const char *s = y->text, *end = y->text + y->n, *star = NULL;
	char q[96] = "\"*@contoso.com\"";

	for (size_t line = 0; line < m->line && s != NULL; line++)
		s = memchr(s, '\n', (size_t)(end - s)), s = s == NULL ? NULL : s + 1;
	if (s != NULL) {
		while (s < end && *s == ' ')
			s++;
		star = s;
		while (s < end && strchr(" \t\r\n:#\"", *s) == NULL)
			s++;
		if (star < end && *star == '*' && s < end && *s == ':')
			(void)mx_quote(q, sizeof q, star, (size_t)(s - star));
	}
	cf_error(y->r, &at,
	    "\"*\" begins an alias in YAML, which is not supported: if it belongs to the "
	    "text, put that in quotes: %s",
	    q);
}

static enum cf_kind die(struct cf_events *y, struct cf_event *e)
{
	y->dead = true;
	e->kind = CF_BROKEN;
	return CF_BROKEN;
}

static enum cf_kind broken(struct cf_events *y, struct cf_event *e)
{
	const yaml_parser_t *p = &y->p;
	const char *context = p->context == NULL ? "" : p->context;
	const char *problem = p->problem == NULL ? "no memory" : p->problem;
	struct conf_where at = place(y, &p->problem_mark);
	size_t i = 0;

	if (p->error == YAML_SCANNER_ERROR && strstr(context, "scanning an alias") != NULL) {
		alias(y, &p->context_mark);
		return die(y, e);
	}
	while (strstr(context, syntax[i].context) == NULL ||
	    strstr(problem, syntax[i].problem) == NULL)
		i++;
	if (syntax[i].at_context)
		at = place(y, &p->context_mark);
	if (p->error == YAML_MEMORY_ERROR)
		cf_error(y->r, &at, "no memory");
	else if (syntax[i].text != NULL)
		cf_error(y->r, &at, "%s", syntax[i].text);
	else
		cf_error(y->r, &at, "this is not YAML: %s%s%s", problem,
		    *context != '\0' ? " " : "", context);
	return die(y, e);
}

/* Code points that pasting from a web page brings in unseen. n bytes, well-formed. */
static bool invisible(const char *s, size_t n)
{
	static const char *const code[] = {
		"\xc2\xa0", "\xc2\xad", "\xe2\x80\x8b", "\xe2\x80\x8c", "\xe2\x80\x8d",
		"\xe2\x80\x8e", "\xe2\x80\x8f", "\xe2\x80\xaa", "\xe2\x80\xab", "\xe2\x80\xac",
		"\xe2\x80\xad", "\xe2\x80\xae", "\xe2\x80\xa8", "\xe2\x80\xa9", "\xef\xbb\xbf"
	};

	for (size_t i = 0; i + 1 < n; i++) {
		if (((unsigned char)s[i] & 0x80) == 0)
			continue;
		if (s[i] == '\xc2' && (unsigned char)s[i + 1] < 0xa0)
			return true;	/* C1 controls */
		for (size_t k = 0; k < sizeof code / sizeof code[0]; k++)
			if (n - i >= strlen(code[k]) &&
			    memcmp(s + i, code[k], strlen(code[k])) == 0)
				return true;
	}
	return false;
}

static void scalar(struct cf_events *y, struct cf_event *e)
{
	const yaml_event_t *ev = &y->ev;
	const bool plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	static const char *const nothing[] = { "", "~", "null", "Null", "NULL" };

	e->kind = CF_SCALAR;
	e->s = (const char *)ev->data.scalar.value;
	e->n = ev->data.scalar.length;
	if (plain) {
		for (size_t i = 0; i < sizeof nothing / sizeof nothing[0]; i++)
			e->null = e->null || strcmp(e->s, nothing[i]) == 0;
		e->merge = strcmp(e->s, "<<") == 0;
	}
	e->bad = true;
	if (ev->start_mark.line != ev->end_mark.line)
		cf_error(y->r, &e->at,
		    "a value must stand on one line: is a colon missing in the next one?");
	else if (mx_has_ctl(e->s, e->n))
		cf_error(y->r, &e->at, "control characters are not allowed, nor is a tab");
	else if (invisible(e->s, e->n))
		cf_error(y->r, &e->at,
		    "an invisible character (such as a no-break space) stands here; was "
		    "this pasted from a web page? Type it anew");
	else
		e->bad = false;
}

/* Anchors and tags of a scalar, list or mapping. */
static void decoration(struct cf_events *y, struct cf_event *e, const yaml_char_t *anchor,
    const yaml_char_t *tag)
{
	if (anchor != NULL)
		cf_error(y->r, &e->at,
		    "\"&\" begins an anchor in YAML, which is not supported: if it belongs "
		    "to the value, put it in quotes");
	if (tag != NULL)
		cf_error(y->r, &e->at,
		    "\"!\" begins a tag in YAML, which is not supported: if it belongs to "
		    "the value, put it in quotes");
	if (anchor != NULL || tag != NULL)
		e->bad = true;
}

static enum cf_kind deeper(struct cf_events *y, struct cf_event *e, enum cf_kind kind)
{
	e->kind = kind;
	if (++y->depth <= DEPTH_MAX)
		return kind;
	cf_error(y->r, &e->at, "nested too deeply");
	return die(y, e);
}

/* Start and end of stream and document. true: e is filled and to be handed out. */
static bool frame(struct cf_events *y, struct cf_event *e)
{
	if (y->ev.type == YAML_DOCUMENT_START_EVENT && y->documents++ > 0) {
		cf_error(y->r, &e->at, "a second document begins here; there may be only one");
		(void)die(y, e);
		return true;
	}
	if (y->ev.type == YAML_STREAM_END_EVENT) {
		e->kind = CF_EOF;
		return true;
	}
	return false;
}

/* Parses the next event into ev. false: complained of. */
static bool parse(struct cf_events *y, struct cf_event *e)
{
	if (y->have)
		yaml_event_delete(&y->ev);
	y->have = yaml_parser_parse(&y->p, &y->ev) != 0;
	if (!y->have)
		(void)broken(y, e);
	return y->have;
}

/*
 * libyaml ends lists and mappings before it complains of the line behind them. Looking beyond lets
 * the complaint come first, and nobody then finds that the entry lacks what stands on that line.
 */
static enum cf_kind end(struct cf_events *y, struct cf_event *e)
{
	do {
		y->ends++;
		if (!parse(y, e))
			return CF_BROKEN;
	} while (y->ev.type == YAML_SEQUENCE_END_EVENT || y->ev.type == YAML_MAPPING_END_EVENT);
	y->ready = true;
	y->ends--, y->depth--;
	return e->kind = CF_END;
}

enum cf_kind cf_next(struct cf_events *y, struct cf_event *e)
{
	*e = (struct cf_event){ .kind = CF_BROKEN };
	if (y->dead)
		return CF_BROKEN;
	if (y->ends > 0) {
		y->ends--, y->depth--;
		return e->kind = CF_END;
	}
	for (;;) {
		if (!y->ready && !parse(y, e))
			return CF_BROKEN;
		y->ready = false;
		e->at = place(y, &y->ev.start_mark);
		switch (y->ev.type) {
		case YAML_ALIAS_EVENT:
			alias(y, &y->ev.start_mark);
			e->kind = CF_SCALAR, e->s = "", e->bad = true;
			return CF_SCALAR;
		case YAML_SCALAR_EVENT:
			scalar(y, e);
			decoration(y, e, y->ev.data.scalar.anchor, y->ev.data.scalar.tag);
			return CF_SCALAR;
		case YAML_SEQUENCE_START_EVENT:
			decoration(y, e, y->ev.data.sequence_start.anchor,
			    y->ev.data.sequence_start.tag);
			return deeper(y, e, CF_LIST);
		case YAML_MAPPING_START_EVENT:
			decoration(y, e, y->ev.data.mapping_start.anchor,
			    y->ev.data.mapping_start.tag);
			return deeper(y, e, CF_MAP);
		case YAML_SEQUENCE_END_EVENT:
		case YAML_MAPPING_END_EVENT:
			return end(y, e);
		default:
			if (frame(y, e))
				return e->kind;
		}
	}
}

bool cf_skip(struct cf_events *y, const struct cf_event *e)
{
	struct cf_event in;
	unsigned open = e->kind == CF_LIST || e->kind == CF_MAP;

	if (e->kind == CF_BROKEN)
		return false;
	while (open > 0) {
		switch (cf_next(y, &in)) {
		case CF_LIST:
		case CF_MAP:
			open++;
			break;
		case CF_END:
			open--;
			break;
		case CF_SCALAR:
			break;
		default:
			return false;
		}
	}
	return true;
}
