#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/out.h"
#include "ctl/setup/block.h"

#define MARK "# mta-xoauth2: "
#define END MARK "end\n"

/* The line of text that is this one; NULL: none. */
static const char *line_in(const char *text, const char *line, size_t n)
{
	for (; *text != '\0'; text += strcspn(text, "\n"), text += *text == '\n')
		if (strncmp(text, line, n) == 0 && (text[n] == '\n' || text[n] == '\0'))
			return text;
	return NULL;
}

/* The next block at or behind *s: its first byte, and behind its last one. Moves *s on. false: none. */
static bool next_block(const char **s, const char **from, const char **to)
{
	for (const char *p = *s; *p != '\0'; p += strcspn(p, "\n"), p += *p == '\n') {
		if (strncmp(p, MARK, strlen(MARK)) != 0 || strncmp(p, END, strlen(END)) == 0)
			continue;
		if ((*to = line_in(p, END, strlen(END) - 1)) == NULL)
			return false;
		*from = p;
		*s = *to += strlen(END);
		return true;
	}
	return false;
}

/* The block of text that begins with the same line. false: none. */
static bool same_block(const char *text, const char *from, const char **at, const char **end)
{
	const char *s;

	if ((*at = line_in(text, from, strcspn(from, "\n"))) == NULL)
		return false;
	s = *at;
	return next_block(&s, at, end);
}

bool su_block_made(const struct su_change *c, const struct su_file *now, char **p)
{
	const char *s = c->after.there ? c->after.p : "", *from, *to, *at, *end;
	char *text, *more;
	size_t n, head;

	*p = NULL;
	if (!now->there || strlen(now->p) != now->n)
		return true;
	if ((text = strdup(now->p)) == NULL)
		return false;
	while (next_block(&s, &from, &to)) {
		if (!same_block(text, from, &at, &end))
			continue;
		n = (size_t)(to - from);
		head = (size_t)(at - text);
		if ((more = malloc(head + n + strlen(end) + 1)) == NULL) {
			free(text);
			return false;
		}
		memcpy(more, text, head);
		memcpy(more + head, from, n);
		memcpy(more + head + n, end, strlen(end) + 1);
		free(text);
		text = more;
	}
	if (strcmp(text, now->p) == 0)
		free(text);
	else
		*p = text;
	return true;
}

static void tell(const char *path, const char *made, const char *p, const char *end)
{
	for (; p < end; p += strcspn(p, "\n") + 1) {
		size_t n = strcspn(p, "\n");

		if (n == 0 || line_in(made, p, n) != NULL)
			continue;
		printf("goes with it, though it was edited since: ");
		out_text(stdout, path, strlen(path));
		printf(": ");
		out_text(stdout, p, n);
		putchar('\n');
	}
}

void su_block_tell(const struct su_set *set, const struct su_set *undo)
{
	const struct su_change *c;
	const char *s, *from, *to;

	for (size_t i = 0; i < set->n; i++) {
		if (set->c[i].kind != SU_BLOCK || (c = su_set_find(undo, set->c[i].path)) == NULL || !c->before.there)
			continue;
		for (s = c->before.p; next_block(&s, &from, &to);)
			tell(c->path, set->c[i].after.p, from, to);
	}
}
