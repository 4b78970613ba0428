/*
 * The state machine. A table says where an event leads; 0 (ES_BUG) is a transition nobody thought of:
 * it is noted, counted, and the client starts over from EMPTY.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "engine/private.h"

#define JUMP_MS 5000		/* clocks that part by more than this within a tick have jumped */

enum engine_event {
	EV_ASK,			/* a request is started, for an asker or after a hold */
	EV_DUE,			/* a request is started, in the background */
	EV_OK, EV_FAIL,		/* it ended; no token is left */
	EV_KEEP,		/* it failed; the token at hand lives on */
	EV_END,			/* the token can be used no more */
	EV_REJECT,		/* a mail server refused the token */
	EV_DROP,		/* an administrator's FLUSH */
	EV_RECALL,		/* an earlier process' token has been found */
	EV_N
};

/* token at hand: FRESH REFRESH WAIT; request under way: FIRST REFRESH; hold in force: WAIT HOLD */
static const uint8_t next_state[ES_N][EV_N] = {
	[ES_EMPTY]   = { [EV_ASK] = ES_FIRST, [EV_DROP] = ES_EMPTY, [EV_RECALL] = ES_FRESH },
	[ES_FIRST]   = { [EV_OK] = ES_FRESH, [EV_FAIL] = ES_HOLD, [EV_KEEP] = ES_WAIT, [EV_END] = ES_FIRST,
	                 [EV_DROP] = ES_FIRST },
	[ES_FRESH]   = { [EV_ASK] = ES_REFRESH, [EV_DUE] = ES_REFRESH, [EV_END] = ES_EMPTY,
	                 [EV_REJECT] = ES_FIRST, [EV_DROP] = ES_EMPTY },
	[ES_REFRESH] = { [EV_OK] = ES_FRESH, [EV_FAIL] = ES_HOLD, [EV_KEEP] = ES_WAIT, [EV_END] = ES_FIRST,
	                 [EV_REJECT] = ES_FIRST, [EV_DROP] = ES_FIRST },
	[ES_WAIT]    = { [EV_ASK] = ES_REFRESH, [EV_DUE] = ES_REFRESH, [EV_END] = ES_HOLD,
	                 [EV_REJECT] = ES_HOLD, [EV_DROP] = ES_EMPTY },
	[ES_HOLD]    = { [EV_ASK] = ES_FIRST, [EV_DUE] = ES_FIRST, [EV_END] = ES_HOLD, [EV_DROP] = ES_EMPTY },
};

const char *engine_state_name(enum engine_state s)
{
	static const char *const names[ES_N] = {
		"bug", "empty", "first", "fresh", "refresh", "wait", "hold"
	};

	return (unsigned)s < ES_N ? names[s] : names[ES_BUG];
}

static void note(struct engine_client *c, enum engine_note n, const struct mx_err *err, uint64_t in_ms)
{
	if (c->e->ops.note != NULL)
		c->e->ops.note(c->e->ops.ctx, c, n, err, in_ms);
}

static void go(struct engine_client *c, enum engine_event ev)
{
	enum engine_state to = (enum engine_state)next_state[c->st][ev];

	if (to == ES_BUG) {
		note(c, EN_BUG, NULL, (uint64_t)c->st << 8 | (uint64_t)ev);
		to = c->in_flight ? ES_FIRST : ES_EMPTY;
	}
	c->st = to;
}

void engine_forget_failure(struct engine_client *c)
{
	if (c->err != NULL) {
		free(c->past);
		c->past = c->err;
		c->err = NULL;
	}
	c->temp_fails = c->perm_fails = 0;
	c->perm = false;
	c->hold_until = 0;
}

void engine_schedule(struct engine_client *c, uint64_t due)
{
	if (!heap_set(&c->e->timers, &c->timer, due))
		note(c, EN_BUG, NULL, 0);	/* no memory: askers still start requests themselves */
}

void engine_rearm(struct engine *e)
{
	struct heap_node *x = heap_first(&e->timers);
	uint64_t in = ENGINE_TICK_MAX_MS;

	if (x == NULL)
		return;
	if (x->due <= e->boot)
		in = 0;
	else if (x->due - e->boot < in)
		in = x->due - e->boot;
	e->ops.timer(e->ops.ctx, in);
}

static void fill(struct engine_client *c, struct engine_answer *a)
{
	int64_t left = engine_left_ms(c);

	*a = (struct engine_answer){ .token = &c->token, .id = c->id,
	    .expires_in_s = left > 0 ? (uint32_t)(left / 1000) : 0 };
}

static void unlink_waiter(struct engine_waiter *w)
{
	struct engine_client *c = w->client;

	*w->prev = w->next;
	if (w->next != NULL)
		w->next->prev = w->prev;
	else
		c->last = w->prev;
	w->client = NULL;
	c->nwait--;
}

