#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "common/base64.h"
#include "common/buf.h"
#include "common/text.h"
#include "oauth/assertion.h"

#define PART_MAX 8192		/* bytes of JSON, of header and of claims */
#define JWT_MAX (2 * MX_B64_LEN(PART_MAX) + MX_B64_LEN(OAUTH_SIGNATURE_MAX) + 3)

/* A string of RFC 8259 section 7. */
static void add_string(struct mx_buf *b, const char *s)
{
	if (!mx_utf8_ok(s, strlen(s)))
		b->bad = true;
	mx_buf_addc(b, '"');
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\') {
			mx_buf_addc(b, '\\');
			mx_buf_addc(b, *s);
		} else if ((unsigned char)*s < 0x20) {
			mx_buf_addf(b, "\\u%04x", (unsigned)*s);
		} else {
			mx_buf_addc(b, *s);
		}
	}
	mx_buf_addc(b, '"');
}

/* sep: '{' before the first member, ',' before the others. */
static void add_member(struct mx_buf *b, char sep, const char *name, const char *value)
{
	mx_buf_addc(b, sep);
	mx_buf_addf(b, "\"%s\":", name);
	add_string(b, value);
}

/* false: there is no thumbprint. Whether it all fits is seen by the buffer. */
static bool add_header(struct mx_buf *b, const struct oauth_credential *c, const struct oauth_key *k)
{
	static const char *const names[] = {
		[OAUTH_ALG_PS256] = "PS256", [OAUTH_ALG_RS256] = "RS256", [OAUTH_ALG_ES256] = "ES256",
	};
	unsigned char digest[OAUTH_THUMBPRINT_MAX];
	size_t n;

	add_member(b, '{', "alg", names[c->alg]);
	add_member(b, ',', "typ", c->typ != NULL ? c->typ : "JWT");
	if (c->key_id != NULL)
		add_member(b, ',', "kid", c->key_id);
	if (c->thumbprint != OAUTH_THUMB_NONE) {
		if ((n = oauth_key_thumbprint(k, c->thumbprint, digest)) == 0)
			return false;
		mx_buf_addf(b, ",\"%s\":\"", c->thumbprint == OAUTH_THUMB_S256 ? "x5t#S256" : "x5t");
		mx_b64url_encode(b, digest, n);
		mx_buf_addc(b, '"');
	}
	mx_buf_addc(b, '}');
	return true;
}

struct claims { const char *iss, *sub, *aud, *jti, *scope; uint64_t now_s; };

/* For a client that proves itself: RFC 7523 section 2.2. */
static void client_claims(struct mx_buf *b, const struct claims *c)
{
	add_member(b, '{', "aud", c->aud);
	add_member(b, ',', "iss", c->iss);
	add_member(b, ',', "sub", c->sub);
	add_member(b, ',', "jti", c->jti);
	mx_buf_addf(b, ",\"nbf\":%" PRIu64 ",\"iat\":%" PRIu64 ",\"exp\":%" PRIu64 "}",
	    c->now_s < OAUTH_ASSERTION_SKEW_S ? 0 : c->now_s - OAUTH_ASSERTION_SKEW_S, c->now_s,
	    c->now_s + OAUTH_ASSERTION_LIFE_S);
}

/* For a grant: section 2.1, with the scope where Google wants it. */
static void grant_claims(struct mx_buf *b, const struct claims *c)
{
	add_member(b, '{', "iss", c->iss);
	add_member(b, ',', "sub", c->sub);
	if (c->scope != NULL)
		add_member(b, ',', "scope", c->scope);
	add_member(b, ',', "aud", c->aud);
	mx_buf_addf(b, ",\"iat\":%" PRIu64 ",\"exp\":%" PRIu64 "}", c->now_s, c->now_s + OAUTH_ASSERTION_LIFE_S);
}

static enum mx_class make(const struct oauth_credential *c, const struct oauth_key *k, const struct claims *claims,
    void (*add)(struct mx_buf *b, const struct claims *c), struct mx_secret *out, struct mx_err *e)
{
	unsigned char sig[OAUTH_SIGNATURE_MAX];
	char json[PART_MAX];
	struct mx_secret jwt = { 0 };
	struct mx_buf part, b;
	enum mx_class cls;
	size_t n;

	*out = (struct mx_secret){ 0 };
	if (!mx_secret_alloc(&jwt, JWT_MAX))
		goto no_memory;
	mx_buf_init(&b, jwt.p, jwt.cap);
	mx_buf_init(&part, json, sizeof json);
	if (!add_header(&part, c, k))
		goto no_memory;
	b.bad |= part.bad;
	mx_b64url_encode(&b, part.p, part.len);
	mx_buf_addc(&b, '.');
	mx_buf_init(&part, json, sizeof json);
	add(&part, claims);
	b.bad |= part.bad;
	mx_b64url_encode(&b, part.p, part.len);
	if (b.bad) {
		cls = mx_fail(e, MX_CONFIG, "assertion-malformed",
		    "no assertion can be made: client_id, key_id, scope, assertion_audience or another text that goes "
		    "into it is not UTF-8, or they have more than %d bytes together; correct them", PART_MAX);
		goto out;
	}
	if ((cls = oauth_key_sign(k, c->alg, b.p, b.len, sig, sizeof sig, &n, e)) != MX_OK)
		goto out;
	mx_buf_addc(&b, '.');
	mx_b64url_encode(&b, sig, n);
	if (mx_buf_str(&b) == NULL)	/* cannot be: JWT_MAX is made of the parts' */
		goto no_memory;
	jwt.len = b.len;
	mx_secret_move(out, &jwt);
	goto out;
no_memory:
	cls = mx_fail(e, MX_TEMP, "no-memory", "no memory for an assertion; look at the daemon's memory limit");
out:
	mx_secret_free(&jwt);
	return cls;
}

enum mx_class oauth_assertion(const struct oauth_credential *c, const struct oauth_key *k, const char *client_id,
    const char *token_endpoint, uint64_t now_s, const char *jti, struct mx_secret *out, struct mx_err *e)
{
	struct claims x = {
		.iss = client_id, .sub = client_id, .aud = c->audience != NULL ? c->audience : token_endpoint,
		.jti = jti,
		.now_s = now_s,
	};

	return make(c, k, &x, client_claims, out, e);
}

enum mx_class oauth_grant_assertion(const struct oauth_credential *c, const struct oauth_key *k, const char *issuer,
    const char *subject, const char *scope, const char *token_endpoint, uint64_t now_s, struct mx_secret *out,
    struct mx_err *e)
{
	struct claims x = {
		.iss = issuer, .sub = subject, .scope = scope,
		.aud = c->audience != NULL ? c->audience : token_endpoint,
		.now_s = now_s,
	};

	return make(c, k, &x, grant_claims, out, e);
}
