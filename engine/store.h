/*
 * Tokens that outlive the process: slots in a file that is mapped into memory, a sealed memfd in systemd's fd
 * store or a file on tmpfs (cache.c decides). A slot's token is the only copy. One process and one thread.
 *
 * Layout: a page with a head, then segments of 64 KiB, each cut into slots of one size. A slot is valid when its
 * generation is not 0 and its checksum is right; of two for the same client the higher generation counts. So a
 * process may be killed between any two instructions. Times are of one boot: another boot id makes the file foreign.
 */
#ifndef MX_ENGINE_STORE_H
#define MX_ENGINE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"

#define STORE_BOOT_MAX 40		/* bytes of a boot id, NUL included */
#define STORE_TOKEN_MAX 9000		/* bytes: more than a token may have (oauth/reply.h) */

struct store;

enum store_why {
	STORE_FINE = 0,
	STORE_NO_MEMORY,		/* or no way to map it */
	STORE_NO_ROOM,			/* the file cannot be made longer */
	STORE_FOREIGN,			/* no store at all */
	STORE_VERSION,			/* of another layout */
	STORE_BOOT,			/* written before the last boot */
	STORE_DAMAGED			/* head or length make no sense */
};
const char *store_why(enum store_why w);	/* a word for the log */

/*
 * Opens the store in fd, of which it becomes the owner (also on failure). An empty file becomes a new store.
 * boot: this boot's id; "": not known.
 */
enum store_why store_open(int fd, const char *boot, struct store **s);
void store_close(struct store *s);	/* what is in it stays; NULL is fine */

int store_fd(const struct store *s);
bool store_has(const struct store *s, const void *address);	/* within the mapped file? s NULL: no */
uint64_t store_generation(const struct store *s);	/* the highest in it */
size_t store_found(const struct store *s);	/* tokens of an earlier process, not recalled yet */
size_t store_torn(const struct store *s);	/* slots that were being written when it ended */

/* struct engine_ops' keep, recall and forget but for their ctx. keep: NULL also when the file cannot grow. */
void *store_keep(struct store *s, const char *name, uint64_t fingerprint, const struct engine_saved *d,
    const void *token, size_t n, unsigned char **where);
void *store_recall(struct store *s, const char *name, uint64_t fingerprint, struct engine_saved *d,
    unsigned char **where, size_t *n);
void store_forget(struct store *s, void *kept);

/* After the last recall: wipes what nobody recalled. Returns how many those were. */
size_t store_settle(struct store *s);

/*
 * The same, but what is still wanted may be recalled later: tokens of those who are made when they are asked for. To be
 * called again and again, for they end.
 */
size_t store_review(struct store *s, bool (*wanted)(void *ctx, uint64_t fingerprint, const struct engine_saved *d),
    void *ctx);
size_t store_unclaimed(const struct store *s);	/* so many may be recalled yet */

#endif
