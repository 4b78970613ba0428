/*
 * Binary min-heap of timers, intrusive: an element knows its place, so that it can be moved or removed.
 */
#ifndef MX_ENGINE_HEAP_H
#define MX_ENGINE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node { uint64_t due; size_t place; };	/* place 0: not in a heap */

struct heap { struct heap_node **v; size_t n, cap; };	/* v[1] is the earliest; zeroed = empty */

/* Puts or moves. false: no memory, and the node is where it was. */
bool heap_set(struct heap *h, struct heap_node *x, uint64_t due);
void heap_remove(struct heap *h, struct heap_node *x);	/* fine when it is not in */
struct heap_node *heap_first(const struct heap *h);	/* NULL: empty */
void heap_free(struct heap *h);

#endif
