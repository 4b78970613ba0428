/*
 * Memory of one configuration: strings and arrays live as long as it does and are freed together.
 * Equal strings are stored once (a hundred thousand clients share their scope, cloud and tenant).
 */
#ifndef MX_SETTINGS_MEM_H
#define MX_SETTINGS_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From string to number: open addressing, at most half full. Keys belong to the caller. */
struct cf_map {
	struct cf_slot { const char *key; uint32_t hash, value; } *slot;
	size_t cap, n;
};

bool cf_map_put(struct cf_map *m, const char *key, uint32_t value)
    __attribute__((warn_unused_result));
bool cf_map_get(const struct cf_map *m, const char *key, size_t n, uint32_t *value);
void cf_map_free(struct cf_map *m);

struct cf_mem {
	struct cf_block *head;
	size_t used, size;		/* of head */
	size_t total;			/* bytes asked of the system */
	struct cf_map strings;
	const char **by_number;		/* strings.value -> string */
	size_t nstrings, cap;
};

/* All return NULL when there is no memory. */
void *cf_alloc(struct cf_mem *m, size_t n);	/* zeroed, aligned for pointers */
const char *cf_strdup(struct cf_mem *m, const char *s, size_t n);	/* a copy, NUL-terminated */
const char *cf_intern(struct cf_mem *m, const char *s, size_t n);	/* the one copy of s */

void cf_mem_seal(struct cf_mem *m);	/* no cf_intern any more: its table is freed */
void cf_mem_free(struct cf_mem *m);

/* Room for one more element in *p (n used, *cap there, size bytes each). false: no memory. */
bool cf_grow(void *p, size_t n, size_t *cap, size_t size) __attribute__((warn_unused_result));

#endif
