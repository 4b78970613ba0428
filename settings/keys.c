#include "config.h"

#include <string.h>
#include <syslog.h>

#include "common/wire.h"
#include "oauth/identity.h"
#include "settings/check.h"
#include "settings/keys.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define H (3600 * 1000)		/* an hour in milliseconds */

/*
 * Positions in these lists are what the code sees: grant + 1 is enum oauth_grant, auth + 1 enum
 * oauth_auth.
 */
static const char *word_grant(unsigned i)
{
	static const char *const w[] = { "client_credentials", "refresh_token", "jwt-bearer", "managed_identity" };

	return i < N(w) ? w[i] : NULL;
}

static const char *word_auth(unsigned i)
{
	static const char *const w[] = { "client_secret_post", "client_secret_basic", "private_key_jwt", "none" };

	return i < N(w) ? w[i] : NULL;
}

static const char *word_algorithm(unsigned i)	/* enum oauth_alg, less 1 */
{
	static const char *const w[] = { "PS256", "RS256", "ES256" };

	return i < N(w) ? w[i] : NULL;
}

static const char *word_mechanism(unsigned i)
{
	static const char *const w[] = { "XOAUTH2", "OAUTHBEARER" };

	return i < N(w) ? w[i] : NULL;
}

static const char *word_protocol(unsigned i)	/* enum conf_protocol */
{
	static const char *const w[] = { "tokend", "socketmap" };

	return i < N(w) ? w[i] : NULL;
}

static const struct { const char *name; int level; } levels[] = {
	{ "error", LOG_ERR }, { "warning", LOG_WARNING }, { "notice", LOG_NOTICE }, { "info",
	    LOG_INFO },
	{ "debug", LOG_DEBUG },
};

static const char *word_level(unsigned i)
{
	return i < N(levels) ? levels[i].name : NULL;
}

int conf_log_level(uint32_t word)
{
	return levels[word < N(levels) ? word : 0].level;
}

/* Every table is sorted by name; a test checks it. */
#define F(f) offsetof(S, f)

#define S struct cf_top
static const struct conf_key top[] = {
	{ "accounts", CONF_T_ACCOUNTS, F(accounts), NULL, 0, 0, NULL, NULL, CONF_K_EACH_FILE,
	    "who may have whose token: a mapping from mailbox patterns" },
	{ "admin_users", CONF_T_USERS, F(admin_users), NULL, 0, 0, NULL, cf_bad_user, CONF_K_PRESET,
	    "users of STATUS, FLUSH, RELOAD and METRICS (default: root)" },
	{ "clients", CONF_T_CLIENTS, F(clients), NULL, 0, 0, NULL, NULL, CONF_K_EACH_FILE,
	    "OAuth 2.0 clients: a mapping from names of your choice" },
	{ "deadline", CONF_T_MS, F(deadline), "10s", 1000, 300 * 1000, NULL, NULL, CONF_K_LIMIT,
	    "an asker that names no deadline is answered by then" },
	{ "limits", CONF_T_LIMITS, F(limits), NULL, 0, 0, NULL, NULL, 0,
	    "a mapping that may hold the limits, which may also stand at the top" },
	{ "listen", CONF_T_LISTEN, F(listen), NULL, 0, 0, NULL, NULL, CONF_K_PRESET | CONF_K_EACH_FILE,
	    "sockets: a list of mappings (default: the compiled-in path)" },
	{ "log_level", CONF_T_ENUM, F(log_level), "info", 0, 0, word_level, NULL, 0,
	    "least important message that is logged" },
	{ "max_connections", CONF_T_COUNT, F(max_connections), "1024", 16, 65535, NULL, NULL,
	    CONF_K_LIMIT, "connections at one time" },
	{ "max_connections_per_uid", CONF_T_COUNT, F(max_connections_per_uid), "256", 1, 65535,
	    NULL, NULL, CONF_K_LIMIT, "connections of one user at one time" },
	{ "max_mailboxes", CONF_T_COUNT, F(max_mailboxes), "10000", 10, 100000, NULL, NULL, CONF_K_LIMIT,
	    "mailboxes with a token of their own at one time, where a grant makes a token for each" },
	{ "metrics_file", CONF_T_PATH, F(metrics_file), NULL, 2, 4000, NULL, cf_bad_path, 0,
	    "file that METRICS are written to, for node_exporter's textfile collector" },
	{ "metrics_interval", CONF_T_SECONDS, F(metrics_interval), "15s", 1, 3600, NULL, NULL, 0,
	    "time from one writing of metrics_file to the next" },
	{ "request_timeout", CONF_T_MS, F(request_timeout), "2s", 100, 60 * 1000, NULL, NULL,
	    CONF_K_LIMIT, "a request must have arrived by then" },
	{ "token_cache", CONF_T_STRING, F(token_cache), NULL, 2, 4095, NULL, cf_bad_cache, CONF_K_PRESET,
	    "file on tmpfs that keeps tokens over a restart, or \"none\" (default: systemd's fd store, else beside the "
	    "first socket)" },
	{ "user", CONF_T_USER, F(user), MX_USER, 1, 256, NULL, cf_bad_user, 0,
	    "account the daemon runs as when it is started by root" },
};
#undef S

