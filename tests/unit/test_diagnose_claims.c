/*
 * ctl/diagnose: what is thought of a token's claims, and what they say about a login that was refused without a reason.
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

#include "catalogue/catalogue.h"
#include "catalogue/paste.h"
#include "common/base64.h"
#include "common/clock.h"
#include "ctl/diagnose/provider.h"

#define APP "5d1b2a30-aaaa-4bbb-8ccc-0123456789ab"
#define TENANT "0f2c4e6a-1111-4222-8333-9a8b7c6d5e4f"
#define OID "aa296011-6c29-490b-8535-42c981be0582"
#define NOW 1764000000
#define TIMES "\"iat\":1763999000,\"nbf\":1763999000,\"exp\":1764003600"
#define WHO "\"appid\":\"" APP "\",\"tid\":\"" TENANT "\",\"oid\":\"" OID "\",\"iss\":\"https://sts.windows.net/" TENANT "/\""
#define EXO "\"aud\":\"https://outlook.office365.com\""
#define ROLE "\"roles\":[\"SMTP.SendAsApp\"]"

static const struct {
	const char *name, *provider;
	enum oauth_cloud cloud;
	enum oauth_grant grant;
	const char *claims;
	const char *codes;	/* all, in order; "!" before those that are wrong whatever else */
} rows[] = {
	{ "classic", "exchange-online", 0, 0, EXO "," WHO "," TIMES "," ROLE, "" },
	{ "a slash, and another role beside", "exchange-online", 0, 0, "\"aud\":\"https://outlook.office365.com/\"," WHO "," TIMES
	    ",\"roles\":[\"IMAP.AccessAsApp\",\"SMTP.SendAsApp\"]", "" },
	{ "the other name", "exchange-online", 0, 0, "\"aud\":\"https://outlook.office.com\"," WHO "," TIMES "," ROLE, "" },
	{ "Exchange by its id", "exchange-online", 0, 0, "\"aud\":\"00000002-0000-0ff1-ce00-000000000000\"," WHO "," TIMES
	    "," ROLE, "" },
	{ "version 2", "exchange-online", 0, 0, EXO "," TIMES "," ROLE ",\"azp\":\"" APP "\",\"tid\":\"" TENANT
	    "\",\"iss\":\"https://login.microsoftonline.com/" TENANT "/v2.0\"", "" },
	{ "upper case", "exchange-online", 0, 0, EXO "," TIMES "," ROLE ",\"appid\":\"5D1B2A30-AAAA-4BBB-8CCC-0123456789AB\","
	    "\"tid\":\"0F2C4E6A-1111-4222-8333-9A8B7C6D5E4F\"", "" },
	{ "App RBAC", "exchange-online", 0, 0, EXO "," WHO "," TIMES, "token-no-role" },
	{ "another role", "exchange-online", 0, 0, EXO "," WHO "," TIMES ",\"roles\":[\"IMAP.AccessAsApp\"]",
	    "token-other-role" },
	{ "HVE", "hve", 0, 0, EXO "," WHO "," TIMES ",\"roles\":[\"Mail.Send\"]", "" },
	{ "HVE with Exchange's role", "hve", 0, 0, EXO "," WHO "," TIMES "," ROLE, "hve-permission" },
	{ "HVE without", "hve", 0, 0, EXO "," WHO "," TIMES, "hve-permission" },
	{ "GCC High", "exchange-online", OAUTH_CLOUD_GCC_HIGH, 0, "\"aud\":\"https://outlook.office365.us\"," WHO "," TIMES
	    "," ROLE, "" },
	{ "China", "exchange-online", OAUTH_CLOUD_CHINA, 0, "\"aud\":\"https://partner.outlook.cn\"," WHO "," TIMES "," ROLE, "" },
	{ "a token of the public cloud in GCC High", "exchange-online", OAUTH_CLOUD_GCC_HIGH, 0, EXO "," WHO "," TIMES "," ROLE,
	    "!wrong-cloud" },
	{ "Graph", "exchange-online", 0, 0, "\"aud\":\"https://graph.microsoft.com\"," WHO "," TIMES "," ROLE,
	    "!token-audience" },
	{ "Graph by its id, no role", "exchange-online", 0, 0, "\"aud\":\"00000003-0000-0000-c000-000000000000\"," WHO "," TIMES,
	    "!token-audience token-no-role" },
	{ "a host that only looks like it", "exchange-online", 0, 0, "\"aud\":\"https://outlook.office365.com.example\"," WHO ","
	    TIMES "," ROLE, "!token-audience" },
	{ "a path", "exchange-online", 0, 0, "\"aud\":\"https://outlook.office365.com/SMTP\"," WHO "," TIMES "," ROLE,
	    "!token-audience" },
	{ "no audience", "exchange-online", 0, 0, WHO "," TIMES "," ROLE, "!token-audience" },
	{ "over", "exchange-online", 0, 0, EXO "," WHO ",\"exp\":1763999999," ROLE, "!token-expired" },
	{ "in a second", "exchange-online", 0, 0, EXO "," WHO ",\"exp\":1764000001," ROLE, "" },
	{ "a little early", "exchange-online", 0, 0, EXO "," WHO ",\"nbf\":1764000300," ROLE, "" },
	{ "too early", "exchange-online", 0, 0, EXO "," WHO ",\"nbf\":1764000301," ROLE, "!token-expired" },
	{ "another tenant", "exchange-online", 0, 0, EXO "," TIMES "," ROLE ",\"appid\":\"" APP "\",\"tid\":\"" APP "\"",
	    "!token-tenant" },
	{ "of no tenant", "exchange-online", 0, 0, EXO "," TIMES "," ROLE ",\"appid\":\"" APP "\"", "token-tenant" },
	{ "issuer of another", "exchange-online", 0, 0, EXO "," TIMES "," ROLE ",\"appid\":\"" APP "\",\"tid\":\"" TENANT
	    "\",\"iss\":\"https://sts.windows.net/" APP "/\"", "token-tenant" },
	{ "another application", "exchange-online", 0, 0, EXO "," TIMES "," ROLE ",\"appid\":\"" TENANT "\",\"tid\":\"" TENANT
	    "\"", "!token-client" },
	{ "delegated", "exchange-online", 0, 0, EXO "," WHO "," TIMES ",\"scp\":\"SMTP.Send\"", "!token-delegated" },
	{ "delegated, and meant so", "exchange-online", 0, OAUTH_GRANT_REFRESH_TOKEN, EXO "," WHO "," TIMES
	    ",\"scp\":\"SMTP.Send User.Read\",\"upn\":\"app@contoso.com\"", "" },
	{ "delegated, of another scope", "exchange-online", 0, OAUTH_GRANT_REFRESH_TOKEN, EXO "," WHO "," TIMES
	    ",\"scp\":\"IMAP.AccessAsUser.All\"", "!token-no-scope" },
	{ "delegated, of somebody else", "exchange-online", 0, OAUTH_GRANT_REFRESH_TOKEN, EXO "," WHO "," TIMES
	    ",\"scp\":\"SMTP.Send\",\"upn\":\"scanner@contoso.com\"", "token-other-user" },
	{ "all at once", "exchange-online", 0, 0, "\"aud\":\"x\",\"tid\":\"y\",\"appid\":\"z\",\"exp\":1,\"roles\":[\"A\"]",
	    "!token-audience !token-expired !token-tenant !token-client token-other-role" },
	{ "a provider of its own", "custom", 0, 0, "\"aud\":\"x\",\"roles\":[\"A\"],\"exp\":1764003600", "" },
	{ "a provider of its own, over", "custom", 0, 0, "\"exp\":1", "!token-expired" },
	{ "nothing", "custom", 0, 0, "\"a\":1", "" },
};

