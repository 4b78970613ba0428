#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalogue/catalogue.h"
#include "catalogue/paste.h"
#include "common/text.h"
#include "ctl/diagnose/mta.h"
#include "ctl/diagnose/provider.h"
#include "ctl/diagnose/server.h"
#include "ctl/diagnose/walk.h"
#include "ctl/out.h"

#define FILLED_MAX 16384	/* bytes of a cause or a fix */
#define VALUES_MAX 48
#define SECRET_MIN 8		/* shorter ones are no secrets */

/* What must never be printed, whatever it was found in. */
static void mask(char *text, const struct mx_secret *s)
{
	size_t n = strlen(text);
	char *at;

	if (s->p == NULL || s->len < SECRET_MIN)
		return;
	while ((at = memmem(text, n, s->p, s->len)) != NULL) {
		memcpy(at, "***", 3);
		memmove(at + 3, at + s->len, n - (size_t)(at - text) - s->len + 1);
		n -= s->len - 3;
	}
}

static char *compose(struct dg_walk *w, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

static char *compose(struct dg_walk *w, const char *fmt, va_list ap)
{
	char *text;

	if (vasprintf(&text, fmt, ap) == -1) {
		w->no_memory = true;
		return NULL;
	}
	mask(text, &w->token);
	mask(text, &w->response);
	return text;
}

/* Takes text over. */
static struct dg_item *add(struct dg_walk *w, struct dg_list *l, const char *id, char *text, int kind)
{
	struct dg_item *more;

	if (text == NULL)
		return NULL;
	if (l->n == l->cap) {
		if ((more = reallocarray(l->i, l->cap * 2 + 16, sizeof *more)) == NULL) {
			free(text);
			w->no_memory = true;
			return NULL;
		}
		l->i = more;
		l->cap = l->cap * 2 + 16;
	}
	l->i[l->n] = (struct dg_item){ .id = id, .text = text, .kind = kind };
	return &l->i[l->n++];
}

static void list_free(struct dg_list *l)
{
	for (size_t k = 0; k < l->n; k++)
		free(l->i[k].text);
	free(l->i);
	*l = (struct dg_list){ 0 };
}

static void say(struct dg_walk *w, enum dg_mark mark, char *text)
{
	struct dg_item *i;

	if (w->said) {
		free(text);
		return;
	}
	w->said = true;
	if ((i = add(w, &w->links, w->link->id, text, (int)mark)) == NULL)
		return;
	i->name = dg_part_name(w->link->part);
	if (!w->call->json)
		dg_show_link(w, i);
}

#define SAY(mark) do { \
		va_list ap; \
		char *text; \
		va_start(ap, fmt); \
		text = compose(w, fmt, ap); \
		va_end(ap); \
		say(w, (mark), text); \
	} while (0)

void dg_ok(struct dg_walk *w, const char *fmt, ...)
{
	SAY(DG_OK);
}

void dg_note(struct dg_walk *w, const char *fmt, ...)
{
	SAY(DG_NOTE);
}

void dg_skip(struct dg_walk *w, const char *fmt, ...)
{
	SAY(DG_SKIP);
}

/* A text of the catalogue with its words put in; owned. */
char *dg_filled(struct dg_walk *w, const char *text)
{
	struct cat_value v[VALUES_MAX];
	char *room = malloc(FILLED_MAX), *out = NULL;
	struct mx_buf b;
	size_t n = 0;

	for (size_t k = 0; k < w->values.n && n < VALUES_MAX; k++)
		v[n++] = (struct cat_value){ w->values.i[k].id, w->values.i[k].text };
	if (room != NULL) {
		mx_buf_init(&b, room, FILLED_MAX);
		if (cat_fill(&b, text, v, n) && mx_buf_str(&b) != NULL)
			out = strdup(room);
		else
			out = strdup(text);
	}
	free(room);
	if (out == NULL)
		w->no_memory = true;
	else
		mask(out, &w->token);
	return out;
}

int dg_exit(const char *where, enum mx_class cls, const char *code)
{
	static const char *const unreachable[] = { "socket-unreachable", "daemon-not-running", "socket-forbidden", "daemon-timeout",
		"daemon-no-answer", "malformed-reply", NULL };

	for (size_t i = 0; unreachable[i] != NULL; i++)
		if (strcmp(code, unreachable[i]) == 0)
			return CTL_UNREACHABLE;
	if (strcmp(where, "mta") == 0)
		return CTL_FOUND;
	if (cls != MX_TEMP && cls != MX_BUSY && strcmp(where, "server") == 0)
		return CTL_SERVER;
	return mx_class_info(cls)->exit_code;
}

