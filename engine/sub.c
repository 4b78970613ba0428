/*
 * Sub-clients: those of one client, each with a token of its own for one subject. They hang on their parent and not
 * in a set, so that a reload that keeps the parent has nothing to do for them.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "engine/private.h"

#define NAME_MAX_BYTES 1024

static size_t bucket_of(const struct engine_sub_table *t, const struct engine_client *parent, const char *subject)
{
	uint64_t h = mx_fnv(MX_FNV_BASIS, &parent, sizeof parent);

	return mx_fnv(h, subject, strlen(subject)) & (t->nbuckets - 1);
}

struct engine_client *engine_sub_find(struct engine_client *parent, const char *subject)
{
	struct engine_sub_table *t = &parent->e->sub;
	struct engine_client *c = t->nbuckets == 0 ? NULL : t->bucket[bucket_of(t, parent, subject)];

	while (c != NULL && (c->parent != parent || strcmp(c->subject, subject) != 0))
		c = c->chain;
	return c;
}

static void chain(struct engine_sub_table *t, struct engine_client *c)
{
	struct engine_client **at = &t->bucket[bucket_of(t, c->parent, c->subject)];

	c->chain = *at;
	*at = c;
}

/* Room for one more place. */
static bool grow(struct engine_sub_table *t)
{
	size_t cap = t->cap == 0 ? 16 : t->cap * 2, i;
	struct engine_client **v = reallocarray(t->v, cap, sizeof *v), **bucket;

	if (v == NULL)
		return false;
	t->v = v;
	if ((bucket = calloc(cap, sizeof *bucket)) == NULL)
		return false;
	free(t->bucket);
	t->bucket = bucket;
	t->nbuckets = t->cap = cap;
	for (i = 0; i < t->places; i++)
		if (t->v[i] != NULL)
			chain(t, t->v[i]);
	return true;
}

static bool link_in(struct engine_client *c)
{
	struct engine_sub_table *t = &c->e->sub;
	size_t i = t->hole;

	while (i < t->places && t->v[i] != NULL)
		i++;
	if (i == t->cap && !grow(t))
		return false;
	if (i == t->places)
		t->places++;
	t->hole = i + 1;
	t->v[i] = c;
	t->n++;
	c->place = (uint32_t)i + 1;
	chain(t, c);
	c->sub_next = c->parent->subs;
	c->sub_prev = &c->parent->subs;
	if (c->sub_next != NULL)
		c->sub_next->sub_prev = &c->sub_next;
	c->parent->subs = c;
	return true;
}

void engine_sub_unlink(struct engine_client *c)
{
	struct engine_sub_table *t = &c->e->sub;
	struct engine_client **at;

	if (c->place == 0)
		return;
	at = &t->bucket[bucket_of(t, c->parent, c->subject)];
	while (*at != c)
		at = &(*at)->chain;
	*at = c->chain;
	*c->sub_prev = c->sub_next;
	if (c->sub_next != NULL)
		c->sub_next->sub_prev = c->sub_prev;
	t->v[c->place - 1] = NULL;
	if (c->place - 1 < t->hole)
		t->hole = c->place - 1;
	t->n--;
	c->place = 0;
}

void engine_sub_drop(struct engine_client *c)
{
	engine_drop_token(c);
	engine_client_free(c);
}

/* Whoever invents subjects gets no tokens for them, and so pushes out its own inventions alone. */
static bool make_room(struct engine *e)
{
	struct engine_client *c, *worst = NULL;
	size_t i;

	if (e->sub.n < e->sub.most)
		return true;
	for (i = 0; i < e->sub.places; i++) {
		if ((c = e->sub.v[i]) == NULL || c->in_flight || c->nwait > 0)
			continue;
		if (worst == NULL || (c->token.p == NULL) > (worst->token.p == NULL) ||
		    ((c->token.p == NULL) == (worst->token.p == NULL) && c->asked_at < worst->asked_at))
			worst = c;
	}
	if (worst != NULL)
		engine_sub_drop(worst);
	return worst != NULL;
}

void engine_sub_rest(struct engine_client *c)
{
	engine_schedule(c, c->asked_at + ENGINE_IDLE_MS + 1);
}

