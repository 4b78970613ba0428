/*
 * Inside of the token engine: shared by the files of this folder but store.c, and by nobody else.
 */
#ifndef MX_ENGINE_PRIVATE_H
#define MX_ENGINE_PRIVATE_H

#include "engine/engine.h"
#include "engine/heap.h"

struct engine_client {
	struct heap_node timer;		/* first member: the heap hands back this address */
	struct engine *e;
	char *name;
	uint64_t epoch;			/* of the last set it was put into */
	struct engine_params p[2];	/* of even and odd epochs: a commit need not touch them */

	enum engine_state st;
	struct mx_secret token;		/* empty: none; with kept: only a view, never freed */
	void *kept;			/* ops->keep()'s */
	char id[ENGINE_ID_MAX];
	uint64_t got_boot, got_wall;	/* when the request for it was SENT */
	uint32_t life_s, refresh_in_s;
	bool suspect;			/* a mail server refused it: used only if nothing better can be had */

	bool in_flight, sent;		/* sent: it waits its turn no more */
	void *fetch;			/* ops' handle while in flight */
	uint64_t sent_boot, sent_wall;
	unsigned temp_fails, perm_fails;	/* in a row */
	uint64_t hold_until, failed_at;
	bool perm;			/* the last failure was permanent */
	struct mx_err *err;		/* last failure since the last success */
	struct mx_err *past;		/* the last one before it; err and past are never both there */
	uint64_t ok_at;			/* of the last success; with oks */

	char rejected_id[ENGINE_ID_MAX];	/* last one that was dropped for a mail server */
	uint64_t rejected_at;		/* 0: never */
	uint64_t asked_at;
	void *side;			/* the owner's own */

	/* sub.c. A parent counts for its sub-clients what they do, and knows the last success and failure. */
	struct engine_client *parent;	/* NULL: of the configuration */
	const char *subject;		/* within name */
	uint32_t place;			/* in e->sub */
	struct engine_client *chain;	/* the next in its bucket */
	struct engine_client *subs, *sub_next, **sub_prev;	/* a parent's; a sub-client's neighbours */

	struct engine_waiter *first;
	struct engine_waiter **last;
	size_t nwait;
	uint32_t planned;		/* plan.c: where its refresh is counted, from 1; 0: nowhere */
	uint64_t fetches, failures, answers, rejections;
	uint64_t oks, permanents;	/* fetches by result; failures - permanents: temporary */
};

/* Clients by name, in the order of putting. */
struct engine_set { struct engine_client **v; size_t n, cap; uint32_t *slot; size_t nslots; };

/* Sub-clients: by place, and hashed by parent and subject. */
struct engine_sub_table {
	struct engine_client **v, **bucket;
	size_t n, places, cap, nbuckets, most;	/* of them; places in use or free again; room; ... */
	size_t hole;			/* no place before it is free */
};

#define ENGINE_PLAN_S 8192		/* seconds; a power of two */

struct engine {
	struct engine_ops ops;
	uint64_t epoch, committed;	/* grows by one with each commit; when that was */
	struct engine_set cur, next, old;	/* old: being settled */
	size_t settled_old, settled_cur, settled_sub;
	struct engine_sub_table sub;
	uint16_t *plan;			/* planned refreshes by second, modulo ENGINE_PLAN_S; NULL: no memory */
	struct heap timers;
	uint64_t boot, wall;		/* as last read */
	int64_t offset;			/* wall - boot, as last seen by a tick */
	bool offset_known;
};

/* What it was configured with, in the set it is in (or was, until it is settled). */
static inline const struct engine_params *engine_params(const struct engine_client *c)
{
	if (c->parent != NULL)
		c = c->parent;
	return &c->p[(c->epoch < c->e->epoch ? c->epoch : c->e->epoch) & 1];
}

static inline bool engine_retired(const struct engine_client *c)
{
	return (c->parent != NULL ? c->parent : c)->epoch < c->e->epoch;
}

/* The name for texts: whoever asks for a mailbox puts that in front. */
static inline const char *engine_called(const struct engine_client *c)
{
	return c->parent != NULL ? c->parent->name : c->name;
}

/* time.c: ages, margins and when to act. Pure but for ops->now and ops->random. */
void engine_now(struct engine *e);
int64_t engine_left_ms(const struct engine_client *c);		/* of the token; by the worse of both clocks */
bool engine_older_by_wall(const struct engine_client *c);	/* than by the boot clock, by which timers go */
bool engine_servable(const struct engine_client *c);
bool engine_alive(const struct engine_client *c);		/* servable in an outage */
int64_t engine_margin_ms(const struct engine_client *c);	/* a token with less life is not handed out now */
uint64_t engine_refresh_due(struct engine_client *c, bool same_token);
uint64_t engine_hold_ms(struct engine_client *c, const struct engine_result *r);

/* plan.c: many refreshes are spread over the seconds. */
struct span { uint64_t lo, hi; };	/* of times, both included */

/* A time within usual; where that is crowded within wide. Counted. */
uint64_t engine_plan(struct engine_client *c, struct span usual, struct span wide);
void engine_unplan(struct engine_client *c);

/* keep.c: the token at hand, in private memory or where it outlives the process. */
void engine_token_set(struct engine_client *c, struct mx_secret *token);	/* moved from */
void engine_token_mark(struct engine_client *c);	/* what is known beside it has changed */
void engine_drop_token(struct engine_client *c);
bool engine_token_recall(struct engine_client *c);	/* false: nothing that can be used */

/* set.c */
void engine_gone(struct engine_client *old);	/* its askers hear client-removed */
struct engine_client *engine_set_find(const struct engine_set *s, const char *name);
bool engine_set_add(struct engine_set *s, struct engine_client *c);
void engine_set_free(struct engine_set *s);

struct engine_client *engine_client_new(struct engine *e, const char *name);

/* sub.c */
void engine_sub_drop(struct engine_client *c);		/* its token too; nobody waits for it */
bool engine_sub_retire(struct engine_client *old, struct engine_client *heir);	/* one of old's; false: none is left */
void engine_sub_unlink(struct engine_client *c);	/* it is about to be freed */
void engine_sub_rest(struct engine_client *c);		/* no timer is set: until it goes */
/* no-op without a parent */
void engine_sub_failed(struct engine_client *c, const struct mx_err *err, bool permanent);
void engine_sub_ok(struct engine_client *c);
void engine_sub_free(struct engine *e);

/* engine.c */
void engine_client_free(struct engine_client *c);
bool engine_recall(struct engine_client *c);	/* false: there was nothing that can be used */
void engine_forget_failure(struct engine_client *c);
void engine_schedule(struct engine_client *c, uint64_t due);
void engine_rearm(struct engine *e);
void engine_move_waiters(struct engine_client *from, struct engine_client *to);	/* or answers them at once */
void engine_answer_all(struct engine_client *c, const struct engine_answer *a);
void engine_kick(struct engine_client *c);	/* starts a request if one is wanted and none is under way */

#endif
