/*
 * oauth/explain.h and oauth/provider.h: the tables are well-formed and answer as documented.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/status.h"
#include "common/text.h"
#include "oauth/explain.h"
#include "oauth/provider.h"

#define SENTENCES_MAX 290 /* cause and fix: what fits a text beside client, error and trace id */

/* Numbers that must have a row of their own. */
static const uint32_t numbers[] = {
	7000215,
	7000222,
	7000218,
	700016,
	700011,
	70001,
	7000112,
	7000229,
	90002,
	900023,
	50059,
	90019,
	50128,
	70011,
	1002012,
	28002,
	28003,
	700022,
	700023,
	500011,
	50001,
	500014,
	650052,
	650057,
	65001,
	501051,
	53003,
	530032,
	530035,
	50194,
	9001023,
	901002,
	90014,
	900144,
	9002313,
	900561,
	50012,
	50048,
	50013,
	500133,
	50027,
	5002727,
	5002738,
	700024,
	700027,
	700030,
	700025,
	70002,
	700021,
	70021,
	700211,
	700212,
	700213,
	7002137,
	7002138,
	700229,
	90033,
	90006,
	90024,
	90090,
	90012,
	50033,
	50087,
	90061,
	50196,
	90055,
	900382,
	900432,
	900439,
	90038,
	51005,
	90094,
	90093,
	650056,
	100007,
	50034,
	50126,
	50076,
	50079,
	700082,
	70008,
	700084,
	70043,
	50173,
};

static void check_sentence(const char *code, const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || s[n - 1] == '.' || s[n - 1] == ' ' || mx_has_ctl(s, n) || !mx_utf8_ok(s, n))
		fail_msg("%s: '%s' is no sentence without a full stop", code, s);
}

static void test_rows(void **state)
{
	const struct oauth_hint *h, *other;

	(void)state;
	for (size_t i = 0; (h = oauth_hint_at(i)) != NULL; i++) {
		if (h->code[strspn(h->code, "abcdefghijklmnopqrstuvwxyz0123456789-")] != '\0' ||
		    h->code[0] == '\0' || strlen(h->code) >= MX_CODE_MAX)
			fail_msg("code '%s'", h->code);
		check_sentence(h->code, h->cause);
		check_sentence(h->code, h->fix);
		if (strlen(h->cause) + strlen(h->fix) + 2 > SENTENCES_MAX)
			fail_msg("%s: '%s; %s' is too long", h->code, h->cause, h->fix);
		for (size_t k = 0; k < i; k++) {
			other = oauth_hint_at(k);
			if (h->aadsts != 0 ? h->aadsts == other->aadsts :
			                     other->error != NULL && h->error != NULL &&
			            strcmp(h->error, other->error) == 0 &&
			            (other->said == NULL || (h->said != NULL && strcmp(h->said, other->said) == 0)))
				fail_msg(
				    "rows %zu and %zu are for the same thing (%s)", k, i, h->code);
		}
	}
}

/* As Google writes them. */
static const struct { const char *error, *said, *code; } google[] = {
	{ "unauthorized_client", "Client is unauthorized to retrieve access tokens using this method, or client not "
	    "authorized for any of the scopes requested.", "delegation-missing" },
	{ "unauthorized_client", "something else", "client-unauthorized" },
	{ "access_denied", "Requested client not authorized.", "delegation-missing" },
	{ "access_denied", NULL, "policy-blocked" },
	{ "invalid_grant", "Invalid JWT Signature.", "key-rejected" },
	{ "invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
	    "Check your iat and exp values in the JWT claim.", "assertion-expired" },
	{ "invalid_grant", "Invalid email or User ID", "mailbox-unknown" },
	{ "invalid_grant", "Invalid grant: account not found", "mailbox-unknown" },
	{ "invalid_grant", "Bad Request", "grant-rejected" },
	{ "invalid_request", "Invalid JWT Signature.", "request-malformed" },
	{ "disabled_client", "The OAuth client was disabled.", "client-disabled" },
	{ "deleted_client", "The OAuth client was deleted.", "client-unknown" },
};

static void test_lookup(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		if (oauth_explain("invalid_request", numbers[i], NULL)->aadsts != numbers[i])
			fail_msg("AADSTS%u has no row", (unsigned)numbers[i]);
	assert_string_equal(
	    oauth_explain("invalid_client", 7000215, NULL)->code, "client-secret-rejected");
	assert_string_equal(oauth_explain("invalid_client", 1, NULL)->code, "client-rejected");
	assert_string_equal(oauth_explain("invalid_scope", 0, NULL)->code, "scope-rejected");
	for (size_t i = 0; i < sizeof google / sizeof google[0]; i++)
		assert_string_equal(oauth_explain(google[i].error, 0, google[i].said)->code, google[i].code);
	assert_string_equal(oauth_explain("no_such", 0, NULL)->code, "provider-refused");
	assert_string_equal(oauth_explain(NULL, 0, NULL)->code, "provider-refused");
	assert_string_equal(oauth_explain("", 4711, NULL)->code, "provider-refused");
}

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_lookup),
		cmocka_unit_test(test_permanent),
		cmocka_unit_test(test_providers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
