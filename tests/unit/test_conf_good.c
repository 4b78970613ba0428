/*
 * Configurations that are fine: what they mean, what is warned of, and every prefix of the sample.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "settings/check.h"
#include "settings/keys.h"
#include "tests/unit/test_conf_util.h"

static void preset(void **state)
{
	struct conf *c = conf_good(ACCOUNT CLIENT);
	const struct conf_client *k = conf_client_find(c, "c");

	(void)state;
	assert_non_null(k);
	assert_string_equal(k->oc.name, "c");
	assert_string_equal(k->oc.token_endpoint,
	    "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token");
	assert_string_equal(k->oc.device_authorization_endpoint,
	    "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/devicecode");
	assert_string_equal(k->oc.authorization_endpoint,
	    "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/authorize");
	assert_string_equal(k->oc.scope, "https://outlook.office365.com/.default");
	assert_string_equal(k->oc.client_id, "11111111-2222-3333-4444-555555555555");
	assert_string_equal(k->oc.credential[0].secret_file, "/nowhere/secret");
	assert_int_equal(k->oc.grant, OAUTH_GRANT_CLIENT_CREDENTIALS);
	assert_int_equal(k->oc.credential[0].auth, OAUTH_AUTH_SECRET_POST);
	assert_null(k->oc.resource);
	assert_null(k->oc.proxy);
	assert_null(k->oc.proxy_credentials_file);
	assert_null(k->oc.no_proxy);
	assert_null(k->oc.ca_file);
	assert_int_equal(k->oc.connect_timeout_ms, 5000);
	assert_int_equal(k->oc.timeout_ms, 30000);
	assert_int_equal(k->backoff_min_ms, 1000);
	assert_int_equal(k->backoff_max_ms, 300000);
	assert_int_equal(k->min_remaining_s, k->provider->min_remaining_s);
	assert_int_equal(k->stale_until_s, k->provider->stale_until_s);
	assert_int_equal(k->at.line, 5);
	assert_int_equal(k->at.column, 3);

	assert_int_equal(c->naccounts, 1);
	assert_ptr_equal(c->accounts[0].client, k);
	assert_string_equal(c->accounts[0].pattern, "*@contoso.com");
	assert_null(c->accounts[0].user);
	assert_true(c->accounts[0].xoauth2 && c->accounts[0].oauthbearer);
	assert_true(c->accounts[0].nrelays > 0);
	assert_int_equal(c->accounts[0].allow_users.n, 0);

	assert_int_equal(c->nlisten, 1);
	assert_string_equal(c->listen[0].path, MX_SOCKET);
	assert_int_equal(c->listen[0].mode, 0666);
	assert_null(c->listen[0].owner);
	assert_string_equal(c->user, MX_USER);
	assert_int_equal(c->log_level, LOG_INFO);
	assert_int_equal(c->max_connections, 1024);
	assert_int_equal(c->max_connections_per_uid, 256);
	assert_int_equal(c->max_mailboxes, 10000);
	assert_int_equal(c->request_timeout_ms, 2000);
	assert_int_equal(c->deadline_ms, 10000);
	assert_null(c->token_cache);
	assert_null(c->metrics_file);
	assert_int_equal(c->metrics_interval_s, 15);
	assert_int_equal(k->cred[0].expires, 0);
	conf_free(c);
}

/* Where consent is asked for goes with where the token is: one provider's codes are nothing to another. */
static void consent_endpoints(void **state)
{
	struct conf *c = conf_good(ACCOUNT CLIENT "    token_endpoint: https://idp.example/token/{tenant}\n");

	(void)state;
	assert_null(c->clients[0].oc.device_authorization_endpoint);
	assert_null(c->clients[0].oc.authorization_endpoint);
	conf_free(c);
	c = conf_good(ACCOUNT CLIENT "    token_endpoint: https://idp.example/token/{tenant}\n"
	    "    device_authorization_endpoint: https://idp.example/{tenant}/device\n");
	assert_string_equal(c->clients[0].oc.device_authorization_endpoint, "https://idp.example/contoso.com/device");
	assert_null(c->clients[0].oc.authorization_endpoint);
	conf_free(c);
}

