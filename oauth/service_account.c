#include "config.h"

#include <string.h>
#include <strings.h>

#include "common/buf.h"
#include "common/text.h"
#include "oauth/json.h"
#include "oauth/key.h"
#include "oauth/file.h"
#include "oauth/service_account.h"

#define WHERE_FROM \
	"in the Google Cloud console make one under IAM & Admin, Service Accounts, Keys, Add key, JSON, and " \
	"store it here"

static enum mx_class malformed(const char *path, const char *what, struct mx_err *e)
{
	return mx_fail(e, MX_CONFIG, "service-account-malformed", "the service account file %s; " WHERE_FROM ": %s",
	    what, path);
}

/* Other JSON files of Google's look much the same. */
static enum mx_class wrong_kind(struct json_object *o, const char *path, struct mx_err *e)
{
	static const struct { const char *type, *what; } kinds[] = {
		{ "authorized_user", "a person's login (gcloud auth application-default login), of type "
		    "authorized_user" },
		{ "external_account", "the settings of a workload identity federation, of type external_account" },
		{ "impersonated_service_account", "a login that impersonates a service account, without a key" },
	};
	const char *what = "a JSON file of another kind: its \"type\" is not \"service_account\"", *type;
	size_t n;

	if (oauth_json_has(o, "installed") || oauth_json_has(o, "web"))
		what = "the client secret of an OAuth client (client_secret_....json), with which people sign in";
	if ((type = oauth_json_str(o, "type", &n)) != NULL)
		for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
			if (strcmp(kinds[i].type, type) == 0)
				what = kinds[i].what;
	return mx_fail(e, MX_CONFIG, "service-account-wrong-kind", "this is %s; the key of a service account is "
	    "wanted: " WHERE_FROM ": %s", what, path);
}

/* A member of 1 to cap - 1 bytes without control characters. */
static bool take(struct json_object *o, const char *name, char *out, size_t cap)
{
	size_t n;
	const char *s = oauth_json_str(o, name, &n);

	if (s == NULL || n == 0 || n >= cap || mx_has_ctl(s, n))
		return false;
	memcpy(out, s, n + 1);
	return true;
}

/* Host and port of an https URL; NULL: it is none. */
static const char *authority(const char *url, size_t *n)
{
	if (strncasecmp(url, "https://", 8) != 0)
		return NULL;
	*n = strcspn(url + 8, "/?#");
	return url + 8;
}

static bool same_host(const char *a, const char *b)
{
	size_t n, m;

	return (a = authority(a, &n)) != NULL && (b = authority(b, &m)) != NULL && n == m && strncasecmp(a, b, n) == 0;
}

static enum mx_class compare(const struct oauth_client *c, const struct oauth_service_account *a, const char *path,
    struct mx_err *e)
{
	if (!same_host(a->token_uri, c->token_endpoint))
		return mx_fail(e, MX_CONFIG, "service-account-foreign", "token_uri of the service account file "
		    "(%.100s) is not on the host of this client's token endpoint (%.100s), and is not followed: take "
		    "the file as Google made it, or set token_endpoint: %s", a->token_uri, c->token_endpoint, path);
	if (c->client_id != NULL && strcmp(c->client_id, a->email) != 0 && strcmp(c->client_id, a->client_id) != 0)
		return mx_fail(e, MX_CONFIG, "service-account-mismatch", "the service account file is of %.100s (%s), "
		    "and client_id says %.100s; remove client_id, or name the other file: %s", a->email, a->client_id,
		    c->client_id, path);
	return MX_OK;
}

static enum mx_class judge(const struct oauth_client *c, struct json_object *o, const char *path,
    struct oauth_service_account *a, struct mx_err *e)
{
	const char *s;
	size_t n;

	if ((s = oauth_json_str(o, "type", &n)) == NULL || strcmp(s, "service_account") != 0)
		return wrong_kind(o, path, e);
	if (!take(o, "client_email", a->email, sizeof a->email) || !take(o, "private_key_id", a->key_id,
	    sizeof a->key_id) || !take(o, "token_uri", a->token_uri, sizeof a->token_uri))
		return malformed(path, "lacks client_email, private_key_id or token_uri, or one of them is no text", e);
	(void)take(o, "client_id", a->client_id, sizeof a->client_id);
	if ((s = oauth_json_str(o, "private_key", &n)) == NULL || n == 0)
		return malformed(path, "lacks private_key", e);
	if (!mx_secret_set(&a->private_key, s, n))
		return mx_fail(e, MX_TEMP, "no-memory", "no memory to read the service account file %s", path);
	return compare(c, a, path, e);
}

enum mx_class oauth_service_account_read(const struct oauth_client *c, const char *path,
    struct oauth_service_account *a, struct mx_err *e)
{
	struct mx_secret text = { 0 };
	struct json_object *o = NULL;
	enum mx_class cls;
	const char *s;

	*a = (struct oauth_service_account){ 0 };
	if ((cls = oauth_file_read_key(&oauth_file_service_account, path, &text, e)) != MX_OK)
		return cls;
	s = (const char *)text.p;
	if (text.len >= 10 && memcmp(s, "-----BEGIN", 10) == 0)
		cls = malformed(path, "holds the bare key (PEM), and the whole JSON file is wanted", e);
	else if (!mx_utf8_ok(s, text.len) || memchr(s, '\0', text.len) != NULL)
		cls = malformed(path, "is no UTF-8 text", e);
	else
		switch (oauth_json_parse(s, text.len, &o)) {
		case OAUTH_JSON_FINE:
			cls = judge(c, o, path, a, e);
			break;
		case OAUTH_JSON_NO_MEMORY:
			cls = mx_fail(e, MX_TEMP, "no-memory", "no memory to read the service account file %s", path);
			break;
		case OAUTH_JSON_CUT:
			cls = malformed(path, "ends too early: not all of it was copied", e);
			break;
		default:
			cls = malformed(path, "is no JSON", e);
		}
	oauth_json_drop(o);
	mx_secret_free(&text);
	if (cls != MX_OK)
		oauth_service_account_free(a);
	return cls;
}

enum mx_class oauth_service_account_key(const struct oauth_service_account *a, const char *path,
    struct oauth_credential *k, struct oauth_key **key, struct mx_err *e)
{
	enum mx_class cls;

	*k = (struct oauth_credential){
		.auth = OAUTH_AUTH_PRIVATE_KEY_JWT, .key = path, .alg = OAUTH_ALG_RS256, .key_id = a->key_id,
		.audience = a->token_uri, .issuer = a->email,
	};
	cls = oauth_key_open_pem(k, &a->private_key, key, e);
	if (cls != MX_OK && (strcmp(e->code, "key-malformed") == 0 || strcmp(e->code, "key-passphrase-needed") == 0))
		return malformed(path, "has a private_key that OpenSSL cannot read", e);
	return cls;
}

enum mx_class oauth_service_account_try(const struct oauth_client *c, const char *path, struct mx_err *e)
{
	struct oauth_service_account a;
	struct oauth_key *key = NULL;
	struct oauth_credential k;
	enum mx_class cls;

	if ((cls = oauth_service_account_read(c, path, &a, e)) != MX_OK)
		return cls;
	if ((cls = oauth_service_account_key(&a, path, &k, &key, e)) == MX_OK)
		cls = oauth_key_try(key, k.alg, e);
	oauth_key_free(key);
	oauth_service_account_free(&a);
	return cls;
}

void oauth_service_account_free(struct oauth_service_account *a)
{
	mx_secret_free(&a->private_key);
	*a = (struct oauth_service_account){ 0 };
}
