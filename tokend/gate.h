/*
 * So many token requests at a time to one host, the others wait their turn: a herd of clients neither floods a
 * provider nor fills memory with transfers, and those of a host that hangs hold up nobody else's.
 */
#ifndef MX_TOKEND_GATE_H
#define MX_TOKEND_GATE_H

#include <stdbool.h>
#include <stddef.h>

#define GATE_MAX 64			/* for each host */

struct gate;				/* of one host */

/* Embedded in what waits; zeroed before use. */
struct gate_ticket {
	struct gate *gate;		/* NULL: outside */
	struct gate_ticket *next, *prev;
	bool inside;
};

struct gates { struct gate *bucket[64]; void (*go)(struct gate_ticket *t); };	/* go: its turn has come; never from enter */

/* true: go on at once. false: gates.go() follows. Without memory nobody waits. url: https, of the token endpoint. */
bool gate_enter(struct gates *g, struct gate_ticket *t, const char *url);

/* Done, or given up while waiting; others' turns come from inside. Fine when outside. */
void gate_leave(struct gates *g, struct gate_ticket *t);

#endif