/* Reads a file of tests/data/conf or of the sources. Freed by the caller. */
static char *source(const char *name, size_t *n)
{
	const char *src = getenv("MX_SRC");
	char path[512];
	char *p;
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", src == NULL ? "." : src, name);
	if ((f = fopen(path, "r")) == NULL)
		fail_msg("%s: cannot be read", path);
	assert_non_null(p = calloc(1, 65536));
	*n = fread(p, 1, 65535, f);
	assert_true(*n > 0 && *n < 65535);
	fclose(f);
	return p;
}

/* full.yaml uses every key that there is. */
static void every_key(void **state)
{
	size_t n;
	char *text = source("tests/data/conf/full.yaml", &n), word[64];
	struct conf *c = conf_good(text);
	const struct conf_client *k = conf_client_find(c, "everything");
	const struct conf_account *a;

	(void)state;
	for (size_t s = 0; s < CONF_SECTION_N; s++)
		for (size_t i = 0; i < conf_sections[s].n; i++) {
			const struct conf_key *key = &conf_sections[s].key[i];

			snprintf(word, sizeof word, "%s:", key->name);
			if ((strstr(text, word) != NULL) == ((key->flags & CONF_K_REFUSED) != 0))
				fail_msg("full.yaml and key %s", key->name);
		}
	assert_int_equal(c->nlisten, 2);
	assert_string_equal(c->listen[1].path, "/run/x/b.sock");
	assert_int_equal(c->listen[0].protocol, CONF_PROTOCOL_TOKEND);
	assert_int_equal(c->listen[1].protocol, CONF_PROTOCOL_SOCKETMAP);
	assert_int_equal(c->listen[1].mode, 0600);
	assert_string_equal(c->listen[1].owner, "root");
	assert_string_equal(c->listen[1].group, "root");
	assert_string_equal(c->user, "root");
	assert_int_equal(c->log_level, LOG_DEBUG);
	assert_int_equal(c->max_connections, 2000);
	assert_int_equal(c->max_connections_per_uid, 20);
	assert_int_equal(c->max_mailboxes, 500);
	assert_int_equal(c->request_timeout_ms, 1500);
	assert_int_equal(c->deadline_ms, 60000);
	assert_string_equal(c->token_cache, "/run/x/tokens");
	assert_string_equal(c->metrics_file, "/run/x/mta-xoauth2.prom");
	assert_int_equal(c->metrics_interval_s, 60);
	assert_int_equal(c->admin_users.n, 2);
	assert_int_equal(c->admin_users.id[0], 0);
	assert_int_equal(c->admin_users.id[1], 4711);

	assert_non_null(k);
	assert_string_equal(k->oc.token_endpoint,
	    "https://idp.example:8443/realms/contoso.com/token?x=y");
	assert_string_equal(k->oc.authorization_endpoint, "https://idp.example:8443/realms/contoso.com/auth");
	assert_string_equal(k->oc.device_authorization_endpoint, "https://idp.example/device");
	assert_int_equal(k->oc.credential[0].auth, OAUTH_AUTH_SECRET_BASIC);
	assert_string_equal(k->oc.scope, "smtp imap");
	assert_string_equal(k->oc.resource, "urn:example:mail");
	assert_string_equal(k->oc.credential[0].secret_file, "credential:everything");
	assert_string_equal(k->oc.proxy, "socks5h://[::1]:1080");
	assert_string_equal(k->oc.proxy_credentials_file, "credential:proxy");
	assert_string_equal(k->oc.no_proxy, "localhost,.example");
	assert_string_equal(k->oc.ca_file, "/etc/ssl/ca.pem");
	assert_int_equal(k->oc.connect_timeout_ms, 250);
	assert_int_equal(k->oc.timeout_ms, 120000);
	assert_int_equal(k->min_remaining_s, 120);
	assert_int_equal(k->stale_until_s, 0);
	assert_int_equal(k->backoff_min_ms, 2000);
	assert_int_equal(k->backoff_max_ms, 3600000);
	assert_int_equal(k->cred[0].expires, 3981312000u);
	k = conf_client_find(c, "listed");
	assert_int_equal(k->oc.ncredentials, 4);
	assert_int_equal(k->oc.credential[0].auth, OAUTH_AUTH_PRIVATE_KEY_JWT);
	assert_string_equal(k->oc.credential[0].key, "handle:0x81000001");
	assert_string_equal(k->oc.credential[0].certificate_file, "/nowhere/cert.pem");
	assert_string_equal(k->oc.credential[0].key_passphrase_file, "credential:pass");
	assert_string_equal(k->oc.credential[0].key_id, "one");
	assert_int_equal(k->oc.credential[0].alg, OAUTH_ALG_RS256);
	assert_int_equal(k->oc.credential[0].thumbprint, OAUTH_THUMB_SHA1);
	assert_string_equal(k->oc.credential[0].audience, "https://issuer.example/");
	assert_string_equal(k->oc.credential[0].typ, "client-authentication+jwt");
	assert_int_equal(k->oc.credential[1].auth, OAUTH_AUTH_SECRET_POST);
	assert_string_equal(k->oc.credential[1].secret_file, "/nowhere/listed");
	assert_int_equal(k->oc.credential[2].auth, OAUTH_AUTH_FEDERATED);
	assert_string_equal(k->oc.credential[2].assertion_file, "/nowhere/token");
	assert_int_equal(k->oc.credential[2].platform, OAUTH_PLATFORM_NONE);
	assert_int_equal(k->oc.credential[3].auth, OAUTH_AUTH_FEDERATED);
	assert_int_equal(k->oc.credential[3].platform, OAUTH_PLATFORM_IMDS);
	assert_string_equal(k->oc.credential[3].platform_resource, "api://AzureADTokenExchange");
	assert_string_equal(k->oc.credential[3].identity_object_id, "41111111-2222-3333-4444-555555555555");
	k = conf_client_find(c, "machine");
	assert_int_equal(k->oc.grant, OAUTH_GRANT_MANAGED_IDENTITY);
	assert_int_equal(k->oc.ncredentials, 1);
	assert_null(k->oc.token_endpoint);
	assert_int_equal(k->oc.credential[0].platform, OAUTH_PLATFORM_AUTO);
	assert_string_equal(k->oc.credential[0].platform_resource, "https://partner.outlook.cn");
	assert_non_null(strstr(k->oc.credential[0].identity_resource_id, "/userAssignedIdentities/z"));
	k = conf_client_find(c, "federated");
	assert_int_equal(k->oc.credential[0].platform, OAUTH_PLATFORM_APP_SERVICE);
	assert_string_equal(k->oc.credential[0].identity_client_id, "51111111-2222-3333-4444-555555555555");
	assert_non_null(strstr(k->oc.token_endpoint, "/contoso.com/"));
	k = conf_client_find(c, "workspace");
	assert_int_equal(k->oc.grant, OAUTH_GRANT_JWT_BEARER);
	assert_string_equal(k->oc.token_endpoint, "https://oauth2.googleapis.com/token");
	assert_string_equal(k->oc.scope, "https://mail.google.com/");
	assert_string_equal(k->oc.credential[0].service_account_file, "/nowhere/workspace.json");
	assert_null(k->oc.credential[0].issuer);
	assert_int_equal(k->oc.credential[0].alg, OAUTH_ALG_RS256);
	assert_string_equal(k->oc.credential[1].issuer, "mailer@project.iam.gserviceaccount.com");
	assert_int_equal(k->oc.credential[1].thumbprint, OAUTH_THUMB_NONE);
	k = conf_client_find(c, "google");
	assert_null(k->oc.client_id);
	assert_string_equal(k->oc.credential[0].service_account_file, "credential:workspace");
	assert_int_equal(conf_account_find(c, "a@google.example", 16)->nrelays, 1);
	assert_int_not_equal(k->fingerprint, conf_client_find(c, "workspace")->fingerprint);
	k = conf_client_find(c, "everything");
	assert_int_equal(conf_client_find(c, "listed")->cred[1].expires, 4107542400u);

	assert_non_null(a = conf_account_find(c, "scanner@example.org", 19));
	assert_ptr_equal(a->client, k);
	assert_string_equal(a->user, "no-reply@example.org");
	assert_int_equal(a->allow_users.n, 1);
	assert_int_equal(a->allow_groups.n, 2);
	assert_int_equal(a->allow_groups.id[1], 4712);
	assert_int_equal(a->allow_token_users.n, 1);
	assert_int_equal(a->nrelays, 2);
	assert_string_equal(a->relays[0], "*.example.org");
	assert_string_equal(a->relays[1], "::1");
	assert_true(a->oauthbearer);
	assert_false(a->xoauth2);
	conf_free(c);
	free(text);
}