/* The lines to paste come behind the sentence. */
void dg_explain(struct dg_walk *w, const char *cause, const char *fix)
{
	const char *lines = cat_paste_find(w->code);
	char *both = NULL;

	if (lines != NULL && strncmp(lines, "postconf ", 9) == 0 && !dg_postfix_aim(w, lines))
		lines = NULL;
	free(w->cause);
	free(w->fix);
	w->cause = cause != NULL ? dg_filled(w, cause) : NULL;
	if (asprintf(&both, "%s%s%s", fix != NULL ? fix : "", lines != NULL ? "\n" : "", lines != NULL ? lines : "") == -1) {
		w->no_memory = true;
		both = NULL;
	}
	w->fix = both != NULL ? dg_filled(w, both) : NULL;
	free(both);
}

/* cls: of an error; MX_OK: the row's. text: taken over. */
/* Takes text over. What has been said is not said again. */
static void evidence(struct dg_walk *w, char *text)
{
	for (size_t i = 0; text != NULL && i < w->evidence.n; i++)
		if (strstr(w->evidence.i[i].text, text) != NULL) {
			free(text);
			return;
		}
	(void)add(w, &w->evidence, "", text, 0);
}

static void broken(struct dg_walk *w, const char *code, enum mx_class cls, char *text)
{
	const struct cat_row *row = cat_find(code);

	if (w->said) {
		free(text);
		return;
	}
	w->broken = true;
	evidence(w, text != NULL ? strdup(text) : NULL);
	w->cls = cls != MX_OK ? cls : row != NULL ? row->cls : MX_CONFIG;
	(void)snprintf(w->code, sizeof w->code, "%s", code);
	w->exit = dg_exit(row != NULL ? row->where : "", w->cls, code);
	dg_explain(w, row != NULL ? row->cause : NULL, row != NULL ? row->fix : NULL);
	if (row == NULL)
		w->cause = strdup(text != NULL ? text : "");
	say(w, DG_BROKEN, text);
}

void dg_broken(struct dg_walk *w, const char *code, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = compose(w, fmt, ap);
	va_end(ap);
	broken(w, code, MX_OK, text);
}

void dg_broken_err(struct dg_walk *w, const struct mx_err *e)
{
	char *text = strdup(e->text);

	if (text == NULL) {
		w->no_memory = true;
	} else {
		mask(text, &w->token);
		mask(text, &w->response);
	}
	broken(w, e->code, e->cls, text);
}

void dg_evidence(struct dg_walk *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	evidence(w, compose(w, fmt, ap));
	va_end(ap);
}

void dg_unknown(struct dg_walk *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)add(w, &w->unknown, "", compose(w, fmt, ap), 0);
	va_end(ap);
}

void dg_value(struct dg_walk *w, const char *name, const char *value)
{
	char *copy = value != NULL ? strdup(value) : NULL;

	if (value != NULL && copy == NULL)
		w->no_memory = true;
	for (size_t k = 0; k < w->values.n; k++) {
		if (strcmp(w->values.i[k].id, name) == 0) {
			free(w->values.i[k].text);
			w->values.i[k].text = copy;
			return;
		}
	}
	(void)add(w, &w->values, name, copy, 0);
}

void dg_claim(struct dg_walk *w, const char *name, enum dg_claim_kind kind, const char *value)
{
	char *copy = strdup(value);

	if (copy == NULL)
		w->no_memory = true;
	(void)add(w, &w->claims, name, copy, (int)kind);
}

int dg_run(struct dg_walk *w, const struct dg_link *links)
{
	if (!w->call->json)
		dg_show_begin(w);
	for (w->link = links; w->link->id != NULL && !w->broken && !w->no_memory; w->link++) {
		w->said = false;
		if (!w->call->json)
			dg_show_start(w);
		w->link->run(w);
		if (!w->said)
			dg_skip(w, "not looked at");
	}
	if (w->no_memory)
		return out_failed(ENOMEM);
	if (w->call->json)
		dg_json(w);
	else
		dg_show_end(w);
	return w->broken ? w->exit : CTL_FINE;
}

void dg_free(struct dg_walk *w)
{
	dg_server_free(w);
	dg_mta_free(w);
	dg_provider_free(w);
	list_free(&w->links);
	list_free(&w->evidence);
	list_free(&w->unknown);
	list_free(&w->claims);
	list_free(&w->values);
	mx_secret_free(&w->token);
	mx_secret_free(&w->response);
	free(w->cause);
	free(w->fix);
	free(w->relay);
	conf_free(w->conf);
	*w = (struct dg_walk){ 0 };
}

const char *dg_mark_name(enum dg_mark m)
{
	static const char *const names[] = { "ok", "note", "skip", "broken" };

	return names[m];
}

const char *dg_part_name(enum dg_part p)
{
	static const char *const names[] = { "here", "provider", "token", "server" };

	return names[p];
}
