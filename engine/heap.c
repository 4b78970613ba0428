#include "config.h"

#include <stdlib.h>

#include "engine/heap.h"

static void put(struct heap *h, size_t i, struct heap_node *x)
{
	h->v[i] = x;
	x->place = i;
}

static void up(struct heap *h, size_t i)
{
	struct heap_node *x = h->v[i];

	for (; i > 1 && h->v[i / 2]->due > x->due; i /= 2)
		put(h, i, h->v[i / 2]);
	put(h, i, x);
}

static void down(struct heap *h, size_t i)
{
	struct heap_node *x = h->v[i];
	size_t k;

	for (; (k = 2 * i) <= h->n; i = k) {
		if (k < h->n && h->v[k + 1]->due < h->v[k]->due)
			k++;
		if (h->v[k]->due >= x->due)
			break;
		put(h, i, h->v[k]);
	}
	put(h, i, x);
}

bool heap_set(struct heap *h, struct heap_node *x, uint64_t due)
{
	if (x->place == 0) {
		if (h->n + 1 >= h->cap) {
			size_t cap = h->cap == 0 ? 16 : h->cap * 2;
			struct heap_node **v = realloc(h->v, cap * sizeof *v);

			if (v == NULL)
				return false;
			h->v = v;
			h->cap = cap;
		}
		put(h, ++h->n, x);
	}
	x->due = due;
	up(h, x->place);
	down(h, x->place);
	return true;
}

void heap_remove(struct heap *h, struct heap_node *x)
{
	size_t i = x->place;
	struct heap_node *last;

	if (i == 0)
		return;
	x->place = 0;
	last = h->v[h->n--];
	if (last == x)
		return;
	put(h, i, last);
	up(h, i);
	down(h, last->place);
}

struct heap_node *heap_first(const struct heap *h)
{
	return h->n == 0 ? NULL : h->v[1];
}

void heap_free(struct heap *h)
{
	free(h->v);
	*h = (struct heap){ 0 };
}
