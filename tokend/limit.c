#include "config.h"

#include "tokend/limit.h"

bool limit_left(const struct limit *l, unsigned burst, unsigned step_ms, uint64_t now_ms)
{
	return l->full_at <= now_ms || l->full_at - now_ms <= (uint64_t)(burst - 1) * step_ms;
}

bool limit_take(struct limit *l, unsigned burst, unsigned step_ms, uint64_t now_ms)
{
	if (!limit_left(l, burst, step_ms, now_ms))
		return false;
	l->full_at = (l->full_at > now_ms ? l->full_at : now_ms) + step_ms;
	return true;
}
