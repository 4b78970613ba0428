/*
 * Inside of the token engine: shared by engine*.c and by nobody else.
 */
#ifndef MX_TOKEND_ENGINE_PRIVATE_H
#define MX_TOKEND_ENGINE_PRIVATE_H

#include "tokend/engine.h"
#include "tokend/heap.h"

#define ENGINE_ID_MAX 33		/* bytes of a token id, NUL included */

struct engine_client {
	struct heap_node timer;		/* first member: the heap hands back this address */
	struct engine *e;
	char *name;
	struct engine_params p, pending;	/* pending: taken at the commit of a reload */
	bool kept;			/* put again in the reload under way */

	enum engine_state st;
	struct mx_secret token;		/* empty: none */
	char id[ENGINE_ID_MAX];
	uint64_t got_boot, got_wall;	/* when the request for it was SENT */
	uint32_t life_s, refresh_in_s;
	bool suspect;			/* a mail server refused it: used only if nothing better can be had */

	bool in_flight;
	void *fetch;			/* ops' handle while in flight */
	uint64_t sent_boot, sent_wall;
	unsigned temp_fails, perm_fails;	/* in a row */
	uint64_t hold_until, failed_at;
	bool perm;			/* the last failure was permanent */
	struct mx_err *err;		/* last failure since the last success */

	char rejected_id[ENGINE_ID_MAX];	/* last one that was dropped for a mail server */
	uint64_t rejected_at;		/* 0: never */
	uint64_t asked_at;

	struct engine_waiter *first;
	struct engine_waiter **last;
	size_t nwait;
	uint64_t fetches, failures, answers, rejections;
};

/* Clients by name, in the order of putting. */
struct engine_set { struct engine_client **v; size_t n, cap; uint32_t *slot; size_t nslots; };

struct engine {
	struct engine_ops ops;
	struct engine_set cur, next;
	struct heap timers;
	uint64_t boot, wall;		/* as last read */
	int64_t offset;			/* wall - boot, as last seen by a tick */
	bool offset_known;
};

/* engine_time.c: ages, margins and when to act. Pure but for ops->now and ops->random. */
void engine_now(struct engine *e);
int64_t engine_left_ms(const struct engine_client *c);		/* of the token; by the worse of both clocks */
bool engine_servable(const struct engine_client *c);
bool engine_alive(const struct engine_client *c);		/* servable in an outage */
uint64_t engine_refresh_due(struct engine_client *c, bool same_token);
uint64_t engine_hold_ms(struct engine_client *c, const struct engine_result *r);

/* engine_set.c */
struct engine_client *engine_set_find(const struct engine_set *s, const char *name);
bool engine_set_add(struct engine_set *s, struct engine_client *c);
void engine_set_free(struct engine_set *s);

/* engine.c */
void engine_drop_token(struct engine_client *c);
void engine_client_free(struct engine_client *c);
void engine_rearm(struct engine *e);
void engine_move_waiters(struct engine_client *from, struct engine_client *to);
void engine_answer_all(struct engine_client *c, const struct engine_answer *a);
void engine_kick(struct engine_client *c);	/* starts a request if one is wanted and none is under way */

#endif
