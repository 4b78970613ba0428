#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/text.h"
#include "oauth/form.h"
#include "oauth/identity.h"

#define URL_MAX 8192 /* bytes: a resource id of 4 kB, encoded, would be absurd */
#define HEADER_MAX 4096u /* bytes of IDENTITY_HEADER */

#define IMDS_HOST "http://169.254.169.254"
#define IMDS_PATH "/metadata/identity/oauth2/token"
#define ARC_DEFAULT "http://127.0.0.1:40342" IMDS_PATH
#define ARC_AGENT "/opt/azcmagent/bin/himds"

const char *oauth_platform_name(unsigned i)
{
	static const char *const names[] = { "imds", "app-service", "azure-arc", "auto" };

	return i < sizeof names / sizeof names[0] ? names[i] : NULL;
}

/* NULL: unset, or empty. */
static const char *env(const char *name)
{
	const char *s = secure_getenv(name);

	return s != NULL && *s != '\0' ? s : NULL;
}

/* The order of Microsoft's own libraries, of those that are known here. */
enum oauth_platform oauth_identity_platform(enum oauth_platform p)
{
	if (p != OAUTH_PLATFORM_AUTO)
		return p;
	if (env("IDENTITY_ENDPOINT") != NULL && env("IDENTITY_HEADER") != NULL)
		return OAUTH_PLATFORM_APP_SERVICE;
	if (env("IDENTITY_ENDPOINT") != NULL && env("IMDS_ENDPOINT") != NULL)
		return OAUTH_PLATFORM_AZURE_ARC;
	return access(ARC_AGENT, F_OK) == 0 ? OAUTH_PLATFORM_AZURE_ARC : OAUTH_PLATFORM_IMDS;
}

const char *oauth_identity_lacks(enum oauth_platform p)
{
	if (p != OAUTH_PLATFORM_APP_SERVICE)
		return NULL; /* the others have addresses to fall back on */
	return env("IDENTITY_ENDPOINT") == NULL ? "IDENTITY_ENDPOINT"
	    : env("IDENTITY_HEADER") == NULL    ? "IDENTITY_HEADER"
						: NULL;
}

/*
 * The address without what the query adds. "localhost", which Container Apps write, is put as the
 * address that it is: no resolver is asked where a header with a secret goes.
 */
static void add_endpoint(struct mx_buf *b, enum oauth_platform p)
{
	static const char local[] = "http://localhost";
	const char *s;
	size_t n;

	switch (p) {
	case OAUTH_PLATFORM_APP_SERVICE:
		s = env("IDENTITY_ENDPOINT");
		break;
	case OAUTH_PLATFORM_AZURE_ARC:
		s = env("IMDS_ENDPOINT") != NULL ? env("IDENTITY_ENDPOINT") : NULL;
		if (s == NULL)
			s = ARC_DEFAULT;
		break;
	default:
		s = env("AZURE_POD_IDENTITY_AUTHORITY_HOST");
		if (s == NULL)
			s = IMDS_HOST;
	}
	n = strlen(s);
	if (p == OAUTH_PLATFORM_IMDS)
		while (n > 0 && s[n - 1] == '/')
			n--;
	if (strncasecmp(s, local, sizeof local - 1) == 0 &&
	    strcspn(s + sizeof local - 1, ":/?") == 0) {
		mx_buf_adds(b, "http://127.0.0.1");
		s += sizeof local - 1;
		n -= sizeof local - 1;
	}
	mx_buf_add(b, s, n);
	if (p == OAUTH_PLATFORM_IMDS)
		mx_buf_adds(b, IMDS_PATH);
}

/* Names of the parameters that choose an identity; NULL: the platform has none. */
static const struct {
	const char *version, *client_id, *object_id, *resource_id;
} parameters[] = {
	[OAUTH_PLATFORM_IMDS] = { "2018-02-01", "client_id", "object_id", "msi_res_id" },
	[OAUTH_PLATFORM_APP_SERVICE] = { "2019-08-01", "client_id", "object_id", "mi_res_id" },
	[OAUTH_PLATFORM_AZURE_ARC] = { "2020-06-01", NULL, NULL, "msi_res_id" },
};