/* Every prefix loads or is refused; none is both or crashes. Then one byte changed, everywhere. */
static void prefixes(void **state)
{
	const char *const names[] = { "conf/tokend.yaml", "tests/data/conf/full.yaml" };
	const char bad[] = { '\0', '\n', ' ', '*', '"', '[', '{', ':', '\xff', '\t' };
	size_t n, good = 0, tried = 0;
	struct conf_report r;
	struct conf_dir d;

	(void)state;
	conf_dir_make(&d);
	for (size_t f = 0; f < 2; f++) {
		char *text = source(names[f], &n);

		for (size_t i = 0; i <= n + n / 3; i++) {
			const size_t at = (i - n) * 3 % n;
			const char old = text[at];
			struct conf *c;

			if (i > n)
				text[at] = bad[i % sizeof bad];
			conf_dir_write(&d, "tokend.yaml", text, i <= n ? i : n);
			text[at] = old;
			c = conf_dir_load(&d, 0, &r);
			if ((c == NULL) != (r.errors > 0)) {
				conf_show(names[f], &r);
				fail_msg("prefix of %zu bytes", i);
			}
			good += c != NULL, tried++;
			conf_free(c);
			conf_report_free(&r);
		}
		free(text);
	}
	printf("# %zu of %zu cut or changed files load\n", good, tried);
	conf_dir_remove(&d);
}

