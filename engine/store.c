#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/hash.h"
#include "common/secret.h"
#include "engine/store-private.h"

const uint32_t store_sizes[STORE_SIZES] = { 768, 1536, 2304, 3072, 4608, 9216 };

const char *store_why(enum store_why w)
{
	static const char *const words[] = { "fine", "no-memory", "no-room", "foreign", "version", "boot", "damaged" };

	return words[w];
}

uint64_t store_sum(const struct slot *x)
{
	const unsigned char *from = (const unsigned char *)&x->generation;

	return mx_fnv(MX_FNV_BASIS, from, (size_t)(x->token - from) + x->len + 1);
}

size_t store_class(size_t n)
{
	size_t k = 0;

	while (k < STORE_SIZES && store_sizes[k] < n)
		k++;
	return k;
}

size_t store_class_of(const struct slot *x)
{
	return store_class(sizeof *x + x->len + 1);
}

static void put_free(struct store *s, size_t k, struct slot *x)
{
	memcpy(&x->name, &s->free_list[k], sizeof s->free_list[k]);
	s->free_list[k] = x;
}

static struct slot *take_free(struct store *s, size_t k)
{
	struct slot *x = s->free_list[k];

	if (x != NULL)
		memcpy(&s->free_list[k], &x->name, sizeof s->free_list[k]);
	return x;
}

unsigned char *store_map(struct store *s)
{
	struct segment g;

	if (s->nseg == s->cap) {
		size_t cap = s->cap == 0 ? 8 : s->cap * 2;
		struct segment *seg = realloc(s->seg, cap * sizeof *seg);

		if (seg == NULL)
			return NULL;
		s->seg = seg;
		s->cap = cap;
	}
	g.p = mmap(NULL, STORE_SEGMENT, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd,
	    (off_t)(STORE_HEAD + s->nseg * STORE_SEGMENT));
	if (g.p == MAP_FAILED)
		return NULL;
	g.locked = mx_secret_guard(g.p, STORE_SEGMENT);
	s->seg[s->nseg++] = g;
	return g.p;
}

/* Cuts a segment into slots of class k; all are free. */
void store_format(struct store *s, unsigned char *p, size_t k)
{
	struct segment_head h = { .magic = STORE_SEGMENT_MAGIC, .slot_size = store_sizes[k] };
	size_t off;

	h.sum = mx_fnv(MX_FNV_BASIS, &h, offsetof(struct segment_head, sum));
	memcpy(p, &h, sizeof h);
	for (off = STORE_SEGMENT - (STORE_SEGMENT - sizeof h) % store_sizes[k]; off > sizeof h; off -= store_sizes[k])
		put_free(s, k, (struct slot *)(void *)(p + off - store_sizes[k]));
}

/* Before it is mapped: a write to a hole of a full file system would be a SIGBUS. */
bool store_claim(int fd, off_t from, off_t n)
{
	int r;

	do
		r = posix_fallocate(fd, from, n);
	while (r == EINTR);
	return r == 0;
}

static bool grow(struct store *s, size_t k)
{
	off_t end = (off_t)(STORE_HEAD + s->nseg * STORE_SEGMENT);
	unsigned char *p;

	if (!store_claim(s->fd, end, STORE_SEGMENT))
		return false;
	if ((p = store_map(s)) == NULL)
		return false;		/* the file is longer already: the next try finds that, or the next process */
	store_format(s, p, k);
	return true;
}

void store_wipe(struct store *s, struct slot *x, size_t k)
{
	mx_wipe(x, store_sizes[k]);
	put_free(s, k, x);
}

uint64_t store_name(const char *name)
{
	return mx_fnv(MX_FNV_BASIS, name, strlen(name));
}

void store_close(struct store *s)
{
	size_t i;

	if (s == NULL)
		return;
	for (i = 0; i < s->nseg; i++) {
		mx_secret_unguard(s->seg[i].p, STORE_SEGMENT, s->seg[i].locked);
		munmap(s->seg[i].p, STORE_SEGMENT);
	}
	close(s->fd);
	free(s->seg);
	free(s->found);
	free(s);
}

int store_fd(const struct store *s)
{
	return s->fd;
}

bool store_has(const struct store *s, const void *address)
{
	const unsigned char *p = address;

	for (size_t i = 0; s != NULL && i < s->nseg; i++)
		if (p >= s->seg[i].p && p < s->seg[i].p + STORE_SEGMENT)
			return true;
	return false;
}

uint64_t store_generation(const struct store *s)
{
	return s->generation;
}

size_t store_found(const struct store *s)
{
	return s->nfound;
}

size_t store_torn(const struct store *s)
{
	return s->torn;
}

void *store_keep(struct store *s, const char *name, uint64_t fingerprint, const struct engine_saved *d,
    const void *token, size_t n, unsigned char **where)
{
	size_t k = store_class(sizeof(struct slot) + n + 1);
	struct slot *x;

	if (n == 0 || n > STORE_TOKEN_MAX || k == STORE_SIZES)
		return NULL;
	if ((x = take_free(s, k)) == NULL && (!grow(s, k) || (x = take_free(s, k)) == NULL))
		return NULL;
	x->sum = 0;
	x->name = store_name(name);
	x->fingerprint = fingerprint;
	x->saved = *d;
	x->len = (uint32_t)n;
	memcpy(x->token, token, n);
	x->token[n] = '\0';
	atomic_signal_fence(memory_order_seq_cst);	/* in this order, wherever the process is killed */
	x->generation = ++s->generation;
	atomic_signal_fence(memory_order_seq_cst);
	x->sum = store_sum(x);
	*where = x->token;
	return x;
}

void store_forget(struct store *s, void *kept)
{
	struct slot *x = kept;

	store_wipe(s, x, store_class_of(x));
}
