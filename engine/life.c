/*
 * Birth, death and inspection of the engine and its clients.
 */
#include "config.h"

#include <stdlib.h>

#include "engine/private.h"

struct engine *engine_new(const struct engine_ops *ops)
{
	struct engine *e = calloc(1, sizeof *e);

	if (e != NULL) {
		e->ops = *ops;
		e->sub.most = ENGINE_SUBS_MAX;
		engine_now(e);
	}
	return e;
}

void engine_client_free(struct engine_client *c)
{
	if (c->e->ops.note != NULL)
		c->e->ops.note(c->e->ops.ctx, c, EN_GONE, NULL, 0);
	if (c->in_flight)
		c->e->ops.cancel(c->e->ops.ctx, c->fetch);
	engine_unplan(c);
	heap_remove(&c->e->timers, &c->timer);
	if (c->parent != NULL)
		engine_sub_unlink(c);
	if (c->kept == NULL)
		mx_secret_free(&c->token);
	free(c->err);
	free(c->past);
	free(c->name);
	free(c);
}

void engine_free(struct engine *e)
{
	struct mx_err err;
	struct engine_answer a = { .err = &err };
	size_t i;

	if (e == NULL)
		return;
	engine_abort(e);
	while (engine_settle(e, 1000))
		;
	mx_fail(&err, MX_TEMP, "shutting-down", "the token daemon is being stopped; try again");
	for (i = 0; i < e->sub.places; i++) {
		if (e->sub.v[i] == NULL)
			continue;
		engine_answer_all(e->sub.v[i], &a);
		engine_client_free(e->sub.v[i]);
	}
	engine_sub_free(e);
	for (i = 0; i < e->cur.n; i++) {
		engine_answer_all(e->cur.v[i], &a);
		engine_client_free(e->cur.v[i]);
	}
	engine_set_free(&e->cur);
	heap_free(&e->timers);
	free(e->plan);
	free(e);
}

struct engine_client *engine_find(struct engine *e, const char *name)
{
	return engine_set_find(&e->cur, name);
}

void *engine_client_of(struct engine_client *c)
{
	return engine_params(c)->client;
}

const char *engine_client_name(const struct engine_client *c)
{
	return c->name;
}

void **engine_client_side(struct engine_client *c)
{
	return &c->side;
}

void engine_each(struct engine *e, void (*fn)(void *arg, struct engine_client *c), void *arg)
{
	size_t i;

	for (i = 0; i < e->cur.n; i++)
		fn(arg, e->cur.v[i]);
}

size_t engine_count(const struct engine *e)
{
	return e->cur.n;
}

struct engine_client *engine_at(struct engine *e, size_t i)
{
	return e->cur.v[i];
}

uint64_t engine_epoch(const struct engine *e)
{
	return e->epoch;
}

void engine_status(struct engine_client *c, struct engine_status *s)
{
	uint64_t now;

	engine_now(c->e);
	now = c->e->boot;
	*s = (struct engine_status){
		.name = c->name, .state = c->st,
		.permanent = c->perm && !c->in_flight && (c->st == ES_HOLD || c->st == ES_WAIT), .err = c->err,
		.waiting = c->nwait,
		.fetches = c->fetches, .failures = c->failures, .answers = c->answers,
		.rejections = c->rejections, .oks = c->oks, .permanents = c->permanents, .past = c->past,
		.margin_ms = engine_margin_ms(c), .ever_ok = c->oks > 0 || c->token.p != NULL,
	};
	if (s->ever_ok)
		s->ok_ago_ms = now - (c->oks > 0 ? c->ok_at : c->got_boot);
	if (c->token.p != NULL) {
		s->token_id = c->id;
		s->expires_in_ms = engine_left_ms(c);
	}
	if (c->st == ES_HOLD || c->st == ES_WAIT)
		s->next_in_ms = c->hold_until > now ? c->hold_until - now : 0;
	else if (c->timer.place != 0)
		s->next_in_ms = c->timer.due > now ? c->timer.due - now : 0;
	if (c->err != NULL || c->past != NULL)
		s->failed_ago_ms = now - c->failed_at;
}
