#include "config.h"

#include <string.h>

#include "catalogue/catalogue.h"
#include "common/buf.h"
#include "common/clock.h"
#include "oauth/exchange.h"
#include "oauth/federated.h"
#include "oauth/identity.h"

#define GRANT_DEVICE "urn:ietf:params:oauth:grant-type:device_code"

/* The client's own token, by its grant. */
static bool build_token(struct oauth_exchange *x, struct oauth_request *r, struct mx_err *e)
{
	if (x->step != OAUTH_STEP_TOKEN)
		return oauth_identity_request(x->c->name, x->k, x->platform, r, e) == MX_OK;
	if (x->c->grant == OAUTH_GRANT_JWT_BEARER)
		return oauth_bearer_build(x->c, x->k, x->want.subject, r, x->account_id, e) == MX_OK;
	if (x->want.refresh_token != NULL && x->want.proof != NULL)
		return oauth_request_refresh_with(x->c, x->k->auth, x->want.proof, x->want.refresh_token, r, e) == MX_OK;
	if (x->want.refresh_token != NULL)
		return oauth_request_refresh(x->c, x->k, x->want.refresh_token, r, e) == MX_OK;
	if (x->c->grant == OAUTH_GRANT_REFRESH_TOKEN) {
		mx_fail(e, MX_CONFIG, "refresh-token-missing", "client \"%.64s\": there is no refresh token",
		    x->c->name);
		return false;
	}
	return oauth_request_build(x->c, x->k, r, e) == MX_OK;
}

/* What a login asks for. false: it is none. */
static bool login(const struct oauth_exchange *x, struct oauth_ask *a)
{
	const struct oauth_want *w = &x->want;

	*a = (struct oauth_ask){ .url = x->c->token_endpoint };
	switch (w->purpose) {
	case OAUTH_FOR_DEVICE:
		*a = (struct oauth_ask){
			.url = x->c->device_authorization_endpoint, .scope = true, .repeat = OAUTH_REPEAT_SAME,
		};
		return true;
	case OAUTH_FOR_DEVICE_TOKEN:
		/* If it was answered with the token, that is lost: the code serves once. */
		a->grant = GRANT_DEVICE;
		a->param[0] = (struct oauth_param){ "device_code", w->code->p, w->code->len };
		return true;
	case OAUTH_FOR_CODE:
		a->grant = "authorization_code";
		a->param[0] = (struct oauth_param){ "code", w->code->p, w->code->len };
		a->param[1] = (struct oauth_param){ "redirect_uri", w->asked->redirect_uri,
		    strlen(w->asked->redirect_uri) };
		a->param[2] = (struct oauth_param){ "code_verifier", w->asked->verifier.p, w->asked->verifier.len };
		return true;
	case OAUTH_FOR_TOKEN:
	default:
		return false;
	}
}

static bool build(struct oauth_exchange *x, struct oauth_request *r, struct mx_err *e)
{
	struct oauth_ask a;

	if (x->step == OAUTH_STEP_TOKEN && login(x, &a))
		return oauth_request_build_ask(x->c, x->k, &a, r, e) == MX_OK;
	return build_token(x, r, e);
}

/* No request can be made. */
static enum oauth_next stuck(const struct mx_err *e, struct oauth_failure *f)
{
	*f = (struct oauth_failure){
		.err = *e, .permanent = e->cls == MX_CONFIG, .retry_after_s = -1,
		.credential = e->cls == MX_CONFIG || strcmp(e->code, "key-device-away") == 0,
	};
	return OAUTH_REFUSED;
}

bool oauth_exchange_sign(const struct oauth_client *c, const struct oauth_credential *k, struct mx_secret *proof,
    struct oauth_failure *f)
{
	struct mx_err e;

	if (oauth_request_sign(c, k, proof, &e) == MX_OK)
		return true;
	(void)stuck(&e, f);
	return false;
}

bool oauth_exchange_begin(struct oauth_exchange *x, const struct oauth_client *c, const struct oauth_credential *k,
    const struct oauth_want *w, struct oauth_failure *f)
{
	struct mx_err e;

	*x = (struct oauth_exchange){ .c = c, .k = k };
	if (w != NULL)
		x->want = *w;
	if (k->platform != OAUTH_PLATFORM_NONE) {
		x->step = OAUTH_STEP_PLATFORM;
		x->platform = oauth_identity_platform(k->platform);
	}
	if (build(x, &x->req, &e))
		return true;
	(void)stuck(&e, f);
	return false;
}

/* The platform's token is the assertion by which the client proves itself. */
static enum oauth_next prove(struct oauth_exchange *x, const struct mx_secret *assertion, struct oauth_failure *f)
{
	const struct mx_secret *refresh = x->want.refresh_token;
	struct oauth_request r;
	struct oauth_ask a;
	struct mx_err e;

