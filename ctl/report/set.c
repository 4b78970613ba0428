/*
 * A set of numbers that are hashes already: open addressing, half full at most.
 */
#include "config.h"

#include <stdlib.h>

#include "common/buf.h"
#include "ctl/report/set.h"

/* Where h is, or the free slot for it. 0 marks a free one, so that 0 itself is kept as 1. */
static size_t slot_of(const struct rp_set *set, uint64_t h)
{
	size_t i = (size_t)(h ^ h >> 32) & (set->cap - 1);

	while (set->slot[i] != 0 && set->slot[i] != h)
		i = (i + 1) & (set->cap - 1);
	return i;
}

static bool grow(struct rp_set *set)
{
	struct rp_set more = { .cap = set->cap == 0 ? 256 : set->cap * 2, .n = set->n };

	if ((more.slot = calloc(more.cap, sizeof *more.slot)) == NULL)
		return false;
	for (size_t i = 0; i < set->cap; i++)
		if (set->slot[i] != 0)
			more.slot[slot_of(&more, set->slot[i])] = set->slot[i];
	rp_set_free(set);
	*set = more;
	return true;
}

bool rp_set_add(struct rp_set *set, uint64_t h, bool *is_new)
{
	size_t i;

	*is_new = false;
	if (set->n * 2 >= set->cap && !grow(set))
		return false;
	h = h == 0 ? 1 : h;
	i = slot_of(set, h);
	*is_new = set->slot[i] == 0;
	set->n += *is_new;
	set->slot[i] = h;
	return true;
}

bool rp_set_has(const struct rp_set *set, uint64_t h)
{
	h = h == 0 ? 1 : h;
	return set->n > 0 && set->slot[slot_of(set, h)] == h;
}

void rp_set_free(struct rp_set *set)
{
	if (set->slot != NULL)
		mx_wipe(set->slot, set->cap * sizeof *set->slot);
	free(set->slot);
	*set = (struct rp_set){ 0 };
}