static void enqueue(struct engine_client *c, struct engine_waiter *w)
{
	w->client = c;
	w->next = NULL;
	w->prev = c->last;
	*c->last = w;
	c->last = &w->next;
	c->nwait++;
}

/* Answers those that wait now; an asker that comes back from inside its callback waits anew. */
void engine_answer_all(struct engine_client *c, const struct engine_answer *a)
{
	size_t n = c->nwait;

	while (n-- > 0 && c->first != NULL) {
		struct engine_waiter *w = c->first;

		unlink_waiter(w);
		w->done(w, a);
	}
}

static void count_answers(struct engine_client *c, size_t n)
{
	c->answers += n;
	if (c->parent != NULL)
		c->parent->answers += n;
}

static void answer_with_token(struct engine_client *c)
{
	struct engine_answer a;

	count_answers(c, c->nwait);
	fill(c, &a);
	engine_answer_all(c, &a);
}

/* Records a failure; the hold begins now. */
static void fail(struct engine_client *c, const struct engine_result *r)
{
	uint64_t hold;

	c->failures++;
	c->permanents += r->permanent;
	c->perm = r->permanent;
	c->perm_fails = r->permanent ? c->perm_fails + 1 : 0;
	c->temp_fails = r->permanent ? 0 : c->temp_fails + 1;
	c->failed_at = c->e->boot;
	if (c->err == NULL) {
		c->err = c->past != NULL ? c->past : malloc(sizeof *c->err);
		c->past = NULL;
	}
	if (c->err != NULL)
		*c->err = *r->err;
	if (c->suspect && r->permanent)
		engine_drop_token(c);	/* refused by both sides: the provider's reason is the better answer */
	hold = engine_hold_ms(c, r);
	c->hold_until = c->e->boot + hold;
	note(c, EN_FAILED, r->err, hold);
	if (engine_alive(c)) {
		c->suspect = false;
		go(c, EV_KEEP);
	} else {
		engine_drop_token(c);
		go(c, EV_FAIL);
	}
	engine_sub_failed(c, r->err, r->permanent);
	engine_schedule(c, c->hold_until);
}

static void start(struct engine_client *c, enum engine_event ev)
{
	struct engine_result r = { .retry_after_s = -1 };
	struct mx_err err;

	c->sent = false;
	c->fetches++;
	if (c->parent != NULL)
		c->parent->fetches++;
	go(c, ev);
	engine_unplan(c);
	heap_remove(&c->e->timers, &c->timer);
	c->in_flight = true;
	c->sent_boot = c->e->boot;
	c->sent_wall = c->e->wall;
	c->fetch = c->e->ops.fetch(c->e->ops.ctx, c, engine_params(c)->client, ev == EV_ASK || c->nwait > 0);
	if (c->fetch != NULL)
		return;
	c->in_flight = false;
	mx_fail(&err, MX_TEMP, "no-memory", "client \"%s\": no memory for a token request", engine_called(c));
	r.err = &err;
	fail(c, &r);		/* askers stay: the retry is near */
}

void engine_sent(struct engine_client *c)
{
	engine_now(c->e);
	c->sent = true;
	c->sent_boot = c->e->boot;
	c->sent_wall = c->e->wall;
}

void engine_kick(struct engine_client *c)
{
	if (c->nwait > 0 && !c->in_flight)
		start(c, EV_ASK);
}

static void urge(struct engine_client *c, bool urgent)
{
	if (c->fetch != NULL && !c->sent && c->e->ops.urge != NULL)
		c->e->ops.urge(c->e->ops.ctx, c->fetch, urgent);
}

bool engine_want(struct engine_client *c, struct engine_waiter *w, struct engine_answer *a)
{
	struct engine *e = c->e;

	engine_now(e);
	c->asked_at = e->boot;
	if (engine_servable(c)) {
		count_answers(c, 1);
		fill(c, a);
		return true;
	}
	if (!c->in_flight) {
		if (c->st == ES_WAIT && !engine_alive(c)) {
			engine_drop_token(c);
			go(c, EV_END);
		}
		if (c->st == ES_WAIT || c->st == ES_HOLD) {
			bool far = c->hold_until > e->boot + ENGINE_PATIENCE_MS;

			if (c->hold_until > e->boot && (c->perm || far) && c->err != NULL) {
				*a = (struct engine_answer){ .err = c->err };
				return true;
			}
			if (c->hold_until <= e->boot)
				start(c, EV_ASK);
			else
				engine_schedule(c, c->hold_until);
		} else {
			start(c, EV_ASK);
		}
		engine_rearm(e);
	} else if (c->nwait == 0) {
		urge(c, true);
	}
	enqueue(c, w);
	return false;
}

