#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/out.h"
#include "ctl/setup/lines.h"

#define TABLE_MAX ((size_t)16 << 20)	/* cells; beyond that all that differs is one hunk */
#define AROUND 3			/* lines shown before and after a change */

struct lines { const char **at; size_t n; const char *end; };	/* at[n] is end */

static bool split(const struct su_text *t, struct lines *l)
{
	const char *p = t->p != NULL ? t->p : "", *end = p + t->n;
	size_t n = 0;

	for (const char *s = p; s < end; s++)
		n += *s == '\n';
	*l = (struct lines){ .at = calloc(n + 2, sizeof *l->at), .end = end };
	if (l->at == NULL)
		return false;
	while (p < end) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));

		l->at[l->n++] = p;
		p = lf != NULL ? lf + 1 : end;
	}
	l->at[l->n] = end;
	return true;
}

static size_t length(const struct lines *l, size_t i)
{
	return (size_t)(l->at[i + 1] - l->at[i]);
}

static bool same(const struct lines *x, size_t i, const struct lines *y, size_t k)
{
	return length(x, i) == length(y, k) && memcmp(x->at[i], y->at[k], length(x, i)) == 0;
}

static bool add(struct su_diff *d, size_t *cap, size_t a, size_t b, bool from, bool to)
{
	struct su_hunk *last = d->n > 0 ? &d->h[d->n - 1] : NULL, *more;

	if (last == NULL || last->a + last->an != a || last->b + last->bn != b) {
		if (d->n == *cap) {
			*cap = *cap * 2 + 8;
			if ((more = reallocarray(d->h, *cap, sizeof *more)) == NULL)
				return false;
			d->h = more;
		}
		last = &d->h[d->n++];
		*last = (struct su_hunk){ a, 0, b, 0 };
	}
	last->an += from;
	last->bn += to;
	return true;
}

/* The longest common subsequence of what lies between the equal head and the equal tail. */
static bool walk(const struct lines *x, const struct lines *y, size_t head, size_t xn, size_t yn, struct su_diff *d)
{
	size_t cap = 0, i = 0, k = 0, w = yn + 1;
	bool table = (xn + 1) * w <= TABLE_MAX, ok = true;
	uint32_t *best = table ? calloc((xn + 1) * w, sizeof *best) : NULL;

	if (table && best == NULL)
		return false;
	for (i = xn; table && i-- > 0;)
		for (k = yn; k-- > 0;)
			best[i * w + k] = same(x, head + i, y, head + k) ? best[(i + 1) * w + k + 1] + 1 :
			    best[(i + 1) * w + k] >= best[i * w + k + 1] ? best[(i + 1) * w + k] : best[i * w + k + 1];
	for (i = k = 0; ok && (i < xn || k < yn);) {
		if (table && i < xn && k < yn && same(x, head + i, y, head + k)) {
			i++, k++;
		} else if (i < xn && (k == yn || !table || best[(i + 1) * w + k] >= best[i * w + k + 1])) {
			ok = add(d, &cap, head + i, head + k, true, false);
			i++;
		} else {
			ok = add(d, &cap, head + i, head + k, false, true);
			k++;
		}
	}
	free(best);
	return ok;
}

static bool compare(const struct lines *x, const struct lines *y, struct su_diff *d)
{
	size_t head = 0, tail = 0;

	*d = (struct su_diff){ 0 };
	while (head < x->n && head < y->n && same(x, head, y, head))
		head++;
	while (tail < x->n - head && tail < y->n - head && same(x, x->n - 1 - tail, y, y->n - 1 - tail))
		tail++;
	if (walk(x, y, head, x->n - head - tail, y->n - head - tail, d))
		return true;
	free(d->h);
	*d = (struct su_diff){ 0 };
	return false;
}

bool su_diff(const struct su_text *from, const struct su_text *to, struct su_diff *d)
{
	struct lines x, y = { 0 };
	bool ok = split(from, &x) && split(to, &y) && compare(&x, &y, d);

	free(x.at);
	free(y.at);
	return ok;
}

