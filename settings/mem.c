#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "settings/mem.h"

#define BLOCK_FIRST 4096	/* a small site's configuration fits in one of these */
#define BLOCK_MAX (1024 * 1024)

struct cf_block { struct cf_block *next; };

static uint32_t hash(const char *s, size_t n)
{
	uint64_t h = mx_fnv(MX_FNV_BASIS, s, n);

	return (uint32_t)(h ^ h >> 32);
}

static void place(struct cf_slot *slot, size_t cap, const struct cf_slot *new)
{
	size_t i = new->hash & (cap - 1);

	while (slot[i].key != NULL)
		i = (i + 1) & (cap - 1);
	slot[i] = *new;
}

bool cf_map_put(struct cf_map *m, const char *key, uint32_t value)
{
	const struct cf_slot new = { key, hash(key, strlen(key)), value };

	if (m->n * 2 >= m->cap) {
		size_t cap = m->cap == 0 ? 16 : m->cap * 2;
		struct cf_slot *slot = calloc(cap, sizeof *slot);

		if (slot == NULL)
			return false;
		for (size_t i = 0; i < m->cap; i++)
			if (m->slot[i].key != NULL)
				place(slot, cap, &m->slot[i]);
		free(m->slot);
		m->slot = slot, m->cap = cap;
	}
	place(m->slot, m->cap, &new);
	m->n++;
	return true;
}

bool cf_map_get(const struct cf_map *m, const char *key, size_t n, uint32_t *value)
{
	const uint32_t h = hash(key, n);

	if (m->cap == 0)
		return false;
	for (size_t i = h & (m->cap - 1); m->slot[i].key != NULL; i = (i + 1) & (m->cap - 1)) {
		const struct cf_slot *s = &m->slot[i];

		if (s->hash == h && strncmp(s->key, key, n) == 0 && s->key[n] == '\0') {
			*value = s->value;
			return true;
		}
	}
	return false;
}

void cf_map_free(struct cf_map *m)
{
	free(m->slot);
	*m = (struct cf_map){ 0 };
}

bool cf_grow(void *p, size_t n, size_t *cap, size_t size)
{
	void *now;

	if (n < *cap)
		return true;
	const size_t want = *cap == 0 ? 8 : *cap * 2;
	memcpy(&now, p, sizeof now);
	now = reallocarray(now, want, size);
	if (now == NULL)
		return false;
	memcpy(p, &now, sizeof now);
	*cap = want;
	return true;
}

void *cf_alloc(struct cf_mem *m, size_t n)
{
	struct cf_block *b;
	void *p;

	n = (n + sizeof(void *) - 1) & ~(sizeof(void *) - 1);
	if (n > m->size - m->used) {
		size_t size = m->total < BLOCK_FIRST ? BLOCK_FIRST : m->total;

		if (size > BLOCK_MAX)
			size = BLOCK_MAX;
		if (size < n + sizeof *b)
			size = n + sizeof *b;
		if ((b = malloc(size)) == NULL)
			return NULL;
		b->next = m->head;
		m->head = b, m->used = sizeof *b, m->size = size, m->total += size;
	}
	p = (char *)m->head + m->used;
	m->used += n;
	return memset(p, 0, n);
}

const char *cf_strdup(struct cf_mem *m, const char *s, size_t n)
{
	char *p = cf_alloc(m, n + 1);

	if (p != NULL)
		memcpy(p, s, n);
	return p;
}

const char *cf_intern(struct cf_mem *m, const char *s, size_t n)
{
	const char *p;
	uint32_t i;

	if (cf_map_get(&m->strings, s, n, &i))
		return m->by_number[i];
	if (!cf_grow(&m->by_number, m->nstrings, &m->cap, sizeof *m->by_number) ||
	    (p = cf_strdup(m, s, n)) == NULL || !cf_map_put(&m->strings, p, (uint32_t)m->nstrings))
		return NULL;
	m->by_number[m->nstrings++] = p;
	return p;
}

void cf_mem_seal(struct cf_mem *m)
{
	cf_map_free(&m->strings);
	free(m->by_number);
	m->by_number = NULL;
	m->nstrings = m->cap = 0;
}

void cf_mem_free(struct cf_mem *m)
{
	cf_mem_seal(m);
	while (m->head != NULL) {
		struct cf_block *next = m->head->next;

		free(m->head);
		m->head = next;
	}
	*m = (struct cf_mem){ 0 };
}