/* They ask anew: the heir may have a token already, or a reason not to ask for one. */
void engine_move_waiters(struct engine_client *from, struct engine_client *to)
{
	size_t n = from->nwait;

	while (n-- > 0 && from->first != NULL) {
		struct engine_waiter *w = from->first;
		struct engine_answer a;

		unlink_waiter(w);
		if (engine_want(to, w, &a))
			w->done(w, &a);
	}
}

void engine_cancel(struct engine_waiter *w)
{
	struct engine_client *c = w->client;

	if (c == NULL)
		return;
	unlink_waiter(w);
	if (c->nwait == 0)
		urge(c, false);
}

void engine_give_up(struct engine_waiter *w, struct engine_answer *a)
{
	static struct mx_err slow;	/* valid until the next call: like every answer */
	struct engine_client *c = w->client;

	*a = (struct engine_answer){ .err = &slow };
	if (c == NULL) {
		mx_fail(&slow, MX_TEMP, "not-waiting", "this asker is not waiting for a token");
		return;
	}
	unlink_waiter(w);
	if (c->nwait == 0)
		urge(c, false);
	engine_now(c->e);
	if (engine_alive(c) && !c->suspect)
		fill(c, a);
	else if (c->err != NULL)
		a->err = c->err;
	else if (c->in_flight && !c->sent && c->e->ops.urge != NULL)
		mx_fail(&slow, MX_TEMP, "provider-queue", "client \"%s\": so many token requests are under way to this "
		    "identity provider that this client's still waits its turn; it is asked as soon as one ends",
		    engine_called(c));
	else
		mx_fail(&slow, MX_TEMP, "provider-slow", "client \"%s\": the identity provider has not answered "
		    "within the time the mail server can wait; the daemon goes on asking", engine_called(c));
}

static void success(struct engine_client *c, const struct engine_result *r)
{
	bool same = c->token.p != NULL && mx_secret_equal(&c->token, r->token);
	bool refused = strcmp(r->id, c->rejected_id) == 0;
	struct mx_err err;
	struct engine_result bad = { .err = &err, .permanent = true, .retry_after_s = -1 };

	if (strlen(r->id) < sizeof c->id)
		memcpy(c->id, r->id, strlen(r->id) + 1);
	c->got_boot = c->sent_boot;
	c->got_wall = c->sent_wall;
	c->life_s = r->expires_in_s;
	c->refresh_in_s = r->refresh_in_s;
	c->suspect = false;
	engine_token_set(c, r->token);
	if (engine_params(c)->stale_until_s == 0 && !engine_alive(c)) {
		mx_fail(&err, MX_PROVIDER, "token-too-short", "client \"%s\": the identity provider's tokens live %u "
		    "s, but the mail server wants at least %u s left; raise the token lifetime or lower min_remaining",
		    engine_called(c), (unsigned)r->expires_in_s, (unsigned)engine_params(c)->min_remaining_s);
		fail(c, &bad);
		return;
	}
	if (engine_left_ms(c) <= 0) {
		mx_fail(&err, MX_TEMP, "token-too-late", "client \"%s\": the identity provider took longer to answer "
		    "than its tokens live (%u s); is one of the two clocks wrong, or the way there very slow?",
		    engine_called(c), (unsigned)r->expires_in_s);
		bad.permanent = false;
		fail(c, &bad);
		return;
	}
	engine_forget_failure(c);
	c->oks++;
	c->ok_at = c->e->boot;
	engine_sub_ok(c);
	go(c, EV_OK);
	engine_schedule(c, engine_refresh_due(c, same));
	note(c, refused ? EN_SAME_TOKEN : EN_GOT, NULL, c->timer.due - c->e->boot);
}

void engine_fetched(struct engine_client *c, const struct engine_result *r)
{
	struct engine *e = c->e;
	struct engine_answer a = { 0 };

	engine_now(e);
	c->in_flight = false;
	c->fetch = NULL;
	if (r->token != NULL && r->token->p != NULL)
		success(c, r);
	else
		fail(c, r);
	if (c->st == ES_FRESH || c->st == ES_WAIT) {
		answer_with_token(c);
	} else if (c->perm || c->hold_until > e->boot + ENGINE_PATIENCE_MS) {
		a.err = c->err != NULL ? c->err : r->err;
		engine_answer_all(c, &a);
	} else if (c->st == ES_EMPTY) {		/* after EN_BUG: nobody may be left waiting */
		engine_drop_token(c);
		engine_kick(c);
	}
	engine_rearm(e);
}

