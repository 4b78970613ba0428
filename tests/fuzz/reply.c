/*
 * The daemon's reply as the plugin and the tool read it: believed whole, to the byte, or not at all.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/wire.h"
#include "tests/fuzz/fuzz.h"

/* An error that was read is the line that the daemon would write, unless its class is one of a newer daemon's. */
static void check_error(const char *p, size_t n, enum mx_class cls, const struct mx_err *e)
{
	char line[MX_TEXT_MAX + MX_CODE_MAX + 64];
	struct mx_buf b;

	fuzz_check_err(e, cls);
	if (strcmp(e->code, "malformed-reply") == 0)
		return;
	FUZZ_CHECK(n > 4 && memcmp(p, "ERR\t", 4) == 0);
	mx_buf_init(&b, line, sizeof line);
	mx_reply_error(&b, e, '\t');
	FUZZ_CHECK(!b.bad);
	if (b.len != n || memcmp(b.p, p, n) != 0) {
		const char *tab = memchr(p + 4, '\t', n - 4);

		FUZZ_CHECK(tab != NULL && mx_class_by_name(p + 4, (size_t)(tab - p - 4)) == MX_CLASS_N);
		FUZZ_CHECK(cls == MX_TEMP);
	}
}

static void check_token(const char *p, size_t n, const struct mx_reply *r)
{
	static char line[1 << 20];
	struct mx_buf b;

	FUZZ_CHECK(r->payload > p && r->payload + r->payload_len <= p + n && r->payload_len > 0);
	FUZZ_CHECK(strlen(r->token_id) <= MX_TOKEN_ID_MAX && r->token_id[0] != '\0');
	if (n > sizeof line)
		return;
	mx_buf_init(&b, line, sizeof line);
	mx_buf_addf(&b, "OK\t%llu\t%s\t", (unsigned long long)r->expires_in_s, r->token_id);
	mx_buf_add(&b, r->payload, r->payload_len);
	mx_buf_addc(&b, '\n');
	FUZZ_CHECK(!b.bad && b.len == n && memcmp(b.p, p, n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *p = (const char *)data, *more;
	struct mx_reply r;
	struct mx_err e;
	enum mx_class cls = mx_reply_parse(p, n, &r, &e);
	size_t more_n;

	if (cls == MX_OK)
		check_token(p, n, &r);
	else
		check_error(p, n, cls, &e);
	if (cls != MX_OK)
		FUZZ_CHECK(r.payload == NULL);

	cls = mx_reply_plain(p, n, &more, &more_n, &e);
	if (cls == MX_OK)
		FUZZ_CHECK(memcmp(p, "OK", 2) == 0 && more > p && more[-1] == '\n' && more + more_n == p + n);
	else
		check_error(p, n, cls, &e);
	return 0;
}
