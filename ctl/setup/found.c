#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/out.h"
#include "ctl/setup/found.h"

static const char *const shown[] = { [SU_GOOD] = "ok   ", [SU_ODD] = "look ", [SU_WRONG] = "wrong" };
static const char *const word[] = { [SU_GOOD] = "ok", [SU_ODD] = "look", [SU_WRONG] = "wrong" };

void su_find(struct su_found *all, enum su_mark mark, const char *key, const char *fmt, ...)
{
	struct su_finding *more;
	va_list ap;
	char *text;
	int n;

	if (mark > all->worst)
		all->worst = mark;
	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n == -1) {
		all->no_memory = true;
		return;
	}
	if (all->n == all->cap) {
		if ((more = reallocarray(all->f, all->cap * 2 + 16, sizeof *more)) == NULL) {
			free(text);
			all->no_memory = true;
			return;
		}
		all->f = more;
		all->cap = all->cap * 2 + 16;
	}
	all->f[all->n++] = (struct su_finding){ mark, key, text };
}

void su_found_show(const struct su_found *all, enum su_mark from)
{
	for (size_t i = 0; i < all->n; i++) {
		if (all->f[i].mark < from)
			continue;
		printf("%s  %-10s ", shown[all->f[i].mark], all->f[i].key);
		out_text(stdout, all->f[i].text, strlen(all->f[i].text));
		putchar('\n');
	}
}

void su_found_json(const struct su_found *all, const char *what, const char *where)
{
	printf("{\"format\":1,\"health\":\"%s\",", word[all->worst]);
	printf("\"mail_server\":\"%s\",\"instance\":", what);
	out_json(stdout, where, strlen(where));
	fputs(",\"findings\":[", stdout);
	for (size_t i = 0; i < all->n; i++) {
		printf("%s\n{\"mark\":\"%s\",\"key\":\"%s\",\"text\":", i > 0 ? "," : "", word[all->f[i].mark],
		    all->f[i].key);
		out_json(stdout, all->f[i].text, strlen(all->f[i].text));
		putchar('}');
	}
	puts("\n]}");
}

void su_found_free(struct su_found *all)
{
	for (size_t i = 0; i < all->n; i++)
		free(all->f[i].text);
	free(all->f);
	*all = (struct su_found){ 0 };
}
