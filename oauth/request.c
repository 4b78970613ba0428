#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "common/buf.h"
#include "common/clock.h"
#include "oauth/assertion.h"
#include "oauth/federated.h"
#include "oauth/form.h"
#include "oauth/guid.h"
#include "oauth/key.h"
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

/* The client's own token, by its grant. token: NULL, or the refresh token. */
static struct oauth_ask token_of(const struct oauth_client *c, const struct mx_secret *token)
{
	struct oauth_ask a = { .url = c->token_endpoint, .grant = "client_credentials", .scope = true,
	    .repeat = OAUTH_REPEAT_SAME };

	if (token != NULL) {
		a.grant = "refresh_token";
		a.param[0] = (struct oauth_param){ "refresh_token", token->p, token->len };
		a.repeat = OAUTH_REPEAT_NEVER;
	}
	return a;
}

/* A body with room for extra bytes of credential in it, encoded; and its beginning. */
static bool body_begin(const struct oauth_client *c, const struct oauth_ask *a, size_t extra, struct oauth_request *r,
    struct mx_buf *b)
{
	size_t n = len_of(c->client_id) + extra + len_of(c->scope) + len_of(c->resource);

	for (size_t i = 0; i < OAUTH_ASK_PARAMS && a->param[i].name != NULL; i++)
		n += 32 + a->param[i].n;
	if (!mx_secret_alloc(&r->body, 256 + 3 * n))
		return false;
	mx_buf_init(b, r->body.p, r->body.cap);
	oauth_form_add(b, "grant_type", a->grant);
	for (size_t i = 0; i < OAUTH_ASK_PARAMS && a->param[i].name != NULL; i++)
		oauth_form_add_bytes(b, a->param[i].name, a->param[i].value, a->param[i].n);
	return a->param[0].name == NULL || mx_secret_set(&r->grant, a->param[0].value, a->param[0].n);
}

static bool body_end(const struct oauth_client *c, const struct oauth_ask *a, struct oauth_request *r, struct mx_buf *b)
{
	if (a->scope) {
		oauth_form_add(b, "scope", c->scope);
		oauth_form_add(b, "resource", c->resource);
	}
	return seal(&r->body, b);
}

/*
 * With Basic neither id nor secret goes into the body: RFC 6749 section 2.3 wants one method only. A public client
 * has no secret.
 */
static bool with_secret(const struct oauth_client *c, const struct oauth_ask *a, enum oauth_auth auth,
    const struct mx_secret *secret, struct oauth_request *r)
{
	struct mx_buf b;

	if (!body_begin(c, a, secret->len, r, &b))
		return false;
	if (auth != OAUTH_AUTH_SECRET_BASIC) {
		oauth_form_add(&b, "client_id", c->client_id);
		if (auth == OAUTH_AUTH_SECRET_POST)
			oauth_form_add_bytes(&b, "client_secret", secret->p, secret->len);
	}
	return body_end(c, a, r, &b) && (secret->len == 0 || mx_secret_set(&r->secret, secret->p, secret->len)) &&
	    (auth != OAUTH_AUTH_SECRET_BASIC || build_basic(c, secret, &r->authorization));
}

/* RFC 7523 section 2.2. The client_id beside it is optional there; Microsoft wants it. */
static bool with_assertion(const struct oauth_client *c, const struct oauth_ask *a, const struct mx_secret *assertion,
    struct oauth_request *r)
{
	struct mx_buf b;

