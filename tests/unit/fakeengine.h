/*
 * A token engine on a fake clock with a fake transport: hours pass in milliseconds, every request counts.
 */
#ifndef MX_TESTS_FAKEENGINE_H
#define MX_TESTS_FAKEENGINE_H

#include "engine/engine.h"

struct fake {
	struct engine *e;
	uint64_t boot, wall;		/* the two clocks */
	uint64_t timer_at;		/* absolute; UINT64_MAX: not armed */
	uint32_t rnd;			/* what ops->random gives */
	struct engine_client *in_flight;	/* of the last request that was started and has not ended */
	unsigned started, cancelled;
	bool refuse_to_start;
	unsigned notes[EN_BUG + 1];
	struct store *store;		/* a test's own; see fake_init_with() */
	bool no_room;			/* ops->keep finds none */
	uint32_t (*rnd_fn)(void *ctx);	/* NULL: rnd */
	bool answer_at_once;		/* requests are gathered for fake_answer_all() */
	struct engine_client **todo;
	size_t ntodo, cap_todo;
	void *(*keep)(void *, const char *, uint64_t, const struct engine_saved *, const void *, size_t,
	    unsigned char **);
};

struct asker {
	struct engine_waiter w;		/* first member */
	bool answered;
	char token[32], id[40], code[MX_CODE_MAX];	/* token "" when it was an error */
	uint32_t expires_in_s;
};

void fake_init(struct fake *f);		/* boot = 1 h, wall = some day in 2026, random 0 */
/* The same with an outside place for tokens. */
void fake_init_with(struct fake *f,
    void *(*keep)(void *, const char *, uint64_t, const struct engine_saved *, const void *, size_t, unsigned char **),
    void *(*recall)(void *, const char *, uint64_t, struct engine_saved *, unsigned char **, size_t *),
    void (*forget)(void *, void *));
void fake_done(struct fake *f);

/* One client with the given margins (seconds), put and committed beside those already there. */
struct engine_client *fake_client(struct fake *f, const char *name, uint32_t min_remaining, uint32_t stale_until);

/* Lets time pass on both clocks, ticking the engine whenever its timer is due. */
void fake_pass(struct fake *f, uint64_t ms);

bool fake_ask(struct engine_client *c, struct asker *a);	/* true: answered at once */
void fake_give_up(struct asker *a);

/* Ends the request under way. */
void fake_ok(struct fake *f, const char *token, uint32_t expires_in_s, uint32_t refresh_in_s);
void fake_answer_all(struct fake *f);	/* every request that was started, with a token of an hour */
void fake_fail(struct fake *f, const char *code, bool permanent, int32_t retry_after_s);

#endif
