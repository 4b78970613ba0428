/*
 * The walk for people: a line for each link as soon as it is done, and at the end cause, fix and what speaks for them.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/diagnose/walk.h"
#include "ctl/out.h"

static const char *const titles[DG_PART_N] = {
	[DG_HERE] = "on this host", [DG_PROVIDER] = "to the identity provider", [DG_TOKEN] = "the token",
	[DG_SERVER] = "to the mail server",
};

void dg_show_begin(const struct dg_walk *w)
{
	fputs("account ", stdout);
	out_text(stdout, w->account, strlen(w->account));
	putchar('\n');
	(void)fflush(stdout);
}

void dg_show_start(const struct dg_walk *w)
{
	static const struct dg_link *before;

	if (before == NULL || w->links.n == 0 || before->part != w->link->part)
		printf("\n%s\n", titles[w->link->part]);
	before = w->link;
	if (isatty(STDOUT_FILENO) == 1)		/* what takes long is named while it does */
		printf("  ...     %s\r", w->link->name);
	(void)fflush(stdout);
}

void dg_show_link(const struct dg_walk *w, const struct dg_item *i)
{
	printf("  %-6s  %-15s ", dg_mark_name((enum dg_mark)i->kind), w->link->name);
	out_text(stdout, i->text, strlen(i->text));
	putchar('\n');
	(void)fflush(stdout);
}

/* Line by line, each with two blanks in front: to be pasted as it is. */
static void block(const char *title, const char *text)
{
	size_t n;

	printf("\n%s:\n", title);
	for (; *text != '\0'; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		fputs("  ", stdout);
		out_text(stdout, text, n);
		putchar('\n');
	}
}

static void list(const char *title, const struct dg_list *l)
{
	if (l->n > 0)
		printf("\n%s:\n", title);
	for (size_t k = 0; k < l->n; k++) {
		fputs("  - ", stdout);
		out_text(stdout, l->i[k].text, strlen(l->i[k].text));
		putchar('\n');
	}
}

static void claims(const struct dg_list *l)
{
	if (l->n > 0)
		puts("\nclaims:");
	for (size_t k = 0; k < l->n; k++) {
		fputs("  ", stdout);
		out_text(stdout, l->i[k].id, strlen(l->i[k].id));
		fputs("  ", stdout);
		for (size_t n = out_width(l->i[k].id, strlen(l->i[k].id)); n < 8; n++)
			putchar(' ');
		out_text(stdout, l->i[k].text, strlen(l->i[k].text));
		putchar('\n');
	}
}

void dg_show_end(const struct dg_walk *w)
{
	size_t skipped = 0;

	for (size_t k = 0; k < w->links.n; k++)
		skipped += w->links.i[k].kind == DG_SKIP;
	claims(&w->claims);
	if (w->broken) {
		block("cause", w->cause);
		printf("  [%s]\n", w->code);
		if (*w->fix != '\0')
			block("fix", w->fix);
	}
	list("evidence", &w->evidence);
	list("cannot be told from here", &w->unknown);
	if (!w->broken) {
		fputs("\nhealthy: nothing is broken for ", stdout);
		out_text(stdout, w->account, strlen(w->account));
		if (skipped > 0)
			printf(" (not looked at: %zu of %zu)", skipped, w->links.n);
		putchar('\n');
	}
}