/* --- shown ------------------------------------------------------------------------------------ */

/* TABs are shown as they are: they belong to these files. */
static void text(FILE *f, const char *s, size_t n)
{
	while (n > 0) {
		const char *tab = memchr(s, '\t', n);
		size_t k = tab != NULL ? (size_t)(tab - s) : n;

		out_text(f, s, k);
		if (tab != NULL)
			fputc('\t', f);
		k += tab != NULL;
		s += k, n -= k;
	}
}

/* Where the password begins in a line of a map, which may be one that somebody took out by "#", or that only goes on. */
static const char *secret(const char *s, const char *end)
{
	const char *p = s;

	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	if (p > s)
		return p < end ? p : NULL;
	while (p < end && *p != ' ' && *p != '\t')	/* the key may have colons */
		p++;
	p = memchr(p, ':', (size_t)(end - p));
	return p != NULL ? p + 1 : NULL;
}

static void show_line(FILE *f, char mark, const struct lines *l, size_t i, bool mask)
{
	const char *s = l->at[i], *p, *end;
	size_t n = length(l, i);
	bool cut = n == 0 || s[n - 1] != '\n';

	n -= !cut;
	end = s + n;
	fputc(mark, f);
	p = mask ? secret(s, end) : NULL;
	text(f, s, p != NULL ? (size_t)(p - s) : n);
	fputs(p != NULL ? "***\n" : "\n", f);
	if (cut)
		fputs("\\ no newline at the end of the file\n", f);
}

static void range(FILE *f, char mark, size_t from, size_t n)
{
	fprintf(f, " %c%zu,%zu", mark, n == 0 ? from : from + 1, n);
}

static void show(FILE *f, const struct lines *x, const struct lines *y, const struct su_diff *d, bool mask)
{
	for (size_t i = 0, j; i < d->n; i = j) {
		const struct su_hunk *first = &d->h[i], *last;
		size_t before = first->a < AROUND ? first->a : AROUND, after, a;

		for (j = i + 1; j < d->n && d->h[j].a <= d->h[j - 1].a + d->h[j - 1].an + 2 * AROUND; j++)
			;
		last = &d->h[j - 1];
		after = x->n - (last->a + last->an) < AROUND ? x->n - (last->a + last->an) : AROUND;
		fputs("@@", f);
		range(f, '-', first->a - before, before + last->a + last->an - first->a + after);
		range(f, '+', first->b - before, before + last->b + last->bn - first->b + after);
		fputs(" @@\n", f);
		a = first->a - before;
		for (size_t k = i; k < j; k++) {
			for (; a < d->h[k].a; a++)
				show_line(f, ' ', x, a, mask);
			for (; a < d->h[k].a + d->h[k].an; a++)
				show_line(f, '-', x, a, mask);
			for (size_t b = d->h[k].b; b < d->h[k].b + d->h[k].bn; b++)
				show_line(f, '+', y, b, mask);
		}
		for (; after > 0; after--, a++)
			show_line(f, ' ', x, a, mask);
	}
}

bool su_diff_show(FILE *f, const char *path, const struct su_text *from, const struct su_text *to, bool mask)
{
	struct lines x, y = { 0 };
	struct su_diff d;
	bool ok = split(from, &x) && split(to, &y) && compare(&x, &y, &d);

	if (ok) {
		fputs("--- ", f);
		text(f, from->p != NULL ? path : "/dev/null", strlen(from->p != NULL ? path : "/dev/null"));
		fputs("\n+++ ", f);
		text(f, to->p != NULL ? path : "/dev/null", strlen(to->p != NULL ? path : "/dev/null"));
		fputc('\n', f);
		show(f, &x, &y, &d, mask);
		free(d.h);
	}
	free(x.at);
	free(y.at);
	return ok;
}

/* --- merged ----------------------------------------------------------------------------------- */

