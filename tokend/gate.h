/*
 * So many token requests at a time to one host, the others wait their turn: a herd of clients neither floods a
 * provider nor fills memory with transfers. Those that somebody waits for go first. When very many are under way
 * each host gets a few places only, so that hosts that hang hold up nobody else's.
 */
#ifndef MX_TOKEND_GATE_H
#define MX_TOKEND_GATE_H

#include <stdbool.h>
#include <stddef.h>

#define GATE_MAX 64			/* for each host ... */
#define GATE_CROWD 192			/* ... until so many are under way in all; from then on */
#define GATE_FEW 4

struct gate;				/* of one host */

/* Embedded in what waits; zeroed before use. */
struct gate_ticket {
	struct gate *gate;		/* NULL: outside */
	struct gate_ticket *next, *prev;
	bool inside, urgent;
};

struct gates {
	struct gate *bucket[64];
	size_t inside, waiting;		/* of all hosts */
	bool spreading;
	/*
	 * Its turn has come; never called from gate_enter(). false: it could not
	 * begin; its place is free again, and the ticket is not looked at any more.
	 */
	bool (*go)(struct gate_ticket *t);
};

/*
 * true: go on at once. false: gates.go() follows. Without memory nobody waits. url: of the token
 * endpoint, or another name of what is asked.
 * urgent: somebody waits for it.
 */
bool gate_enter(struct gates *g, struct gate_ticket *t, const char *url, bool urgent);
void gate_urge(struct gate_ticket *t, bool urgent);	/* fine when it does not wait itself */

/* Done, or given up while waiting; others' turns come from inside. Fine when outside. */
void gate_leave(struct gates *g, struct gate_ticket *t);

#endif
