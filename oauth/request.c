#include "config.h"

#include <string.h>

#include "common/base64.h"
#include "common/buf.h"
#include "oauth/form.h"
#include "oauth/request.h"
#include "oauth/secretfile.h"

static size_t len_of(const char *s)
{
	return s == NULL ? 0 : strlen(s);
}

/* Gives *out the size of what was built in it. false: it did not fit, which the sizes exclude. */
static bool seal(struct mx_secret *out, struct mx_buf *b)
{
	if (mx_buf_str(b) == NULL)
		return false;
	out->len = b->len;
	return true;
}

/*
 * RFC 6749 section 2.3.1: id and secret are form-encoded each for itself and only then joined, so
 * that a ':' inside either cannot be taken for the separator.
 */
static bool build_basic(const struct oauth_client *c, const struct mx_secret *secret,
    struct mx_secret *out)
{
	size_t id_len = len_of(c->client_id), max = 3 * (id_len + secret->len) + 2;
	struct mx_secret pair = { 0 };
	struct mx_buf b;
	bool ok = false;

	if (!mx_secret_alloc(&pair, max) || !mx_secret_alloc(out, MX_B64_LEN(max) + 8))
		goto out;
	mx_buf_init(&b, pair.p, pair.cap);
	oauth_form_escape(&b, c->client_id, id_len);
	mx_buf_addc(&b, ':');
	oauth_form_escape(&b, secret->p, secret->len);
	if (!seal(&pair, &b))
		goto out;
	mx_buf_init(&b, out->p, out->cap);
	mx_buf_adds(&b, "Basic ");
	mx_b64_encode(&b, pair.p, pair.len);
	ok = seal(out, &b);
out:
	mx_secret_free(&pair);
	return ok;
}

/*
 * With Basic neither id nor secret goes into the body: RFC 6749 section 2.3 wants one method only.
 */
static bool build_body(const struct oauth_client *c, const struct mx_secret *secret,
    struct mx_secret *out)
{
	size_t max = 128 + 3 * (len_of(c->client_id) + secret->len + len_of(c->scope) +
	    len_of(c->resource));
	struct mx_buf b;

	if (!mx_secret_alloc(out, max))
		return false;
	mx_buf_init(&b, out->p, out->cap);
	oauth_form_add(&b, "grant_type", "client_credentials");
	if (c->auth == OAUTH_AUTH_SECRET_POST) {
		oauth_form_add(&b, "client_id", c->client_id);
		oauth_form_add_bytes(&b, "client_secret", secret->p, secret->len);
	}
	oauth_form_add(&b, "scope", c->scope);
	oauth_form_add(&b, "resource", c->resource);
	return seal(out, &b);
}

enum mx_class oauth_request_build_with(const struct oauth_client *c, const struct mx_secret *secret,
    struct oauth_request *r, struct mx_err *e)
{
	*r = (struct oauth_request){ .url = c->token_endpoint, .repeatable = true };
	if (c->grant != OAUTH_GRANT_CLIENT_CREDENTIALS ||
	    (c->auth != OAUTH_AUTH_SECRET_POST && c->auth != OAUTH_AUTH_SECRET_BASIC))
		return mx_fail(e, MX_CONFIG, "grant-unsupported",
		    "client \"%.64s\": this version asks for tokens by client credentials with a "
		    "secret only; "
		    "set grant: client_credentials and client_auth: client_secret_post or "
		    "client_secret_basic",
		    c->name);
	if (secret->len == 0)
		return mx_fail(e, MX_CONFIG, "secret-empty",
		    "client \"%.64s\": the secret is empty; put the secret's value into "
		    "client_secret_file",
		    c->name);
	if (build_body(c, secret, &r->body) && mx_secret_set(&r->secret, secret->p, secret->len) &&
	    (c->auth == OAUTH_AUTH_SECRET_POST || build_basic(c, secret, &r->authorization)))
		return MX_OK;
	oauth_request_free(r);
	return mx_fail(e, MX_TEMP, "no-memory",
	    "client \"%.64s\": no memory for a token request; look at the daemon's memory limit",
	    c->name);
}

enum mx_class oauth_request_build(const struct oauth_client *c, struct oauth_request *r,
    struct mx_err *e)
{
	struct mx_secret secret = { 0 };
	struct mx_err why;
	enum mx_class cls;

	*r = (struct oauth_request){ .url = c->token_endpoint };
	if ((cls = oauth_secret_read_for(c, &secret, &why)) == MX_OK)
		cls = oauth_request_build_with(c, &secret, r, e);
	else
		mx_fail(e, cls, why.code, "client \"%.64s\": %s", c->name, why.text);
	mx_secret_free(&secret);
	return cls;
}

void oauth_request_free(struct oauth_request *r)
{
	mx_secret_free(&r->body);
	mx_secret_free(&r->authorization);
	mx_secret_free(&r->secret);
	*r = (struct oauth_request){ 0 };
}
