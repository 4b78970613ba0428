/*
 * The walk for programs: one object at the end. Its members are a promise: mta-xoauth2(8).
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "ctl/diagnose/walk.h"
#include "ctl/out.h"

static void string(const char *s)
{
	out_json(stdout, s, strlen(s));
}

static void member(const char *name, const char *value)
{
	printf(",\n\"%s\":", name);
	if (value != NULL)
		string(value);
	else
		fputs("null", stdout);
}

static void texts(const char *name, const struct dg_list *l)
{
	printf(",\n\"%s\":[", name);
	for (size_t k = 0; k < l->n; k++) {
		fputs(k > 0 ? ",\n" : "\n", stdout);
		string(l->i[k].text);
	}
	putchar(']');
}

static void words(const char *s)
{
	const char *comma = "";
	size_t n;

	putchar('[');
	for (s += strspn(s, " "); *s != '\0'; s += n, s += strspn(s, " ")) {
		n = strcspn(s, " ");
		fputs(comma, stdout);
		out_json(stdout, s, n);
		comma = ",";
	}
	putchar(']');
}

static void claims(const struct dg_list *l)
{
	fputs(",\n\"claims\":{", stdout);
	for (size_t k = 0; k < l->n; k++) {
		fputs(k > 0 ? "," : "", stdout);
		string(l->i[k].id);
		putchar(':');
		if (l->i[k].kind == DG_LIST)
			words(l->i[k].text);
		else if (l->i[k].kind == DG_NUMBER)
			fputs(l->i[k].text, stdout);
		else
			string(l->i[k].text);
	}
	putchar('}');
}

static void links(const struct dg_list *l)
{
	fputs(",\n\"links\":[", stdout);
	for (size_t k = 0; k < l->n; k++) {
		printf("%s\n{\"id\":\"%s\",\"part\":\"%s\",\"mark\":\"%s\",\"text\":", k > 0 ? "," : "", l->i[k].id,
		    l->i[k].name, dg_mark_name((enum dg_mark)l->i[k].kind));
		string(l->i[k].text);
		putchar('}');
	}
	putchar(']');
}

void dg_json(const struct dg_walk *w)
{
	fputs("{\"format\":1,\n\"account\":", stdout);
	string(w->account);
	printf(",\n\"verdict\":\"%s\"", w->broken ? "broken" : "healthy");
	member("code", w->broken ? w->code : NULL);
	member("class", w->broken ? mx_class_info(w->cls)->name : NULL);
	member("cause", w->broken ? w->cause : NULL);
	member("fix", w->broken ? w->fix : NULL);
	printf(",\n\"exit\":%d", w->broken ? w->exit : CTL_FINE);
	links(&w->links);
	claims(&w->claims);
	texts("evidence", &w->evidence);
	texts("unknown", &w->unknown);
	fputs("\n}\n", stdout);
}
