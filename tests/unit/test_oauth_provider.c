/*
 * oauth/provider.h: the table is well-formed and answers as documented; which refusals pass by themselves (oauth/refusal.h).
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "oauth/provider.h"
#include "oauth/refusal.h"

static const struct { long status; const char *error; bool permanent;
} verdicts[] = {
	{ 400, "invalid_request", true },
	{ 401, "invalid_client", true },
	{ 403, NULL, true },
	{ 404, "", true },
	{ 200, "invalid_scope", true },
	{ 400, "temporarily_unavailable", false },
	{ 400, "server_error", false },
	{ 429, "invalid_client", false },
	{ 408, NULL, false },
	{ 500, "invalid_client", false },
	{ 503, NULL, false },
	{ 599, "", false },
	{ 0, NULL, false },
	{ 400, "Invalid_Client", true },
	{ 425, NULL, false },
};

static void test_permanent(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++)
		if (oauth_is_permanent(verdicts[i].status, verdicts[i].error) !=
		    verdicts[i].permanent)
			fail_msg("%ld %s", verdicts[i].status, verdicts[i].error);
}

static void test_providers(void **state)
{
	static const char *const names[] = {
		"exchange-online",
		"hve",
		"outlook.com",
		"gmail",
		"google-workspace",
		"custom",
		NULL,
	};
	const struct oauth_provider *p;

	(void)state;
	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (names[i] == NULL) {
			assert_null(oauth_provider_name(i));
			continue;
		}
		assert_string_equal(oauth_provider_name(i), names[i]);
		assert_non_null(p = oauth_provider_find(names[i], OAUTH_CLOUD_PUBLIC));
		assert_true(p->grant != 0);
		assert_true(p->auth != 0);
		assert_true(
		    p->token_endpoint == NULL || strncmp(p->token_endpoint, "https://", 8) == 0);
		assert_true(p->min_remaining_s > p->stale_until_s);
		for (unsigned r = 0; p->relays != NULL && p->relays[r] != NULL; r++)
			assert_int_equal(
			    strspn(p->relays[r], "abcdefghijklmnopqrstuvwxyz0123456789.-"),
			    strlen(p->relays[r]));
	}
	assert_null(oauth_provider_find("exchange", OAUTH_CLOUD_PUBLIC));
	assert_null(oauth_provider_find("hve", OAUTH_CLOUD_CHINA));
	assert_null(oauth_provider_find("gmail", OAUTH_CLOUD_DOD));
	assert_null(oauth_provider_find("custom", OAUTH_CLOUD_PUBLIC)->relays);
	assert_null(oauth_provider_find("custom", OAUTH_CLOUD_PUBLIC)->token_endpoint);
	assert_int_equal(oauth_provider_find("hve", OAUTH_CLOUD_PUBLIC)->min_remaining_s, 900);
	assert_int_equal(oauth_provider_find("hve", OAUTH_CLOUD_PUBLIC)->stale_until_s, 0);
	for (unsigned i = 0; i < OAUTH_CLOUD_N; i++) {
		assert_non_null(oauth_cloud_name(i));
		assert_non_null(p = oauth_provider_find("exchange-online", (enum oauth_cloud)i));
		assert_non_null(strstr(p->token_endpoint, "/{tenant}/oauth2/v2.0/token"));
		assert_string_equal(strrchr(p->scope, '/'), "/.default");
		assert_int_equal(p->min_remaining_s, 300);
		assert_int_equal(p->stale_until_s, 60);
	}
	assert_null(oauth_cloud_name(OAUTH_CLOUD_N));
}

static void test_tenant_of(void **state)
{
	static const struct { const char *endpoint, *tenant; } rows[] = {
		{ "https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/token", "contoso.onmicrosoft.com" },
		{ "https://localhost:8443/t/oauth2/token", "t" },
		{ "https://oauth2.googleapis.com/token", NULL },
		{ "https://idp.example/realms/x/oauth2/token", NULL },
		{ "https://idp.example//oauth2/token", NULL },
		{ "https://idp.example/a?b/oauth2/token", NULL },
		{ "https://idp.example", NULL },
		{ "no URL", NULL },
		{ "", NULL },
		{ NULL, NULL },
		{ "https://h/seventeen-bytes-x/oauth2/v2.0/token", NULL },
	};
	char out[16];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		size_t cap = i == 0 ? 24 : sizeof out;
		char large[24];
		char *p = i == 0 ? large : out;
		bool got = oauth_tenant_of(rows[i].endpoint, p, cap);

		if (got != (rows[i].tenant != NULL) || (got && strcmp(p, rows[i].tenant) != 0))
			fail_msg("%s", rows[i].endpoint);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_permanent),
		cmocka_unit_test(test_providers),
		cmocka_unit_test(test_tenant_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
