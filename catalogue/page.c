/*
 * Makes mta-xoauth2-errors(7) of its template and the catalogue: "errors-page TEMPLATE" prints the page, "errors-page
 * --codes" one line for each code, for tests/scripts/codes.sh: code, class, other class or "-", place.
 */
#include "config.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalogue/catalogue.h"
#include "catalogue/refusal.h"
#include "catalogue/smtp.h"

#define TEXT_MAX 1024
#define LINE_MAX_ 66		/* bytes, before they are escaped */
#define ROWS_MAX 1024

/* What programs do with each class; who asks on the wire: doc/protocol.md. */
static const char *const meanings[MX_CLASS_N] = {
	[MX_TEMP] = "Try again later: nothing needs mending here, unless it lasts.",
	[MX_PROVIDER] = "The identity provider, or the mail server, refuses until somebody mends it there. The daemon asks again "
	    "after 60 s, then after 5 min, then every 15 min, and at once when a file of the client or the configuration changes.",
	[MX_CONFIG] = "This host's configuration is wrong or lacks something.",
	[MX_DENIED] = "The policy of tokend.conf(5) does not grant it. The asker hears no more; the daemon's log has the reason.",
	[MX_BUSY] = "A limit of the daemon is reached.",
	[MX_BAD_REQUEST] = "A request, or an answer, breaks the protocol.",
};

static const char *const steps[CAT_END] = { "connection", "EHLO", "STARTTLS", "login", "MAIL", "RCPT", "DATA" };

/* One character of ours as roff, NULL: as it is. Commands are to be pasted from the page. */
static const char *roff(char c)
{
	static const struct { char c; const char *roff; } special[] = {
		{ '\\', "\\e" }, { '-', "\\-" }, { '\'', "\\(aq" }, { '`', "\\(ga" }, { '^', "\\(ha" }, { '~', "\\(ti" }, { '"', "\\(dq" },
	};

	for (size_t i = 0; i < sizeof special / sizeof special[0]; i++)
		if (special[i].c == c)
			return special[i].roff;
	return NULL;
}

static void put(char c)
{
	if (roff(c) != NULL)
		(void)fputs(roff(c), stdout);
	else
		(void)putchar(c);
}

/* Prose may be hyphenated; names and commands, which somebody pastes, may not. */
static bool is_name(const char *w, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strchr("_-/=$@", w[i]) != NULL || (i > 0 && w[i] >= 'A' && w[i] <= 'Z'))
			return true;
	return false;
}

/* Of the source, which mandoc's lint looks at. */
static size_t width(const char *w, size_t n)
{
	size_t sum = is_name(w, n) ? 2 : 0;

	for (size_t i = 0; i < n; i++)
		sum += roff(w[i]) != NULL ? strlen(roff(w[i])) : 1;
	return sum;
}

static void put_word(const char *w, size_t n)
{
	if (*w == '.')			/* at a line's beginning it would be a request */
		(void)fputs("\\&", stdout);
	if (is_name(w, n))
		(void)fputs("\\%", stdout);
	for (size_t i = 0; i < n; i++)
		put(w[i]);
}

/*
 * Text of ours: with the names of its placeholders, in lines that are not too long, each sentence in a line of its own.
 */
static void flow(const char *before, const char *s, const char *behind)
{
	char filled[TEXT_MAX];
	size_t col = 0, n;
	struct mx_buf b;

	mx_buf_init(&b, filled, sizeof filled);
	mx_buf_adds(&b, before);
	(void)cat_fill(&b, s, NULL, 0);
	mx_buf_adds(&b, behind);
	if (mx_buf_str(&b) == NULL)
		exit(1);
	for (const char *p = filled; *p != '\0'; p += n, p += strspn(p, " ")) {
		n = strcspn(p, " ");
		if (col > 0 && col + 1 + width(p, n) > LINE_MAX_) {
			(void)putchar('\n');
			col = 0;
		}
		if (col > 0)
			(void)putchar(' ');
		put_word(p, n);
		col += (col > 0) + width(p, n);
		if (strchr(".?!", p[n - 1]) != NULL) {
			(void)putchar('\n');
			col = 0;
		}
	}
	if (col > 0)
		(void)putchar('\n');
}

/* A sentence of the catalogue, which has neither a capital nor a full stop. Names and commands stay as they are. */
static void sentence(const char *s)
{
	char first[2] = { *s, '\0' };

	if (*s >= 'a' && *s <= 'z' && strcspn(s, "_-0123456789/") >= strcspn(s, " "))
		first[0] = (char)(*s - 'a' + 'A');
	if (*s == '{')
		first[0] = '\0';		/* a placeholder */
	flow(first, s + (*s != '{'), s[strlen(s) - 1] == '?' ? "" : ".");
}

static void fix(const char *label, const char *s)
{
	(void)puts(".br");
	flow(label, s, "");		/* no full stop: it could be pasted with the command */
}

static void cause_and_fix(const char *cause, const char *what)
{
	sentence(cause);
	fix("Fix: ", what);
}

static int by_code(const void *a, const void *b)
{
	const struct cat_row *const *x = a, *const *y = b;

	return strcmp((*x)->code, (*y)->code);
}

static size_t sorted(const struct cat_row **out)
{
	size_t n = 0;

	while (n < ROWS_MAX && cat_at(n) != NULL) {
		out[n] = cat_at(n);
		n++;
	}
	qsort(out, n, sizeof *out, by_code);
	return n;
}

