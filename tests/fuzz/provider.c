/*
 * What providers and platforms answer: a token that keeps every promise, or a failure in clean words without a secret.
 * Parts: HTTP status, content type, content encoding, Location, WWW-Authenticate, body.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "oauth/device.h"
#include "oauth/federated.h"
#include "oauth/identity.h"
#include "oauth/refusal.h"
#include "oauth/reply.h"
#include "tests/fuzz/fuzz.h"

static void check_text(const char *s, size_t cap)
{
	FUZZ_CHECK(memchr(s, '\0', cap) != NULL && fuzz_is_clean(s, strlen(s)));
}

static void check_failure(const struct oauth_failure *f, enum mx_class cls)
{
	fuzz_check_err(&f->err, cls);
	FUZZ_CHECK(f->retry_after_s >= -1 && f->retry_after_s <= 3600);
	check_text(f->error, sizeof f->error);
	check_text(f->description, sizeof f->description);
	check_text(f->trace_id, sizeof f->trace_id);
	check_text(f->correlation_id, sizeof f->correlation_id);
	check_text(f->timestamp, sizeof f->timestamp);
	FUZZ_CHECK(strstr(f->err.text, "CANARY") == NULL);
}

static void check_token(const struct oauth_token *t)
{
	char id[OAUTH_TOKEN_ID_LEN + 1];

	FUZZ_CHECK(t->access_token.len <= OAUTH_TOKEN_MAX && t->access_token.p[t->access_token.len] == '\0');
	FUZZ_CHECK(mx_is_b64token(t->access_token.p, t->access_token.len));
	oauth_token_id(id, t->access_token.p, t->access_token.len);
	FUZZ_CHECK(strcmp(id, t->id) == 0);
	FUZZ_CHECK(t->expires_in_s > 0 && t->expires_in_s <= OAUTH_LIFETIME_MAX_S);
	FUZZ_CHECK(t->refresh_in_s < t->expires_in_s);
	check_text(t->scope, sizeof t->scope);
}

static void drop(struct oauth_token *t)
{
	mx_secret_free(&t->access_token);
	mx_secret_free(&t->refresh_token);
}

static void platform(const struct oauth_http_reply *h)
{
	static const struct oauth_credential imds = { .platform = OAUTH_PLATFORM_IMDS },
	    arc = { .platform = OAUTH_PLATFORM_AZURE_ARC };
	struct oauth_failure f, again;
	struct oauth_token t;
	enum mx_class cls = oauth_reply_parse_platform("client", h, 1790000000, &t, &f);

	if (cls == MX_OK) {
		check_token(&t);
	} else {
		check_failure(&f, cls);
		again = f;
		oauth_identity_refused("client", &imds, OAUTH_PLATFORM_IMDS, &f);
		check_failure(&f, f.err.cls);
		oauth_identity_refused("client", &arc, OAUTH_PLATFORM_AZURE_ARC, &again);
		check_failure(&again, again.err.cls);
		FUZZ_CHECK(t.access_token.p == NULL);
	}
	drop(&t);
}

static void device(const struct oauth_http_reply *h)
{
	struct oauth_failure f;
	struct oauth_device d;
	enum mx_class cls = oauth_reply_device("client", h, &d, &f);

	if (cls == MX_OK) {
		FUZZ_CHECK(d.device_code.len > 0 && d.device_code.len <= OAUTH_DEVICE_CODE_MAX);
		check_text(d.user_code, sizeof d.user_code);
		check_text(d.uri, sizeof d.uri);
		check_text(d.uri_complete, sizeof d.uri_complete);
		FUZZ_CHECK(d.user_code[0] != '\0' && d.uri[0] != '\0');
		FUZZ_CHECK(d.expires_in_s >= 1 && d.expires_in_s <= OAUTH_DEVICE_LIFE_MAX_S);
		FUZZ_CHECK(d.interval_s >= 1 && d.interval_s <= OAUTH_DEVICE_INTERVAL_MAX_S);
	} else {
		check_failure(&f, cls);
	}
	oauth_device_free(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static unsigned char assertion_bytes[] = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJDQU5BUlkifQ.CANARY";
	const struct mx_secret assertion = { assertion_bytes, sizeof assertion_bytes - 1, sizeof assertion_bytes };
	struct fuzz_in in = { data, n };
	struct oauth_http_reply h = { .status = (long)fuzz_number(fuzz_part(&in), 999), .retry_after_s = -1 };
	struct fuzz_in type = fuzz_part(&in), coding = fuzz_part(&in), location = fuzz_part(&in), www = fuzz_part(&in);
	char *ct = fuzz_str(type), *ce = fuzz_str(coding), *lo = fuzz_str(location), *wa = fuzz_str(www),
	    *body = fuzz_copy(in);
	struct oauth_failure f;
	struct oauth_token t;
	enum mx_class cls;

	h.content_type = type.n > 0 ? ct : NULL;
	h.content_encoding = coding.n > 0 ? ce : NULL;
	h.location = location.n > 0 ? lo : NULL;
	h.www_authenticate = www.n > 0 ? wa : NULL;
	h.body = body;
	h.body_len = in.n;
	h.client_id = "11111111-2222-3333-4444-555555555555";
	h.token_endpoint = "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token";
	cls = oauth_reply_parse("client", &h, &t, &f);
	if (cls == MX_OK) {
		check_token(&t);
		FUZZ_CHECK(h.status >= 200 && h.status < 300);
	} else {
		FUZZ_CHECK(t.access_token.p == NULL);
		/* the provider's own words are its own, whatever they say */
		if (memmem(data, n, "CANARY", 6) == NULL)
			check_failure(&f, cls);
		oauth_federated_explain("client", &assertion, &f);
		fuzz_check_err(&f.err, f.err.cls);
	}
	drop(&t);
	if (memmem(data, n, "CANARY", 6) == NULL) {
		platform(&h);
		device(&h);
	}
	free(ct);
	free(ce);
	free(lo);
	free(wa);
	free(body);
	return 0;
}
