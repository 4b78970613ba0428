/*
 * Secrets live here: pages that are excluded from core dumps, not inherited over fork where the
 * kernel can do that, locked in memory as far as the limits allow, and wiped whenever a piece is
 * given back. Many secrets share a page, so that 100,000 tokens do not need a mapping each.
 * The allocator may be used by several threads, one secret by one at a time. The plugin does not
 * have any of this.
 */
#ifndef MX_COMMON_SECRET_H
#define MX_COMMON_SECRET_H

#include <stdbool.h>
#include <stddef.h>

struct mx_secret {
	unsigned char *p;	/* NULL when empty */
	size_t len, cap;	/* bytes used, bytes owned */
};

/* Room for cap bytes (1 to 16 MiB), empty. false: no memory; *s is then empty and inert. */
bool mx_secret_alloc(struct mx_secret *s, size_t cap) __attribute__((warn_unused_result));

/* A copy of n bytes, with a NUL behind them that is not counted in len. */
bool mx_secret_set(struct mx_secret *s, const void *src, size_t n) __attribute__((warn_unused_result));

/* Wipes the whole capacity and gives it back; an empty one is fine. *s is inert afterwards. */
void mx_secret_free(struct mx_secret *s);

/* Move: *to is freed first, *from is inert afterwards. */
void mx_secret_move(struct mx_secret *to, struct mx_secret *from);

/* Equal content? In time that depends on the lengths only. */
bool mx_secret_equal(const struct mx_secret *a, const struct mx_secret *b);

/*
 * In a child that goes on alone, before anything else of this header: what is allocated from here on is locked too,
 * which a parent's pages are not. The parent's secrets are gone for it, and must not be looked at or freed.
 */
void mx_secret_forked(void);

/*
 * The same protection for a mapping that somebody else made (page-aligned p, n bytes): locked as far
 * as the limits allow, kept out of core dumps and of children. It counts in mx_secret_stats().
 */
bool mx_secret_guard(void *p, size_t n);	/* whether it is locked */
void mx_secret_unguard(void *p, size_t n, bool locked);	/* before it is unmapped; does not wipe */

/* Bytes mapped, and how many of them could not be locked (RLIMIT_MEMLOCK). For status and tests. */
void mx_secret_stats(size_t *mapped, size_t *unlocked);

#endif
