/*
 * oauth/claims.h: what a JWT says of itself.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base64.h"
#include "common/secret.h"
#include "oauth/claims.h"

static void jwt(struct mx_secret *s, const char *claims)
{
	struct mx_buf b;

	assert_true(mx_secret_alloc(s, 4096));
	mx_buf_init(&b, s->p, s->cap);
	mx_buf_adds(&b, "e30.");
	mx_b64url_encode(&b, claims, strlen(claims));
	mx_buf_adds(&b, ".c2lnbmF0dXJl");
	assert_non_null(mx_buf_str(&b));
	s->len = b.len;
}

static const struct {
	const char *name, *claims, *iss, *sub, *aud;
	int64_t exp;
} said[] = {
	{ "all",
	    "{\"iss\":\"https://i/\",\"sub\":\"s:a:b\",\"aud\":\"api://"
	    "AzureADTokenExchange\",\"exp\":1764000000}",
	    "https://i/", "s:a:b", "api://AzureADTokenExchange", 1764000000 },
	{ "a list", "{\"aud\":[\"first\",\"second\"],\"exp\":1.5e9}", "", "", "first", 1500000000 },
	{ "an empty list", "{\"aud\":[],\"exp\":\"1\"}", "", "", "", 0 },
	{ "other types", "{\"iss\":1,\"sub\":{},\"aud\":[1]}", "", "", "", 0 },
	{ "controls", "{\"iss\":\"a\\u001bb\\u202ec\",\"sub\":\"one\\ntwo\"}", "a?b???c", "one", "",
	    0 },
	{ "nothing", "{}", "", "", "", 0 },
};

static void test_claims(void **state)
{
	static const char *const none[] = { "", "a", "a.b", "..", "a..c", "a.?.c", "a.e30",
		"a.e30.c.d",
		"a.e30.c.d.e", "a.bm90IEpTT04.c", "a.W10.c", "a.bnVsbA.c", "a.e+0.c", "a.e30=.c", "a.MQ.c" };
	struct mx_secret s;
	struct oauth_claims c;

	(void)state;
	for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
		jwt(&s, said[i].claims);
		if (!oauth_claims_read(s.p, s.len, &c) || strcmp(c.iss, said[i].iss) != 0 ||
		    strcmp(c.sub, said[i].sub) != 0 || strcmp(c.aud, said[i].aud) != 0 ||
		    c.exp != said[i].exp)
			fail_msg("%s: %s %s %s", said[i].name, c.iss, c.sub, c.aud);
		mx_secret_free(&s);
	}
	for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
		if (oauth_claims_read(none[i], strlen(none[i]), &c))
			fail_msg("%s", none[i]);
}

static const char entra[] =
    "{\"aud\":\"https://outlook.office365.com\",\"iss\":\"https://sts.windows.net/t/\",\"tid\":\"t\","
    "\"appid\":\"a\",\"appidacr\":\"2\",\"oid\":\"o\",\"sub\":\"o\",\"idtyp\":\"app\","
    "\"roles\":[\"SMTP.SendAsApp\",\"IMAP.AccessAsApp\"],\"ver\":\"1.0\",\"iat\":1764000000,\"nbf\":1764000000,"
    "\"exp\":1764003600,\"xms_cc\":[\"CP1\"]}";

static void test_table(void **state)
{
	static const char *const want[][2] = {
		{ "aud", "https://outlook.office365.com" }, { "iss", "https://sts.windows.net/t/" }, { "tid", "t" },
		{ "appid", "a" }, { "azp", "" }, { "appidacr", "2" }, { "oid", "o" }, { "sub", "o" },
		{ "idtyp", "app" }, { "roles", "SMTP.SendAsApp IMAP.AccessAsApp" }, { "scp", "" }, { "upn", "" },
		{ "ver", "1.0" }, { "iat", "2025-11-24T16:00:00Z" }, { "nbf", "2025-11-24T16:00:00Z" },
		{ "exp", "2025-11-24T17:00:00Z" },
	};
	struct oauth_claims c;
	char text[OAUTH_CLAIM_TEXT];
	const char *name;
	size_t i;

	(void)state;
	assert_true(oauth_claims_parse(entra, sizeof entra - 1, &c));
	for (i = 0; i < sizeof want / sizeof want[0]; i++) {
		assert_true(oauth_claims_at(&c, i, &name, text));
		assert_string_equal(name, want[i][0]);
		assert_string_equal(text, want[i][1]);
	}
	assert_false(oauth_claims_at(&c, i, &name, text));
	assert_string_equal(oauth_claims_app(&c), "a");
	assert_true(c.has_roles && !c.has_scp && oauth_claims_role(&c, "IMAP.AccessAsApp"));
	assert_false(oauth_claims_role(&c, "SMTP.Send"));
}

static const struct {
	const char *name, *claims, *app, *upn, *scp, *appidacr;
	size_t nroles;
	bool has_roles, has_scp;
} others[] = {
	{ "version 2", "{\"azp\":\"b\",\"azpacr\":\"1\",\"preferred_username\":\"u\",\"scp\":\"A B\"}", "b", "u", "A B",
	    "1", 0, false, true },
	{ "both", "{\"azp\":\"b\",\"appid\":\"a\",\"unique_name\":\"n\",\"upn\":\"u\"}", "a", "u", "", "", 0, false, false },
	{ "no roles", "{\"roles\":[]}", "", "", "", "", 0, true, false },
	{ "one role", "{\"roles\":\"A\"}", "", "", "", "", 1, true, false },
	{ "other types", "{\"roles\":[1,null,{},\"A\"],\"scp\":1,\"appid\":[\"a\"]}", "", "", "", "", 1, true, true },
	{ "null", "{\"roles\":null,\"scp\":null,\"exp\":null}", "", "", "", "", 0, false, true },
	{ "RFC 9068", "{\"scope\":\"smtp\"}", "", "", "smtp", "", 0, false, true },
};

static void test_others(void **state)
{
	struct oauth_claims c;

	(void)state;
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		if (!oauth_claims_parse(others[i].claims, strlen(others[i].claims), &c) ||
		    strcmp(oauth_claims_app(&c), others[i].app) != 0 || strcmp(c.upn, others[i].upn) != 0 ||
		    strcmp(c.scp, others[i].scp) != 0 || strcmp(c.appidacr, others[i].appidacr) != 0 ||
		    c.nroles != others[i].nroles || c.has_roles != others[i].has_roles ||
		    c.has_scp != others[i].has_scp)
			fail_msg("%s: %s %s %s %s %zu", others[i].name, oauth_claims_app(&c), c.upn, c.scp, c.appidacr,
			    c.nroles);
}

/* What does not fit is cut or counted, and said to be. */
static void test_much(void **state)
{
	struct mx_buf b;
	static char json[40000];
	struct oauth_claims c;
	char text[OAUTH_CLAIM_TEXT];
	const char *name;

	(void)state;
	mx_buf_init(&b, json, sizeof json);
	mx_buf_adds(&b, "{\"roles\":[\"First\"");
	for (int i = 0; i < 500; i++)
		mx_buf_adds(&b, ",\"Role.Of.A.Very.Long.Name.That.Goes.On.And.On.For.Ever\"");
	mx_buf_adds(&b, "],\"tid\":\"");
	for (int i = 0; i < 500; i++)
		mx_buf_adds(&b, "0123456789");
	mx_buf_adds(&b, "\",\"exp\":1e300,\"iat\":-1}");
	assert_non_null(mx_buf_str(&b));
	assert_true(oauth_claims_parse(json, b.len, &c));
	assert_int_equal(c.nroles, 501);
	assert_true(oauth_claims_role(&c, "First"));
	assert_int_equal(strlen(c.tid), sizeof c.tid - 1);
	assert_string_equal(c.tid + sizeof c.tid - 4, "...");
	for (size_t i = 0; oauth_claims_at(&c, i, &name, text); i++) {
		assert_true(strlen(text) < OAUTH_CLAIM_TEXT);
		if (strcmp(name, "roles") == 0)
			assert_non_null(strstr(text, "First Role.Of.A.Very.Long.Name.That.Goes.On"));
		if (strcmp(name, "roles") == 0)
			assert_non_null(strstr(text, " more"));
	}
	memset(json, 'a', sizeof json);
	assert_false(oauth_claims_read(json, sizeof json, &c));
	assert_false(oauth_claims_read(json, 0, &c));
}

/* Every prefix of a good one, and each of its bytes altered: judged, and nothing else happens. */
static void test_broken(void **state)
{
	struct mx_secret s;
	struct oauth_claims c;
	size_t good = 0;

	(void)state;
	jwt(&s, entra);
	for (size_t i = 0; i < s.len; i++) {
		struct mx_secret part;

		assert_true(mx_secret_set(&part, s.p, i));
		good += oauth_claims_read(part.p, part.len, &c);
		mx_secret_free(&part);
	}
	assert_int_equal(good, sizeof "c2lnbmF0dXJl" - 1);	/* whatever there is of a signature */
	for (size_t i = 0; i < s.len; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			s.p[i] ^= (unsigned char)(1u << bit);
			good += oauth_claims_read(s.p, s.len, &c);
			s.p[i] ^= (unsigned char)(1u << bit);
		}
	assert_true(oauth_claims_read(s.p, s.len, &c));
	mx_secret_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_claims),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_much),
		cmocka_unit_test(test_broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
