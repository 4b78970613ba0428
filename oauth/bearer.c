#include "config.h"

#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "oauth/assertion.h"
#include "oauth/bearer.h"
#include "oauth/form.h"
#include "oauth/key.h"
#include "oauth/service_account.h"

static size_t len_of(const char *s)
{
	return s == NULL ? 0 : strlen(s);
}

/* The key is opened anew for each request: see oauth_request_build(). */
static enum mx_class sign(const struct oauth_client *c, const struct oauth_credential *k, const char *subject,
    char id[OAUTH_ACCOUNT_ID_MAX], struct mx_secret *out, struct mx_err *e)
{
	uint64_t now = mx_wall_ms() / 1000;
	struct oauth_service_account a = { 0 };
	struct oauth_credential from_file;
	struct oauth_key *key = NULL;
	enum mx_class cls;

	*out = (struct mx_secret){ 0 };
	if (k->service_account_file != NULL) {
		if ((cls = oauth_service_account_read(c, k->service_account_file, &a, e)) != MX_OK)
			return cls;
		memcpy(id, a.client_id, strlen(a.client_id) + 1);
		cls = oauth_service_account_key(&a, k->service_account_file, &from_file, &key, e);
		k = &from_file;
	} else {
		cls = oauth_key_open(k, now, &key, e);
	}
	if (cls == MX_OK)
		cls = oauth_grant_assertion(k, key, k->issuer != NULL ? k->issuer : c->client_id, subject, c->scope,
		    c->token_endpoint, now, out, e);
	oauth_key_free(key);
	oauth_service_account_free(&a);
	return cls;
}

enum mx_class oauth_bearer_build_with(const struct oauth_client *c, const struct oauth_credential *k,
    const struct mx_secret *assertion, struct oauth_request *r, struct mx_err *e)
{
	struct mx_buf b;

	*r = (struct oauth_request){ .url = c->token_endpoint, .repeat = OAUTH_REPEAT_ANEW };
	if (!mx_secret_alloc(&r->body, 256 + 3 * (assertion->len + len_of(c->client_id) + len_of(c->scope))))
		goto no_memory;
	mx_buf_init(&b, r->body.p, r->body.cap);
	oauth_form_add(&b, "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
	oauth_form_add_bytes(&b, "assertion", assertion->p, assertion->len);
	if (k->service_account_file == NULL) {
		oauth_form_add(&b, "client_id", c->client_id);
		oauth_form_add(&b, "scope", c->scope);
	}
	if (mx_buf_str(&b) == NULL || !mx_secret_set(&r->secret, assertion->p, assertion->len))
		goto no_memory;
	r->body.len = b.len;
	return MX_OK;
no_memory:
	oauth_request_free(r);
	return mx_fail(e, MX_TEMP, "no-memory",
	    "client \"%.64s\": no memory for a token request; look at the daemon's memory limit", c->name);
}

enum mx_class oauth_bearer_build(const struct oauth_client *c, const struct oauth_credential *k, const char *subject,
    struct oauth_request *r, char id[OAUTH_ACCOUNT_ID_MAX], struct mx_err *e)
{
	struct mx_secret assertion = { 0 };
	struct mx_err why;
	enum mx_class cls;

	*r = (struct oauth_request){ .url = c->token_endpoint };
	id[0] = '\0';
	if (subject == NULL || subject[0] == '\0')
		return mx_fail(e, MX_CONFIG, "mailbox-needed", "client \"%.64s\": its tokens are made for one mailbox "
		    "each, and none is named", c->name);
	if ((cls = sign(c, k, subject, id, &assertion, &why)) == MX_OK)
		cls = oauth_bearer_build_with(c, k, &assertion, r, e);
	else
		mx_fail(e, cls, why.code, "client \"%.64s\": %s", c->name, why.text);
	mx_secret_free(&assertion);
	return cls;
}
