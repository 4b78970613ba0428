/*
 * What each user of this host does: open connections, counts, and what is left of the patience with it. A table of
 * fixed size, since one person may come with thousands of user ids (user namespaces): who finds no room shares one
 * entry, "others", its limit of connections included.
 *
 * A user is known once the policy has granted it something. Strangers cannot take the whole table, nor all
 * connections: room is kept for the mail server.
 */
#ifndef MX_TOKEND_UIDS_H
#define MX_TOKEND_UIDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tokend/limit.h"

#define UIDS_MAX 512		/* entries, others not counted */
#define UIDS_STRANGERS 384	/* of them for users who are not known */
#define UIDS_IDLE_MS 60000	/* a stranger's entry without connections is given away after that */

/* Log lines that anybody can cause: written at a limited rate for each user and kind. */
enum uid_line { UID_DENIED, UID_REFUSED, UID_PING, UID_REJECTED, UID_TURNED_AWAY, UID_LINES };

struct uid_entry {
	uid_t uid;			/* of no meaning for others */
	bool used, known;
	uint16_t next;			/* in its chain: number + 1; 0: the end */
	unsigned open;			/* connections */
	uint64_t seen_ms;
	uint64_t requests, answers, denied, turned_away;	/* since the start, or since it got this entry */
	struct limit line[UID_LINES];
	uint64_t held[UID_LINES];	/* lines not written, and not told of yet */
	struct limit mailboxes;		/* see mailbox.c: new ones it asks for */
	struct limit grace;		/* see conn.c: waits for those who connect and are about to send */
};

/* The user's entry, or that of others; never NULL. now_ms: mx_now_ms(). */
struct uid_entry *uids_get(uid_t uid, uint64_t now_ms);

void uids_open(struct uid_entry *u);	/* one connection more */
void uids_gone(struct uid_entry *u);	/* one less */

/* The policy has granted uid something on a connection counted in u. Returns the entry that counts it now. */
struct uid_entry *uids_known(struct uid_entry *u, uid_t uid);

size_t uids_strangers(void);		/* open connections of users who are not known, others included */

/* i from 0 to UIDS_MAX: the last are the others. NULL: that place is empty. */
struct uid_entry *uids_at(size_t i);
bool uids_is_others(const struct uid_entry *u);

void uids_reset(void);			/* forgets all; for the end, and for tests */

#endif
