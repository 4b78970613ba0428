#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "tokend/gate.h"

struct queue { struct gate_ticket *first, *last; };

struct gate {
	struct gate *next;		/* in its bucket */
	size_t inside;
	struct queue wait[2];		/* [1]: urgent */
	size_t n;
	char host[];			/* of n bytes */
};

static struct gate **place_of(struct gates *g, const char *host, size_t n)
{
	size_t k = mx_fnv(MX_FNV_BASIS, host, n) % (sizeof g->bucket / sizeof g->bucket[0]);
	struct gate **at = &g->bucket[k];

	while (*at != NULL && ((*at)->n != n || memcmp((*at)->host, host, n) != 0))
		at = &(*at)->next;
	return at;
}

static struct gate *gate_of(struct gates *g, const char *url)
{
	const char *host = strstr(url, "://");
	size_t n;
	struct gate **at;

	host = host != NULL ? host + 3 : url;
	n = strcspn(host, "/?#");
	at = place_of(g, host, n);
	if (*at == NULL && (*at = calloc(1, sizeof **at + n)) != NULL) {
		(*at)->n = n;
		memcpy((*at)->host, host, n);
	}
	return *at;
}

static void append(struct queue *q, struct gate_ticket *t)
{
	t->next = NULL;
	t->prev = q->last;
	*(q->last != NULL ? &q->last->next : &q->first) = t;
	q->last = t;
}

static void unlink_ticket(struct queue *q, struct gate_ticket *t)
{
	*(t->prev != NULL ? &t->prev->next : &q->first) = t->next;
	*(t->next != NULL ? &t->next->prev : &q->last) = t->prev;
	t->next = t->prev = NULL;
}

static bool has_place(const struct gates *g, const struct gate *x)
{
	return x->inside < (g->inside < GATE_CROWD ? GATE_MAX : GATE_FEW);
}

static void come_in(struct gates *g, struct gate *x, struct gate_ticket *t)
{
	t->inside = true;
	x->inside++;
	g->inside++;
}

bool gate_enter(struct gates *g, struct gate_ticket *t, const char *url, bool urgent)
{
	struct gate *x = gate_of(g, url);

	*t = (struct gate_ticket){ .gate = x, .urgent = urgent };
	if (x == NULL)
		return true;
	if (has_place(g, x)) {
		come_in(g, x, t);
		return true;
	}
	append(&x->wait[urgent], t);
	g->waiting++;
	return false;
}

void gate_urge(struct gate_ticket *t, bool urgent)
{
	if (t->gate == NULL || t->inside || t->urgent == urgent)
		return;
	unlink_ticket(&t->gate->wait[t->urgent], t);
	t->urgent = urgent;
	append(&t->gate->wait[urgent], t);
}

/* Who is next at that host, taken from its queue and inside; NULL: nobody waits. */
static struct gate_ticket *admit(struct gates *g, struct gate *x)
{
	struct gate_ticket *t = x->wait[1].first != NULL ? x->wait[1].first : x->wait[0].first;

	if (t == NULL)
		return NULL;
	unlink_ticket(&x->wait[t->urgent], t);
	g->waiting--;
	come_in(g, x, t);
	return t;
}

/* A place of x has become free, which g->inside counts already: for the next ones of that host. */
static void give_back(struct gates *g, struct gate *x)
{
	struct gate_ticket *next;
	struct gate **at;

	/* x->inside goes down last: until then nobody below can take x away. */
	while (x->inside == 1 || x->inside - 1 < (g->inside < GATE_CROWD ? GATE_MAX : GATE_FEW)) {
		if ((next = admit(g, x)) == NULL)
			break;
		if (g->go(next))
			continue;
		x->inside--;		/* it could not begin, and is gone: the next one */
		g->inside--;
	}
	if (--x->inside > 0)
		return;
	at = place_of(g, x->host, x->n);
	*at = x->next;
	free(x);
}

/* Of the hosts for which somebody waits and that have a place the one with the fewest inside; NULL: there is none. */
static struct gate *held_back(const struct gates *g)
{
	struct gate *found = NULL;

	for (size_t i = 0; i < sizeof g->bucket / sizeof g->bucket[0]; i++)
		for (struct gate *x = g->bucket[i]; x != NULL; x = x->next)
			if ((x->wait[0].first != NULL || x->wait[1].first != NULL) && has_place(g, x) &&
			    (found == NULL || x->inside < found->inside))
				found = x;
	return found;
}

/* The crowd has ended: hosts that it had cut to GATE_FEW hear of it from nobody else. */
static void spread(struct gates *g)
{
	struct gate_ticket *t;
	struct gate *x;

	if (g->spreading)		/* called from go(): the loop below goes on */
		return;
	g->spreading = true;
	while (g->waiting > 0 && g->inside < GATE_CROWD && (x = held_back(g)) != NULL && (t = admit(g, x)) != NULL)
		if (!g->go(t)) {
			g->inside--;
			give_back(g, x);
		}
	g->spreading = false;
}

void gate_leave(struct gates *g, struct gate_ticket *t)
{
	struct gate *x = t->gate;

	if (x == NULL)
		return;
	t->gate = NULL;
	if (!t->inside) {
		unlink_ticket(&x->wait[t->urgent], t);
		g->waiting--;
		return;			/* whoever is inside is still there */
	}
	t->inside = false;
	g->inside--;
	give_back(g, x);
	spread(g);
}
