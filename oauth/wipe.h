/*
 * Allocators that wipe what is given back, lent to libcurl and OpenSSL: both copy request bodies,
 * headers and replies to places of their own. A size is kept in front of every piece. Private to
 * oauth/.
 */
#ifndef MX_OAUTH_WIPE_H
#define MX_OAUTH_WIPE_H

#include <stdbool.h>
#include <stddef.h>

/* As in the C library (NULL: no memory), for curl_global_init_mem(). */
void *oauth_wipe_malloc(size_t n);
void *oauth_wipe_calloc(size_t n, size_t size);
void *oauth_wipe_realloc(void *p, size_t n);
char *oauth_wipe_strdup(const char *s);
void oauth_wipe_free(void *p);

/*
 * Lends them to OpenSSL, and asks the C library to overwrite what is freed where it can do that.
 * The first call counts; false: too late, OpenSSL has allocated before. Not for threads.
 */
bool oauth_wipe_install(void);

#endif
