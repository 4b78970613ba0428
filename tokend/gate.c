#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "tokend/gate.h"

struct gate {
	struct gate *next;		/* in its bucket */
	size_t inside;
	struct gate_ticket *first, *last;	/* that wait */
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

bool gate_enter(struct gates *g, struct gate_ticket *t, const char *url)
{
	struct gate *x = gate_of(g, url);

	*t = (struct gate_ticket){ .gate = x };
	if (x == NULL)
		return true;
	if (x->inside < GATE_MAX) {
		x->inside++;
		t->inside = true;
		return true;
	}
	t->prev = x->last;
	*(x->last != NULL ? &x->last->next : &x->first) = t;
	x->last = t;
	return false;
}

static void unlink_ticket(struct gate *x, struct gate_ticket *t)
{
	*(t->prev != NULL ? &t->prev->next : &x->first) = t->next;
	*(t->next != NULL ? &t->next->prev : &x->last) = t->prev;
	t->next = t->prev = NULL;
}

void gate_leave(struct gates *g, struct gate_ticket *t)
{
	struct gate *x = t->gate, **at;
	struct gate_ticket *next;

	if (x == NULL)
		return;
	t->gate = NULL;
	if (!t->inside) {
		unlink_ticket(x, t);
		return;			/* whoever is inside is still there */
	}
	t->inside = false;
	x->inside--;
	if ((next = x->first) != NULL) {
		unlink_ticket(x, next);
		next->inside = true;
		x->inside++;
		g->go(next);
	} else if (x->inside == 0) {
		at = place_of(g, x->host, x->n);
		*at = x->next;
		free(x);
	}
}
