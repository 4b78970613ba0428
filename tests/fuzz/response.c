/*
 * The initial response of both mechanisms: taken apart again by the RFCs' rules, it says what went in.
 * Parts: mechanism, mailbox, host, port, token, room.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "common/response.h"
#include "common/text.h"
#include "common/wire.h"
#include "tests/fuzz/fuzz.h"

/* saslname of RFC 5801 section 4, undone. Its length, SIZE_MAX: it is none. */
static size_t saslname(char *out, const char *s, size_t n)
{
	size_t o = 0;

	for (size_t i = 0; i < n; i++) {
		if (s[i] == ',')
			return SIZE_MAX;
		if (s[i] != '=') {
			out[o++] = s[i];
		} else if (n - i >= 3 && memcmp(s + i, "=2C", 3) == 0) {
			out[o++] = ',';
			i += 2;
		} else if (n - i >= 3 && memcmp(s + i, "=3D", 3) == 0) {
			out[o++] = '=';
			i += 2;
		} else {
			return SIZE_MAX;
		}
	}
	return o;
}

/* The fields between \001, which no value may have. */
static void check(const struct mx_buf *b, enum mx_mech m, const char *user, const char *host, uint32_t port,
    const struct fuzz_in *token)
{
	const char *p = b->p, *end = b->p + b->len, *stop;
	char name[MX_ACCOUNT_MAX * 3 + 8], want[MX_HOST_MAX + 64];
	unsigned fields = 1;

	FUZZ_CHECK((stop = memchr(p, 1, b->len)) != NULL);
	if (m == MX_MECH_XOAUTH2) {
		FUZZ_CHECK((size_t)(stop - p) == 5 + strlen(user) && memcmp(p, "user=", 5) == 0);
		FUZZ_CHECK(memcmp(p + 5, user, strlen(user)) == 0);
	} else {
		FUZZ_CHECK(stop - p >= 5 && (size_t)(stop - p) < sizeof name && memcmp(p, "n,a=", 4) == 0 && stop[-1] == ',');
		FUZZ_CHECK(saslname(name, p + 4, (size_t)(stop - p) - 5) == strlen(user));
		FUZZ_CHECK(memcmp(name, user, strlen(user)) == 0);
	}
	for (p = stop + 1; (stop = memchr(p, 1, (size_t)(end - p))) != NULL && stop > p; p = stop + 1, fields++) {
		if (memcmp(p, "auth=Bearer ", 12) == 0) {
			FUZZ_CHECK((size_t)(stop - p) == 12 + token->n && memcmp(p + 12, token->p, token->n) == 0);
			continue;
		}
		snprintf(want, sizeof want, *p == 'h' ? "host=%s" : "port=%.0s%u", *p == 'h' ? host : "", (unsigned)port);
		FUZZ_CHECK(m == MX_MECH_OAUTHBEARER && strlen(want) == (size_t)(stop - p) &&
		    memcmp(p, want, strlen(want)) == 0);
	}
	FUZZ_CHECK(stop == p && stop + 1 == end);
	FUZZ_CHECK(fields == 2u + (m == MX_MECH_OAUTHBEARER && host != NULL) + (m == MX_MECH_OAUTHBEARER && port != 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static char room[16384], b64[sizeof room / 3 * 4 + 8], back[sizeof room];
	struct fuzz_in in = { data, n }, mech = fuzz_part(&in), user = fuzz_part(&in), host = fuzz_part(&in);
	uint32_t port = (uint32_t)fuzz_number(fuzz_part(&in), 65535);
	struct fuzz_in token = fuzz_part(&in), cap = fuzz_part(&in);
	enum mx_mech m = mx_mech_by_name((const char *)mech.p, mech.n);
	char *u = fuzz_str(user), *h = fuzz_str(host), *t = fuzz_copy(token);
	struct mx_buf b, coded;
	struct mx_err e;
	enum mx_class cls;

	if (m == MX_MECH_NONE)
		m = MX_MECH_OAUTHBEARER;
	mx_buf_init(&b, room, cap.n > 0 ? (size_t)fuzz_number(cap, sizeof room) : sizeof room);
	cls = mx_response_build(&b, m, u, host.n > 0 ? h : NULL, port, t, token.n, &e);
	if (cls == MX_OK) {
		FUZZ_CHECK(!b.bad && b.len <= b.cap);
		check(&b, m, u, host.n > 0 ? h : NULL, port, &token);
		mx_buf_init(&coded, b64, sizeof b64);
		mx_b64_encode(&coded, b.p, b.len);
		FUZZ_CHECK(!coded.bad && coded.len == MX_B64_LEN(b.len));
		FUZZ_CHECK(mx_b64_decode(back, sizeof back, coded.p, coded.len) == (ssize_t)b.len);
		FUZZ_CHECK(memcmp(back, b.p, b.len) == 0);
	} else {
		fuzz_check_err(&e, cls);
	}
	free(u);
	free(h);
	free(t);
	return 0;
}
