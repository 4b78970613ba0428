/*
 * FNV-1a, 64 bits: for tables and for noticing damage. Not against somebody who chooses the input.
 */
#ifndef MX_COMMON_HASH_H
#define MX_COMMON_HASH_H

#include <stddef.h>
#include <stdint.h>

#define MX_FNV_BASIS 0xcbf29ce484222325ull

/* Of n bytes on top of h, which is MX_FNV_BASIS at the beginning. */
uint64_t mx_fnv(uint64_t h, const void *p, size_t n);

#endif
