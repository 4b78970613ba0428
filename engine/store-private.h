/*
 * Inside of the store: layout and what store.c and store_scan.c have of each other.
 */
#ifndef MX_ENGINE_STORE_PRIVATE_H
#define MX_ENGINE_STORE_PRIVATE_H

#include "engine/store.h"

#define STORE_LAYOUT 1u			/* raise when struct slot or the sizes change */
#define STORE_HEAD 4096u		/* bytes, as is a page */
#define STORE_SEGMENT 65536u
#define STORE_SEGMENT_MAGIC 0x676573786dull	/* "mxseg" */
#define STORE_SIZES 6
#define STORE_USUAL 2			/* of the sizes: what most tokens need */

extern const uint32_t store_sizes[STORE_SIZES];

struct head {
	char magic[8];
	uint32_t version, slot_head;
	char boot[STORE_BOOT_MAX];
	uint64_t sum;			/* of what stands before it */
};

struct segment_head {
	uint64_t magic;
	uint64_t slot_size;
	uint64_t sum;
};

struct slot {
	uint64_t sum;			/* of all behind it, up to the NUL of the token */
	uint64_t generation;		/* 0: free */
	uint64_t name, fingerprint;
	struct engine_saved saved;
	uint32_t len;
	unsigned char token[];		/* and a NUL */
};

_Static_assert(sizeof(struct slot) + STORE_TOKEN_MAX + 1 <= 9216, "the largest token fits the largest slot");

struct segment { unsigned char *p; bool locked; };

/* What an earlier process left, hashed by name and fingerprint; x NULL: nobody's place. */
struct found { uint64_t name, fingerprint; struct slot *x; bool recalled; };

struct store {
	int fd;
	struct segment *seg;
	size_t nseg, cap;
	void *free_list[STORE_SIZES];	/* linked through the slots' own bytes, behind the generation */
	uint64_t generation;
	struct found *found;		/* NULL once settled */
	size_t nfound, nplaces, torn;
};

/* store.c */
size_t store_class(size_t n);		/* of the smallest size that holds n bytes; STORE_SIZES: none does */
size_t store_class_of(const struct slot *x);
uint64_t store_sum(const struct slot *x);
uint64_t store_name(const char *name);
bool store_claim(int fd, off_t from, off_t n);		/* room in the file, before it is written through a mapping */
unsigned char *store_map(struct store *s);		/* the next segment; NULL: no memory */
void store_format(struct store *s, unsigned char *p, size_t k);	/* slots of class k, all free */
void store_wipe(struct store *s, struct slot *x, size_t k);	/* free from now on */

#endif
