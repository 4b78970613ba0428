/*
 * What sasl-xoauth2's files say of the provider, and of the way there: as keys of ours, or named where there is none.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "ctl/setup/postfix_sasl.h"
#include "oauth/json.h"
#include "oauth/provider.h"
#include "settings/check.h"

#define DEFAULT_ENDPOINT "https://accounts.google.com/o/oauth2/token"	/* the plugin's, of its Google days */
#define GOOGLE_ENDPOINT "https://oauth2.googleapis.com/token"
#define TRUSTED_DIR "/etc/ssl/certs"

void sx_tell_of_others(const struct sx_source *s)
{
	static const char *const taken[] = { "client_id", "client_secret", "token_endpoint", "proxy", "ca_bundle_file", "scope",
		"refresh_token", "user", "use_client_credentials", "manage_token_externally", "ca_certs_dir", "access_token",
		"expiry" };
	static const char *const needless[] = { "refresh_window", "always_log_to_syslog", "log_to_syslog_on_failure",
		"log_full_trace_on_failure" };
	struct json_object *const from[] = { s->token, s->config };
	const char *name;
	bool known;
	size_t k;

	for (size_t i = 0; i < 2; i++) {
		for (size_t m = 0; from[i] != NULL && (name = oauth_json_name(from[i], m)) != NULL; m++) {
			for (k = 0, known = false; k < sizeof taken / sizeof taken[0]; k++)
				known = known || strcmp(name, taken[k]) == 0;
			for (k = 0; k < sizeof needless / sizeof needless[0]; k++)
				if (strcmp(name, needless[k]) == 0) {
					su_find(&s->p->found, SU_GOOD, "take over", "%s is not taken over: the daemon renews and "
					    "logs in its own way", name);
					known = true;
				}
			if (!known)
				su_find(&s->p->found, SU_ODD, "take over", "\"%.64s\" is not taken over: this tool does not know "
				    "what sasl-xoauth2 does with it", name);
		}
	}
}

/* Is url this preset's endpoint? tenant: owned, what stands for {tenant}; NULL: it has none. */
static bool is_endpoint(const char *preset, const char *url, char **tenant)
{
	const char *gap = preset != NULL ? strstr(preset, "{tenant}") : NULL, *rest;
	size_t head, n;

	*tenant = NULL;
	if (gap == NULL)
		return preset != NULL && strcmp(preset, url) == 0;
	head = (size_t)(gap - preset);
	rest = gap + strlen("{tenant}");
	if (strncmp(url, preset, head) != 0)
		return false;
	n = strcspn(url + head, "/");
	if (n == 0 || strcmp(url + head + n, rest) != 0)
		return false;
	*tenant = strndup(url + head, n);
	return true;
}

static bool serves(const struct oauth_provider *row, const char *host)
{
	for (const char *const *r = row->relays; r != NULL && *r != NULL; r++)
		if (strcasecmp(*r, host) == 0)
			return true;
	return false;
}

/* The preset with this endpoint and this mail server; the custom one where there is none. */
static const struct oauth_provider *find_preset(const char *url, const char *host, bool credentials, char **tenant)
{
	const char *name;

	for (unsigned i = 0; (name = oauth_provider_name(i)) != NULL; i++)
		for (unsigned cloud = 0; cloud < OAUTH_CLOUD_N; cloud++) {
			const struct oauth_provider *row = oauth_provider_find(name, (enum oauth_cloud)cloud);

			if (row == NULL || row->grant == OAUTH_GRANT_JWT_BEARER || !serves(row, host) ||
			    (credentials && row->grant != OAUTH_GRANT_CLIENT_CREDENTIALS) ||
			    !is_endpoint(row->token_endpoint, url, tenant))
				continue;
			return row;
		}
	*tenant = NULL;
	return oauth_provider_find("custom", OAUTH_CLOUD_PUBLIC);
}

bool sx_take_provider(const struct sx_source *s, struct su_client *k)
{
	char *url = sx_copy(s, "token_endpoint"), *tenant = NULL;
	const struct oauth_provider *row;
	enum oauth_grant grant = s->credentials ? OAUTH_GRANT_CLIENT_CREDENTIALS : OAUTH_GRANT_REFRESH_TOKEN;
	bool ok;

	if (url == NULL || strcmp(url, DEFAULT_ENDPOINT) == 0) {
		free(url);
		if ((url = strdup(GOOGLE_ENDPOINT)) == NULL)
			return false;
	}
	if (strncmp(url, "https://", 8) != 0)
		sx_wrong(s, "its token_endpoint is no https URL");
	row = find_preset(url, s->p->host, s->credentials, &tenant);
	ok = sx_set(&k->provider, row->name) && (row->cloud == OAUTH_CLOUD_PUBLIC || sx_set(&k->cloud,
	    oauth_cloud_name(row->cloud)));
	if (tenant != NULL && cf_bad_tenant(tenant, strlen(tenant)) == NULL)
		k->tenant = tenant, tenant = NULL;
	else if (row->token_endpoint == NULL || tenant != NULL)		/* "common" is no tenant */
		k->token_endpoint = url, url = NULL;
	if (row->relays == NULL)
		ok = ok && sx_set(&k->relay, s->p->host);
	if (row->grant != grant)
		ok = ok && sx_set(&k->grant, s->credentials ? "client_credentials" : "refresh_token");
	if (k->client_secret_file == NULL && row->auth != OAUTH_AUTH_NONE)
		ok = ok && sx_set(&k->client_auth, "none");
	else if (k->client_secret_file != NULL && row->auth != OAUTH_AUTH_SECRET_POST)
		ok = ok && sx_set(&k->client_auth, "client_secret_post");
	k->scope = s->credentials ? sx_meant(sx_copy(s, "scope")) : NULL;	/* with a refresh token the plugin names none */
	if (k->scope != NULL && row->scope != NULL && strcmp(k->scope, row->scope) == 0) {
		free(k->scope);
		k->scope = NULL;
	}
	free(tenant);
	free(url);
	return ok;
}

bool sx_take_way(const struct sx_source *s, struct su_client *k)
{
	char *proxy = sx_copy(s, "proxy"), *ca = sx_copy(s, "ca_bundle_file"), *dir = sx_copy(s, "ca_certs_dir");
	const char *bad;
	bool ok = true;

	if (proxy != NULL && strstr(proxy, "://") == NULL) {
		char *full = su_join("http://", proxy, "");

		free(proxy);
		ok = (proxy = full) != NULL;
	}
	if (proxy != NULL && (bad = cf_bad_proxy(proxy, strlen(proxy))) != NULL)
		su_find(&s->p->found, SU_WRONG, "take over", "sasl-xoauth2's \"proxy\" cannot be taken over: it %s", bad);
	if (ca != NULL)		/* the daemon lives in no chroot */
		ok = ok && (k->ca_file = access(ca, R_OK) == 0 ? strdup(ca) : sx_seen(s->p, ca)) != NULL;
	if (dir != NULL && strcmp(dir, TRUSTED_DIR) != 0)
		su_find(&s->p->found, SU_ODD, "take over", "\"ca_certs_dir\" (%s) is not taken over: where the token endpoint "
		    "needs one of those authorities, put it into a file and name that with ca_file", dir);
	k->proxy = proxy;
	free(ca);
	free(dir);
	return ok;
}