static void sample(void **state)
{
	size_t n, i;
	char *text = source("conf/tokend.yaml", &n), *at, changed[8192];
	char secret[128];
	struct conf_report r;
	struct conf_dir d;
	struct conf *c;

	(void)state;
	conf_dir_make(&d);
	snprintf(secret, sizeof secret, "%s/contoso.secret", d.path);
	assert_non_null(at = strstr(text, "client_secret_file: /etc/mta-xoauth2/contoso.secret"));
	at += strlen("client_secret_file: ");
	i = (size_t)snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, secret,
	    at + strlen("/etc/mta-xoauth2/contoso.secret"));
	conf_dir_write(&d, "tokend.yaml", changed, i);

	assert_null(conf_dir_load(&d, CONF_CHECK_SECRETS, &r));
	assert_int_equal(r.errors, 1);
	conf_report_free(&r);

	conf_dir_write(&d, "contoso.secret", "abc8Q~0123456789012345678901234567890123\n", 41);
	assert_int_equal(chmod(secret, 0640), 0);
	if ((c = conf_dir_load(&d, CONF_CHECK_SECRETS, &r)) == NULL)
		conf_show("the sample", &r);
	assert_non_null(c);
	conf_free(c);
	conf_report_free(&r);
	conf_dir_remove(&d);
	free(text);
}

/* Hosts of the client's own cloud, and of no cloud: nothing is said. */
static void clouds(void **state)
{
	static const char *const rows[] = {
		ACCOUNT "    relays: [smtp.office365.us, outlook-dod.office365.us, webmail.apps.mil, "
		    "relay.contoso.com]\n" CLIENT "    cloud: dod\n",
		ACCOUNT "    relays: [smtp.office365.com, outlook.office.com, \"*.mx.microsoft\", \"*\", "
		    "notoffice365.us]\n" CLIENT,
		ACCOUNT CLIENT "    token_endpoint: https://login.microsoft.com/{tenant}/oauth2/v2.0/token\n",
		ACCOUNT CLIENT "    cloud: gcc-high\n"
		    "    token_endpoint: https://login.microsoftonline.us/{tenant}/oauth2/v2.0/token\n",
		ACCOUNT CLIENT
		    "    token_endpoint: https://login.microsoftonline.com.example/{tenant}/oauth2/v2.0/token\n",
		ACCOUNT CUSTOM "    token_endpoint: https://login.microsoftonline.us/contoso.com/oauth2/v2.0/token\n"
		    "    scope: https://outlook.office365.us/.default\n",
		ACCOUNT CUSTOM "    token_endpoint: https://idp.example/token\n    scope: "
		    "https://outlook.office365.us/.default\n",
		ACCOUNT "    relays: smtp.office365.us\n" CUSTOM "    token_endpoint: https://idp.example/token\n",
		ACCOUNT HEAD PROVIDER TENANT ID "    client_auth: client_secret_basic\n"
		    "    credentials:\n      - key: /k.pem\n      - client_secret_file: /s\n",
	};
	struct conf_report r;
	struct conf_dir d;
	struct conf *c;

	(void)state;
	conf_dir_make(&d);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		conf_dir_write(&d, "tokend.yaml", rows[i], strlen(rows[i]));
		c = conf_dir_load(&d, 0, &r);
		for (size_t k = 0; k < r.n; k++)	/* what is no GUID is warned of, and is not the matter here */
			if (strstr(r.c[k].text, "GUID") == NULL)
				c = NULL;
		if (c == NULL) {
			conf_show(rows[i], &r);
			fail_msg("row %zu", i);
		}
		conf_free(c);
		conf_report_free(&r);
	}
	conf_dir_remove(&d);
}