struct merge {
	struct lines base, mine, theirs;
	char *out;		/* room for all three texts */
	size_t len;
};

static void put(struct merge *m, const struct lines *l, size_t from, size_t n)
{
	size_t bytes = (size_t)(l->at[from + n] - l->at[from]);

	if (bytes > 0)
		memcpy(m->out + m->len, l->at[from], bytes);
	m->len += bytes;
}

static bool identical(const struct merge *m, const struct su_hunk *x, const struct su_hunk *y)
{
	if (x->a != y->a || x->an != y->an || x->bn != y->bn)
		return false;
	for (size_t i = 0; i < x->bn; i++)
		if (!same(&m->mine, x->b + i, &m->theirs, y->b + i))
			return false;
	return true;
}

/* Two insertions at one place have no order; one at the edge of a change has. */
static bool collide(const struct su_hunk *x, const struct su_hunk *y)
{
	if (x->an == 0 && y->an == 0)
		return x->a == y->a;
	if (x->an == 0 || y->an == 0) {
		const struct su_hunk *ins = x->an == 0 ? x : y, *other = x->an == 0 ? y : x;

		return ins->a > other->a && ins->a < other->a + other->an;
	}
	return x->a < y->a + y->an && y->a < x->a + x->an;
}

/* What they have put right behind our lines and begins with a blank continues these: it cannot stand without. */
static bool continues(const struct merge *m, const struct su_hunk *mine, const struct su_hunk *theirs)
{
	return theirs->bn > 0 && mine->an > 0 && theirs->a == mine->a + mine->an &&
	    (*m->theirs.at[theirs->b] == ' ' || *m->theirs.at[theirs->b] == '\t');
}

static bool merge(struct merge *m, const struct su_diff *x, const struct su_diff *y, size_t *at, size_t *n)
{
	size_t i = 0, k = 0, done = 0;

	for (;;) {
		const struct su_hunk *p = i < x->n ? &x->h[i] : NULL, *q = k < y->n ? &y->h[k] : NULL, *h;

		if (p == NULL && q == NULL)
			break;
		if (p != NULL && q != NULL && identical(m, p, q)) {
			k++;
		} else if (p != NULL && q != NULL && (collide(p, q) || continues(m, p, q))) {
			*at = q->b, *n = q->bn;
			return false;
		} else if (p == NULL || (q != NULL && (q->a < p->a || (q->a == p->a && q->an == 0)))) {
			put(m, &m->base, done, q->a - done);
			put(m, &m->theirs, q->b, q->bn);
			done = q->a + q->an;
			k++;
			continue;
		}
		h = p;
		put(m, &m->base, done, h->a - done);
		put(m, &m->mine, h->b, h->bn);
		done = h->a + h->an;
		i++;
	}
	put(m, &m->base, done, m->base.n - done);
	return true;
}

enum su_merge su_merge(const struct su_text *base, const struct su_text *mine, const struct su_text *theirs,
    char **out, size_t *len, size_t *at, size_t *n)
{
	struct merge m = { 0 };
	struct su_diff x = { 0 }, y = { 0 };
	enum su_merge r = SU_NO_MEMORY;

	*out = NULL;
	m.out = malloc(base->n + mine->n + theirs->n + 1);
	if (m.out == NULL || !split(base, &m.base) || !split(mine, &m.mine) || !split(theirs, &m.theirs) ||
	    !compare(&m.base, &m.mine, &x) || !compare(&m.base, &m.theirs, &y))
		goto out;
	r = merge(&m, &x, &y, at, n) ? SU_MERGED : SU_CONFLICT;
	if (r == SU_MERGED) {
		m.out[m.len] = '\0';
		*out = m.out, *len = m.len;
		m.out = NULL;
	}
out:
	free(m.out);
	free(m.base.at);
	free(m.mine.at);
	free(m.theirs.at);
	free(x.h);
	free(y.h);
	return r;
}
