/*
 * What an earlier process left: looked at when the store is opened, recalled once, the rest wiped.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/hash.h"
#include "engine/store-private.h"

static const char magic[8] = { 'm', 'x', 't', 'o', 'k', 'e', 'n', 's' };

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

static bool valid(const struct slot *x, size_t k)
{
	return x->generation != 0 && x->len > 0 && sizeof *x + x->len < store_sizes[k] && x->sum == store_sum(x) &&
	    memchr(x->saved.id, '\0', sizeof x->saved.id) != NULL &&
	    memchr(x->saved.rejected_id, '\0', sizeof x->saved.rejected_id) != NULL;
}

/* A slot that counts, or one that is free from now on. */
static bool look_at(struct store *s, struct slot *x, size_t k)
{
	struct found *at;

	if (!valid(x, k)) {
		s->torn += x->generation != 0;
		store_wipe(s, x, k);
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
		store_wipe(s, x, k);
	} else {
		store_wipe(s, at->x, store_class_of(at->x));
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
	k = h.slot_size <= store_sizes[STORE_SIZES - 1] ? store_class((size_t)h.slot_size) : STORE_SIZES;
	if (h.magic != STORE_SEGMENT_MAGIC || h.sum != mx_fnv(MX_FNV_BASIS, &h, offsetof(struct segment_head, sum)) ||
	    k == STORE_SIZES || store_sizes[k] != h.slot_size) {
		s->torn += h.magic != 0;
		mx_wipe(p, STORE_SEGMENT);
		store_format(s, p, STORE_USUAL);
		return true;
	}
	for (off = sizeof h; off + store_sizes[k] <= STORE_SEGMENT; off += store_sizes[k])
		if (!look_at(s, (struct slot *)(void *)(p + off), k))
			return false;
	return true;
}

static enum store_why check_head(int fd, const char *boot, off_t size)
{
	/* what a process leaves that is killed before it has written the head */
	static const char nothing[STORE_HEAD];
	char first[STORE_HEAD] = "";
	struct head h = { .version = 0 };

	if (pread(fd, first, sizeof first, 0) < 0)
		return STORE_FOREIGN;
	memcpy(&h, first, sizeof h);
	if (memcmp(first, nothing, sizeof nothing) == 0)
		return STORE_DAMAGED;
	if (size < (off_t)sizeof h || memcmp(h.magic, magic, sizeof magic) != 0)
		return STORE_FOREIGN;
	if (h.version != STORE_LAYOUT || h.slot_head != sizeof(struct slot))
		return STORE_VERSION;
	if (h.sum != mx_fnv(MX_FNV_BASIS, &h, offsetof(struct head, sum)) || size < (off_t)STORE_HEAD ||
	    (size - (off_t)STORE_HEAD) % (off_t)STORE_SEGMENT != 0)
		return STORE_DAMAGED;
	return strncmp(h.boot, boot, sizeof h.boot) == 0 ? STORE_FINE : STORE_BOOT;
}

static enum store_why make_head(int fd, const char *boot)
{
	struct head h = { .version = STORE_LAYOUT, .slot_head = sizeof(struct slot) };

	memcpy(h.magic, magic, sizeof magic);
	if (strlen(boot) < sizeof h.boot)
		memcpy(h.boot, boot, strlen(boot));
	h.sum = mx_fnv(MX_FNV_BASIS, &h, offsetof(struct head, sum));
	if (!store_claim(fd, 0, STORE_HEAD) || pwrite(fd, &h, sizeof h, 0) != (ssize_t)sizeof h)
		return STORE_NO_ROOM;
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
	while ((off_t)(STORE_HEAD + (s->nseg + 1) * STORE_SEGMENT) <= st.st_size)
		if ((p = store_map(s)) == NULL || !scan_segment(s, p))
			goto out;
	*out = s;
	return STORE_FINE;
out:
	store_close(s);
	return why;
}

void *store_recall(struct store *s, const char *name, uint64_t fingerprint, struct engine_saved *d,
    unsigned char **where, size_t *n)
{
	struct found *at;

	if (s->nfound == 0)
		return NULL;
	at = place_of(s, store_name(name), fingerprint);
	if (at->x == NULL || at->recalled)
		return NULL;
	at->recalled = true;
	*d = at->x->saved;
	*where = at->x->token;
	*n = at->x->len;
	return at->x;
}

size_t store_review(struct store *s, bool (*wanted)(void *ctx, uint64_t fingerprint, const struct engine_saved *d),
    void *ctx)
{
	size_t i, n = 0, left = 0;

	for (i = 0; i < s->nplaces; i++) {
		struct found *f = &s->found[i];

		if (f->x == NULL || f->recalled)
			continue;
		if (wanted != NULL && wanted(ctx, f->fingerprint, &f->x->saved)) {
			left++;
			continue;
		}
		store_wipe(s, f->x, store_class_of(f->x));
		f->recalled = true;		/* its place stays taken: others are found behind it */
		n++;
	}
	if (left > 0)
		return n;
	free(s->found);
	s->found = NULL;
	s->nfound = s->nplaces = 0;
	return n;
}

size_t store_settle(struct store *s)
{
	return store_review(s, NULL, NULL);
}

size_t store_unclaimed(const struct store *s)
{
	size_t i, n = 0;

	for (i = 0; i < s->nplaces; i++)
		n += s->found[i].x != NULL && !s->found[i].recalled;
	return n;
}
