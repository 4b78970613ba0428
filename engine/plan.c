/*
 * Planned refreshes are counted by second. As long as few meet, each gets a time by chance within its usual window.
 * Where many would meet (a large host that started cold fetched all its tokens within a minute) the emptiest of some
 * seconds in a wider window is taken.
 */
#include "config.h"

#include <stdlib.h>

#include "engine/private.h"

#define TRIES 16

static size_t second(uint64_t ms)
{
	return (size_t)(ms / 1000) & (ENGINE_PLAN_S - 1);
}

static uint64_t within(struct engine *e, struct span s)
{
	return s.hi - e->ops.random(e->ops.ctx) % (s.hi - s.lo + 1);
}

void engine_unplan(struct engine_client *c)
{
	if (c->planned != 0 && c->e->plan != NULL && c->e->plan[c->planned - 1] > 0)
		c->e->plan[c->planned - 1]--;
	c->planned = 0;
}

/* What a second may hold before the next looks around: half more than if all were spread over the whole time. */
static uint64_t fair(const struct engine *e, uint64_t from, uint64_t to)
{
	uint64_t s = to > from ? (to - from) / 1000 + 1 : 1;

	return 1 + (e->cur.n + e->sub.n) * 3 / 2 / s;
}

uint64_t engine_plan(struct engine_client *c, struct span usual, struct span wide)
{
	struct engine *e = c->e;
	uint64_t best = within(e, usual), at;
	int i;

	engine_unplan(c);
	if (e->plan == NULL && (e->plan = calloc(ENGINE_PLAN_S, sizeof *e->plan)) == NULL)
		return best;
	if (e->plan[second(best)] >= fair(e, e->boot, wide.hi)) {
		for (i = 0; i < TRIES; i++) {
			at = within(e, wide);
			if (e->plan[second(at)] < e->plan[second(best)])
				best = at;
		}
	}
	if (e->plan[second(best)] < UINT16_MAX) {
		e->plan[second(best)]++;
		c->planned = (uint32_t)second(best) + 1;
	}
	return best;
}
