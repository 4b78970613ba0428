/*
 * A reply's JSON, judged. json.c has the strings wiped.
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <json-c/json.h>

#include "common/buf.h"
#include "common/text.h"
#include "oauth/json.h"
#include "oauth/refusal.h"
#include "oauth/reply.h"
#include "oauth/retryafter.h"

/*
 * Seconds as an integer, as a number without a fractional part (3599.0), or as digits in a string
 * (RFC 6749 wants a number; Entra's v1 endpoint and others send strings). *absent: not there, or
 * null.
 */
static bool seconds(struct json_object *o, const char *name, uint32_t *out, bool *absent)
{
	struct json_object *v = NULL;
	uint64_t u;
	int64_t i;
	double d;

	*out = 0;
	*absent = !json_object_object_get_ex(o, name, &v) || v == NULL;
	if (*absent)
		return true;
	switch (json_object_get_type(v)) {
	case json_type_int:
		i = json_object_get_int64(v);
		if (i < 1 || i > OAUTH_LIFETIME_MAX_S)
			return false;
		*out = (uint32_t)i;
		return true;
	case json_type_double:
		d = json_object_get_double(v);
		if (!(d >= 1 && d <= OAUTH_LIFETIME_MAX_S) || d > (double)(uint32_t)d)
			return false;
		*out = (uint32_t)d;
		return true;
	case json_type_string:
		if (!mx_parse_uint(json_object_get_string(v), (size_t)json_object_get_string_len(v),
		        1, OAUTH_LIFETIME_MAX_S, &u))
			return false;
		*out = (uint32_t)u;
		return true;
	default:
		return false;
	}
}

static enum mx_class success(const char *client, struct json_object *o, struct oauth_token *t,
    struct oauth_failure *f)
{
	const char *type, *token;
	size_t type_len, token_len;
	bool absent;

	if ((token = oauth_json_str(o, "access_token", &token_len)) == NULL)
		return oauth_refusal_bad(
		    client, f, true, "reply-no-token", "the reply holds no access_token");
	if ((type = oauth_json_str(o, "token_type", &type_len)) == NULL)
		return oauth_refusal_bad(client, f, true, "reply-token-type",
		    "the reply does not say what type of token it holds (token_type)");
	if (type_len != 6 || strcasecmp(type, "Bearer") != 0)
		return oauth_refusal_bad(client, f, true, "reply-token-type",
		    "the token is of another type than Bearer, which no mail server takes");
	if (token_len > OAUTH_TOKEN_MAX)
		return oauth_refusal_bad(client, f, true, "reply-token-too-long",
		    "the token is longer than the 8800 bytes that fit into an SMTP line (ask for "
		    "fewer claims)");
	if (!mx_is_b64token(token, token_len))
		return oauth_refusal_bad(client, f, true, "reply-token-malformed",
		    "the token is empty or has characters that RFC 6750 does not allow");
	if (!seconds(o, "expires_in", &t->expires_in_s, &absent))
		return oauth_refusal_bad(client, f, true, "reply-lifetime",
		    "the token's lifetime (expires_in) is not a whole number of seconds from 1 to "
		    "2592000");
	if (absent)
		t->expires_in_s = OAUTH_LIFETIME_DEFAULT_S;
	/* Not of RFC 6749, and a hint only: what cannot be used is ignored. */
	if (!seconds(o, "refresh_in", &t->refresh_in_s, &absent) ||
	    t->refresh_in_s >= t->expires_in_s)
		t->refresh_in_s = 0;
	if (!mx_secret_set(&t->access_token, token, token_len)) {
		f->permanent = false;
		return mx_fail(&f->err, MX_TEMP, "no-memory",
		    "client \"%.64s\": no memory for the token; look at the daemon's memory limit",
		    client);
	}
	oauth_token_id(t->id, token, token_len);
	return MX_OK;
}

/* "error_codes": the first; but 70002 only wraps the one behind it. */
static uint32_t first_code(struct json_object *o)
{
	struct json_object *codes;
	int64_t v = 0;

	if (!json_object_object_get_ex(o, "error_codes", &codes) ||
	    !json_object_is_type(codes, json_type_array))
		return 0;
	for (size_t i = 0; i < json_object_array_length(codes) && (v == 0 || v == 70002); i++)
		v = json_object_get_int64(json_object_array_get_idx(codes, i));
	return v > 0 && v <= UINT32_MAX ? (uint32_t)v : 0;
}