/* An earlier process' token goes on as if it had been fetched here. */
bool engine_recall(struct engine_client *c)
{
	if (!engine_token_recall(c))
		return false;
	c->asked_at = c->e->boot;
	go(c, EV_RECALL);
	engine_schedule(c, engine_refresh_due(c, false));
	return true;
}

static void act(struct engine_client *c)
{
	bool idle = c->e->boot - c->asked_at > ENGINE_IDLE_MS && c->nwait == 0;

	if (c->in_flight || engine_retired(c))
		return;
	if (c->parent != NULL && idle) {
		engine_sub_drop(c);
		return;
	}
	engine_unplan(c);
	if (c->st == ES_WAIT && !engine_alive(c)) {
		engine_drop_token(c);
		go(c, EV_END);
	}
	if (c->st == ES_FRESH && idle) {
		if (engine_left_ms(c) > 0) {
			engine_schedule(c, c->e->boot + (uint64_t)engine_left_ms(c));
		} else {
			engine_drop_token(c);
			go(c, EV_END);
		}
	} else if (c->st == ES_FRESH || (c->st == ES_WAIT && !idle) || (c->st == ES_HOLD && c->nwait > 0)) {
		start(c, EV_DUE);
	}
	if (c->parent != NULL && !c->in_flight && c->timer.place == 0)
		engine_sub_rest(c);
}

/* Returns whether its refresh comes sooner now. */
static bool sooner(struct engine_client *c)
{
	uint64_t was = c->timer.due, due;

	if (c->st != ES_FRESH || c->timer.place == 0 || !engine_older_by_wall(c))
		return false;
	due = engine_refresh_due(c, false);
	engine_schedule(c, due < was ? due : was);
	return due < was;
}

/* A clock has jumped: tokens may be older than their timers believe. */
static void jumped(struct engine *e)
{
	size_t i, n = 0;

	for (i = 0; i < e->cur.n; i++)
		n += sooner(e->cur.v[i]);
	for (i = 0; i < e->sub.places; i++)
		n += e->sub.v[i] != NULL && sooner(e->sub.v[i]);
	if (e->ops.note != NULL)
		e->ops.note(e->ops.ctx, NULL, EN_JUMP, NULL, n);
}

void engine_tick(struct engine *e)
{
	struct heap_node *x;
	int64_t offset, moved;

	engine_now(e);
	offset = (int64_t)(e->wall - e->boot);
	moved = offset - e->offset;
	if (e->offset_known && (moved > JUMP_MS || moved < -JUMP_MS))
		jumped(e);
	e->offset = offset;
	e->offset_known = true;
	while ((x = heap_first(&e->timers)) != NULL && x->due <= e->boot) {
		heap_remove(&e->timers, x);
		act((struct engine_client *)(void *)x);
	}
	engine_rearm(e);
}

bool engine_rejected(struct engine_client *c, const char *id)
{
	struct engine *e = c->e;
	bool holding;

	engine_now(e);
	holding = c->hold_until > e->boot;
	c->rejections++;
	if (c->parent != NULL)
		c->parent->rejections++;
	if (c->token.p == NULL || c->suspect || (id != NULL && strcmp(id, c->id) != 0) ||
	    strcmp(c->rejected_id, c->id) == 0 ||
	    (c->rejected_at != 0 && e->boot - c->rejected_at < ENGINE_REJECT_MS)) {
		note(c, EN_REJECT_IGNORED, NULL, 0);
		return false;
	}
	c->rejected_at = e->boot == 0 ? 1 : e->boot;
	memcpy(c->rejected_id, c->id, sizeof c->id);
	note(c, EN_REJECTED, NULL, 0);
	c->suspect = true;
	engine_token_mark(c);
	if (c->st == ES_WAIT && !holding)
		start(c, EV_ASK);
	else if (c->st == ES_WAIT) {
		engine_drop_token(c);
		go(c, EV_REJECT);
	} else if (c->in_flight)
		go(c, EV_REJECT);
	else
		start(c, EV_REJECT);
	engine_rearm(e);
	return true;
}

void engine_retry(struct engine_client *c)
{
	engine_now(c->e);
	if (!c->perm || c->in_flight || (c->st != ES_HOLD && c->st != ES_WAIT))
		return;
	start(c, EV_ASK);
	engine_rearm(c->e);
}

void engine_flush(struct engine_client *c)
{
	engine_now(c->e);
	engine_drop_token(c);
	engine_forget_failure(c);
	c->rejected_at = 0;
	c->rejected_id[0] = '\0';
	if (!c->in_flight) {
		engine_unplan(c);
		heap_remove(&c->e->timers, &c->timer);
	}
	go(c, EV_DROP);
	engine_kick(c);
	if (c->parent != NULL && !c->in_flight && c->timer.place == 0)
		engine_sub_rest(c);
	engine_rearm(c->e);
}
