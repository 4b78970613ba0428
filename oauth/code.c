#include "config.h"

#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/base64.h"
#include "common/buf.h"
#include "common/text.h"
#include "oauth/code.h"
#include "oauth/form.h"

/* 32 random bytes as 43 characters: what RFC 7636 section 4.1 recommends. */
static bool random_word(char out[OAUTH_STATE_LEN + 1])
{
	unsigned char r[32];
	struct mx_buf b;
	bool ok;

	mx_buf_init(&b, out, OAUTH_STATE_LEN + 1);
	if ((ok = getentropy(r, sizeof r) == 0))
		mx_b64url_encode(&b, r, sizeof r);
	mx_wipe(r, sizeof r);
	return ok && mx_buf_str(&b) != NULL;
}

enum mx_class oauth_code_begin(struct oauth_code *q, unsigned port, struct mx_err *e)
{
	char word[OAUTH_STATE_LEN + 1];
	struct mx_buf b;
	enum mx_class cls = MX_OK;

	*q = (struct oauth_code){ 0 };
	if (!random_word(q->state) || !random_word(word))
		cls = mx_fail(e, MX_TEMP, "no-randomness", "the system gives no random numbers; try again");
	else if (!mx_secret_set(&q->verifier, word, OAUTH_STATE_LEN))
		cls = mx_fail(e, MX_TEMP, "no-memory", "no memory for a login; try again");
	mx_wipe(word, sizeof word);
	mx_buf_init(&b, q->redirect_uri, sizeof q->redirect_uri);
	mx_buf_addf(&b, "http://127.0.0.1:%u/", port);
	(void)mx_buf_str(&b);
	return cls;
}

void oauth_code_free(struct oauth_code *q)
{
	mx_secret_free(&q->verifier);
	mx_wipe(q, sizeof *q);
}

static void add(struct mx_buf *b, const char *name, const char *value)
{
	if (value == NULL)
		return;
	mx_buf_addc(b, '&');
	mx_buf_adds(b, name);
	mx_buf_addc(b, '=');
	oauth_form_escape(b, value, strlen(value));
}

const char *oauth_code_url(char *out, size_t cap, const struct oauth_client *c, const struct oauth_code *q,
    const char *hint)
{
	char challenge[OAUTH_STATE_LEN + 1];
	unsigned char md[32];
	struct mx_buf b;

	if (!oauth_sha256(md, q->verifier.p, q->verifier.len))
		return NULL;
	mx_buf_init(&b, challenge, sizeof challenge);
	mx_b64url_encode(&b, md, sizeof md);
	(void)mx_buf_str(&b);
	mx_buf_init(&b, out, cap);
	mx_buf_adds(&b, c->authorization_endpoint);
	mx_buf_adds(&b, strchr(c->authorization_endpoint, '?') == NULL ? "?response_type=code" : "&response_type=code");
	add(&b, "client_id", c->client_id);
	add(&b, "redirect_uri", q->redirect_uri);
	add(&b, "scope", c->scope);
	add(&b, "state", q->state);
	add(&b, "code_challenge", challenge);
	add(&b, "code_challenge_method", "S256");
	/*
	 * Without these Google gives a refresh token the first time only, and OpenID Connect (section 11) none at all.
	 */
	add(&b, "access_type", "offline");
	add(&b, "prompt", "consent");
	add(&b, "login_hint", hint);
	return mx_buf_str(&b);
}

/* --- the way back ---------------------------------------------------------------------------- */

enum found { ABSENT, FOUND, WRONG };

/* A parameter of the query, decoded. WRONG: twice (RFC 6749 section 3.1), too long, or not decodable. */
static enum found find(const char *query, size_t n, const char *name, char *out, size_t cap)
{
	const size_t k = strlen(name);
	enum found r = ABSENT;
	struct mx_buf b;

	out[0] = '\0';
	for (size_t len; n > 0; query += len, n -= len) {
		const char *end = memchr(query, '&', n);

		len = end != NULL ? (size_t)(end - query) : n;
		if (len > k && memcmp(query, name, k) == 0 && query[k] == '=') {
			mx_buf_init(&b, out, cap);
			if (r != ABSENT || !oauth_form_decode(&b, query + k + 1, len - k - 1) || mx_buf_str(&b) == NULL)
				return WRONG;
			r = FOUND;
		}
		len += end != NULL;
	}
	return r;
}

/* In time that does not depend on where they differ. */
static bool same(const char *a, const char *b, size_t n)
{
	unsigned char d = 0;

	for (size_t i = 0; i < n; i++)
		d |= (unsigned char)(a[i] ^ b[i]);
	return d == 0;
}

