#include "config.h"

#ifdef __linux__
#include <malloc.h>
#endif
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "common/buf.h"
#include "oauth/wipe.h"

/* In front of every piece; as large as the strictest alignment, so that the piece keeps it. */
union head {
	size_t n;
	max_align_t align;
};

void *oauth_wipe_malloc(size_t n)
{
	union head *h;

	if (n > SIZE_MAX - sizeof *h || (h = malloc(sizeof *h + n)) == NULL)
		return NULL;
	h->n = n;
	return h + 1;
}

void *oauth_wipe_calloc(size_t n, size_t size)
{
	void *p;

	if (size != 0 && n > SIZE_MAX / size)
		return NULL;
	if ((p = oauth_wipe_malloc(n * size)) != NULL)
		memset(p, 0, n * size);
	return p;
}

void oauth_wipe_free(void *p)
{
	union head *h = p;

	if (h == NULL)
		return;
	h--;
	mx_wipe(h, sizeof *h + h->n);
	free(h);
}

/* Never realloc(3): that would leave the old bytes where they were. */
void *oauth_wipe_realloc(void *p, size_t n)
{
	size_t had;
	void *q;

	if (p == NULL)
		return oauth_wipe_malloc(n);
	had = ((union head *)p - 1)->n;
	if (n <= had && n >= had / 2) {
		mx_wipe((char *)p + n, had - n);
		return p;
	}
	if ((q = oauth_wipe_malloc(n)) == NULL)
		return NULL;
	memcpy(q, p, n < had ? n : had);
	oauth_wipe_free(p);
	return q;
}

char *oauth_wipe_strdup(const char *s)
{
	size_t n = strlen(s) + 1;
	char *p = oauth_wipe_malloc(n);

	return p == NULL ? NULL : memcpy(p, s, n);
}

/*
 * OpenSSL passes file and line of the caller. It asks for 0 bytes at times and then expects NULL.
 */
static void *ssl_malloc(size_t n, const char *file, int line)
{
	(void)file, (void)line;
	return n == 0 ? NULL : oauth_wipe_malloc(n);
}

static void *ssl_realloc(void *p, size_t n, const char *file, int line)
{
	(void)file, (void)line;
	if (n == 0) {
		oauth_wipe_free(p);
		return NULL;
	}
	return oauth_wipe_realloc(p, n);
}

static void ssl_free(void *p, const char *file, int line)
{
	(void)file, (void)line;
	oauth_wipe_free(p);
}

/*
 * What does not take an allocator (nghttp2 inside libcurl, json-c) is overwritten by the GNU C
 * library itself; its per-thread cache of small pieces (up to 1 kB) is not, which
 * doc/internals.md says.
 */
bool oauth_wipe_install(void)
{
	static bool installed;

	if (installed)
		return true;
#ifdef M_PERTURB
	(void)mallopt(M_PERTURB, 0x5a);
#endif
	return installed = CRYPTO_set_mem_functions(ssl_malloc, ssl_realloc, ssl_free) == 1;
}
