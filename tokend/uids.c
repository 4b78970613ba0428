#include "config.h"

#include <string.h>

#include "tokend/uids.h"

#define CHAINS 256		/* a power of two */

static struct uid_entry table[UIDS_MAX + 1];	/* the last: others */
static uint16_t chain[CHAINS];			/* number + 1 of the first; 0: none */
static size_t top, nstrangers;			/* places ever used; used ones of strangers */
static size_t open_strangers;

static uint16_t *chain_of(uid_t uid)
{
	return &chain[((uint32_t)uid * 2654435761u) >> 24 & (CHAINS - 1)];
}

static struct uid_entry *find(uid_t uid)
{
	uint16_t i;

	for (i = *chain_of(uid); i != 0; i = table[i - 1].next)
		if (table[i - 1].uid == uid)
			return &table[i - 1];
	return NULL;
}

/* Its counts go on in others, so that no sum ever falls. */
static void give_away(struct uid_entry *u)
{
	struct uid_entry *o = &table[UIDS_MAX];
	uint16_t *at = chain_of(u->uid), number = (uint16_t)(u - table + 1);
	int i;

	while (*at != number)
		at = &table[*at - 1].next;
	*at = u->next;
	o->used = true;
	o->requests += u->requests;
	o->answers += u->answers;
	o->denied += u->denied;
	o->turned_away += u->turned_away;
	for (i = 0; i < UID_LINES; i++)
		o->held[i] += u->held[i];
	nstrangers--;
	*u = (struct uid_entry){ 0 };
}

/* The stranger without connections that has been quiet longest, for at least idle_ms; NULL: none. */
static struct uid_entry *quietest(uint64_t now_ms, uint64_t idle_ms)
{
	struct uid_entry *best = NULL;
	size_t i;

	for (i = 0; i < top; i++) {
		struct uid_entry *u = &table[i];

		if (u->used && !u->known && u->open == 0 && now_ms - u->seen_ms >= idle_ms &&
		    (best == NULL || u->seen_ms < best->seen_ms))
			best = u;
	}
	return best;
}

static struct uid_entry *put(uid_t uid, bool known)
{
	struct uid_entry *u = NULL;
	uint16_t *first = chain_of(uid);
	size_t i;

	for (i = 0; i < top && u == NULL; i++)
		if (!table[i].used)
			u = &table[i];
	if (u == NULL && top == UIDS_MAX)
		return NULL;
	if (u == NULL)
		u = &table[top++];
	*u = (struct uid_entry){ .uid = uid, .used = true, .known = known, .next = *first };
	*first = (uint16_t)(u - table + 1);
	nstrangers += !known;
	return u;
}

struct uid_entry *uids_get(uid_t uid, uint64_t now_ms)
{
	static uint64_t looked_ms;	/* the search below goes over all: not for each of thousands of strangers */
	struct uid_entry *u = find(uid), *old;

	if (u == NULL && nstrangers >= UIDS_STRANGERS && (looked_ms == 0 || now_ms - looked_ms >= 100)) {
		looked_ms = now_ms;
		if ((old = quietest(now_ms, UIDS_IDLE_MS)) != NULL)
			give_away(old);
	}
	if (u == NULL && nstrangers < UIDS_STRANGERS)
		u = put(uid, false);
	if (u == NULL) {
		u = &table[UIDS_MAX];
		u->used = true;
	}
	u->seen_ms = now_ms;
	return u;
}

void uids_open(struct uid_entry *u)
{
	u->open++;
	open_strangers += !u->known;
}

void uids_gone(struct uid_entry *u)
{
	u->open--;
	open_strangers -= !u->known;
}

struct uid_entry *uids_known(struct uid_entry *u, uid_t uid)
{
	struct uid_entry *own = u, *old;

	if (u->known)
		return u;
	if (uids_is_others(u)) {
		if ((own = find(uid)) == NULL && (own = put(uid, true)) == NULL) {
			if ((old = quietest(UINT64_MAX, 0)) != NULL)
				give_away(old);
			own = put(uid, true);
		}
		if (own == NULL)
			return u;	/* each place is in use by somebody who is connected or known */
		own->seen_ms = u->seen_ms;
		uids_gone(u);
		uids_open(own);
	}
	if (!own->known) {
		own->known = true;
		nstrangers--;
		open_strangers -= own->open;
	}
	return own;
}

size_t uids_strangers(void)
{
	return open_strangers;
}

struct uid_entry *uids_at(size_t i)
{
	return i <= UIDS_MAX && table[i].used ? &table[i] : NULL;
}

bool uids_is_others(const struct uid_entry *u)
{
	return u == &table[UIDS_MAX];
}

void uids_reset(void)
{
	memset(table, 0, sizeof table);
	memset(chain, 0, sizeof chain);
	top = nstrangers = open_strangers = 0;
}