#define S struct cf_listen
static const struct conf_key listens[] = {
	{ "group", CONF_T_GROUP, F(group), NULL, 1, 256, NULL, cf_bad_user, CONF_K_PRESET,
	    "group of the socket (default: the daemon's)" },
	{ "mode", CONF_T_MODE, F(mode), "0666", 0, 0777, NULL, NULL, 0,
	    "permissions of the socket" },
	{ "owner", CONF_T_USER, F(owner), NULL, 1, 256, NULL, cf_bad_user, CONF_K_PRESET,
	    "owner of the socket (default: the daemon's user)" },
	{ "path", CONF_T_PATH, F(path), NULL, 2, 106, NULL, cf_bad_socket_path, CONF_K_REQUIRED,
	    "where the socket is made" },
	{ "protocol", CONF_T_ENUM, F(protocol), "tokend", 0, 0, word_protocol, NULL, 0,
	    "what is spoken there: the daemon's own protocol, or Postfix's socketmap" },
};
#undef S

#define S struct cf_client
#define NO_TEXT "must not stand here: put the secret in a file of its own and name that file " \
	"with client_secret_file"
#define KEY_HELP "private key: a PEM or PKCS#12 file, or a URI that OpenSSL's providers know"
#define KID_HELP "\"kid\" of assertions: the name under which the provider knows the key"
#define ISSUER_HELP "\"iss\" of the jwt-bearer grant's assertions (default: client_id)"
#define ACCOUNT_HELP "JSON file of a Google service account, or credential:NAME"
#define PASS_HELP "file with the key's passphrase, or credential:NAME"
#define FED_HELP "file with a token of another issuer, whom the provider trusts (workload identity federation)"
#define MI_HELP "the platform that knows this machine's managed identity"
#define MI_ID_HELP "user-assigned identity, by its client ID"
#define MI_OBJECT_HELP "user-assigned identity, by its object ID"
#define MI_RESOURCE_HELP "user-assigned identity, by its resource ID in Azure"
static const struct conf_key clients[] = {
	{ "assertion_algorithm", CONF_T_ENUM, F(own.assertion_algorithm), "PS256", 0, 0, word_algorithm, NULL, 0,
	    "how assertions are signed" },
	{ "assertion_audience", CONF_T_STRING, F(own.assertion_audience), NULL, 1, 1024, NULL, cf_bad_resource,
	    CONF_K_PRESET, "\"aud\" of assertions (default: the token endpoint)" },
	{ "assertion_file", CONF_T_PATH, F(own.assertion_file), NULL, 2, 4095, NULL, cf_bad_path, 0, FED_HELP },
	{ "assertion_issuer", CONF_T_STRING, F(own.assertion_issuer), NULL, 1, 512, NULL, cf_bad_client_id,
	    CONF_K_PRESET, ISSUER_HELP },
	{ "assertion_typ", CONF_T_STRING, F(own.assertion_typ), "JWT", 1, 64, NULL, cf_bad_typ, 0,
	    "\"typ\" of assertions" },
	{ "authorization_endpoint", CONF_T_URL, F(authorization_endpoint), NULL, 9, 2048, NULL, cf_bad_url,
	    CONF_K_PRESET, "https URL for \"mta-xoauth2 login --browser\"; {tenant} is replaced (default: the "
	    "preset's)" },
	{ "backoff_max", CONF_T_MS, F(backoff_max), "300s", 1000, H, NULL, NULL, 0,
	    "longest pause between attempts after temporary failures" },
	{ "backoff_min", CONF_T_MS, F(backoff_min), "1s", 100, 60 * 1000, NULL, NULL, 0,
	    "first pause after a temporary failure; it doubles each time" },
	{ "ca_file", CONF_T_PATH, F(ca_file), NULL, 2, 4095, NULL, cf_bad_path, 0,
	    "certificates (PEM) trusted for the token endpoint instead of the system's" },
	{ "certificate_file", CONF_T_PATH, F(own.certificate_file), NULL, 2, 4095, NULL, cf_bad_path, 0,
	    "certificate (PEM) of the key, for its thumbprint" },
	{ "client_auth", CONF_T_ENUM, F(client_auth), NULL, 0, 0, word_auth, NULL, CONF_K_PRESET,
	    "how the client proves itself (RFC 8414; default: the preset's, with key private_key_jwt)" },
	{ "client_id", CONF_T_STRING, F(client_id), NULL, 1, 512, NULL, cf_bad_client_id,
	    CONF_K_PRESET, CONF_CLIENT_ID_HELP },
	{ "client_secret", CONF_T_STRING, F(refused), NULL, 0, 0, NULL, NULL, CONF_K_REFUSED,
	    NO_TEXT },
	{ "client_secret_file", CONF_T_SECRET, F(own.client_secret_file), NULL, 2, 4095, NULL,
	    cf_bad_secret_path, 0, "file with the secret's value, or credential:NAME" },
	{ "cloud", CONF_T_ENUM, F(cloud), "public", 0, 0, oauth_cloud_name, NULL, 0,
	    "Microsoft's national cloud" },
	{ "connect_timeout", CONF_T_MS, F(connect_timeout), "5s", 100, 60 * 1000, NULL, NULL, 0,
	    "longest time to connect to the token endpoint" },
	{ "credentials", CONF_T_CREDENTIALS, F(credentials), NULL, 0, 0, NULL, NULL, 0,
	    "a list of mappings with the keys of one credential each, tried in order" },
	{ "device_authorization_endpoint", CONF_T_URL, F(device_authorization_endpoint), NULL, 9, 2048, NULL,
	    cf_bad_url, CONF_K_PRESET, "https URL for \"mta-xoauth2 login\" (RFC 8628); {tenant} is replaced (default: "
	    "the preset's)" },
	{ "grant", CONF_T_ENUM, F(grant), NULL, 0, 0, word_grant, NULL, CONF_K_PRESET,
	    "OAuth 2.0 grant (default: the preset's)" },
	{ "identity_client_id", CONF_T_STRING, F(own.identity_client_id), NULL, 36, 36, NULL, cf_bad_guid, 0,
	    MI_ID_HELP },
	{ "identity_object_id", CONF_T_STRING, F(own.identity_object_id), NULL, 36, 36, NULL, cf_bad_guid, 0,
	    MI_OBJECT_HELP },
	{ "identity_resource_id", CONF_T_STRING, F(own.identity_resource_id), NULL, 16, 1024, NULL,
	    cf_bad_resource_id, 0, MI_RESOURCE_HELP },
	{ "key", CONF_T_STRING, F(own.key), NULL, 2, 4095, NULL, cf_bad_key, 0, KEY_HELP },
	{ "key_id", CONF_T_STRING, F(own.key_id), NULL, 1, 256, NULL, NULL, 0, KID_HELP },
	{ "key_passphrase_file", CONF_T_SECRET, F(own.key_passphrase_file), NULL, 2, 4095, NULL,
	    cf_bad_secret_path, 0, PASS_HELP },
	{ "managed_identity", CONF_T_ENUM, F(own.managed_identity), NULL, 0, 0, oauth_platform_name, NULL,
	    CONF_K_PRESET, MI_HELP },
	{ "min_remaining", CONF_T_SECONDS, F(min_remaining), NULL, 1, 3600, NULL, NULL,
	    CONF_K_PRESET, "a token with less life left is not handed out (default: the "
	    "preset's)" },
	{ "no_proxy", CONF_T_STRINGS, F(no_proxy), NULL, 1, 255, NULL, cf_bad_no_proxy, 0,
	    "hosts that are reached without the proxy" },
	{ "provider", CONF_T_ENUM, F(provider), NULL, 0, 0, oauth_provider_name, NULL,
	    CONF_K_REQUIRED, "preset of endpoint, scope, relays and margins" },
	{ "proxy", CONF_T_PROXY, F(proxy), NULL, 8, 1024, NULL, cf_bad_proxy, 0,
	    "proxy for token requests; the environment is not looked at" },
	{ "proxy_credentials_file", CONF_T_SECRET, F(proxy_credentials_file), NULL, 2, 4095, NULL,
	    cf_bad_secret_path, 0, "file with USER:PASSWORD for the proxy, or credential:NAME" },
	{ "refresh_token_file", CONF_T_PATH, F(refresh_token_file), NULL, 2, 4000, NULL, cf_bad_path, CONF_K_PRESET,
	    "file that keeps the refresh token (default: " MX_STATEDIR "/CLIENT.refresh)" },
	{ "resource", CONF_T_STRING, F(resource), NULL, 1, 1024, NULL, cf_bad_resource, 0,
	    "resource indicator (RFC 8707)" },
	{ "scope", CONF_T_STRING, F(scope), NULL, 1, 1024, NULL, cf_bad_scope, CONF_K_PRESET,
	    "scope that is asked for (default: the preset's)" },
	{ "secret_expires", CONF_T_DATE, F(own.secret_expires), NULL, 0, 0, NULL, NULL, 0,
	    "day the secret expires on, YYYY-MM-DD in UTC; watched, never acted upon" },
	{ "service_account_file", CONF_T_SECRET, F(own.service_account_file), NULL, 2, 4095, NULL,
	    cf_bad_secret_path, 0, ACCOUNT_HELP },
	{ "stale_until", CONF_T_SECONDS, F(stale_until), NULL, 0, 3600, NULL, NULL, CONF_K_PRESET,
	    "in an outage a token is served until so much life is left; 0: never (default: the "
	    "preset's)" },
	{ "tenant", CONF_T_STRING, F(tenant), NULL, 1, 253, NULL, cf_bad_tenant, 0,
	    "directory (tenant): its GUID or one of its domains" },
	{ "timeout", CONF_T_MS, F(timeout), "30s", 1000, 300 * 1000, NULL, NULL, 0,
	    "longest time for one token request in all" },
	{ "token_endpoint", CONF_T_URL, F(token_endpoint), NULL, 9, 2048, NULL, cf_bad_url,
	    CONF_K_PRESET, "https URL; {tenant} is replaced (default: the preset's)" },
	{ "workload_identity", CONF_T_BOOL, F(workload_identity), "no", 0, 0, NULL, NULL, 0,
	    "assertion_file, client_id, tenant and endpoint come from the AZURE_* variables" },
};
#undef S

