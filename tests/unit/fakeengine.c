#include "config.h"

#include <stdarg.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "fakeengine.h"

static void now(void *ctx, uint64_t *boot, uint64_t *wall)
{
	struct fake *f = ctx;

	*boot = f->boot;
	*wall = f->wall;
}

static uint32_t rnd(void *ctx)
{
	struct fake *f = ctx;

	return f->rnd_fn != NULL ? f->rnd_fn(f) : f->rnd;
}

static void *fetch(void *ctx, struct engine_client *c, void *client, bool urgent)
{
	struct fake *f = ctx;

	(void)client, (void)urgent;
	if (f->refuse_to_start)
		return NULL;
	f->started++;
	f->in_flight = c;
	if (f->answer_at_once) {
		if (f->ntodo == f->cap_todo) {
			f->cap_todo = f->cap_todo == 0 ? 64 : f->cap_todo * 2;
			f->todo = realloc(f->todo, f->cap_todo * sizeof *f->todo);
			assert_non_null(f->todo);
		}
		f->todo[f->ntodo++] = c;
	}
	return c;
}

static void cancel(void *ctx, void *handle)
{
	struct fake *f = ctx;

	f->cancelled++;
	if (f->in_flight == handle)
		f->in_flight = NULL;
}

static void timer(void *ctx, uint64_t in_ms)
{
	struct fake *f = ctx;

	assert_true(in_ms <= ENGINE_TICK_MAX_MS);
	f->timer_at = f->boot + in_ms;
}

static void note(void *ctx, struct engine_client *c, enum engine_note n, const struct mx_err *err, uint64_t in_ms)
{
	(void)c, (void)err, (void)in_ms;
	((struct fake *)ctx)->notes[n]++;
}

static void *keep_or_not(void *ctx, const char *name, uint64_t fp, const struct engine_saved *s, const void *t, size_t n,
    unsigned char **where)
{
	struct fake *f = ctx;

	return f->no_room ? NULL : f->keep(ctx, name, fp, s, t, n, where);
}

void fake_init_with(struct fake *f,
    void *(*keep)(void *, const char *, uint64_t, const struct engine_saved *, const void *, size_t, unsigned char **),
    void *(*recall)(void *, const char *, uint64_t, struct engine_saved *, unsigned char **, size_t *),
    void (*forget)(void *, void *))
{
	struct engine_ops ops = { .now = now, .random = rnd, .fetch = fetch, .cancel = cancel, .timer = timer,
	    .note = note, .keep = keep == NULL ? NULL : keep_or_not, .recall = recall, .forget = forget, .ctx = f };

	*f = (struct fake){ .keep = keep, .boot = 3600000, .wall = 1790000000000u, .timer_at = UINT64_MAX };
	f->e = engine_new(&ops);
	assert_non_null(f->e);
}

void fake_init(struct fake *f)
{
	fake_init_with(f, NULL, NULL, NULL);
}

void fake_done(struct fake *f)
{
	assert_int_equal(f->notes[EN_BUG], 0);
	engine_free(f->e);
	free(f->todo);
}

struct engine_client *fake_client(struct fake *f, const char *name, uint32_t min_remaining, uint32_t stale_until)
{
	struct engine_params p = {
		.name = name, .fingerprint = 1, .min_remaining_s = min_remaining, .stale_until_s = stale_until,
		.backoff_min_ms = 1000, .backoff_max_ms = 300000,
	};

	assert_non_null(engine_put(f->e, &p));
	engine_commit(f->e);
	while (engine_settle(f->e, 1))
		;
	return engine_find(f->e, name);
}

void fake_pass(struct fake *f, uint64_t ms)
{
	uint64_t end = f->boot + ms;
	unsigned ticks = 0;

	while (f->timer_at <= end) {
		if (f->timer_at > f->boot) {
			f->wall += f->timer_at - f->boot;
			f->boot = f->timer_at;
		}
		f->timer_at = UINT64_MAX;
		engine_tick(f->e);
		assert_true(++ticks < 100000);	/* a timer of 0 ms that never ends */
	}
	f->wall += end - f->boot;
	f->boot = end;
}

static void take(struct asker *a, const struct engine_answer *x)
{
	assert_false(a->answered);
	a->answered = true;
	assert_true((x->token == NULL) != (x->err == NULL));
	if (x->token != NULL) {
		assert_true(x->token->len < sizeof a->token);
		memcpy(a->token, x->token->p, x->token->len + 1);
		memcpy(a->id, x->id, strlen(x->id) + 1);
		a->expires_in_s = x->expires_in_s;
	} else {
		memcpy(a->code, x->err->code, sizeof a->code);
	}
}

static void done(struct engine_waiter *w, const struct engine_answer *x)
{
	take((struct asker *)(void *)w, x);
}

bool fake_ask(struct engine_client *c, struct asker *a)
{
	struct engine_answer x;

	*a = (struct asker){ .w = { .done = done } };
	if (!engine_want(c, &a->w, &x))
		return false;
	take(a, &x);
	return true;
}

void fake_give_up(struct asker *a)
{
	struct engine_answer x;

	engine_give_up(&a->w, &x);
	take(a, &x);
}

void fake_ok(struct fake *f, const char *token, uint32_t expires_in_s, uint32_t refresh_in_s)
{
	struct engine_client *c = f->in_flight;
	struct mx_secret t;
	char id[40] = "id-";
	struct engine_result r = { .token = &t, .id = id, .expires_in_s = expires_in_s,
	    .refresh_in_s = refresh_in_s, .retry_after_s = -1 };

	assert_non_null(c);
	memcpy(id + 3, token, strlen(token) + 1);
	assert_true(mx_secret_set(&t, token, strlen(token)));
	f->in_flight = NULL;
	engine_fetched(c, &r);
	mx_secret_free(&t);
}

void fake_answer_all(struct fake *f)
{
	static unsigned long number;	/* no token comes twice */
	char token[24];
	size_t i;

	for (i = 0; i < f->ntodo; i++) {		/* the list may grow meanwhile */
		snprintf(token, sizeof token, "T%lu", ++number);
		f->in_flight = f->todo[i];
		fake_ok(f, token, 3600, 0);
	}
	f->ntodo = 0;
}

void fake_fail(struct fake *f, const char *code, bool permanent, int32_t retry_after_s)
{
	struct engine_client *c = f->in_flight;
	struct mx_err err;
	struct engine_result r = { .err = &err, .permanent = permanent, .retry_after_s = retry_after_s };

	assert_non_null(c);
	mx_fail(&err, permanent ? MX_PROVIDER : MX_TEMP, code, "test failure");
	f->in_flight = NULL;
	engine_fetched(c, &r);
}
