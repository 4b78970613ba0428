#include "config.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "settings/suggest.h"

#define LONGEST 64	/* bytes; longer words get no suggestion */

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	if (b < a)
		a = b;
	return c < a ? c : a;
}

/* Distance of a and b (at most LONGEST bytes each), or limit when it is not below limit. */
static unsigned distance(const char *a, size_t na, const char *b, size_t nb, unsigned limit)
{
	unsigned row[3][LONGEST + 1], *before = row[0], *last = row[1], *now = row[2];

	for (size_t j = 0; j <= nb; j++)
		last[j] = (unsigned)j;
	for (size_t i = 1; i <= na; i++) {
		unsigned low = now[0] = (unsigned)i;

		for (size_t j = 1; j <= nb; j++) {
			const int x = tolower((unsigned char)a[i - 1]),
				  y = tolower((unsigned char)b[j - 1]);

			now[j] = least(last[j] + 1, now[j - 1] + 1, last[j - 1] + (x != y));
			if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) &&
			    y == tolower((unsigned char)a[i - 2]))
				now[j] = least(now[j], before[j - 2] + 1, now[j]);
			if (now[j] < low)
				low = now[j];
		}
		if (low >= limit)
			return limit;
		unsigned *t = before;
		before = last, last = now, now = t;
	}
	return last[nb];
}

void cf_near_begin(struct cf_near *q, const char *want, size_t n)
{
	const unsigned third = (unsigned)(n / 3);

	*q = (struct cf_near){ want, n, NULL,
		n > LONGEST     ? 0
		    : n < 4     ? 2
		    : third > 2 ? third + 1
				: 3 };
}

void cf_near_try(struct cf_near *q, const char *candidate)
{
	const size_t n = strlen(candidate), gap = n > q->n ? n - q->n : q->n - n;
	unsigned d;

	if (n > LONGEST || gap >= q->distance)
		return;
	if ((d = distance(q->want, q->n, candidate, n, q->distance)) < q->distance)
		q->distance = d, q->best = candidate;
}

const char *cf_near_text(char *out, size_t cap, const struct cf_near *q)
{
	if (q->best == NULL)
		out[0] = '\0';
	else
		(void)snprintf(out, cap, "; did you mean \"%s\"?", q->best);
	return out;
}
