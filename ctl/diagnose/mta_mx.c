/*
 * A domain's mail server of the lowest preference (RFC 5321 section 5.1), as Postfix takes it for a next hop without brackets.
 */
#include "config.h"

#include <stdint.h>
#include <string.h>

#include <netinet/in.h>
#include <arpa/nameser.h>
#include <resolv.h>

#include "ctl/diagnose/mta_mx.h"

#define ANSWER_MAX 8192
#define HEAD 12			/* bytes of a message before its questions: RFC 1035 section 4.1.1 */
#define CLASS_IN 1
#define TYPE_MX 15
#define HOST "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"

static unsigned get16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* Behind a name; NULL: the message ends within it. */
static const unsigned char *behind(const unsigned char *p, const unsigned char *end)
{
	const int n = p < end ? dn_skipname(p, end) : -1;

	return n < 0 || n > end - p ? NULL : p + n;
}

/* One record: its name into out, where it is an MX that goes before *best. Behind it; NULL: the message is none. */
static const unsigned char *record(const unsigned char *msg, const unsigned char *p, const unsigned char *end, unsigned *best,
    char out[MX_HOST_MAX + 1])
{
	char name[NS_MAXDNAME];
	unsigned type, size, preference;

	if ((p = behind(p, end)) == NULL || end - p < 10)
		return NULL;
	type = get16(p), size = get16(p + 8);
	p += 10;
	if ((size_t)(end - p) < size)
		return NULL;
	preference = size > 2 ? get16(p) : UINT16_MAX + 1u;
	if (type == TYPE_MX && preference < *best && dn_expand(msg, end, p + 2, name, sizeof name) > 0 && *name != '\0' &&
	    strlen(name) <= MX_HOST_MAX && strspn(name, HOST) == strlen(name)) {
		*best = preference;
		memcpy(out, name, strlen(name) + 1);
	}
	return p + size;
}

void dg_mx(const char *domain, char out[MX_HOST_MAX + 1])
{
	unsigned char msg[ANSWER_MAX];
	const unsigned char *p = msg + HEAD, *end;
	unsigned best = UINT16_MAX + 1u;
	int n;

	out[0] = '\0';
#ifdef __GLIBC__
	if (res_init() == 0) {
		_res.retrans = 2;	/* somebody is waiting */
		_res.retry = 2;
	}
#endif
	if ((n = res_query(domain, CLASS_IN, TYPE_MX, msg, sizeof msg)) < HEAD || n > (int)sizeof msg)
		return;
	end = msg + n;
	for (unsigned i = get16(msg + 4); i > 0 && p != NULL; i--)
		p = (p = behind(p, end)) != NULL && end - p >= 4 ? p + 4 : NULL;
	for (unsigned i = get16(msg + 6); i > 0 && p != NULL; i--)
		p = record(msg, p, end, &best, out);
}
