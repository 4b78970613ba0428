/* Accounts by name, relays by pattern, users by number; the tables of keys; single judgements. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "settings/build.h"
#include "settings/check.h"
#include "settings/keys.h"
#include "settings/suggest.h"
#include "tests/unit/test_conf_util.h"

#define S(s) s, sizeof s - 1

static void accounts(void **state)
{
	static const struct { const char *name; size_t n; const char *pattern;
	} row[] = {
		{ S("anna@contoso.com"), "anna@contoso.com" },
		{ S("anna@CONTOSO.com"), "anna@contoso.com" },
		{ S("anna@contoso.com."), "anna@contoso.com" },
		{ S("ANNA@contoso.com"), "anna@contoso.com" },
		{ S("anna@contoso.com.."), "*" },
		{ S("Bob@contoso.com"), "Bob@contoso.com" },
		{ S("bob@contoso.com"), "bob@contoso.com" },
		{ S("BOB@Contoso.Com"), "bob@contoso.com" },
		{ S("Carl@contoso.com"), "Carl@contoso.com" },
		{ S("cARL@contoso.com"), "Carl@contoso.com" },
		{ S("dora@contoso.com"), "*@contoso.com" },
		{ S("dora@x.contoso.com"), "*" },
		{ S("\"a@b\"@contoso.com"), "*@contoso.com" },
		{ S("@contoso.com"), "*" },
		{ S("contoso.com"), "*" },
		{ S("*"), "*" },
		{ S("*@contoso.com"), "*@contoso.com" },
		{ S("anna@contoso.co"), "*" },
		{ S("anna@contoso.comm"), "*" },
		{ S("@"), "*" },
		{ S("."), "*" },
		{ S("j\xc3\xb6rg@contoso.com"), "j\xc3\xb6rg@contoso.com" },
		{ S("\xc3\xb6@contoso.com"), "*@contoso.com" },
	};
	static char longest[321];
	struct conf *c = conf_good(
	    "accounts:\n  \"*\": {client: c}\n  \"*@Contoso.com.\": {client: c}\n"
	    "  anna@contoso.COM: {client: c}\n  Bob@contoso.com: {client: c}\n  bob@contoso.com: "
	    "{client: c}\n"
	    "  Carl@contoso.com: {client: c}\n  j\xc3\xb6rg@contoso.com: {client: c}\n" CLIENT);

	(void)state;
	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
		const struct conf_account *a = conf_account_find(c, row[i].name, row[i].n);

		if (a == NULL || strcmp(a->pattern, row[i].pattern) != 0)
			fail_msg("%s finds %s, not %s", row[i].name,
			    a == NULL ? "nothing" : a->pattern, row[i].pattern);
	}
	assert_string_equal(conf_account_find(c, "", 0)->pattern, "*");	/* a bounce */
	memset(longest, 'a', sizeof longest);
	assert_non_null(conf_account_find(c, longest, 320));
	longest[319] = '.';
	assert_non_null(conf_account_find(c, longest, 320));
	assert_null(conf_account_find(c, longest, 321));
	assert_non_null(conf_account_find(c, "anna@contoso.comX", 16));	/* n counts */
	conf_free(c);

	c = conf_good(ACCOUNT CLIENT);
	assert_null(conf_account_find(c, S("anna@contoso.org")));
	assert_null(conf_account_find(c, "", 0));
	assert_null(conf_account_find(c, S("anna")));
	assert_null(conf_account_find(c, S("contoso.com")));
	assert_non_null(conf_account_find(c, S("a@contoso.com")));
	assert_null(conf_client_find(c, "d"));
	assert_null(conf_client_find(c, ""));
	conf_free(c);
}