static void test_judgement(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct dc_frame f = {
			.provider = oauth_provider_find(rows[i].provider, rows[i].cloud),
			.grant = rows[i].grant != 0 ? rows[i].grant : OAUTH_GRANT_CLIENT_CREDENTIALS,
			.client_id = APP, .tenant = TENANT, .mailbox = "app@contoso.com", .now = NOW,
		};
		char json[1024], got[512] = "";
		struct oauth_claims c;
		struct dc_list l;
		struct mx_buf b;
		int n = snprintf(json, sizeof json, "{%s}", rows[i].claims);

		assert_non_null(f.provider);
		if (!oauth_claims_parse(json, (size_t)n, &c))
			fail_msg("%s: %s", rows[i].name, json);
		dc_judge(&c, &f, &l);
		mx_buf_init(&b, got, sizeof got);
		for (size_t k = 0; k < l.n; k++) {
			mx_buf_addf(&b, "%s%s%s", k > 0 ? " " : "", l.f[k].weight == DC_WRONG ? "!" : "", l.f[k].code);
			assert_non_null(cat_find(l.f[k].code));
			assert_true(l.f[k].text[0] != '\0');
		}
		assert_non_null(mx_buf_str(&b));
		if (strcmp(got, rows[i].codes) != 0)
			fail_msg("%s: \"%s\", not \"%s\"", rows[i].name, got, rows[i].codes);
	}
}