static bool add_url(struct mx_buf *b, const struct oauth_credential *k, enum oauth_platform p)
{
	add_endpoint(b, p);
	if (mx_buf_str(b) == NULL)
		return false;
	mx_buf_addc(b, strchr(b->p, '?') != NULL ? '&' : '?');
	mx_buf_addf(b, "api-version=%s", parameters[p].version);
	oauth_form_add(b, "resource", k->platform_resource);
	oauth_form_add(b, parameters[p].client_id, k->identity_client_id);
	oauth_form_add(b, parameters[p].object_id, k->identity_object_id);
	oauth_form_add(b, parameters[p].resource_id, k->identity_resource_id);
	return mx_buf_str(b) != NULL && !mx_has_ctl(b->p, b->len) && strchr(b->p, ' ') == NULL;
}

/* The variable that cannot be used. NULL: all are fine. */
static const char *judge_environment(enum oauth_platform p)
{
	const char *lacks = oauth_identity_lacks(p), *header;

	if (lacks != NULL || p != OAUTH_PLATFORM_APP_SERVICE)
		return lacks;
	header = env("IDENTITY_HEADER");
	return strlen(header) > HEADER_MAX || mx_has_ctl(header, strlen(header)) ? "IDENTITY_HEADER"
										 : NULL;
}

/* Its secret is App Service's, and goes nowhere but into that one header line. */
static bool add_headers(enum oauth_platform p, struct oauth_request *r)
{
	static const char name[] = "X-IDENTITY-HEADER: ";
	const char *value;
	struct mx_buf b;

	if (p != OAUTH_PLATFORM_APP_SERVICE) {
		r->header = "Metadata: true";
		return true;
	}
	value = env("IDENTITY_HEADER");
	if (!mx_secret_set(&r->secret, value, strlen(value)) ||
	    !mx_secret_alloc(&r->secret_header, sizeof name + strlen(value)))
		return false;
	mx_buf_init(&b, r->secret_header.p, r->secret_header.cap);
	mx_buf_adds(&b, name);
	mx_buf_adds(&b, value);
	r->secret_header.len = b.len;
	return mx_buf_str(&b) != NULL;
}

enum mx_class oauth_identity_request(const char *client, const struct oauth_credential *k,
    enum oauth_platform p, struct oauth_request *r, struct mx_err *e)
{
	const char *bad;
	char url[URL_MAX];
	struct mx_buf b;

	*r = (struct oauth_request){ .get = true, .local = true, .repeat = OAUTH_REPEAT_SAME };
	if ((bad = judge_environment(p)) != NULL)
		return mx_fail(e, MX_CONFIG, "identity-environment",
		    "client \"%.64s\": App Service's identity needs the variables "
		    "IDENTITY_ENDPOINT and IDENTITY_HEADER, and "
		    "%s is not set or cannot be used; assign an identity to the app, and let them "
		    "reach the daemon",
		    client, bad);
	if (p == OAUTH_PLATFORM_APP_SERVICE && env("IDENTITY_SERVER_THUMBPRINT") != NULL)
		return mx_fail(e, MX_CONFIG, "identity-unsupported",
		    "client \"%.64s\": this machine is Service Fabric's "
		    "(IDENTITY_SERVER_THUMBPRINT is set), whose identities "
		    "are not supported; use a certificate or a federated token",
		    client);
	if (p == OAUTH_PLATFORM_AZURE_ARC &&
	    (k->identity_client_id != NULL || k->identity_object_id != NULL))
		return mx_fail(e, MX_CONFIG, "identity-unsupported",
		    "client \"%.64s\": Azure Arc cannot choose an identity by identity_client_id "
		    "or identity_object_id; remove "
		    "that key: the machine's own identity is used then",
		    client);
	mx_buf_init(&b, url, sizeof url);
	if (!add_url(&b, k, p))
		return mx_fail(e, MX_CONFIG, "identity-environment",
		    "client \"%.64s\": no URL can be made for the platform's identity endpoint: it "
		    "is too long or has blanks "
		    "in it; correct %s",
		    client,
		    p == OAUTH_PLATFORM_IMDS ? "AZURE_POD_IDENTITY_AUTHORITY_HOST"
					     : "IDENTITY_ENDPOINT");
	if ((r->own_url = strdup(url)) != NULL && add_headers(p, r)) {
		r->url = r->own_url;
		return MX_OK;
	}
	oauth_request_free(r);
	return mx_fail(e, MX_TEMP, "no-memory",
	    "client \"%.64s\": no memory for a token request; look at the daemon's memory limit",
	    client);
}
