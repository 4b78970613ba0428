/*
 * Size classes over 64 KiB chunks. A chunk holds pieces of one class; free pieces are linked through
 * their own first bytes. Chunks are never given back: the number of secrets of a daemon is steady.
 */
#include "config.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/secret.h"

#define CHUNK 65536u
#define SECRET_MAX (16u * 1024 * 1024)

static const uint32_t sizes[] = {
	64, 128, 256, 512, 1024, 1536, 2048, 2560, 3072, 4096, 6144, 8192, 12288, 16384
};
#define NSIZES (sizeof sizes / sizeof sizes[0])

struct piece { struct piece *next; };

/* All below is under the lock: a configuration is read, and its secrets with it, by a thread of its own. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct piece *free_list[NSIZES];
static size_t total_mapped, total_unlocked;

static bool guard(void *p, size_t n)
{
	bool locked = mlock(p, n) == 0;

	total_mapped += n;
	if (!locked)			/* best effort: RLIMIT_MEMLOCK; told by mx_secret_stats() */
		total_unlocked += n;
#ifdef MADV_DONTDUMP
	(void)madvise(p, n, MADV_DONTDUMP);
#endif
	return locked;
}

static void *map(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	(void)guard(p, n);
#ifdef MADV_WIPEONFORK
	(void)madvise(p, n, MADV_WIPEONFORK);
#endif
	return p;
}

static size_t class_of(size_t n)
{
	size_t k = 0;

	while (k < NSIZES && sizes[k] < n)
		k++;
	return k;		/* NSIZES: a mapping of its own */
}

static size_t round_to_page(size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (n + page - 1) / page * page;
}

static bool refill(size_t k)
{
	unsigned char *p = map(CHUNK);
	size_t off;

	if (p == NULL)
		return false;
	for (off = CHUNK - CHUNK % sizes[k]; off >= sizes[k]; off -= sizes[k]) {
		struct piece *f = (struct piece *)(void *)(p + off - sizes[k]);

		f->next = free_list[k];
		free_list[k] = f;
	}
	return true;
}

bool mx_secret_alloc(struct mx_secret *s, size_t cap)
{
	size_t k = class_of(cap);

	*s = (struct mx_secret){ 0 };
	if (cap == 0 || cap > SECRET_MAX)
		return false;
	(void)pthread_mutex_lock(&lock);
	if (k == NSIZES) {
		cap = round_to_page(cap);
		s->p = map(cap);
		s->cap = s->p == NULL ? 0 : cap;
	} else if (free_list[k] != NULL || refill(k)) {
		s->p = (unsigned char *)free_list[k];
		free_list[k] = free_list[k]->next;
		memset(s->p, 0, sizeof(struct piece));
		s->cap = sizes[k];
	}
	(void)pthread_mutex_unlock(&lock);
	return s->p != NULL;
}

bool mx_secret_set(struct mx_secret *s, const void *src, size_t n)
{
	if (!mx_secret_alloc(s, n + 1))
		return false;
	memcpy(s->p, src, n);
	s->p[n] = '\0';
	s->len = n;
	return true;
}

void mx_secret_free(struct mx_secret *s)
{
	size_t k;

	if (s->p == NULL)
		return;
	mx_wipe(s->p, s->cap);		/* always the capacity, not the length */
	k = class_of(s->cap);
	(void)pthread_mutex_lock(&lock);
	if (k == NSIZES) {
		total_mapped -= s->cap;
		munmap(s->p, s->cap);
	} else {
		struct piece *f = (struct piece *)(void *)s->p;

		f->next = free_list[k];
		free_list[k] = f;
	}
	(void)pthread_mutex_unlock(&lock);
	*s = (struct mx_secret){ 0 };
}

void mx_secret_move(struct mx_secret *to, struct mx_secret *from)
{
	if (to == from)
		return;
	mx_secret_free(to);
	*to = *from;
	*from = (struct mx_secret){ 0 };
}

bool mx_secret_equal(const struct mx_secret *a, const struct mx_secret *b)
{
	unsigned char diff = 0;
	size_t i;

	if (a->len != b->len)
		return false;
	for (i = 0; i < a->len; i++)
		diff |= (unsigned char)(a->p[i] ^ b->p[i]);
	return diff == 0;
}

bool mx_secret_guard(void *p, size_t n)
{
	bool locked;

	(void)pthread_mutex_lock(&lock);
	locked = guard(p, n);
	(void)pthread_mutex_unlock(&lock);
#ifdef MADV_DONTFORK
	(void)madvise(p, n, MADV_DONTFORK);
#endif
	return locked;
}

void mx_secret_unguard(void *p, size_t n, bool locked)
{
	if (locked)
		(void)munlock(p, n);
	(void)pthread_mutex_lock(&lock);
	total_mapped -= n;
	if (!locked)
		total_unlocked -= n;
	(void)pthread_mutex_unlock(&lock);
}

void mx_secret_forked(void)
{
	(void)pthread_mutex_init(&lock, NULL);	/* a thread that is not here may have held it */
	memset(free_list, 0, sizeof free_list);
	total_mapped = total_unlocked = 0;
}

void mx_secret_stats(size_t *mapped, size_t *unlocked)
{
	(void)pthread_mutex_lock(&lock);
	*mapped = total_mapped;
	*unlocked = total_unlocked;
	(void)pthread_mutex_unlock(&lock);
}