/* --- a login that was refused with 535 5.7.3 ----------------------------------------------------------------------------- */

static struct conf_client client;

static void walk(struct dg_walk *w, const char *provider)
{
	client = (struct conf_client){
		.oc = { .name = "c", .grant = OAUTH_GRANT_CLIENT_CREDENTIALS, .client_id = APP,
			.token_endpoint = "https://login.microsoftonline.com/" TENANT "/oauth2/v2.0/token" },
		.provider = oauth_provider_find(provider, OAUTH_CLOUD_PUBLIC),
	};
	*w = (struct dg_walk){ .client = &client, .user = "o'neill@contoso.com", .account = "o'neill@contoso.com" };
	dg_value(w, "mailbox", w->user);
	dg_value(w, "client_id", APP);
}

/* iat: seconds before now */
static void jwt(struct mx_secret *s, const char *claims, int iat)
{
	const long long now = (long long)(mx_wall_ms() / 1000);
	char json[1024];
	struct mx_buf b;
	int n = snprintf(json, sizeof json, "{%s,\"iat\":%lld,\"exp\":%lld}", claims, now - iat, now + 1800);

	assert_true(mx_secret_alloc(s, 4096));
	mx_buf_init(&b, s->p, s->cap);
	mx_buf_adds(&b, "e30.");
	mx_b64url_encode(&b, json, (size_t)n);
	mx_buf_adds(&b, ".c2lnbmF0dXJl");
	assert_non_null(mx_buf_str(&b));
	s->len = b.len;
}

static bool told(const struct dg_list *l, const char *part)
{
	for (size_t i = 0; i < l->n; i++)
		if (strstr(l->i[i].text, part) != NULL)
			return true;
	return false;
}

static void test_verdicts(void **state)
{
	static const struct { const char *claims, *code; } all[] = {
		{ EXO "," WHO "," ROLE, "exchange-object-id" },
		{ EXO "," WHO, "token-no-role" },
		{ EXO "," WHO ",\"roles\":[\"IMAP.AccessAsApp\"]", "token-other-role" },
		{ "\"aud\":\"https://graph.microsoft.com\"," WHO "," ROLE, "token-audience" },
		{ EXO ",\"tid\":\"" APP "\",\"appid\":\"" APP "\"," ROLE, "token-tenant" },
	};
	struct dg_walk w;

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		walk(&w, "exchange-online");
		jwt(&w.token, all[i].claims, 10);
		assert_string_equal(dg_claims_verdict(&w, NULL), all[i].code);
		assert_non_null(cat_find(all[i].code));
		/* ready to paste: quoted, and with the token's object id */
		assert_true(told(&w.unknown, "Get-CASMailbox -Identity 'o''neill@contoso.com' |"));
		assert_true(told(&w.unknown, "Get-ServicePrincipal -Identity '" APP "'") ||
		    told(&w.unknown, "Get-ServicePrincipal -Identity " APP));
		assert_true(told(&w.unknown, "two hours"));
		if (i != 4)
			assert_true(told(&w.unknown, "it must be " OID));
		dg_free(&w);
	}
}

