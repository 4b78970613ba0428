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

static void add_claims(struct mx_buf *b, const char *audience, const char *client_id, const char *jti, uint64_t now_s)
{
	add_member(b, '{', "aud", audience);
	add_member(b, ',', "iss", client_id);
	add_member(b, ',', "sub", client_id);
	add_member(b, ',', "jti", jti);
	mx_buf_addf(b, ",\"nbf\":%" PRIu64 ",\"iat\":%" PRIu64 ",\"exp\":%" PRIu64 "}",
	    now_s < OAUTH_ASSERTION_SKEW_S ? 0 : now_s - OAUTH_ASSERTION_SKEW_S, now_s, now_s + OAUTH_ASSERTION_LIFE_S);
}

enum mx_class oauth_assertion(const struct oauth_credential *c, const struct oauth_key *k, const char *client_id,
    const char *token_endpoint, uint64_t now_s, const char *jti, struct mx_secret *out, struct mx_err *e)
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
	add_claims(&part, c->audience != NULL ? c->audience : token_endpoint, client_id, jti, now_s);
	b.bad |= part.bad;
	mx_b64url_encode(&b, part.p, part.len);
	if (b.bad) {
		cls = mx_fail(e, MX_CONFIG, "assertion-malformed",
		    "no assertion can be made: client_id, key_id, assertion_audience or assertion_typ is not UTF-8, or they "
		    "have more than %d bytes together; correct them", PART_MAX);
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
