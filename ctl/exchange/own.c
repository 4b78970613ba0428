/*
 * Files of ours, which may be written anew unless somebody has edited them. The first line tells by a number; a byte order
 * mark may stand before it.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/hash.h"
#include "ctl/exchange/exchange.h"
#include "ctl/out.h"
#include "ctl/setup/file.h"

#define SEAL "# Written by \"mta-xoauth2 setup exchange\", as "
#define DIGITS 16
#define BOM "\xef\xbb\xbf"

static uint64_t number(const char *p, size_t n)
{
	return mx_fnv(MX_FNV_BASIS, p, n);
}

/* PowerShell 5.1 takes a file for the system's code page unless a byte order mark says that it is UTF-8. */
static bool needs_bom(const struct mx_buf *b)
{
	for (size_t i = 0; i < b->len; i++)
		if ((unsigned char)b->p[i] >= 0x80)
			return true;
	return false;
}

static void seal(struct mx_buf *b, bool bom)
{
	char line[sizeof BOM + sizeof SEAL + DIGITS + 4];
	struct mx_buf l;

	mx_buf_init(&l, line, sizeof line);
	mx_buf_addf(&l, "%s" SEAL "%0*" PRIx64 ".\n", bom ? BOM : "", DIGITS, number(b->p, b->len));
	if (mx_buf_str(&l) == NULL || b->bad || b->cap - b->len < l.len) {
		b->bad = true;
		return;
	}
	memmove(b->p + l.len, b->p, b->len);
	memcpy(b->p, l.p, l.len);
	b->len += l.len;
}

void xo_own_seal(struct mx_buf *b)
{
	seal(b, false);
}

void xo_own_seal_ps(struct mx_buf *b)
{
	seal(b, needs_bom(b));
}

static bool ours(const struct su_file *f, bool *edited)
{
	const char *p = f->p, *end;
	char digits[DIGITS + 1];
	struct mx_buf d;

	if (strncmp(p, BOM, strlen(BOM)) == 0)
		p += strlen(BOM);
	if (strncmp(p, SEAL, strlen(SEAL)) != 0 || (end = strchr(p, '\n')) == NULL)
		return false;
	mx_buf_init(&d, digits, sizeof digits);
	mx_buf_addf(&d, "%0*" PRIx64, DIGITS, number(end + 1, f->n - (size_t)(end + 1 - f->p)));
	*edited = mx_buf_str(&d) == NULL || (size_t)(end - p) != strlen(SEAL) + DIGITS + 1 ||
	    memcmp(p + strlen(SEAL), digits, DIGITS) != 0;
	return true;
}

int xo_own_check(const char *path, const char *instead)
{
	struct su_file f = { 0 };
	bool edited = false;
	int err = su_file_read(path, &f), r = CTL_FINE;

	if (err != 0) {
		out_error("%s cannot be read (%s), so nothing was changed", path, strerror(err));
		r = CTL_CONFIG;
	} else if (f.there && !ours(&f, &edited)) {
		out_error("%s is there already, and is none of this tool's: nothing was changed; move it away, or %s", path,
		    instead);
		r = CTL_CONFIG;
	} else if (edited) {
		out_error("%s was edited since this tool wrote it: nothing was changed; go on by hand, or move it away, or "
		    "%s", path, instead);
		r = CTL_CONFIG;
	}
	su_file_free(&f);
	return r;
}

int xo_put(const char *path, const char *p, size_t n, mode_t mode, gid_t gid)
{
	struct su_file f = { .there = true, .n = n, .mode = mode, .gid = gid };
	char *text = strndup(p, n);
	int err = ENOMEM;

	if (text != NULL) {
		f.p = text;
		err = su_file_put(path, &f);
	}
	su_file_free(&f);
	if (err == 0)
		return CTL_FINE;
	out_error("%s cannot be written (%s)%s", path, strerror(err), err == EACCES || err == EPERM ? "; run this as root" :
	    "");
	return CTL_CONFIG;
}
