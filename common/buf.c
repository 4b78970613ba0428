#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"

void mx_buf_init(struct mx_buf *b, void *storage, size_t cap)
{
	*b = (struct mx_buf){ .p = storage, .cap = cap };
}

void mx_buf_add(struct mx_buf *b, const void *src, size_t n)
{
	if (n > b->cap - b->len)
		b->bad = true;		/* keep the old bytes, refuse the rest */
	if (b->bad || n == 0)
		return;
	memcpy(b->p + b->len, src, n);
	b->len += n;
}

void mx_buf_addc(struct mx_buf *b, char c)
{
	mx_buf_add(b, &c, 1);
}

void mx_buf_adds(struct mx_buf *b, const char *s)
{
	mx_buf_add(b, s, strlen(s));
}

void mx_buf_addf(struct mx_buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (b->bad)
		return;
	va_start(ap, fmt);
	n = vsnprintf(b->p + b->len, b->cap - b->len, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= b->cap - b->len)	/* vsnprintf wants room for its NUL */
		b->bad = true;
	else
		b->len += (size_t)n;
}

const char *mx_buf_str(struct mx_buf *b)
{
	if (b->bad || b->len >= b->cap) {
		b->bad = true;
		return NULL;
	}
	b->p[b->len] = '\0';
	return b->p;
}

void mx_wipe(void *p, size_t n)
{
#ifdef HAVE_EXPLICIT_BZERO
	if (n > 0)
		explicit_bzero(p, n);
#else
	volatile unsigned char *v = p;

	while (n-- > 0)
		*v++ = 0;
#endif
}

void mx_buf_wipe(struct mx_buf *b)
{
	mx_wipe(b->p, b->cap);
	b->len = 0;
	b->bad = false;
}
