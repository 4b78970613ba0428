/*
 * Text files by their lines. Parts: base, mine, theirs. A diff covers all that differs, and merging obeys its laws.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/setup/lines.h"
#include "tests/fuzz/fuzz.h"

static size_t count(const struct su_text *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++)
		n += t->p[i] == '\n';
	return n + (t->n > 0 && t->p[t->n - 1] != '\n');
}

/* Where line i begins. */
static size_t offset(const struct su_text *t, size_t i)
{
	size_t at = 0;

	for (; i > 0 && at < t->n; i--) {
		const char *lf = memchr(t->p + at, '\n', t->n - at);

		at = lf != NULL ? (size_t)(lf - t->p) + 1 : t->n;
	}
	return at;
}

/* Between hunks the lines are equal: with the hunks exchanged, one text becomes the other. */
static void check_diff(const struct su_text *from, const struct su_text *to)
{
	struct su_diff d;
	size_t a = 0, b = 0;

	FUZZ_CHECK(su_diff(from, to, &d));
	for (size_t i = 0; i <= d.n; i++) {
		size_t ha = i < d.n ? d.h[i].a : count(from), hb = i < d.n ? d.h[i].b : count(to);
		size_t from_at = offset(from, a), to_at = offset(to, b), same = offset(from, ha) - from_at;

		FUZZ_CHECK(ha >= a && ha - a == hb - b && offset(to, hb) - to_at == same);
		FUZZ_CHECK(same == 0 || memcmp(from->p + from_at, to->p + to_at, same) == 0);
		if (i == d.n)
			break;
		FUZZ_CHECK(d.h[i].an + d.h[i].bn > 0);
		a = ha + d.h[i].an;
		b = hb + d.h[i].bn;
		FUZZ_CHECK(a <= count(from) && b <= count(to));
	}
	free(d.h);
}

static void check_shown(const struct su_text *from, const struct su_text *to)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	FUZZ_CHECK(f != NULL && su_diff_show(f, "/etc/x", from, to, true) && fclose(f) == 0);
	for (size_t i = 0; i < n; i++)
		FUZZ_CHECK(text[i] == '\n' || text[i] == '\t' || ((unsigned char)text[i] >= 0x20 && text[i] != 0x7f));
	free(text);
}

static void merged(const struct su_text *base, const struct su_text *mine, const struct su_text *theirs,
    const struct su_text *want)
{
	size_t len, at, n;
	char *out;
	enum su_merge r = su_merge(base, mine, theirs, &out, &len, &at, &n);

	if (r == SU_MERGED) {
		FUZZ_CHECK(out[len] == '\0');
		if (want != NULL)
			FUZZ_CHECK(len == want->n && (len == 0 || memcmp(out, want->p, len) == 0));
		free(out);
	} else {
		FUZZ_CHECK(r == SU_CONFLICT && want == NULL);
		FUZZ_CHECK(at + n <= count(theirs));
	}
}

static struct su_text text(struct fuzz_in part)
{
	return (struct su_text){ fuzz_copy(part), part.n };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fuzz_in in = { data, n };
	struct su_text base, mine, theirs;

	if (n > 1 << 14)
		return 0;
	base = text(fuzz_part(&in));
	mine = text(fuzz_part(&in));
	theirs = text(in);
	check_diff(&base, &mine);
	check_diff(&mine, &theirs);
	check_shown(&base, &theirs);
	merged(&base, &mine, &theirs, NULL);
	merged(&base, &mine, &base, &mine);		/* nobody else has changed it */
	merged(&base, &base, &theirs, &theirs);		/* there is nothing to change */
	free((char *)mine.p);
	free((char *)base.p);
	free((char *)theirs.p);
	return 0;
}
