/*
 * Strings built under a ceiling, with a sticky failure that is tested once at the end.
 * The storage is the caller's; nothing is allocated. Not thread-safe (one owner per buffer).
 */
#ifndef MX_COMMON_BUF_H
#define MX_COMMON_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct mx_buf {
	char *p;		/* caller's storage */
	size_t len, cap;	/* bytes used, bytes there */
	bool bad;		/* something did not fit: the content must not be used */
};

void mx_buf_init(struct mx_buf *b, void *storage, size_t cap);
void mx_buf_add(struct mx_buf *b, const void *src, size_t n);
void mx_buf_addc(struct mx_buf *b, char c);
void mx_buf_adds(struct mx_buf *b, const char *s);
void mx_buf_addf(struct mx_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* NUL-terminates (the NUL is not counted in len). NULL if anything did not fit, the NUL included. */
const char *mx_buf_str(struct mx_buf *b);

/* Overwrites n bytes with zeros in a way the compiler does not remove; p may be NULL when n is 0. */
void mx_wipe(void *p, size_t n);

/* Wipes the whole storage, used or not, and empties the buffer. */
void mx_buf_wipe(struct mx_buf *b);

#endif
