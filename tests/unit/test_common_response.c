/*
 * response.c: both mechanisms, to the byte. Vectors: Microsoft's and Google's pages, RFC 7628,
 * RFC 5801.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base64.h"
#include "common/response.h"
#include "common/wire.h"

#define X MX_MECH_XOAUTH2
#define O MX_MECH_OAUTHBEARER

static const struct {
	enum mx_mech mech;
	const char *user, *host;
	uint32_t port;
	const char *token, *base64;
} vectors[] = {
	{ X, "app@contoso.com", NULL, 0, "TOKEN",
	    "dXNlcj1hcHBAY29udG9zby5jb20BYXV0aD1CZWFyZXIgVE9LRU4BAQ==" },
	{ X, "test@contoso.onmicrosoft.com", NULL, 0, "EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA",
	    "dXNlcj10ZXN0QGNvbnRvc28ub25taWNyb3NvZnQuY29tAWF1dGg9QmVhcmVyIEV3QkFBbDNCQUFVRkZw"
	    "VUFvN0ozVmUwYmpMQldaV0NjbFJDM0VvQUEBAQ==" },
	{ X, "someuser@example.com", NULL, 0, "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg",
	    "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNS"
	    "bGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==" },
	{ O, "a,b=c@example.com", "smtp.example.com", 587, "TOKEN",
	    "bixhPWE9MkNiPTNEY0BleGFtcGxlLmNvbSwBaG9zdD1zbXRwLmV4YW1wbGUuY29tAXBvcnQ9NTg3AWF1"
	    "dGg9QmVhcmVyIFRPS0VOAQE=" },
	{ O, "user@example.com", "server.example.com", 143,
	    "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==",
	    "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9"
	    "QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB" },
};

static void base64_vectors(void **state)
{
	char raw[512], text[512];
	struct mx_buf b, t;
	struct mx_err e;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		mx_buf_init(&b, raw, sizeof raw);
		mx_buf_init(&t, text, sizeof text);
		assert_int_equal(mx_response_build(&b, vectors[i].mech, vectors[i].user,
		    vectors[i].host, vectors[i].port,
		    vectors[i].token, strlen(vectors[i].token), &e), MX_OK);
		mx_b64_encode(&t, raw, b.len);
		assert_string_equal(mx_buf_str(&t), vectors[i].base64);
	}
}

static void raw_forms(void **state)
{
	static const struct {
		enum mx_mech mech;
		const char *user, *host;
		uint32_t port;
		const char *want;
	} t[] = {
		/* host and port are not XOAUTH2's */
		{ X, "u", "h", 25, "user=u\001auth=Bearer T\001\001" },
		/* nor is escaping */
		{ X, "a,b=c", NULL, 0, "user=a,b=c\001auth=Bearer T\001\001" },
		{ O, "u", NULL, 0, "n,a=u,\001auth=Bearer T\001\001" },
		{ O, "u", "h", 0, "n,a=u,\001host=h\001auth=Bearer T\001\001" },
		{ O, "u", NULL, 587, "n,a=u,\001port=587\001auth=Bearer T\001\001" },
		{ O, "=,=,", NULL, 0, "n,a==3D=2C=3D=2C,\001auth=Bearer T\001\001" },
		{ O, "=2C", NULL, 0, "n,a==3D2C,\001auth=Bearer T\001\001" },
		{ O, "\303\244@b", NULL, 0, "n,a=\303\244@b,\001auth=Bearer T\001\001" },
	};
	char raw[256];
	struct mx_buf b;
	struct mx_err e;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof t / sizeof t[0]; i++) {
		mx_buf_init(&b, raw, sizeof raw);
		assert_int_equal(mx_response_build(&b, t[i].mech, t[i].user, t[i].host, t[i].port,
		    "T", 1, &e), MX_OK);
		assert_string_equal(mx_buf_str(&b), t[i].want);
	}
}

