/*
 * The plugin sasl-xoauth2: its configuration and its token files are JSON, and what a token file has counts more.
 * Instead of a password the map has the token file's path.
 */
#include "config.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/buf.h"
#include "common/text.h"
#include "ctl/setup/postfix.h"
#include "oauth/json.h"

#define CONFIG "/etc/sasl-xoauth2.conf"
#define LOGIN "https://login.microsoftonline.com/"

struct source { struct json_object *token, *config; };

void pf_client_free(struct pf_client *k)
{
	free(k->tenant);
	free(k->id);
	free(k->secret_file);
	free(k->proxy);
	free(k->ca_file);
	*k = (struct pf_client){ 0 };
}

/* NULL after it has been found, or when there is no such file. */
static struct json_object *load(struct pf *p, const char *path)
{
	struct json_object *o = NULL;
	struct su_file f;

	if (su_read(&p->found, path, &f) && f.there && oauth_json_parse(f.p, f.n, &o) != OAUTH_JSON_FINE)
		su_find(&p->found, SU_WRONG, "take over", "%s is not JSON: is it sasl-xoauth2's?", path);
	su_file_free(&f);
	return o;
}

/* A string of the one or of the other, not empty and without control characters; NULL: none. */
static const char *value(const struct source *s, const char *name, size_t *n)
{
	struct json_object *o = s->token != NULL && oauth_json_has(s->token, name) ? s->token : s->config;
	const char *v = o != NULL ? oauth_json_str(o, name, n) : NULL;

	return v != NULL && *n > 0 && !mx_has_ctl(v, *n) ? v : NULL;
}

static char *copy(const struct source *s, const char *name)
{
	size_t n = 0;
	const char *v = value(s, name, &n);

	return v != NULL ? strndup(v, n) : NULL;
}

/* The tenant of Microsoft's token endpoint, owned; NULL: it is another one. */
static char *tenant_of(const char *url)
{
	const char *t = url != NULL && strncmp(url, LOGIN, strlen(LOGIN)) == 0 ? url + strlen(LOGIN) : "";
	size_t n = strcspn(t, "/");

	return n > 0 && strcmp(t + n, "/oauth2/v2.0/token") == 0 ? strndup(t, n) : NULL;
}

static bool client_credentials(const struct source *s)
{
	size_t n = 0;
	const char *v = value(s, "use_client_credentials", &n);

	return v != NULL && (strcasecmp(v, "yes") == 0 || strcasecmp(v, "true") == 0 || strcmp(v, "1") == 0);
}

/* The secret goes from JSON to a file of its own, for root and the daemon. */
static bool keep_secret(struct pf *p, const struct source *s, struct pf_client *k, struct su_set *out)
{
	const struct passwd *pw = getpwnam(p->conf != NULL ? p->conf->user : MX_USER);
	const char *slash = strrchr(p->config, '/');
	char *folder = strndup(p->config, (size_t)(slash - p->config));
	struct su_file before = { 0 }, after = { .there = true, .mode = 0640, .gid = pw != NULL ? pw->pw_gid : 0 };
	size_t n = 0;
	const char *v = value(s, "client_secret", &n);
	bool ok = folder != NULL && su_folder(out, folder) && (k->secret_file = su_join(folder,
	    "/" PF_SERVICE ".secret", "")) != NULL;

	free(folder);
	if (!ok || (after.p = malloc(n + 2)) == NULL)
		return false;
	memcpy(after.p, v, n);
	memcpy(after.p + n, "\n", 2);
	after.n = n + 1;
	if (su_read(&p->found, k->secret_file, &before) && before.there)
		su_find(&p->found, SU_WRONG, "take over", "%s is there already: look what it is, and remove it",
		    k->secret_file);
	return su_set_add(out, SU_SECRET, k->secret_file, "", &before, &after);
}

static bool take(struct pf *p, const char *token_file, const struct source *s, struct pf_client *k, struct su_set *out)
{
	char *endpoint = copy(s, "token_endpoint");
	size_t n;

	k->tenant = tenant_of(endpoint);
	k->id = copy(s, "client_id");
	k->proxy = copy(s, "proxy");
	k->ca_file = copy(s, "ca_bundle_file");
	free(endpoint);
	if (!client_credentials(s))
		su_find(&p->found, SU_WRONG, "take over", "sasl-xoauth2 logs in with a refresh token (%s), which this "
		    "version does not take over: give --tenant, --client-id and --secret-file of an application with "
		    "SMTP.SendAsApp", token_file);
	else if (k->tenant == NULL || k->id == NULL || value(s, "client_secret", &n) == NULL)
		su_find(&p->found, SU_WRONG, "take over", "%s and " CONFIG " lack a client_id, a client_secret or a "
		    "token_endpoint of Microsoft's: give --tenant, --client-id and --secret-file", token_file);
	else {
		su_find(&p->found, SU_GOOD, "take over", "the client %s of tenant %s is sasl-xoauth2's; its secret "
		    "gets a file of its own", k->id, k->tenant);
		return keep_secret(p, s, k, out);
	}
	return true;
}

bool pf_take_over(struct pf *p, const char *token_file, struct pf_client *k, struct su_set *out)
{
	struct source s = { load(p, token_file), load(p, CONFIG) };
	bool ok = take(p, token_file, &s, k, out);

	oauth_json_drop(s.token);
	oauth_json_drop(s.config);
	return ok;
}