static void relays(void **state)
{
	static const struct { const char *host; size_t n; bool ok;
	} row[] = {
		{ S("smtp.example.com"), true },
		{ S("SMTP.example.COM."), true },
		{ S("smtp.example.com.."), false },
		{ S("xsmtp.example.com"), false },
		{ S("a.relay.net"), true },
		{ S("b.a.RELAY.net"), true },
		{ S("relay.net"), false },
		{ S(".relay.net"), false },
		{ S("xrelay.net"), false },
		{ S("127.0.0.1"), true },
		{ S("127.0.0.2"), false },
		{ S("[::1]"), true },
		{ S("::1"), true },
		{ S(""), false },
		{ S("."), false },
		{ S("*.relay.net"), true },
	};
	static char longest[257];
	struct conf *c = conf_good(
	    ACCOUNT "    relays: [smtp.Example.com, \"*.relay.net.\", 127.0.0.1, \"::1\"]\n"
		    "  \"*\": {client: c, relays: \"*\"}\n  a@b.org: {client: c}\n  x@y.z: "
		    "{client: d}\n" CLIENT "  d:\n    provider: custom\n    client_id: d\n    "
					   "token_endpoint: https://idp.example/\n" SECRET);
	const struct conf_account *any = conf_account_find(c, S("q@q.q"));
	const struct conf_account *preset = conf_account_find(c, S("a@b.org"));

	(void)state;
	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
		if (conf_relay_allowed(&c->accounts[0], row[i].host, row[i].n) != row[i].ok)
			fail_msg("relay \"%s\"", row[i].host);
	memset(longest, 'a', sizeof longest);
	assert_true(conf_relay_allowed(any, longest, 255));
	assert_false(conf_relay_allowed(any, longest, 256));
	assert_true(conf_relay_allowed(any, S("anything")));
	assert_true(conf_relay_allowed(preset, S("smtp.office365.com")));
	assert_true(conf_relay_allowed(preset, S("SMTP.Office365.com.")));
	assert_false(conf_relay_allowed(preset, S("smtp.office365.com.evil.org")));
	assert_int_equal(conf_account_find(c, S("x@y.z"))->nrelays, 0);
	assert_true(conf_relay_allowed(conf_account_find(c, S("x@y.z")), S("any.where")));
	conf_free(c);
}

static void users(void **state)
{
	struct conf *c = conf_good(ACCOUNT "    allow_users: [root, 1234, no-such-user-x, 65534]\n "
					   "   allow_groups: [4321, 65534]\n" CLIENT);
	const struct conf_account *a = &c->accounts[0];

	(void)state;
	assert_true(conf_uid_listed(&a->allow_users, 0));
	assert_true(conf_uid_listed(&a->allow_users, 1234));
	assert_false(conf_uid_listed(&a->allow_users, 1235));
	assert_false(conf_uid_listed(&a->allow_users, 65534));
	assert_false(conf_uid_listed(&a->allow_users, UINT32_MAX));
	assert_int_equal(a->allow_users.n, 4);
	assert_int_equal(a->allow_users.id[2], UINT32_MAX);
	assert_string_equal(a->allow_users.name[2], "no-such-user-x");
	assert_true(conf_uid_listed(&a->allow_token_users, 0));		/* empty: root alone */
	assert_false(conf_uid_listed(&a->allow_token_users, 1));
	assert_true(conf_gid_listed(&a->allow_groups, 4321));
	assert_false(conf_gid_listed(&a->allow_groups, 65534));
	assert_false(conf_gid_listed(&a->allow_groups, 0));
	assert_false(conf_gid_listed(&a->allow_token_users, 0));		/* empty: nobody */
	conf_free(c);
}

/* Equal lists and equal strings are kept once. */
static void shared(void **state)
{
	struct conf *c =
	    conf_good("accounts:\n  a@b.org: {client: c, allow_users: [root, daemon]}\n"
		      "  b@b.org: {client: d, allow_users: [root, daemon]}\n"
		      "  c@b.org: {client: d, allow_users: [daemon, root]}\n" CLIENT
		      "  d:\n" PROVIDER TENANT ID SECRET);

	(void)state;
	assert_ptr_equal(c->accounts[0].allow_users.id, c->accounts[1].allow_users.id);
	assert_ptr_not_equal(c->accounts[0].allow_users.id, c->accounts[2].allow_users.id);
	assert_ptr_equal(c->clients[0].oc.token_endpoint, c->clients[1].oc.token_endpoint);
	assert_int_equal(c->clients[0].fingerprint, c->clients[1].fingerprint);
	conf_free(c);
}