#define S struct cf_credential
static const struct conf_key credentials[] = {
	{ "assertion_algorithm", CONF_T_ENUM, F(assertion_algorithm), "PS256", 0, 0, word_algorithm, NULL, 0,
	    "how assertions are signed" },
	{ "assertion_audience", CONF_T_STRING, F(assertion_audience), NULL, 1, 1024, NULL, cf_bad_resource,
	    CONF_K_PRESET, "\"aud\" of assertions (default: the token endpoint)" },
	{ "assertion_file", CONF_T_PATH, F(assertion_file), NULL, 2, 4095, NULL, cf_bad_path, 0, FED_HELP },
	{ "assertion_issuer", CONF_T_STRING, F(assertion_issuer), NULL, 1, 512, NULL, cf_bad_client_id, CONF_K_PRESET,
	    ISSUER_HELP },
	{ "assertion_typ", CONF_T_STRING, F(assertion_typ), "JWT", 1, 64, NULL, cf_bad_typ, 0,
	    "\"typ\" of assertions" },
	{ "certificate_file", CONF_T_PATH, F(certificate_file), NULL, 2, 4095, NULL, cf_bad_path, 0,
	    "certificate (PEM) of the key, for its thumbprint" },
	{ "client_secret", CONF_T_STRING, F(refused), NULL, 0, 0, NULL, NULL, CONF_K_REFUSED,
	    NO_TEXT },
	{ "client_secret_file", CONF_T_SECRET, F(client_secret_file), NULL, 2, 4095, NULL,
	    cf_bad_secret_path, 0, "file with the secret's value, or credential:NAME" },
	{ "identity_client_id", CONF_T_STRING, F(identity_client_id), NULL, 36, 36, NULL, cf_bad_guid, 0,
	    MI_ID_HELP },
	{ "identity_object_id", CONF_T_STRING, F(identity_object_id), NULL, 36, 36, NULL, cf_bad_guid, 0,
	    MI_OBJECT_HELP },
	{ "identity_resource_id", CONF_T_STRING, F(identity_resource_id), NULL, 16, 1024, NULL,
	    cf_bad_resource_id, 0, MI_RESOURCE_HELP },
	{ "key", CONF_T_STRING, F(key), NULL, 2, 4095, NULL, cf_bad_key, 0, KEY_HELP },
	{ "key_id", CONF_T_STRING, F(key_id), NULL, 1, 256, NULL, NULL, 0, KID_HELP },
	{ "key_passphrase_file", CONF_T_SECRET, F(key_passphrase_file), NULL, 2, 4095, NULL,
	    cf_bad_secret_path, 0, PASS_HELP },
	{ "managed_identity", CONF_T_ENUM, F(managed_identity), NULL, 0, 0, oauth_platform_name, NULL,
	    CONF_K_PRESET, MI_HELP },
	{ "secret_expires", CONF_T_DATE, F(secret_expires), NULL, 0, 0, NULL, NULL, 0,
	    "day the secret expires on, YYYY-MM-DD in UTC; watched, never acted upon" },
	{ "service_account_file", CONF_T_SECRET, F(service_account_file), NULL, 2, 4095, NULL,
	    cf_bad_secret_path, 0, ACCOUNT_HELP },
};
#undef S