/* Odd, but not refused. */
static void warnings(void **state)
{
	static const struct {
		const char *text, *part;
		unsigned line, column;
	} row[] = {
		{ ACCOUNT HEAD PROVIDER
		    "    tenant: 11111111-2222-3333-4444-555555555555\n" ID SECRET,
		    "the same as \"tenant\"", 8, 16 },
		{ ACCOUNT HEAD PROVIDER TENANT "    client_id: contoso\n" SECRET, "no GUID", 8,
		    16 },
		{ ACCOUNT CLIENT "  other:\n" PROVIDER TENANT ID SECRET, "not used by any account",
		    10, 3 },
		{ ACCOUNT CLIENT "    scope: https://graph.microsoft.com/.default\n",
		    "write \"scope: https://outlook.office365.com/.default\", or leave it out", 10, 12 },
		{ ACCOUNT HEAD PROVIDER "    tenant: 11111111-2222-3333-4444-555555555555\n"
		    "    client_id: contoso.com\n" SECRET, "is it the tenant, and \"tenant\" the client's?", 8, 16 },
		{ ACCOUNT CLIENT "    grant: refresh_token\n    refresh_token_file: /nowhere/t\n",
		    "or \"user: MAILBOX\" below it", 2, 3 },
		{ ACCOUNT "    relays: [smtp.office365.com, SMTP.office365.us]\n" CLIENT,
		    "write \"relays: smtp.office365.com\", or \"cloud: gcc-high\" for the client", 4, 5 },
		{ ACCOUNT "    relays: \"*.outlook.cn\"\n" CLIENT, "\"cloud: china\"", 4, 5 },
		{ ACCOUNT "    relays: smtp.office365.com.\n" CLIENT "    cloud: dod\n",
		    "\"relays: outlook-dod.office365.us\"", 4, 5 },
		{ ACCOUNT CLIENT "    proxy_credentials_file: /nowhere/p\n", "there is no \"proxy\"", 10, 29 },
		{ ACCOUNT CLIENT "    no_proxy: localhost\n", "there is no \"proxy\"", 10, 5 },
		{ ACCOUNT CUSTOM TENANT "    token_endpoint: https://idp.example/token\n",
		    "no {tenant}", 9, 13 },
		{ ACCOUNT "    allow_users: [no-such-user-x]\n" CLIENT,
		    "no user \"no-such-user-x\"", 4, 19 },
		{ ACCOUNT "    allow_users: no such users\n" CLIENT, "written as a list", 4, 18 },
		{ ACCOUNT "    allow_groups: [no-such-group-x]\n" CLIENT,
		    "no group \"no-such-group-x\"", 4, 20 },
		{ ACCOUNT HEAD PROVIDER TENANT "    grant: managed_identity\n", "\"tenant\" is not used", 7, 13 },
		{ ACCOUNT HEAD PROVIDER "    grant: managed_identity\n    proxy: http://proxy:3128\n",
		    "\"proxy\" is not used", 8, 12 },
		{ ACCOUNT CLIENT "    secret_expires: 2026-01-01\n", "that day has come", 10, 21 },
		{ ACCOUNT HEAD "    provider: google-workspace\n    service_account_file: /a\n    scope: "
		    "https://example.org/mail\n", "Gmail's SMTP takes tokens for", 8, 12 },
		{ ACCOUNT CLIENT "metrics_interval: 1m\n", "there is no \"metrics_file\"", 10, 19 },
		{ ACCOUNT "    allow_users: [65534]\n" CLIENT, "never matches", 4, 19 },
		{ ACCOUNT CLIENT "listen:\n  - path: /run/a\n    owner: no-such-user-x\n",
		    "no user", 12, 12 },
		{ ACCOUNT CLIENT
		    "limits:\n  max_connections: 100\n  max_connections_per_uid: 200\n",
		    "is more than", 12, 28 },
		{ ACCOUNT "  Bob@x.org:\n    client: c\n  bOB@x.org:\n    client: c\n" CLIENT,
		    "upper and lower case", 6, 3 },
		{ ACCOUNT HEAD PROVIDER TENANT ID "    client_secret_file: /nowhere/secret",
		    "cut off", 9, 40 },
		{ ACCOUNT CLIENT
		    "    resource: https://outlook.office365.com\n    scope: a\n"
		    "    token_endpoint: https://login.microsoftonline.com/{tenant}/oauth2/token\n",
		    "v1 endpoint", 11, 12 },
	};
	struct conf_report r;
	struct conf_dir d;
	struct conf *c;

	(void)state;
	conf_dir_make(&d);
	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
		conf_dir_write(&d, "tokend.yaml", row[i].text, strlen(row[i].text));
		c = conf_dir_load(&d, 0, &r);
		if (c == NULL || r.n != 1 || !conf_says(&r, 'w', row[i].part) ||
		    r.c[0].at.line != row[i].line || r.c[0].at.column != row[i].column) {
			conf_show(row[i].text, &r);
			fail_msg("expected %u:%u %s", row[i].line, row[i].column, row[i].part);
		}
		conf_free(c);
		conf_report_free(&r);
	}
	conf_dir_remove(&d);
}

