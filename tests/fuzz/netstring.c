/*
 * Netstrings: what is read is what would be written, one byte less is never enough, and no answer is taken back when
 * more bytes come. Parts: the most it may hold, bytes.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/netstring.h"
#include "tests/fuzz/fuzz.h"

static void check_whole(const char *p, size_t n, size_t max, const char *s, size_t len, size_t used)
{
	char *again = malloc(len + 32);
	struct mx_buf b;

	FUZZ_CHECK(again != NULL && len <= max && used <= n && s > p && s + len + 1 == p + used);
	mx_buf_init(&b, again, len + 32);
	mx_netstring_add(&b, s, len);
	FUZZ_CHECK(!b.bad && b.len == used && memcmp(again, p, used) == 0);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fuzz_in in = { data, n };
	size_t max = (size_t)fuzz_number(fuzz_part(&in), 100000), len, used, step;
	enum mx_netstring r, before = MX_NETSTRING_MORE;
	char *p = fuzz_copy(in);
	const char *s;

	r = mx_netstring_parse(p, in.n, max, &s, &len, &used);
	if (r == MX_NETSTRING_OK)
		check_whole(p, in.n, max, s, len, used);
	step = in.n / 64 + 1;
	for (size_t cut = 0; cut < in.n; cut += step) {
		char *part = fuzz_copy((struct fuzz_in){ in.p, cut });
		size_t len2, used2 = 0;
		enum mx_netstring early = mx_netstring_parse(part, cut, max, &s, &len2, &used2);

		FUZZ_CHECK(before == MX_NETSTRING_MORE || early == before);
		FUZZ_CHECK(early == MX_NETSTRING_MORE || early == r);
		FUZZ_CHECK(early != MX_NETSTRING_OK || used2 == used);
		before = early;
		free(part);
	}
	free(p);
	return 0;
}
