#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/hash.h"
#include "common/secret.h"
#include "tokend/store.h"

#define LAYOUT 1u			/* raise when struct slot or the sizes change */
#define HEAD 4096u
#define SEGMENT 65536u
#define SEGMENT_MAGIC 0x676573786dull	/* "mxseg" */

static const char magic[8] = { 'm', 'x', 't', 'o', 'k', 'e', 'n', 's' };
static const uint32_t sizes[] = { 768, 1536, 2304, 3072, 4608, 9216 };
#define NSIZES (sizeof sizes / sizeof sizes[0])

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
	void *free_list[NSIZES];	/* linked through the slots' own bytes, behind the generation */
	uint64_t generation;
	struct found *found;		/* NULL once settled */
	size_t nfound, nplaces, torn;
};

const char *store_why(enum store_why w)
{
	static const char *const words[] = { "fine", "no-memory", "foreign", "version", "boot", "damaged" };

	return words[w];
}

static uint64_t sum_of(const struct slot *x)
{
	const unsigned char *from = (const unsigned char *)&x->generation;

	return mx_fnv(MX_FNV_BASIS, from, (size_t)(x->token - from) + x->len + 1);
}

static size_t class_of(size_t n)
{
	size_t k = 0;

	while (k < NSIZES && sizes[k] < n)
		k++;
	return k;
}

static size_t class_of_slot(const struct slot *x)
{
	return class_of(sizeof *x + x->len + 1);
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

static unsigned char *map_segment(struct store *s)
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
	g.p = mmap(NULL, SEGMENT, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, (off_t)(HEAD + s->nseg * SEGMENT));
	if (g.p == MAP_FAILED)
		return NULL;
	g.locked = mx_secret_guard(g.p, SEGMENT);
	s->seg[s->nseg++] = g;
	return g.p;
}

/* Cuts a segment into slots of class k; all are free. */
static void format(struct store *s, unsigned char *p, size_t k)
{
	struct segment_head h = { .magic = SEGMENT_MAGIC, .slot_size = sizes[k] };
	size_t off;

	h.sum = mx_fnv(MX_FNV_BASIS, &h, offsetof(struct segment_head, sum));
	memcpy(p, &h, sizeof h);
	for (off = SEGMENT - (SEGMENT - sizeof h) % sizes[k]; off > sizeof h; off -= sizes[k])
		put_free(s, k, (struct slot *)(void *)(p + off - sizes[k]));
}

/* Before it is mapped: a write to a hole of a full file system would be a SIGBUS. */
static bool claim(int fd, off_t from, off_t n)
{
	int r;

	do
		r = posix_fallocate(fd, from, n);
	while (r == EINTR);
	return r == 0;
}

static bool grow(struct store *s, size_t k)
{
	off_t end = (off_t)(HEAD + s->nseg * SEGMENT);
	unsigned char *p;

	if (!claim(s->fd, end, SEGMENT))
		return false;
	if ((p = map_segment(s)) == NULL)
		return false;		/* the file is longer already: the next try finds that, or the next process */
	format(s, p, k);
	return true;
}

/* --- what an earlier process left --------------------------------------------------------- */

static struct found *place_of(struct store *s, uint64_t name, uint64_t fingerprint)
{
	size_t i = (size_t)(name ^ fingerprint) & (s->nplaces - 1);

	while (s->found[i].x != NULL && (s->found[i].name != name || s->found[i].fingerprint != fingerprint))
		i = (i + 1) & (s->nplaces - 1);
	return &s->found[i];
}

static bool more_places(struct store *s)
{
	size_t n = s->nplaces == 0 ? 64 : s->nplaces * 2, had = s->nplaces, i;
	struct found *old = s->found, *new = calloc(n, sizeof *new);

	if (new == NULL)
		return false;
	s->found = new;
	s->nplaces = n;
	for (i = 0; i < had; i++)
		if (old[i].x != NULL)
			*place_of(s, old[i].name, old[i].fingerprint) = old[i];
	free(old);
	return true;
}

static void wipe(struct store *s, struct slot *x, size_t k)
{
	mx_wipe(x, sizes[k]);
	put_free(s, k, x);
}

static bool valid(const struct slot *x, size_t k)
{
	return x->generation != 0 && x->len > 0 && sizeof *x + x->len < sizes[k] && x->sum == sum_of(x) &&
	    memchr(x->saved.id, '\0', sizeof x->saved.id) != NULL &&
	    memchr(x->saved.rejected_id, '\0', sizeof x->saved.rejected_id) != NULL;
}

/* A slot that counts, or one that is free from now on. */
static bool look_at(struct store *s, struct slot *x, size_t k)
{
	struct found *at;

	if (!valid(x, k)) {
		s->torn += x->generation != 0;
		wipe(s, x, k);
		return true;
	}
	if (s->nfound * 2 >= s->nplaces && !more_places(s))
		return false;
	if (x->generation > s->generation)
		s->generation = x->generation;
	at = place_of(s, x->name, x->fingerprint);
	if (at->x == NULL) {
		*at = (struct found){ .name = x->name, .fingerprint = x->fingerprint, .x = x };
		s->nfound++;
	} else if (at->x->generation > x->generation) {
		wipe(s, x, k);
	} else {
		wipe(s, at->x, class_of_slot(at->x));
		at->x = x;
	}
	return true;
}

