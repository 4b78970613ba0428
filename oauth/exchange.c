#include "config.h"

#include "oauth/exchange.h"

static bool build(struct oauth_exchange *x, struct oauth_request *r, struct mx_err *e)
{
	if (x->c->grant == OAUTH_GRANT_JWT_BEARER)
		return oauth_bearer_build(x->c, x->k, x->want.subject, r, x->account_id, e) == MX_OK;
	return oauth_request_build(x->c, x->k, r, e) == MX_OK;
}

bool oauth_exchange_begin(struct oauth_exchange *x, const struct oauth_client *c, const struct oauth_credential *k,
    const struct oauth_want *w, struct oauth_failure *f)
{
	struct mx_err e;

	*x = (struct oauth_exchange){ .c = c, .k = k };
	if (w != NULL)
		x->want = *w;
	if (build(x, &x->req, &e))
		return true;
	*f = (struct oauth_failure){
		.err = e, .permanent = e.cls == MX_CONFIG, .credential = e.cls == MX_CONFIG, .retry_after_s = -1,
	};
	return false;
}

enum oauth_next oauth_exchange_reply(struct oauth_exchange *x, const struct oauth_http_reply *h, struct oauth_token *t,
    struct oauth_failure *f)
{
	struct oauth_http_reply r = *h;

	r.account_id = x->account_id[0] != '\0' ? x->account_id : NULL;
	return oauth_reply_parse(x->c->name, &r, t, f) == MX_OK ? OAUTH_GOT : OAUTH_REFUSED;
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