static void classes(void)
{
	for (int i = MX_OK + 1; i < MX_CLASS_N; i++) {
		const struct mx_class_info *c = mx_class_info((enum mx_class)i);

		(void)printf(".It Cm %s\n", c->name);
		flow("", meanings[i], "");
		(void)printf("The plugin returns SASL result %d, and Postfix defers the message.\n", c->sasl);
		(void)printf("Exim %s.\n", c->exim);
		(void)printf(".Xr mta-xoauth2 8\nexits with %d.\n", c->exit_code);
	}
}

static void places(void)
{
	const struct cat_place *p;

	for (size_t i = 0; (p = cat_place_at(i)) != NULL; i++) {
		(void)printf(".It Cm %s\n", p->name);
		flow("", p->what, "");
	}
}

static void codes(void)
{
	const struct cat_row *rows[ROWS_MAX];
	size_t n = sorted(rows);

	for (size_t i = 0; i < n; i++) {
		const struct cat_row *r = rows[i];

		(void)printf(".It Cm %s", r->code);
		(void)printf(" Pq %s", mx_class_info(r->cls)->name);
		if (r->also != MX_OK)
			(void)printf(" or %s", mx_class_info(r->also)->name);
		(void)printf("; %s\n", r->where);
		cause_and_fix(r->cause, r->fix);
	}
}

static int by_number(const void *a, const void *b)
{
	const struct cat_refusal *x = a, *y = b;

	return (x->aadsts > y->aadsts) - (x->aadsts < y->aadsts);
}

static void aadsts(void)
{
	struct cat_refusal rows[ROWS_MAX], r;
	size_t n = 0;

	for (size_t i = 0; n < ROWS_MAX && cat_refusal_at(i, &r); i++)
		if (r.aadsts != 0)
			rows[n++] = r;
	qsort(rows, n, sizeof rows[0], by_number);
	for (size_t i = 0; i < n; i++) {
		(void)printf(".It Cm %lu Pq %s\n", (unsigned long)rows[i].aadsts, rows[i].code);
		cause_and_fix(rows[i].cause, rows[i].fix);
	}
}

static void errors(void)
{
	struct cat_refusal r;

	for (size_t i = 0; cat_refusal_at(i, &r); i++) {
		if (r.aadsts != 0)
			continue;
		if (r.error != NULL)
			(void)printf(".It Cm %s", r.error);
		else
			(void)fputs(".It anything else", stdout);
		if (r.said != NULL) {
			(void)printf(" Dq %s Pq %s\n", r.said, r.code);
		} else {
			(void)printf(" Pq %s\n", r.code);
		}
		cause_and_fix(r.cause, r.fix);
	}
}

static void smtp(void)
{
	const struct cat_smtp *r;

	for (size_t i = 0; (r = cat_smtp_at(i)) != NULL; i++) {
		const char *sep = "";

		(void)printf(".It %s", strcmp(r->reply, "xxx") == 0 ? "any reply" : r->reply);
		if (r->enhanced != NULL)
			for (const char *p = r->enhanced; *p != '\0'; p++)
				(void)printf(p == r->enhanced ? " %c" : *p == ' ' ? " or" : p[-1] == ' ' ? " %c" : "%c", *p);
		if (r->words != NULL) {
			const char *p = r->words;

			(void)fputs(" with ", stdout);
			while (*p != '\0') {
				size_t n = strcspn(p, "|");

				(void)printf("%s\\(lq", sep);
				for (size_t k = 0; k < n; k++)
					put(p[k]);
				(void)fputs("\\(rq", stdout);
				sep = " or ";
				p += p[n] == '\0' ? n : n + 1;
			}
		}
		(void)putchar('\n');
		sep = "At ";
		if (r->steps == (1u << CAT_END) - 1) {
			(void)fputs("At any step", stdout);
		} else {
			for (int s = 0; s < CAT_END; s++)
				if ((r->steps & 1u << s) != 0) {
					(void)printf("%s%s", sep, steps[s]);
					sep = ", ";
				}
		}
		(void)printf(":\n.Cm %s .\n", r->code);
	}
}

static void checks(void)
{
	const struct cat_check *c;

	for (size_t i = 0; (c = cat_check_at(i)) != NULL; i++) {
		(void)puts(".It");
		sentence(c->what);
		fix("Else: ", cat_get(c->code)->fix);
		(void)printf(".Pq Cm %s\n", c->code);
	}
}

static const struct { const char *mark; void (*print)(void); } parts[] = {
	{ "@classes@\n", classes }, { "@places@\n", places }, { "@codes@\n", codes }, { "@aadsts@\n", aadsts }, { "@errors@\n", errors },
	{ "@smtp@\n", smtp }, { "@checks@\n", checks },
};

static int page(const char *name)
{
	FILE *f = fopen(name, "r");
	char line[TEXT_MAX];
	bool done;

	if (f == NULL) {
		perror(name);
		return 1;
	}
	while (fgets(line, sizeof line, f) != NULL) {
		done = false;
		for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
			if (strcmp(line, parts[i].mark) == 0) {
				parts[i].print();
				done = true;
			}
		if (!done)
			(void)fputs(line, stdout);
	}
	(void)fclose(f);
	return fflush(stdout) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	const struct cat_row *r;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: errors-page --codes | TEMPLATE\n");
		return 2;
	}
	if (strcmp(argv[1], "--codes") != 0)
		return page(argv[1]);
	for (size_t i = 0; (r = cat_at(i)) != NULL; i++)
		(void)printf("%s %s %s %s\n", r->code, mx_class_info(r->cls)->name,
		    r->also != MX_OK ? mx_class_info(r->also)->name : "-", r->where);
	return fflush(stdout) == 0 ? 0 : 1;
}
