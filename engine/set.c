/*
 * The set of clients: found by name, kept in order, exchanged as a whole at a reload.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "engine/private.h"

static size_t probe(const struct engine_set *s, const char *name)
{
	size_t i = mx_fnv(MX_FNV_BASIS, name, strlen(name)) & (s->nslots - 1);

	while (s->slot[i] != 0 && strcmp(s->v[s->slot[i] - 1]->name, name) != 0)
		i = (i + 1) & (s->nslots - 1);
	return i;
}

struct engine_client *engine_set_find(const struct engine_set *s, const char *name)
{
	size_t i;

	if (s->nslots == 0)
		return NULL;
	i = probe(s, name);
	return s->slot[i] == 0 ? NULL : s->v[s->slot[i] - 1];
}

static bool grow(struct engine_set *s)
{
	size_t cap = s->cap == 0 ? 16 : s->cap * 2, i;
	struct engine_client **v = realloc(s->v, cap * sizeof *v);
	uint32_t *slot;

	if (v == NULL)
		return false;
	s->v = v;
	if ((slot = calloc(cap * 2, sizeof *slot)) == NULL)
		return false;
	free(s->slot);
	s->slot = slot;
	s->nslots = cap * 2;
	s->cap = cap;
	for (i = 0; i < s->n; i++)
		s->slot[probe(s, s->v[i]->name)] = (uint32_t)i + 1;
	return true;
}

bool engine_set_add(struct engine_set *s, struct engine_client *c)
{
	size_t i;

	if (s->n == s->cap && !grow(s))
		return false;
	i = probe(s, c->name);
	s->v[s->n] = c;
	s->slot[i] = (uint32_t)++s->n;
	return true;
}

void engine_set_free(struct engine_set *s)
{
	free(s->v);
	free(s->slot);
	*s = (struct engine_set){ 0 };
}

bool engine_reserve(struct engine *e, size_t n)
{
	while (e->next.cap < n)
		if (!grow(&e->next))
			return false;
	return true;
}

struct engine_client *engine_client_new(struct engine *e, const char *name)
{
	struct engine_client *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->e = e;
	c->st = ES_EMPTY;
	c->last = &c->first;
	if ((c->name = strdup(name)) == NULL) {
		free(c);
		return NULL;
	}
	return c;
}

struct engine_client *engine_put(struct engine *e, const struct engine_params *p)
{
	struct engine_client *c = engine_set_find(&e->cur, p->name);
	bool new = c == NULL || engine_params(c)->fingerprint != p->fingerprint;

	if (new && (c = engine_client_new(e, p->name)) == NULL)
		return NULL;
	if (!engine_set_add(&e->next, c)) {
		if (new)
			engine_client_free(c);
		return NULL;
	}
	c->epoch = e->epoch + 1;
	c->p[c->epoch & 1] = *p;
	c->p[c->epoch & 1].name = c->name;
	return c;
}

void engine_gone(struct engine_client *old)
{
	struct mx_err gone;
	struct engine_answer a = { .err = &gone };

	mx_fail(&gone, MX_TEMP, "client-removed",
	    "client \"%s\" was removed from the configuration while its token was waited for; see the "
	    "accounts that named it", engine_called(old));
	engine_answer_all(old, &a);
}

/* false: one of its sub-clients went, and it is to be asked again. */
static bool retire(struct engine *e, struct engine_client *old)
{
	struct engine_client *heir = engine_set_find(&e->cur, old->name);

	if (engine_sub_retire(old, heir != NULL && engine_params(heir)->each ? heir : NULL))
		return false;
	if (heir != NULL) {
		engine_move_waiters(old, heir);
	} else {
		engine_gone(old);
	}
	engine_drop_token(old);
	engine_client_free(old);
	return true;
}

/* A reload may be the word that what was refused for good has been mended. The next hold is the longer one. */
static void try_again(struct engine *e, struct engine_client *c)
{
	if (!c->perm || c->in_flight || c->hold_until <= e->boot || c->failed_at >= e->committed)
		return;
	c->hold_until = e->boot;
	(void)heap_set(&e->timers, &c->timer, e->boot);		/* it has a place there */
}

void engine_commit(struct engine *e)
{
	size_t i;

	while (engine_settle(e, SIZE_MAX))
		;			/* the last one's, if its caller did not finish it */
	e->old = e->cur;
	e->cur = e->next;
	e->next = (struct engine_set){ 0 };
	e->settled_old = e->settled_cur = e->settled_sub = 0;
	e->committed = e->boot;
	if (e->epoch++ == 0)
		for (i = 0; i < e->cur.n; i++)
			engine_recall(e->cur.v[i]);
	engine_rearm(e);
}

bool engine_settle(struct engine *e, size_t n)
{
	engine_now(e);
	for (; n > 0 && e->settled_old < e->old.n; n--) {
		struct engine_client *c = e->old.v[e->settled_old];

		if (!engine_retired(c) || retire(e, c))
			e->settled_old++;
	}
	if (e->settled_old == e->old.n) {
		engine_set_free(&e->old);
		e->settled_old = 0;
	}
	for (; n > 0 && e->settled_cur < e->cur.n; n--)
		try_again(e, e->cur.v[e->settled_cur++]);
	for (; n > 0 && e->settled_sub < e->sub.places; n--, e->settled_sub++)
		if (e->sub.v[e->settled_sub] != NULL)
			try_again(e, e->sub.v[e->settled_sub]);
	engine_rearm(e);
	return e->old.n > 0 || e->settled_cur < e->cur.n || e->settled_sub < e->sub.places;
}

void engine_abort(struct engine *e)
{
	size_t i;

	for (i = 0; i < e->next.n; i++) {
		struct engine_client *c = e->next.v[i];

		if (engine_set_find(&e->cur, c->name) == c)
			c->epoch = e->epoch;
		else
			engine_client_free(c);
	}
	engine_set_free(&e->next);
}