static void refused(void **state)
{
	static char long_user[MX_ACCOUNT_MAX + 2], long_host[MX_HOST_MAX + 2];
	const struct { const char *user, *host, *token; size_t n; const char *code; } t[] = {
		{ "", NULL, "T", 1, "bad-user" }, { "a\001b", NULL, "T", 1, "bad-user" },
		{ "a\nb", NULL, "T", 1, "bad-user" },
		{ "a\177", NULL, "T", 1, "bad-user" }, { "\377", NULL, "T", 1, "bad-user" },
		{ long_user, NULL, "T", 1, "bad-user" }, { "u", "", "T", 1, "bad-host" },
		{ "u", "h\001", "T", 1, "bad-host" },
		{ "u", long_host, "T", 1, "bad-host" }, { "u", NULL, "", 0, "bad-token" },
		{ "u", NULL, "T\001", 2, "bad-token" },
		{ "u", NULL, "T\0", 2, "bad-token" }, { "u", NULL, "T T", 3, "bad-token" },
		{ "u", NULL, "T\r\n", 3, "bad-token" },
		{ "u", NULL, "=", 1, "bad-token" },
	};
	char raw[1024];
	struct mx_buf b;
	struct mx_err e;
	size_t i;
	int m;

	(void)state;
	memset(long_user, 'u', MX_ACCOUNT_MAX + 1);
	memset(long_host, 'h', MX_HOST_MAX + 1);
	for (m = X; m <= O; m++)
		for (i = 0; i < sizeof t / sizeof t[0]; i++) {
			mx_buf_init(&b, raw, sizeof raw);
			if (mx_response_build(&b, (enum mx_mech)m, t[i].user, t[i].host, 0,
			    t[i].token, t[i].n, &e) == MX_OK ||
			    strcmp(e.code, t[i].code) != 0)
				fail_msg("mechanism %d row %zu", m, i);
			assert_int_equal(b.len, 0);
		}
}

/* Every size that does not suffice is an error, never a shorter response. */
static void no_room(void **state)
{
	char raw[128];
	struct mx_buf b;
	struct mx_err e;
	size_t cap, need = strlen("n,a=a=2Cb,xhost=hxport=587xauth=Bearer TOKENxx");

	(void)state;
	for (cap = 0; cap < sizeof raw; cap++) {
		enum mx_class c;

		mx_buf_init(&b, raw, cap);
		c = mx_response_build(&b, O, "a,b", "h", 587, "TOKEN", 5, &e);
		/*
		 * The port is printed, and printing wants room for a NUL: it is not the last
		 * piece.
		 */
		assert_int_equal(c, cap < need ? MX_CONFIG : MX_OK);
		if (c == MX_OK)
			assert_int_equal(b.len, need);
		else
			assert_string_equal(e.code, "response-too-long");
	}
}

static void names(void **state)
{
	(void)state;
	assert_int_equal(mx_mech_by_name("XOAUTH2", 7), X);
	assert_int_equal(mx_mech_by_name("xoauth2", 7), X);
	assert_int_equal(mx_mech_by_name("OAuthBearer", 11), O);
	assert_int_equal(mx_mech_by_name("XOAUTH", 6), MX_MECH_NONE);
	assert_int_equal(mx_mech_by_name("XOAUTH22", 8), MX_MECH_NONE);
	assert_int_equal(mx_mech_by_name("", 0), MX_MECH_NONE);
	assert_int_equal(mx_mech_by_name("PLAIN", 5), MX_MECH_NONE);
	assert_string_equal(mx_mech_name(X), "XOAUTH2");
	assert_string_equal(mx_mech_name(O), "OAUTHBEARER");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_vectors), cmocka_unit_test(raw_forms),
		cmocka_unit_test(refused),
		cmocka_unit_test(no_room), cmocka_unit_test(names),
	};

	return cmocka_run_group_tests_name("common/response", tests, NULL, NULL);
}
