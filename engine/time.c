#include "config.h"

#include "engine/private.h"

void engine_now(struct engine *e)
{
	e->ops.now(e->ops.ctx, &e->boot, &e->wall);
}

/*
 * Suspend is counted by the boot clock, a paused virtual machine only by the wall clock: the greater age is
 * believed. A wall clock set forward wrongly thus costs one request, never a dead token.
 */
int64_t engine_left_ms(const struct engine_client *c)
{
	uint64_t boot = c->e->boot - c->got_boot;
	uint64_t wall = c->e->wall > c->got_wall ? c->e->wall - c->got_wall : 0;

	return (int64_t)c->life_s * 1000 - (int64_t)(boot > wall ? boot : wall);
}

bool engine_older_by_wall(const struct engine_client *c)
{
	return c->e->wall > c->got_wall && c->e->wall - c->got_wall > c->e->boot - c->got_boot + 1000;
}

/*
 * A provider whose tokens live shorter than twice the margin gets a margin of half that life: else none
 * could ever be used. Not where the mail server itself insists on it (stale_until 0: hve).
 */
static int64_t min_remaining_ms(const struct engine_client *c)
{
	int64_t want = (int64_t)engine_params(c)->min_remaining_s * 1000, half = (int64_t)c->life_s * 500;

	return want > half && engine_params(c)->stale_until_s != 0 ? half : want;
}

static int64_t stale_until_ms(const struct engine_client *c)
{
	int64_t want = (int64_t)engine_params(c)->stale_until_s * 1000, quarter = (int64_t)c->life_s * 250;

	return want > quarter ? quarter : want;
}

bool engine_alive(const struct engine_client *c)
{
	if (c->token.p == NULL)
		return false;
	if (engine_params(c)->stale_until_s == 0)
		return engine_left_ms(c) >= min_remaining_ms(c);
	return engine_left_ms(c) >= stale_until_ms(c);
}

int64_t engine_margin_ms(const struct engine_client *c)
{
	return c->temp_fails + c->perm_fails > 0 && engine_params(c)->stale_until_s != 0 ? stale_until_ms(c) : min_remaining_ms(c);
}

bool engine_servable(const struct engine_client *c)
{
	if (c->token.p == NULL || c->suspect)
		return false;
	if (c->temp_fails + c->perm_fails > 0)
		return engine_alive(c);
	return engine_left_ms(c) >= min_remaining_ms(c);
}

#define SOON_MS 500
#define LATE_MS 30000u		/* what is late is spread over so much, ... */
#define LATE_CROWD_MS 900000u	/* ... and over so much where very many are late at once */

static uint64_t not_before(uint64_t ms, uint64_t soonest)
{
	return ms > soonest ? ms : soonest;
}

/*
 * When to refresh: at refresh_in, else at half the life; up to a tenth earlier by chance, up to three quarters
 * where very many would meet. One that is late already (recalled after a long stop, or a clock has jumped) goes
 * soon, yet not all at once: while its token can still be used within half of that time, and a token that cannot
 * is fetched for whoever asks anyway.
 */
uint64_t engine_refresh_due(struct engine_client *c, bool same_token)
{
	uint64_t life = (uint64_t)c->life_s * 1000, base = life / 2, latest, hi, rest;
	uint64_t margin = (uint64_t)min_remaining_ms(c);
	uint64_t now = c->e->boot, soon = now + (same_token ? ENGINE_REJECT_MS : SOON_MS);
	int64_t left = engine_left_ms(c);
	uint64_t age = left > 0 ? life - (uint64_t)left : life;	/* by the clock that says more */
	uint64_t born = now > age ? now - age : 0;

	latest = life > margin ? life - margin : 0;
	if (c->refresh_in_s != 0)
		base = (uint64_t)c->refresh_in_s * 1000;
	if (same_token || base > latest)	/* the same again: not asked before it can differ */
		base = latest;
	hi = born + base;
	if (hi < soon) {
		rest = age < latest ? (latest - age) / 2 : LATE_CROWD_MS;
		return engine_plan(c, (struct span){ soon, soon + (rest < LATE_MS ? rest : LATE_MS) },
		    (struct span){ soon, soon + (rest < LATE_CROWD_MS ? rest : LATE_CROWD_MS) });
	}
	return engine_plan(c, (struct span){ not_before(hi - base / 10, soon), hi },
	    (struct span){ not_before(hi - base / 4 * 3, soon), hi });
}

uint64_t engine_hold_ms(struct engine_client *c, const struct engine_result *r)
{
	static const uint64_t steps[] = { 60000, 300000, 900000 };
	uint32_t rnd = c->e->ops.random(c->e->ops.ctx);
	uint64_t ms, quarter, asked;
	unsigned n;

	if (r->permanent) {
		n = c->perm_fails > 3 ? 3 : c->perm_fails;
		ms = steps[n == 0 ? 0 : n - 1];
	} else {
		n = c->temp_fails > 20 ? 20 : c->temp_fails;
		ms = (uint64_t)engine_params(c)->backoff_min_ms << (n == 0 ? 0 : n - 1);
		if (ms > engine_params(c)->backoff_max_ms)
			ms = engine_params(c)->backoff_max_ms;
		ms = ms / 2 + rnd % (ms / 2 + 1);
	}
	if (engine_alive(c)) {			/* a token is at stake: try while it lives */
		quarter = (uint64_t)engine_left_ms(c) / 4;
		if (ms > quarter)
			ms = quarter < 1000 ? 1000 : quarter;
	}
	if (r->retry_after_s >= 0) {		/* obeyed even then: capped at one hour */
		asked = (uint64_t)(r->retry_after_s > 3600 ? 3600 : r->retry_after_s) * 1000;
		if (ms < asked)
			ms = asked;
	}
	return ms;
}