/* conf.d: sorted, hidden files and other names passed over, *.yml warned of. */
static void includes(void **state)
{
	static const char second[] = "accounts:\n  a@b.org:\n    client: c\ndeadline: 5s\n";
	struct conf_report r;
	struct conf_dir d;
	struct conf *c;

	(void)state;
	conf_dir_make(&d);
	conf_dir_write(&d, "tokend.yaml", ACCOUNT, strlen(ACCOUNT));
	conf_dir_write(&d, "conf.d/20-b.yaml", CLIENT, strlen(CLIENT));
	conf_dir_write(&d, "conf.d/10-a.yaml", second, strlen(second));
	conf_dir_write(&d, "conf.d/.hidden.yaml", "x", 1);
	conf_dir_write(&d, "conf.d/30.yaml~", "x", 1);
	conf_dir_write(&d, "conf.d/30.yaml.rpmsave", "x", 1);
	conf_dir_write(&d, "conf.d/.yaml", "x", 1);
	conf_dir_write(&d, "conf.d/40.yml", "x", 1);
	if ((c = conf_dir_load(&d, 0, &r)) == NULL)
		conf_show("conf.d", &r);
	assert_non_null(c);
	assert_int_equal(r.n, 1);
	assert_true(conf_says(&r, 'w', "must end in .yaml"));
	assert_int_equal(c->naccounts, 2);
	assert_string_equal(c->accounts[1].pattern, "a@b.org");
	assert_int_equal(c->deadline_ms, 5000);
	assert_non_null(strstr(c->clients[0].at.file, "conf.d/20-b.yaml"));
	conf_free(c);
	conf_report_free(&r);
	conf_dir_remove(&d);
}

/* A file of conf.d adds sockets and, to accounts of other files, users. */
static void additions(void **state)
{
	static const char head[] = "accounts:\n  \"*@contoso.com\":\n    client: c\n"
	    "  a@b.org:\n    client: c\n    allow_users: [\"1\", \"2\"]\n" CLIENT;
	static const char more[] = "listen:\n  - path: /jail/s\naccounts:\n  \"*@CONTOSO.com\":\n    allow_users: [\"7\"]\n"
	    "  a@b.org:\n    allow_users: [\"2\", \"8\"]\n";
	static const char listen[] = "listen:\n  - path: /own/s\n";
	struct conf_report r;
	struct conf_dir d;
	struct conf *c;

	(void)state;
	conf_dir_make(&d);
	conf_dir_write(&d, "tokend.yaml", head, strlen(head));
	conf_dir_write(&d, "conf.d/10-a.yaml", more, strlen(more));
	if ((c = conf_dir_load(&d, 0, &r)) == NULL)
		conf_show("additions", &r);
	assert_non_null(c);
	assert_int_equal(c->nlisten, 2);	/* the default stays, and stays the first */
	assert_string_equal(c->listen[0].path, MX_SOCKET);
	assert_int_equal(c->listen[0].at.line, 0);
	assert_string_equal(c->listen[1].path, "/jail/s");
	assert_int_equal(c->naccounts, 2);
	assert_int_equal(c->accounts[0].allow_users.n, 2);	/* root, who was allowed by default, stays */
	assert_true(conf_uid_listed(&c->accounts[0].allow_users, 0) && conf_uid_listed(&c->accounts[0].allow_users, 7));
	assert_int_equal(c->accounts[1].allow_users.n, 3);
	assert_false(conf_uid_listed(&c->accounts[1].allow_users, 0));
	assert_true(conf_uid_listed(&c->accounts[1].allow_users, 1) && conf_uid_listed(&c->accounts[1].allow_users, 8));
	conf_free(c);
	conf_report_free(&r);
	conf_dir_write(&d, "conf.d/20-b.yaml", listen, strlen(listen));
	assert_non_null(c = conf_dir_load(&d, 0, &r));
	assert_int_equal(c->nlisten, 3);
	conf_free(c);
	conf_report_free(&r);
	conf_dir_remove(&d);
}

