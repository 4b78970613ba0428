/* json.c: two strings out of anything at all. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plugin/plugin.h"

static bool find(const char *s, size_t n, char *out, size_t cap)
{
	char *copy = malloc(n == 0 ? 1 : n);	/* of exactly its size, for the sanitizer */
	bool found;

	assert_non_null(copy);
	memcpy(copy, s, n);
	found = mxp_json_member(copy, n, "status", out, cap);
	free(copy);
	return found;
}

static void table(void **state)
{
	static const struct { const char *in, *want; } t[] = {
		{ "{\"status\":\"401\",\"schemes\":\"bearer\",\"scope\":\"mail\"}", "401" },
		{ "{\"schemes\":\"bearer\",\"status\":\"invalid_token\"}", "invalid_token" },
		{ " {\r\n\t\"status\" : \"x\" }\n", "x" }, { "{\"status\":401}", "401" },
		{ "{\"status\":null}", "null" },
		{ "{\"status\":\"\"}", "" },
		{ "{\"status\":\"a\\\"b\\\\c\\/d\\ne\"}", "a\"b\\c/d e" },
		{ "{\"status\":\"\\u0041\"}", "?" }, { "{\"status\":\"a\\u00e4b\"}", "a?b" },
		{ "{\"a\":{\"status\":\"inner\"},\"status\":\"outer\"}", "outer" },
		{ "{\"a\":[1,{\"b\":\"]}\"},[\"\\\"\"]],\"status\":\"x\"}", "x" },
		{ "{\"a\":\"status\",\"b\":\"\\\"status\\\":1\",\"status\":\"x\"}", "x" },
		{ "{\"a\":true,\"b\":-1.5e3,\"status\":\"x\"}", "x" },
		{ "{\"status\":\"first\",\"status\":\"second\"}", "first" },
		{ "{\"status\":\"0123456789012345678901234567890123456789\"}",
		    "0123456789012345678" },
		{ "{\"status\":\"x\"} trailing", "x" }, { "{\"status\":\"x\",", "x" },

		{ "", NULL }, { "{\"status\":\"\\u0041\\u\"}", NULL }, { "{}", NULL },
		{ "[]", NULL }, { "\"status\"", NULL }, { "status: 401", NULL },
		{ "{\"status\"}", NULL }, { "{\"status\":}", NULL }, { "{\"status\":", NULL },
		{ "{\"status\":\"x", NULL },
		{ "{\"status\":\"x\\", NULL }, { "{\"status\":[\"x\"]}", NULL },
		{ "{\"status\":{\"a\":1}}", NULL },
		{ "{\"Status\":\"x\"}", NULL }, { "{\"statu\":\"x\"}", NULL },
		{ "{\"a\":[[[[[[", NULL },
		{ "{\"a\":{\"b\":\"", NULL }, { "{\"a\" \"status\":\"x\"}", NULL },
		{ "{status:\"x\"}", NULL },
		{ "{,\"status\":\"x\"}", NULL },
		{ "{\"status-and-a-name-that-is-longer-than-any-we-look-for\":\"x\"}", NULL },
	};
	char out[20];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof t / sizeof t[0]; i++) {
		bool found = find(t[i].in, strlen(t[i].in), out, sizeof out);

		if (found != (t[i].want != NULL) || (found && strcmp(out, t[i].want) != 0))
			fail_msg("%s: %s", t[i].in, found ? out : "not found");
	}
}

static void damaged(void **state)
{
	static const char in[] =
	    "{\"schemes\":[\"b\\u0041\",{\"x\":\"y\"}],\"n\":1.5,\"status\":\"in\\\"v\\u00e4\"}";
	char copy[sizeof in], out[20];
	size_t i, n = sizeof in - 1;

	(void)state;
	for (i = 0; i < n; i++)
		if (find(in, i, out, sizeof out))
			assert_true(i == n - 1);	/* all but the last brace */
	for (i = 0; i < n * 8; i++) {
		memcpy(copy, in, n);
		copy[i / 8] = (char)(copy[i / 8] ^ 1 << i % 8);
		if (find(copy, n, out, sizeof out))
			assert_true(strlen(out) < sizeof out);
	}
	for (i = 0; i < n; i++) {
		memcpy(copy, in, n);
		copy[i] = '\0';
		(void)find(copy, n, out, sizeof out);
	}
}

static void noise(void **state)
{
	static const char letters[] = "{}[]\"\\:,u status0\n";
	char in[64], out[4];
	uint32_t rnd = 1;
	size_t i, round;

	(void)state;
	for (round = 0; round < 200000; round++) {
		for (i = 0; i < sizeof in; i++) {
			rnd = rnd * 1664525u + 1013904223u;
			in[i] = letters[(rnd >> 16) % (sizeof letters - 1)];
		}
		in[0] = '{';
		if (find(in, round % sizeof in, out, sizeof out))
			assert_true(strlen(out) < sizeof out);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(table), cmocka_unit_test(damaged), cmocka_unit_test(noise),
	};

	return cmocka_run_group_tests_name("plugin/json", tests, NULL, NULL);
}