/* Bytes of a URL's "https://host:port". */
static size_t origin(const char *url)
{
	const char *host = strstr(url, "://");

	return host == NULL ? 0 : (size_t)(host - url) + 3 + strcspn(host + 3, "/?#");
}

/*
 * RFC 9207 section 2.4. The issuer is not configured; whoever answers must at least be where the question went, which
 * no other provider is.
 */
static bool right_issuer(const struct oauth_client *c, const char *iss)
{
	const size_t n = origin(c->authorization_endpoint);

	return n > 0 && origin(iss) == n && strncasecmp(iss, c->authorization_endpoint, n) == 0;
}

static enum oauth_code_answer refused(const struct oauth_client *c, const struct oauth_code *q, const char *query,
    size_t n, char *error, struct mx_err *e)
{
	char text[256];

	if (find(query, n, "error_description", text, sizeof text) == WRONG)
		text[0] = '\0';
	mx_clean(error, strlen(error));
	mx_clean(text, strlen(text));
	if (strcmp(error, "access_denied") == 0)
		mx_fail(e, MX_PROVIDER, "consent-declined", "client \"%.64s\": consent was declined, and nothing is "
		    "stored; if that was a mistake, run this again%s%s%s", c->name,
		    text[0] != '\0' ? " [provider: " : "", text, text[0] != '\0' ? "]" : "");
	else
		mx_fail(e, MX_PROVIDER, "authorization-refused", "client \"%.64s\": the provider does not ask for "
		    "consent: %.64s; see whether client_id, scope and the redirect address %s suit it%s%s%s", c->name,
		    error, q->redirect_uri, text[0] != '\0' ? " [provider: " : "", text, text[0] != '\0' ? "]" : "");
	return OAUTH_CODE_REFUSED;
}

static enum oauth_code_answer keep(const char *s, struct mx_secret *code, struct mx_err *e)
{
	if (mx_secret_set(code, s, strlen(s)))
		return OAUTH_CODE_GOT;
	mx_fail(e, MX_TEMP, "no-memory", "no memory for a login; try again");
	return OAUTH_CODE_REFUSED;
}

enum oauth_code_answer oauth_code_take(const struct oauth_client *c, const struct oauth_code *q, const char *query,
    size_t n, struct mx_secret *code, struct mx_err *e)
{
	char text[OAUTH_CODE_MAX];
	enum oauth_code_answer r = OAUTH_CODE_NONE;
	enum found iss;

	*code = (struct mx_secret){ 0 };
	if (find(query, n, "state", text, sizeof text) != FOUND || strlen(text) != OAUTH_STATE_LEN ||
	    !same(text, q->state, OAUTH_STATE_LEN))
		goto out;
	if ((iss = find(query, n, "iss", text, sizeof text)) == WRONG || (iss == FOUND && !right_issuer(c, text)))
		goto out;
	if (find(query, n, "error", text, sizeof text) == FOUND)
		r = refused(c, q, query, n, text, e);
	else if (find(query, n, "code", text, sizeof text) == FOUND && text[0] != '\0')
		r = keep(text, code, e);
out:
	mx_wipe(text, sizeof text);
	return r;
}

enum oauth_code_answer oauth_code_pasted(const struct oauth_client *c, const struct oauth_code *q, const char *s,
    size_t n, struct mx_secret *code, struct mx_err *e)
{
	enum oauth_code_answer r = OAUTH_CODE_NONE;
	char text[OAUTH_CODE_MAX];
	const char *mark;
	struct mx_buf b;
	size_t k = 0;

	*code = (struct mx_secret){ 0 };
	while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\r' || s[n - 1] == '\n'))
		n--;
	while (n > 0 && s[0] == ' ')
		s++, n--;
	if ((mark = memchr(s, '?', n)) != NULL)
		return oauth_code_take(c, q, mark + 1, n - (size_t)(mark + 1 - s), code, e);
	/* RFC 6749 appendix A.11: visible ASCII characters. What has the form of an address is none. */
	while (k < n && s[k] > 0x20 && s[k] < 0x7f)
		k++;
	if (n < 8 || n >= sizeof text || k < n || memmem(s, n, "://", 3) != NULL || memchr(s, '&', n) != NULL)
		return r;
	/* Copied from an address it is still encoded, Google's "4%2F0A..." for one. */
	mx_buf_init(&b, text, sizeof text);
	if (memchr(s, '%', n) == NULL)
		mx_buf_add(&b, s, n);
	else if (!oauth_form_decode(&b, s, n))
		b.bad = true;
	if (mx_buf_str(&b) != NULL)
		r = keep(text, code, e);
	mx_wipe(text, sizeof text);
	return r;
}