#define S struct cf_account
static const struct conf_key accounts[] = {
	{ "allow_groups", CONF_T_GROUPS, F(allow_groups), NULL, 0, 0, NULL, cf_bad_user,
	    CONF_K_PRESET, "groups whose members may log in with the token (default: none)" },
	{ "allow_token_users", CONF_T_USERS, F(allow_token_users), NULL, 0, 0, NULL, cf_bad_user,
	    CONF_K_PRESET, "users who may have the bare token (default: root)" },
	{ "allow_users", CONF_T_USERS, F(allow_users), NULL, 0, 0, NULL, cf_bad_user, CONF_K_PRESET,
	    "users who may log in with the token (default: root)" },
	{ "client", CONF_T_STRING, F(client), NULL, 1, 64, NULL, cf_bad_name, CONF_K_PRESET,
	    "name of the client whose token is used" },
	{ "mechanisms", CONF_T_WORDS, F(mechanisms), NULL, 0, 0, word_mechanism, NULL,
	    CONF_K_PRESET, "SASL mechanisms (default: both)" },
	{ "relays", CONF_T_STRINGS, F(relays), NULL, 1, 255, NULL, cf_bad_relay,
	    CONF_K_PRESET | CONF_K_HOSTS, "servers the token may be sent to (default: the "
	    "preset's)" },
	{ "user", CONF_T_STRING, F(user), NULL, 1, MX_ACCOUNT_MAX, NULL, cf_bad_mailbox,
	    CONF_K_PRESET, "mailbox that is logged in to (default: the name that is asked for)" },
};
#undef S

const struct conf_section conf_sections[CONF_SECTION_N] = {
	[CONF_SECTION_TOP] = { "the top level", top, N(top), sizeof(struct cf_top) },
	[CONF_SECTION_LISTEN] = { "an entry of \"listen\"", listens, N(listens),
	    sizeof(struct cf_listen) },
	[CONF_SECTION_CLIENT] = { "an entry of \"clients\"", clients, N(clients),
	    sizeof(struct cf_client) },
	[CONF_SECTION_CREDENTIAL] = { "an entry of \"credentials\"", credentials, N(credentials),
	    sizeof(struct cf_credential) },
	[CONF_SECTION_ACCOUNT] = { "an entry of \"accounts\"", accounts, N(accounts),
	    sizeof(struct cf_account) },
};

const struct conf_key *conf_key_find(const struct conf_section *s, const char *name, size_t n)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		const size_t mid = (lo + hi) / 2;
		int c = strncmp(name, s->key[mid].name, n);

		if (c == 0 && s->key[mid].name[n] != '\0')
			c = -1;
		if (c == 0)
			return &s->key[mid];
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}