/* A segment whose head was not written yet has no slots: it gets some. */
static bool scan_segment(struct store *s, unsigned char *p)
{
	struct segment_head h;
	size_t off, k;

	memcpy(&h, p, sizeof h);
	k = h.slot_size <= sizes[NSIZES - 1] ? class_of((size_t)h.slot_size) : NSIZES;
	if (h.magic != SEGMENT_MAGIC || h.sum != mx_fnv(MX_FNV_BASIS, &h, offsetof(struct segment_head, sum)) ||
	    k == NSIZES || sizes[k] != h.slot_size) {
		s->torn += h.magic != 0;
		mx_wipe(p, SEGMENT);
		format(s, p, 2);
		return true;
	}
	for (off = sizeof h; off + sizes[k] <= SEGMENT; off += sizes[k])
		if (!look_at(s, (struct slot *)(void *)(p + off), k))
			return false;
	return true;
}

static enum store_why check_head(int fd, const char *boot, off_t size)
{
	struct head h;

	if (size < (off_t)sizeof h || pread(fd, &h, sizeof h, 0) != (ssize_t)sizeof h ||
	    memcmp(h.magic, magic, sizeof magic) != 0)
		return STORE_FOREIGN;
	if (h.version != LAYOUT || h.slot_head != sizeof(struct slot))
		return STORE_VERSION;
	if (h.sum != mx_fnv(MX_FNV_BASIS, &h, offsetof(struct head, sum)) || size < (off_t)HEAD ||
	    (size - (off_t)HEAD) % (off_t)SEGMENT != 0)
		return STORE_DAMAGED;
	return strncmp(h.boot, boot, sizeof h.boot) == 0 ? STORE_FINE : STORE_BOOT;
}

static enum store_why make_head(int fd, const char *boot)
{
	struct head h = { .version = LAYOUT, .slot_head = sizeof(struct slot) };

	memcpy(h.magic, magic, sizeof magic);
	if (strlen(boot) < sizeof h.boot)
		memcpy(h.boot, boot, strlen(boot));
	h.sum = mx_fnv(MX_FNV_BASIS, &h, offsetof(struct head, sum));
	if (!claim(fd, 0, HEAD) || pwrite(fd, &h, sizeof h, 0) != (ssize_t)sizeof h)
		return STORE_NO_MEMORY;
	return STORE_FINE;
}

enum store_why store_open(int fd, const char *boot, struct store **out)
{
	struct store *s = calloc(1, sizeof *s);
	enum store_why why = STORE_NO_MEMORY;
	struct stat st;
	unsigned char *p;

	*out = NULL;
	if (s == NULL) {
		close(fd);
		return why;
	}
	s->fd = fd;
	if (fstat(fd, &st) == -1)
		goto out;
	if ((why = st.st_size == 0 ? make_head(fd, boot) : check_head(fd, boot, st.st_size)) != STORE_FINE)
		goto out;
	why = STORE_NO_MEMORY;
	while ((off_t)(HEAD + (s->nseg + 1) * SEGMENT) <= st.st_size)
		if ((p = map_segment(s)) == NULL || !scan_segment(s, p))
			goto out;
	*out = s;
	return STORE_FINE;
out:
	store_close(s);
	return why;
}

void store_close(struct store *s)
{
	size_t i;

	if (s == NULL)
		return;
	for (i = 0; i < s->nseg; i++) {
		mx_secret_unguard(s->seg[i].p, SEGMENT, s->seg[i].locked);
		munmap(s->seg[i].p, SEGMENT);
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

/* --- use ---------------------------------------------------------------------------------- */

static uint64_t name_of(const char *name)
{
	return mx_fnv(MX_FNV_BASIS, name, strlen(name));
}

void *store_keep(struct store *s, const char *name, uint64_t fingerprint, const struct engine_saved *d,
    const void *token, size_t n, unsigned char **where)
{
	size_t k = class_of(sizeof(struct slot) + n + 1);
	struct slot *x;

	if (n == 0 || n > STORE_TOKEN_MAX || k == NSIZES)
		return NULL;
	if ((x = take_free(s, k)) == NULL && (!grow(s, k) || (x = take_free(s, k)) == NULL))
		return NULL;
	x->sum = 0;
	x->name = name_of(name);
	x->fingerprint = fingerprint;
	x->saved = *d;
	x->len = (uint32_t)n;
	memcpy(x->token, token, n);
	x->token[n] = '\0';
	atomic_signal_fence(memory_order_seq_cst);	/* in this order, wherever the process is killed */
	x->generation = ++s->generation;
	atomic_signal_fence(memory_order_seq_cst);
	x->sum = sum_of(x);
	*where = x->token;
	return x;
}

void *store_recall(struct store *s, const char *name, uint64_t fingerprint, struct engine_saved *d,
    unsigned char **where, size_t *n)
{
	struct found *at;

	if (s->nfound == 0)
		return NULL;
	at = place_of(s, name_of(name), fingerprint);
	if (at->x == NULL || at->recalled)
		return NULL;
	at->recalled = true;
	*d = at->x->saved;
	*where = at->x->token;
	*n = at->x->len;
	return at->x;
}

void store_forget(struct store *s, void *kept)
{
	struct slot *x = kept;

	wipe(s, x, class_of_slot(x));
}

size_t store_settle(struct store *s)
{
	size_t i, n = 0;

	for (i = 0; i < s->nplaces; i++) {
		struct found *f = &s->found[i];

		if (f->x == NULL || f->recalled)
			continue;
		wipe(s, f->x, class_of_slot(f->x));
		n++;
	}
	free(s->found);
	s->found = NULL;
	s->nfound = s->nplaces = 0;
	return n;
}