/* The main file's own list leaves the default out. */
static void additions_beside_a_list(void **state)
{
	static const char head[] = ACCOUNT "listen:\n  - path: /own/s\n" CLIENT, more[] = "listen:\n  - path: /jail/s\n";
	struct conf_report r;
	struct conf_dir d;
	struct conf *c;

	(void)state;
	conf_dir_make(&d);
	conf_dir_write(&d, "tokend.yaml", head, strlen(head));
	conf_dir_write(&d, "conf.d/10-a.yaml", more, strlen(more));
	assert_non_null(c = conf_dir_load(&d, 0, &r));
	assert_int_equal(c->nlisten, 2);
	assert_string_equal(c->listen[0].path, "/own/s");
	conf_free(c);
	conf_report_free(&r);
	conf_dir_remove(&d);
}

/* The fingerprint changes with whatever makes a token another one, and with nothing else. */
static void fingerprint(void **state)
{
	static const struct { const char *text; bool same;
	} row[] = {
		{ ACCOUNT "log_level: debug\n" CLIENT, true },
		{ ACCOUNT CLIENT "    timeout: 7s\n    min_remaining: 400\n", true },
		{ "accounts:\n  \"*\":\n    client: c\n" CLIENT, true },
		{ ACCOUNT HEAD PROVIDER "    tenant: contoso.org\n" ID SECRET, false },
		{ ACCOUNT HEAD PROVIDER TENANT
		    "    client_id: 21111111-2222-3333-4444-555555555555\n" SECRET,
		    false },
		{ ACCOUNT HEAD PROVIDER TENANT ID "    client_secret_file: /nowhere/other\n",
		    false },
		{ ACCOUNT CLIENT "    scope: https://outlook.office.com/.default\n", false },
		{ ACCOUNT CLIENT "    client_auth: client_secret_basic\n", false },
		{ ACCOUNT CLIENT "    proxy: http://proxy:3128\n", false },
		{ ACCOUNT CLIENT "    proxy_credentials_file: /p\n", false },
		{ ACCOUNT CLIENT "    ca_file: /etc/ca.pem\n", false },
		{ ACCOUNT HEAD PROVIDER TENANT ID "    assertion_file: /nowhere/secret\n", false },
		{ ACCOUNT HEAD PROVIDER TENANT ID "    managed_identity: imds\n", false },
		{ ACCOUNT CLIENT "    workload_identity: no\n", true },
	};
	struct conf *c = conf_good(ACCOUNT CLIENT);
	const uint64_t first = c->clients[0].fingerprint;

	(void)state;
	conf_free(c);
	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
		c = conf_good(row[i].text);
		if ((c->clients[0].fingerprint == first) != row[i].same)
			fail_msg("fingerprint: %s", row[i].text);
		conf_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(preset), cmocka_unit_test(consent_endpoints),
		cmocka_unit_test(every_key),
		cmocka_unit_test(sample),
		cmocka_unit_test(clouds), cmocka_unit_test(warnings),
		cmocka_unit_test(includes),
		cmocka_unit_test(additions),
		cmocka_unit_test(additions_beside_a_list),
		cmocka_unit_test(fingerprint),
		cmocka_unit_test(prefixes),
	};

	return cmocka_run_group_tests_name("conf_good", tests, NULL, NULL);
}