struct engine_client *engine_sub(struct engine_client *parent, const char *subject, bool fresh, bool *made)
{
	struct engine *e = parent->e;
	struct engine_client *c = engine_sub_find(parent, subject);
	const size_t k = strlen(parent->name), n = strlen(subject);
	char name[NAME_MAX_BYTES];
	bool recalled;

	*made = false;
	if (c != NULL)
		return c;
	if (k + 1 + n >= sizeof name)
		return NULL;
	memcpy(name, parent->name, k);
	name[k] = '/';
	memcpy(name + k + 1, subject, n + 1);
	if ((c = engine_client_new(e, name)) == NULL)
		return NULL;
	c->parent = parent;
	c->subject = c->name + k + 1;
	engine_now(e);
	c->asked_at = e->boot;
	recalled = engine_recall(c);
	if ((!recalled && !fresh) || !make_room(e) || !link_in(c)) {
		engine_sub_drop(c);
		return NULL;
	}
	if (!recalled)
		engine_sub_rest(c);
	engine_rearm(e);
	*made = !recalled;
	return c;
}

/* Its askers ask the heir's; where there is none, or nobody asks, it just goes. */
bool engine_sub_retire(struct engine_client *old, struct engine_client *heir)
{
	struct engine_client *c = old->subs, *to;
	struct mx_err err;
	struct engine_answer a = { .err = &err };
	bool made;

	if (c == NULL)
		return false;
	engine_sub_unlink(c);
	if (heir == NULL) {
		engine_gone(c);
	} else if (c->nwait > 0) {
		if ((to = engine_sub(heir, c->subject, true, &made)) != NULL) {
			engine_move_waiters(c, to);
		} else {
			mx_fail(&err, MX_TEMP, "no-memory", "client \"%s\": no memory, or too many mailboxes wait for "
			    "their tokens", old->name);
			engine_answer_all(c, &a);
		}
	}
	engine_sub_drop(c);
	return true;
}

/* --- what a parent knows ------------------------------------------------------------------ */

void engine_sub_ok(struct engine_client *c)
{
	struct engine_client *p = c->parent;

	if (p == NULL)
		return;
	p->oks++;
	p->ok_at = c->e->boot;
	engine_forget_failure(p);
}

/* The parent is in trouble when no subject has a token any more; one alone may have been misspelt. */
void engine_sub_failed(struct engine_client *c, const struct mx_err *err, bool permanent)
{
	struct engine_client *p = c->parent, *x;
	struct mx_err **at;

	if (p == NULL)
		return;
	p->failures++;
	p->permanents += permanent;
	p->failed_at = c->e->boot;
	for (x = p->subs; x != NULL && x->token.p == NULL; x = x->sub_next)
		;
	if (x != NULL) {
		engine_forget_failure(p);
		at = &p->past;
	} else {
		at = &p->err;
		if (p->err == NULL) {
			p->err = p->past;
			p->past = NULL;
		}
	}
	if (*at == NULL)
		*at = malloc(sizeof **at);
	if (*at != NULL)
		**at = *err;
}

void engine_sub_sum(struct engine_client *parent, struct engine_subs *s)
{
	struct engine_client *c;

	*s = (struct engine_subs){ 0 };
	engine_now(parent->e);
	for (c = parent->subs; c != NULL; c = c->sub_next) {
		s->n++;
		s->failing += c->err != NULL;
		if (c->token.p == NULL)
			continue;
		if (!s->any_token || engine_left_ms(c) < s->expires_in_ms)
			s->expires_in_ms = engine_left_ms(c);
		s->any_token = true;
	}
}

/* --- looking ------------------------------------------------------------------------------ */

void engine_sub_limit(struct engine *e, size_t most)
{
	e->sub.most = most;
}

size_t engine_sub_count(const struct engine *e)
{
	return e->sub.n;
}

size_t engine_sub_places(const struct engine *e)
{
	return e->sub.places;
}

struct engine_client *engine_sub_at(struct engine *e, size_t i)
{
	return e->sub.v[i];
}

const char *engine_client_subject(const struct engine_client *c)
{
	return c->subject;
}

struct engine_client *engine_client_parent(struct engine_client *c)
{
	return c->parent != NULL ? c->parent : c;
}

void engine_sub_free(struct engine *e)
{
	free(e->sub.v);
	free(e->sub.bucket);
	e->sub = (struct engine_sub_table){ 0 };
}