	if ((login(x, &a) ? oauth_request_build_ask_with(x->c, &a, x->k->auth, assertion, &r, &e) :
	    refresh != NULL ? oauth_request_refresh_with(x->c, x->k->auth, assertion, refresh, &r, &e) :
	    oauth_request_build_with(x->c, x->k->auth, assertion, &r, &e)) != MX_OK)
		return stuck(&e, f);
	oauth_request_free(&x->req);
	x->req = r;
	x->step = OAUTH_STEP_TOKEN;
	return OAUTH_MORE;
}

static enum oauth_next platform_reply(struct oauth_exchange *x, const struct oauth_http_reply *h, struct oauth_token *t,
    struct oauth_failure *f)
{
	enum oauth_next next;
	struct mx_err e;

	/* One challenge only: who asks again does not believe the answer. */
	if (h->status == 401 && x->platform == OAUTH_PLATFORM_AZURE_ARC && x->step == OAUTH_STEP_PLATFORM) {
		*t = (struct oauth_token){ 0 };
		if (oauth_identity_challenged(x->c->name, OAUTH_ARC_TOKENS, h->www_authenticate, &x->req, &e) != MX_OK)
			return stuck(&e, f);
		x->step = OAUTH_STEP_CHALLENGED;
		return OAUTH_MORE;
	}
	if (oauth_reply_parse_platform(x->c->name, h, (int64_t)(mx_wall_ms() / 1000), t, f) != MX_OK) {
		oauth_identity_refused(x->c->name, x->k, x->platform, f);
		return OAUTH_REFUSED;
	}
	if (x->c->grant == OAUTH_GRANT_MANAGED_IDENTITY)
		return OAUTH_GOT;
	next = prove(x, &t->access_token, f);
	mx_secret_free(&t->access_token);
	mx_secret_free(&t->refresh_token);
	*t = (struct oauth_token){ 0 };
	return next;
}

/* What a provider says of any grant in the same words is said of this one; Microsoft's numbers say more. */
static void refresh_refused(const struct oauth_exchange *x, struct oauth_failure *f)
{
	const struct cat_row *row = cat_get("refresh-token-refused");
	char fix[CAT_FIX_MAX];
	struct mx_buf b;

	if (x->want.refresh_token == NULL || strcmp(f->error, "invalid_grant") != 0 ||
	    strcmp(f->err.code, "grant-rejected") != 0)
		return;
	mx_buf_init(&b, fix, sizeof fix);
	if (!cat_fill(&b, row->fix, NULL, 0) || mx_buf_str(&b) == NULL)
		fix[0] = '\0';
	mx_fail(&f->err, MX_PROVIDER, "refresh-token-refused", "client \"%.64s\": HTTP %ld invalid_grant: %s; %s%s%s%s",
	    x->c->name, f->http_status, row->cause, fix, f->description[0] == '\0' ? "" : " [provider: ", f->description,
	    f->description[0] == '\0' ? "" : "]");
}

enum oauth_next oauth_exchange_reply(struct oauth_exchange *x, const struct oauth_http_reply *h, struct oauth_token *t,
    struct oauth_failure *f)
{
	struct oauth_http_reply r = *h;

	if (x->step != OAUTH_STEP_TOKEN)
		return platform_reply(x, h, t, f);
	if (x->want.purpose == OAUTH_FOR_DEVICE) {
		*t = (struct oauth_token){ 0 };
		return oauth_reply_device(x->c->name, h, x->want.device, f) == MX_OK ? OAUTH_GOT : OAUTH_REFUSED;
	}
	r.client_id = x->account_id[0] != '\0' ? x->account_id : x->c->client_id;
	r.token_endpoint = x->c->token_endpoint;
	if (oauth_reply_parse(x->c->name, &r, t, f) == MX_OK)
		return OAUTH_GOT;
	if (x->k->auth == OAUTH_AUTH_FEDERATED)
		oauth_federated_explain(x->c->name, &x->req.secret, f);
	refresh_refused(x, f);
	return OAUTH_REFUSED;
}

void oauth_exchange_failed(const struct oauth_exchange *x, struct oauth_failure *f)
{
	if (x->step != OAUTH_STEP_TOKEN)
		oauth_identity_unreachable(x->c->name, x->platform, x->req.url, f);
}

bool oauth_exchange_again(struct oauth_exchange *x)
{
	struct oauth_request r;
	struct mx_err e;

	switch (x->req.repeat) {
	case OAUTH_REPEAT_SAME:
		return true;
	case OAUTH_REPEAT_ANEW:
		if (!build(x, &r, &e))
			return false;
		oauth_request_free(&x->req);
		x->req = r;
		return true;
	default:
		return false;
	}
}

void oauth_exchange_free(struct oauth_exchange *x)
{
	oauth_request_free(&x->req);
}