static void read_ids(struct json_object *o, struct oauth_failure *f)
{
	const char *s;
	size_t n;

	if ((s = oauth_json_str(o, "trace_id", &n)) != NULL)
		oauth_id_copy(f->trace_id, sizeof f->trace_id, s, n);
	if ((s = oauth_json_str(o, "correlation_id", &n)) != NULL)
		oauth_id_copy(f->correlation_id, sizeof f->correlation_id, s, n);
	if ((s = oauth_json_str(o, "timestamp", &n)) != NULL)
		oauth_text_copy(f->timestamp, sizeof f->timestamp, s, n);
}

static void read_error(struct json_object *o, struct oauth_failure *f)
{
	struct json_object *e = NULL;
	const char *s;
	size_t n;

	if ((s = oauth_json_str(o, "error", &n)) != NULL) {
		oauth_text_copy(f->error, sizeof f->error, s, n);
		s = oauth_json_str(o, "error_description", &n);
	} else if (json_object_object_get_ex(o, "error", &e) &&
	    json_object_is_type(e, json_type_object)) {
		/* Google's other form: {"error":{"status":"...","message":"..."}} */
		if ((s = oauth_json_str(e, "status", &n)) != NULL)
			oauth_text_copy(f->error, sizeof f->error, s, n);
		s = oauth_json_str(e, "message", &n);
	} else {
		s = oauth_json_str(o, "error_description", &n);
	}
	f->aadsts = first_code(o);
	read_ids(o, f);
	if (s != NULL)
		oauth_refusal_describe(f, s, n);
}

/* Is there an error, whatever the status says? Empty ones do not count. */
static bool says_error(struct json_object *o)
{
	struct json_object *e;
	size_t n;

	if (!json_object_object_get_ex(o, "error", &e) || e == NULL)
		return false;
	return !json_object_is_type(e, json_type_string) || (oauth_json_str(o, "error", &n) != NULL && n > 0);
}

enum mx_class oauth_reply_parse(const char *client, const struct oauth_http_reply *h,
    struct oauth_token *t, struct oauth_failure *f)
{
	const char *s = h->body;
	size_t n = h->body_len, skip = 0;
	struct json_object *o = NULL;
	enum mx_class cls;

	*t = (struct oauth_token){ 0 };
	*f = (struct oauth_failure){ .http_status = h->status };
	f->retry_after_s = h->retry_after_s < 0 ? -1 :
	    h->retry_after_s > OAUTH_RETRY_AFTER_MAX_S ? OAUTH_RETRY_AFTER_MAX_S : h->retry_after_s;
	if (oauth_refusal_transport(client, h, f))
		return f->err.cls;
	if (n > OAUTH_REPLY_MAX)
		return oauth_refusal_bad(
		    client, f, false, "reply-too-large", "the reply exceeds 1 MiB");
	if (n >= 3 && memcmp(s, "\xEF\xBB\xBF", 3) == 0)
		s += 3, n -= 3;			/* RFC 8259 section 8.1 lets a reader skip it */
	while (skip < n && memchr(" \t\r\n", s[skip], 4) != NULL)
		skip++;
	s += skip, n -= skip;
	if (n == 0 || (s[0] != '{' && s[0] != '['))
		return oauth_refusal_not_json(client, h, f);
	if (!mx_utf8_ok(s, n) || memchr(s, '\0', n) != NULL)
		return oauth_refusal_bad(
		    client, f, false, "reply-malformed", "the reply is not UTF-8 text");
	switch (oauth_json_parse(s, n, &o)) {
	case OAUTH_JSON_FINE:
		break;
	case OAUTH_JSON_NO_MEMORY:
		return mx_fail(&f->err, MX_TEMP, "no-memory",
		    "client \"%.64s\": no memory for the reply; look at the daemon's memory limit",
		    client);
	case OAUTH_JSON_CUT:
		return oauth_refusal_bad(
		    client, f, false, "reply-truncated", "the reply's JSON ends too early");
	case OAUTH_JSON_DEEP:
		return oauth_refusal_bad(
		    client, f, false, "reply-malformed", "the reply's JSON is nested too deeply");
	case OAUTH_JSON_BROKEN:
	default:
		return oauth_refusal_bad(
		    client, f, false, "reply-malformed", "the reply is not well-formed JSON");
	}
	if (!json_object_is_type(o, json_type_object)) {
		cls = oauth_refusal_bad(
		    client, f, false, "reply-malformed", "the reply is no JSON object");
	} else if (h->status >= 200 && h->status < 300 && !says_error(o)) {
		cls = success(client, o, t, f);
	} else {
		read_error(o, f);
		cls = oauth_refusal(client, h->account_id, f);
	}
	oauth_json_drop(o);
	return cls;
}