static void test_verdict_without_claims(void **state)
{
	struct dg_walk w;

	(void)state;
	walk(&w, "exchange-online");
	assert_string_equal(dg_claims_verdict(&w, NULL), "login-unsuccessful");
	assert_true(told(&w.unknown, "Get-ServicePrincipal"));
	dg_free(&w);
	walk(&w, "custom");
	jwt(&w.token, EXO "," WHO, 10);
	assert_string_equal(dg_claims_verdict(&w, NULL), "login-refused");
	assert_int_equal(w.unknown.n, 0);
	dg_free(&w);
}

/* The daemon's token is from before the consent; what the provider gives now has the role. */
static void test_stale(void **state)
{
	struct mx_secret old = { 0 };
	struct dg_walk w;

	(void)state;
	for (int better = 0; better < 2; better++) {
		walk(&w, "exchange-online");
		jwt(&w.token, better ? EXO "," WHO "," ROLE : EXO "," WHO, 0);
		assert_non_null(w.provider = calloc(1, sizeof *w.provider));
		w.provider->jwt = true;
		assert_true(oauth_claims_read(w.token.p, w.token.len, &w.provider->claims));
		jwt(&old, EXO "," WHO, 1500);
		assert_string_equal(dg_claims_verdict(&w, &old), better ? "token-stale" : "token-no-role");
		mx_secret_free(&old);
		dg_free(&w);
	}
}

static void test_tenants(void **state)
{
	static const struct { const char *url, *tenant; bool guid; } all[] = {
		{ "https://login.microsoftonline.com/" TENANT "/oauth2/v2.0/token", TENANT, true },
		{ "https://login.microsoftonline.us/contoso.example/oauth2/v2.0/token", "contoso.example", false },
		{ "https://127.0.0.1:8443/common/oauth2/token", "common", false },
		{ "https://oauth2.googleapis.com/token", NULL, false },
		{ "https://idp.example/realms/x/oauth2/token", NULL, false },
		{ "https://idp.example", NULL, false },
		{ NULL, NULL, false },
	};
	char tenant[64];
	bool guid;

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		assert_int_equal(dg_tenant(all[i].url, tenant, sizeof tenant, &guid), all[i].tenant != NULL);
		if (all[i].tenant != NULL) {
			assert_string_equal(tenant, all[i].tenant);
			assert_int_equal(guid, all[i].guid);
		}
	}
}

/* Each is for a code that there is, once, and is filled whole. */
static void test_paste(void **state)
{
	const struct cat_paste *p, *q;
	struct cat_value v[64];
	char text[2048];
	struct mx_buf b;
	size_t n = 0;

	(void)state;
	for (; cat_name_at(n) != NULL; n++)
		v[n] = (struct cat_value){ cat_name_at(n), "value" };
	for (size_t i = 0; (p = cat_paste_at(i)) != NULL; i++) {
		if (cat_find(p->code) == NULL)
			fail_msg("%s has no row", p->code);
		assert_ptr_equal(cat_paste_find(p->code), p->lines);
		for (size_t k = 0; k < i; k++)
			if ((q = cat_paste_at(k)) != NULL && strcmp(q->code, p->code) == 0)
				fail_msg("%s is there twice", p->code);
		mx_buf_init(&b, text, sizeof text);
		assert_true(cat_fill(&b, p->lines, v, n));
		assert_non_null(mx_buf_str(&b));
		assert_null(strchr(text, '{'));
		assert_null(strstr(text, "CLIENT_ID"));
		assert_true(text[strlen(text) - 1] != '\n');
	}
	assert_null(cat_paste_find("no-such-code"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judgement),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_verdict_without_claims),
		cmocka_unit_test(test_stale),
		cmocka_unit_test(test_tenants),
		cmocka_unit_test(test_paste),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