static void tables(void **state)
{
	(void)state;
	for (size_t s = 0; s < CONF_SECTION_N; s++)
		for (size_t i = 0; i < conf_sections[s].n; i++) {
			const struct conf_key *k = &conf_sections[s].key[i];

			if (i > 0 && strcmp(conf_sections[s].key[i - 1].name, k->name) >= 0)
				fail_msg("%s is not in its place", k->name);
			assert_non_null(k->help);
			assert_true(k->off + sizeof(struct cf_value) <= conf_sections[s].size);
			assert_true(k->min <= k->max);
			assert_ptr_equal(conf_key_find(&conf_sections[s], k->name, strlen(k->name)),
			    k);
			assert_null(conf_key_find(&conf_sections[s], k->name, 0));
			if (k->type == CONF_T_ENUM || k->type == CONF_T_WORDS)
				assert_non_null(k->word(0));
		}
	assert_null(conf_key_find(&conf_sections[CONF_SECTION_TOP], S("user_")));
	assert_null(conf_key_find(&conf_sections[CONF_SECTION_TOP], S("use")));
}

static void judgements(void **state)
{
	static const struct {
		const char *(*bad)(const char *, size_t);
		const char *s;
		bool ok;
	} row[] = {
		{ cf_bad_tenant, "11111111-2222-3333-4444-55555555555A", true },
		{ cf_bad_tenant, "a.b", true },
		{ cf_bad_tenant, "a..b", false },
		{ cf_bad_tenant, "-a.b", false },
		{ cf_bad_tenant, "a.b.", false },
		{ cf_bad_tenant, "?", false },
		{ cf_bad_tenant, "j\xc3\xb6.de", false },
		{ cf_bad_url, "https://a", true },
		{ cf_bad_url, "https://a/", true },
		{ cf_bad_url, "https://[::1]:443/x", true },
		{ cf_bad_url, "https://a:0/", false },
		{ cf_bad_url, "https://a:65536/", false },
		{ cf_bad_url, "https://a:/", false },
		{ cf_bad_url, "https://a b/", false },
		{ cf_bad_url, "https://a/b c", false },
		{ cf_bad_url, "https://a/%20", true },
		{ cf_bad_url, "https://[::1/", false },
		{ cf_bad_url, "https://a/{tenant}", true },
		{ cf_bad_url, "https://a/{tenant", false },
		{ cf_bad_url, "https://{tenant}/", false },
		{ cf_bad_url, "HTTP://a/", false },
		{ cf_bad_url, "https://", false },
		{ cf_bad_url, "https://a/\xc3\xb6", false },
		{ cf_bad_proxy, "http://p:1", true },
		{ cf_bad_proxy, "http://p:1/", true },
		{ cf_bad_proxy, "http://p:1/x", false },
		{ cf_bad_proxy, "http://", false },
		{ cf_bad_proxy, "p:1", false },
		{ cf_bad_proxy, "socks5://p", true },
		{ cf_bad_scope, "a b", true },
		{ cf_bad_scope, " a", false },
		{ cf_bad_scope, "a ", false },
		{ cf_bad_scope, "a\"", false },
		{ cf_bad_scope, "a\\", false },
		{ cf_bad_resource, "https://x", true },
		{ cf_bad_resource, "x", false },
		{ cf_bad_resource, "https://x#y", false },
		{ cf_bad_secret_path, "/a", true },
		{ cf_bad_secret_path, "credential:a-b.c", true },
		{ cf_bad_secret_path, "credential:", false },
		{ cf_bad_secret_path, "credential:..", false },
		{ cf_bad_secret_path, "a", false },
		{ cf_bad_secret_path, "/", false },
		{ cf_bad_relay, "*", true },
		{ cf_bad_relay, "*.", false },
		{ cf_bad_relay, "*.a", true },
		{ cf_bad_relay, "**.a", false },
		{ cf_bad_relay, "*.*.a", false },
		{ cf_bad_relay, "a_b", true },
		{ cf_bad_relay, "2001:db8::1", true },
		{ cf_bad_relay, "[2001:db8::1]", true },
		{ cf_bad_relay, "a:25", false },
		{ cf_bad_relay, "a b", false },
		{ cf_bad_name, "a", true },
		{ cf_bad_name, "a.b-c_1", true },
		{ cf_bad_name, ".a", false },
		{ cf_bad_name, "a/b", false },
		{ cf_bad_user, "DOMAIN\\user", true },
		{ cf_bad_user, "machine$", true },
		{ cf_bad_user, "domain users", true },
		{ cf_bad_user, "a:b", false },
		{ cf_bad_user, " a", false },
		{ cf_bad_client_id, "a b", true },
		{ cf_bad_client_id, " a", false },
		{ cf_bad_client_id, "j\xc3\xb6", false },
		{ cf_bad_pattern, "a@b", true },
		{ cf_bad_pattern, "a b@c", false },
		{ cf_bad_pattern, "a", false },
		{ cf_bad_pattern, "a@b..c", false },
		{ cf_bad_pattern, "*@b.", true },
		{ cf_bad_no_proxy, "10.0.0.0/8", true },
		{ cf_bad_no_proxy, "a b", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
		if ((row[i].bad(row[i].s, strlen(row[i].s)) == NULL) != row[i].ok)
			fail_msg("\"%s\" (row %zu)", row[i].s, i);
}

/* No key is a boolean yet; the type is there for the next one. */
static void booleans(void **state)
{
	static const struct { const char *s; bool ok; uint32_t v; } row[] = {
		{ "yes", true, 1 }, { "true", true, 1 }, { "no", true, 0 }, { "False", true, 0 },
		{ "on", false, 7 }, { "1", false, 7 }, { "y", false, 7 }, { "", false, 7 },
	};
	const struct conf_key key = { .name = "k", .type = CONF_T_BOOL };
	const struct conf_where at = { "f", 1, 1 };

	(void)state;
	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
		struct conf_report r = { 0 };
		struct build b = { .r = &r };
		struct cf_value v = { .v = 7 };

		cf_set(&b, &key, &v, row[i].s, strlen(row[i].s), &at);
		if (v.v != row[i].v || (r.errors == 0) != row[i].ok)
			fail_msg("\"%s\"", row[i].s);
		conf_report_free(&r);
	}
}

static void suggestions(void **state)
{
	static const struct { const char *want, *candidate; bool near;
	} row[] = {
		{ "tenant", "tenant", true },
		{ "tennat", "tenant", true },
		{ "tenent", "tenant", true },
		{ "tenantt", "tenant", true },
		{ "enant", "tenant", true },
		{ "TENANT", "tenant", true },
		{ "colour", "tenant", false },
		{ "key", "kye", true },
		{ "key", "abc", false },
		{ "client_id_of_the_application", "client_id", false },
		{ "clientsecretfile", "client_secret_file", true },
		{ "ab", "ba", true },
		{ "a", "b", true },
		{ "x", "xyz", false },
		{ "exchange_online", "exchange-online", true },
		{ "tokn_endpont_", "token_endpoint", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
		struct cf_near q;
		char out[64];

		cf_near_begin(&q, row[i].want, strlen(row[i].want));
		cf_near_try(&q, row[i].candidate);
		if ((q.best != NULL) != row[i].near)
			fail_msg("%s and %s", row[i].want, row[i].candidate);
		assert_int_equal(cf_near_text(out, sizeof out, &q)[0] != '\0', row[i].near);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accounts), cmocka_unit_test(relays), cmocka_unit_test(users),
		cmocka_unit_test(shared), cmocka_unit_test(tables), cmocka_unit_test(judgements),
		cmocka_unit_test(booleans), cmocka_unit_test(suggestions),
	};

	return cmocka_run_group_tests_name("conf_match", tests, NULL, NULL);
}
