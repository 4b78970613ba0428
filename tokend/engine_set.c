/*
 * The set of clients: found by name, kept in order, exchanged as a whole at a reload.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "tokend/engine-private.h"

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

static struct engine_client *client_new(struct engine *e, const struct engine_params *p)
{
	struct engine_client *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->e = e;
	c->st = ES_EMPTY;
	c->last = &c->first;
	c->pending = *p;
	if ((c->name = strdup(p->name)) == NULL) {
		free(c);
		return NULL;
	}
	return c;
}

struct engine_client *engine_put(struct engine *e, const struct engine_params *p)
{
	struct engine_client *c = engine_set_find(&e->cur, p->name);

	if (c != NULL && c->p.fingerprint == p->fingerprint) {
		if (!engine_set_add(&e->next, c))
			return NULL;
		c->kept = true;
		c->pending = *p;
		return c;
	}
	if ((c = client_new(e, p)) == NULL)
		return NULL;
	if (!engine_set_add(&e->next, c)) {
		engine_client_free(c);
		return NULL;
	}
	return c;
}

static void retire(struct engine *e, struct engine_client *old)
{
	struct engine_client *heir = engine_set_find(&e->next, old->name);
	struct mx_err gone;
	struct engine_answer a = { .err = &gone };

	if (heir != NULL) {
		engine_move_waiters(old, heir);
		engine_kick(heir);
	} else {
		mx_fail(&gone, MX_CONFIG, "client-removed",
		    "client \"%s\" was removed from the configuration while its token was waited for; see the "
		    "accounts that named it", old->name);
		engine_answer_all(old, &a);
	}
	engine_client_free(old);
}

/* A reload may be the word that what was refused for good has been mended. The next hold is the longer one. */
static void try_again(struct engine *e, struct engine_client *c)
{
	if (!c->perm || c->in_flight || c->hold_until <= e->boot)
		return;
	c->hold_until = e->boot;
	(void)heap_set(&e->timers, &c->timer, e->boot);		/* it has a place there */
}

void engine_commit(struct engine *e)
{
	struct engine_set old = e->cur;
	size_t i;

	engine_now(e);
	for (i = 0; i < e->next.n; i++) {
		struct engine_client *c = e->next.v[i];

		c->p = c->pending;
		c->p.name = c->name;
	}
	e->cur = e->next;
	e->next = e->cur;		/* retire() looks up heirs here */
	for (i = 0; i < old.n; i++) {
		if (!old.v[i]->kept)
			retire(e, old.v[i]);
	}
	e->next = (struct engine_set){ 0 };
	for (i = 0; i < e->cur.n; i++) {
		if (e->cur.v[i]->kept)
			try_again(e, e->cur.v[i]);
		e->cur.v[i]->kept = false;
	}
	engine_set_free(&old);
	engine_rearm(e);
}

void engine_abort(struct engine *e)
{
	size_t i;

	for (i = 0; i < e->next.n; i++) {
		if (e->next.v[i]->kept)
			e->next.v[i]->kept = false;
		else
			engine_client_free(e->next.v[i]);
	}
	engine_set_free(&e->next);
}
