/*
 * So much at once, then so much in a time: a token bucket in one number. No clock of its own.
 */
#ifndef MX_TOKEND_LIMIT_H
#define MX_TOKEND_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct limit { uint64_t full_at; };	/* all zero: nothing taken yet; later: the time by which all is there again */

/* burst: how many at once, at least 1; step_ms: one more each step_ms. now_ms: a clock that never goes back. */
bool limit_left(const struct limit *l, unsigned burst, unsigned step_ms, uint64_t now_ms);
bool limit_take(struct limit *l, unsigned burst, unsigned step_ms, uint64_t now_ms);	/* false: there was none */

#endif