	if (!body_begin(c, a, assertion->len, r, &b))
		return false;
	oauth_form_add(&b, "client_id", c->client_id);
	oauth_form_add(&b, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
	oauth_form_add_bytes(&b, "client_assertion", assertion->p, assertion->len);
	return body_end(c, a, r, &b) && mx_secret_set(&r->secret, assertion->p, assertion->len);
}

enum mx_class oauth_request_build_ask_with(const struct oauth_client *c, const struct oauth_ask *a,
    enum oauth_auth auth, const struct mx_secret *proof, struct oauth_request *r, struct mx_err *e)
{
	*r = (struct oauth_request){ .url = a->url, .repeat = a->repeat };
	if (auth == OAUTH_AUTH_PRIVATE_KEY_JWT && a->repeat == OAUTH_REPEAT_SAME)
		r->repeat = OAUTH_REPEAT_ANEW;
	if (proof->len == 0 && auth != OAUTH_AUTH_NONE)
		return mx_fail(e, MX_CONFIG, "secret-empty",
		    "client \"%.64s\": the secret is empty; put the secret's value into "
		    "client_secret_file",
		    c->name);
	if (auth == OAUTH_AUTH_PRIVATE_KEY_JWT || auth == OAUTH_AUTH_FEDERATED ? with_assertion(c, a, proof, r) :
	    with_secret(c, a, auth, proof, r))
		return MX_OK;
	oauth_request_free(r);
	return mx_fail(e, MX_TEMP, "no-memory",
	    "client \"%.64s\": no memory for a token request; look at the daemon's memory limit",
	    c->name);
}

enum mx_class oauth_request_build_with(const struct oauth_client *c, enum oauth_auth auth,
    const struct mx_secret *proof, struct oauth_request *r, struct mx_err *e)
{
	return oauth_request_refresh_with(c, auth, proof, NULL, r, e);
}

enum mx_class oauth_request_refresh_with(const struct oauth_client *c, enum oauth_auth auth,
    const struct mx_secret *proof, const struct mx_secret *token, struct oauth_request *r, struct mx_err *e)
{
	const struct oauth_ask a = token_of(c, token);

	return oauth_request_build_ask_with(c, &a, auth, proof, r, e);
}

/* The key is opened anew for each request: it may have been exchanged, and is in memory no longer than needed. */
static enum mx_class sign(const struct oauth_client *c, const struct oauth_credential *k, struct mx_secret *out,
    struct mx_err *e)
{
	uint64_t now = mx_wall_ms() / 1000;
	struct oauth_key *key = NULL;
	char jti[OAUTH_GUID_LEN + 1];
	enum mx_class cls;

	if (!oauth_guid(jti))
		return mx_fail(e, MX_TEMP, "no-randomness", "the system gives no random numbers; try again");
	if ((cls = oauth_key_open(k, now, &key, e)) == MX_OK)
		cls = oauth_assertion(k, key, c->client_id, c->token_endpoint, now, jti, out, e);
	oauth_key_free(key);
	return cls;
}

enum mx_class oauth_request_sign(const struct oauth_client *c, const struct oauth_credential *k, struct mx_secret *out,
    struct mx_err *e)
{
	struct mx_err why;
	enum mx_class cls;

	*out = (struct mx_secret){ 0 };
	if ((cls = sign(c, k, out, &why)) != MX_OK)
		mx_fail(e, cls, why.code, "client \"%.64s\": %s", c->name, why.text);
	return cls;
}

enum mx_class oauth_request_build_ask(const struct oauth_client *c, const struct oauth_credential *k,
    const struct oauth_ask *a, struct oauth_request *r, struct mx_err *e)
{
	struct mx_secret proof = { 0 };
	enum mx_class cls = MX_OK;
	struct mx_err why;

	*r = (struct oauth_request){ .url = a->url, .repeat = a->repeat };
	if (k->auth == OAUTH_AUTH_PRIVATE_KEY_JWT)
		cls = sign(c, k, &proof, &why);
	else if (k->auth == OAUTH_AUTH_FEDERATED)
		cls = oauth_federated_read(k->assertion_file, &proof, &why);
	else if (k->auth != OAUTH_AUTH_NONE)
		cls = oauth_secret_read_for(c, k->secret_file, &proof, &why);
	if (cls == MX_OK)
		cls = oauth_request_build_ask_with(c, a, k->auth, &proof, r, e);
	else
		mx_fail(e, cls, why.code, "client \"%.64s\": %s", c->name, why.text);
	mx_secret_free(&proof);
	return cls;
}

enum mx_class oauth_request_build(const struct oauth_client *c, const struct oauth_credential *k,
    struct oauth_request *r, struct mx_err *e)
{
	return oauth_request_refresh(c, k, NULL, r, e);
}

enum mx_class oauth_request_refresh(const struct oauth_client *c, const struct oauth_credential *k,
    const struct mx_secret *token, struct oauth_request *r, struct mx_err *e)
{
	const struct oauth_ask a = token_of(c, token);

	return oauth_request_build_ask(c, k, &a, r, e);
}

void oauth_request_free(struct oauth_request *r)
{
	mx_secret_free(&r->body);
	mx_secret_free(&r->authorization);
	mx_secret_free(&r->secret);
	mx_secret_free(&r->secret_header);
	free(r->own_url);
	mx_secret_free(&r->grant);
	*r = (struct oauth_request){ 0 };
}
