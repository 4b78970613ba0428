/*
 * A reply's JSON, judged. json.c has the strings wiped.
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <json-c/json.h>

#include "common/buf.h"
#include "common/text.h"
#include "oauth/device.h"
#include "oauth/json.h"
#include "oauth/refresh_file.h"
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

/* What takes the place of the refresh token that was sent (RFC 6749 section 6). false: no memory. */
static bool successor(struct json_object *o, struct oauth_token *t)
{
	struct json_object *v;
	const char *s;
	size_t n;

	if (!json_object_object_get_ex(o, "refresh_token", &v) || v == NULL)
		return true;
	s = oauth_json_str(o, "refresh_token", &n);
	if (s != NULL && n == 0)
		return true;
	if (s != NULL && oauth_refresh_ok(s, n))
		return mx_secret_set(&t->refresh_token, s, n);
	t->refresh_malformed = true;
	return true;
}

static enum mx_class no_memory(const char *client, struct oauth_failure *f)
{
	f->permanent = false;
	return mx_fail(&f->err, MX_TEMP, "no-memory",
	    "client \"%.64s\": no memory for the token; look at the daemon's memory limit", client);
}

#define RELATIVE_MAX 978307200		/* 2001-01-01: what is smaller than that is no date but a number of seconds */

/* "2026-11-24T18:05:00Z", also with a fraction or "+00:00"; nothing else is a date. */
static bool iso_date(const char *s, int64_t *out)
{
	struct tm tm = { 0 };
	const char *end = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);

	if (end == NULL)
		return false;
	if (*end == '.')
		end += 1 + strspn(end + 1, "0123456789");
	if (strcmp(end, "Z") != 0 && strcmp(end, "+00:00") != 0)
		return false;
	*out = (int64_t)timegm(&tm);
	return true;
}

/*
 * "expires_on": since the epoch, or from now on, or a date; as a number or in a string. Returns the
 * seconds left; 0: none.
 */
static uint32_t until(struct json_object *o, int64_t now_s)
{
	struct json_object *v;
	uint64_t u = 0;
	int64_t at = 0;

	if (!json_object_object_get_ex(o, "expires_on", &v))
		return 0;
	if (json_object_is_type(v, json_type_int))
		at = json_object_get_int64(v);
	else if (!json_object_is_type(v, json_type_string))
		return 0;
	else if (mx_parse_uint(json_object_get_string(v), (size_t)json_object_get_string_len(v), 1,
	    INT32_MAX * 4ull, &u))
		at = (int64_t)u;
	else if (!iso_date(json_object_get_string(v), &at))
		return 0;
	if (at >= RELATIVE_MAX)
		at -= now_s;
	return at < 1 ? 0 : at > OAUTH_LIFETIME_MAX_S ? OAUTH_LIFETIME_MAX_S : (uint32_t)at;
}

/*
 * A platform hands out tokens that it has kept: then expires_on tells their end, and expires_in may
 * be the life they had when they were new. An end that is past by our clock is not believed.
 */
static bool platform_lifetime(struct json_object *o, int64_t now_s, struct oauth_token *t)
{
	uint32_t left = until(o, now_s);
	struct json_object *v;
	bool absent = json_object_object_get_ex(o, "expires_in", &v) && json_object_is_type(v, json_type_string) &&
	    json_object_get_string_len(v) == 0;

	if (!absent && !seconds(o, "expires_in", &t->expires_in_s, &absent))
		return false;
	if (left != 0 && (absent || left < t->expires_in_s))
		t->expires_in_s = left;
	return t->expires_in_s != 0;
}

/* platform: it is one, and not a token endpoint. */
static enum mx_class success(const char *client, struct json_object *o, bool platform, int64_t now_s,
    struct oauth_token *t, struct oauth_failure *f)
{
	const char *type, *token;
	size_t type_len, token_len;
	bool absent = false;

	if (!successor(o, t))
		return no_memory(client, f);
	if ((token = oauth_json_str(o, "access_token", &token_len)) == NULL)
		return oauth_refusal_bad(
		    client, f, true, "reply-no-token", "the reply holds no access_token");
	if ((type = oauth_json_str(o, "token_type", &type_len)) == NULL && platform)
		type = "Bearer", type_len = 6;
	if (type == NULL)
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
	if (platform ? !platform_lifetime(o, now_s, t) : !seconds(o, "expires_in", &t->expires_in_s, &absent))
		return oauth_refusal_bad(client, f, true, "reply-lifetime",
		    "the token's lifetime (expires_in) is not a whole number of seconds from 1 to "
		    "2592000");
	if (!platform && absent)
		t->expires_in_s = OAUTH_LIFETIME_DEFAULT_S;
	/* Not of RFC 6749, and a hint only: what cannot be used is ignored. */
	if (!seconds(o, "refresh_in", &t->refresh_in_s, &absent) ||
	    t->refresh_in_s >= t->expires_in_s)
		t->refresh_in_s = 0;
	if ((type = oauth_json_str(o, "scope", &type_len)) != NULL)
		oauth_text_copy(t->scope, sizeof t->scope, type, type_len);
	if (!mx_secret_set(&t->access_token, token, token_len))
		return no_memory(client, f);
	oauth_token_id(t->id, token, token_len);
	return MX_OK;
}

/*
 * Seconds that somebody waits, who is better served by a wait within bounds than by an error: what is out of them is
 * brought there, and what is no number counts as absent.
 */
static uint32_t bounded(struct json_object *o, const char *name, uint32_t lo, uint32_t hi, uint32_t absent)
{
	struct json_object *v = NULL;
	uint64_t u;
	double d;

	if (!json_object_object_get_ex(o, name, &v) || v == NULL)
		return absent;
	if (json_object_is_type(v, json_type_string)) {
		if (!mx_parse_uint(json_object_get_string(v), (size_t)json_object_get_string_len(v), 0, UINT32_MAX, &u))
			return absent;
		d = (double)u;
	} else if (json_object_is_type(v, json_type_int) || json_object_is_type(v, json_type_double)) {
		d = json_object_get_double(v);
	} else {
		return absent;
	}
	return d >= hi ? hi : d > lo ? (uint32_t)d : lo;
}

/* For people to read: sanitized, and whole or not at all. */
static bool shown(struct json_object *o, const char *name, char *out, size_t cap)
{
	size_t n;
	const char *s = oauth_json_str(o, name, &n);

	out[0] = '\0';
	if (s == NULL || n == 0 || n >= cap)
		return false;
	oauth_text_copy(out, cap, s, n);
	return out[0] != '\0';
}

static bool shown_url(struct json_object *o, const char *name, char *out, size_t cap)
{
	if (shown(o, name, out, cap) && (strncasecmp(out, "https://", 8) == 0 || strncasecmp(out, "http://", 7) == 0))
		return true;
	out[0] = '\0';
	return false;
}

/* RFC 8628 section 3.2. */
static enum mx_class device(const char *client, struct json_object *o, struct oauth_device *d,
    struct oauth_failure *f)
{
	const char *code;
	size_t n;

	if ((code = oauth_json_str(o, "device_code", &n)) == NULL || n == 0 || n > OAUTH_DEVICE_CODE_MAX)
		return oauth_refusal_bad(client, f, true, "reply-no-device-code",
		    "the reply holds no device_code, or an absurdly long one; check device_authorization_endpoint");
	if (!shown(o, "user_code", d->user_code, sizeof d->user_code))
		return oauth_refusal_bad(client, f, true, "reply-no-device-code",
		    "the reply holds no user_code that could be shown; check device_authorization_endpoint");
	if (!shown_url(o, "verification_uri", d->uri, sizeof d->uri) &&
	    !shown_url(o, "verification_url", d->uri, sizeof d->uri))	/* Google's, from before the RFC */
		return oauth_refusal_bad(client, f, true, "reply-no-device-code",
		    "the reply holds no verification_uri that could be opened; check device_authorization_endpoint");
	(void)shown_url(o, "verification_uri_complete", d->uri_complete, sizeof d->uri_complete);
	d->expires_in_s = bounded(o, "expires_in", 1, OAUTH_DEVICE_LIFE_MAX_S, OAUTH_DEVICE_LIFE_S);
	d->interval_s = bounded(o, "interval", 1, OAUTH_DEVICE_INTERVAL_MAX_S, OAUTH_DEVICE_INTERVAL_S);
	if (mx_secret_set(&d->device_code, code, n))
		return MX_OK;
	return mx_fail(&f->err, MX_TEMP, "no-memory", "client \"%.64s\": no memory for the reply; try again", client);
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
		else if ((s = oauth_json_str(e, "code", &n)) != NULL)	/* Azure's */
			oauth_text_copy(f->error, sizeof f->error, s, n);
		s = oauth_json_str(e, "message", &n);
	} else if ((s = oauth_json_str(o, "error_description", &n)) == NULL) {
		s = oauth_json_str(o, "message", &n);	/* App Service's, beside "statusCode" */
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

/* What is wanted of a reply: exactly one of the two. */
struct taker { struct oauth_token *t; struct oauth_device *d; };

static enum mx_class take(const char *client, const struct oauth_http_reply *h, bool platform, int64_t now_s,
    const struct taker *to, struct oauth_failure *f)
{
	const char *s = h->body;
	size_t n = h->body_len, skip = 0;
	struct json_object *o = NULL;
	enum mx_class cls;

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
		cls = to->d != NULL ? device(client, o, to->d, f) : success(client, o, platform, now_s, to->t, f);
	} else {
		read_error(o, f);
		cls = oauth_refusal(client, h, f);
	}
	oauth_json_drop(o);
	return cls;
}

enum mx_class oauth_reply_parse(const char *client, const struct oauth_http_reply *h,
    struct oauth_token *t, struct oauth_failure *f)
{
	*t = (struct oauth_token){ 0 };
	return take(client, h, false, 0, &(struct taker){ .t = t }, f);
}

enum mx_class oauth_reply_parse_platform(const char *client, const struct oauth_http_reply *h, int64_t now_s,
    struct oauth_token *t, struct oauth_failure *f)
{
	*t = (struct oauth_token){ 0 };
	return take(client, h, true, now_s, &(struct taker){ .t = t }, f);
}

enum mx_class oauth_reply_device(const char *client, const struct oauth_http_reply *h,
    struct oauth_device *d, struct oauth_failure *f)
{
	*d = (struct oauth_device){ 0 };
	return take(client, h, false, 0, &(struct taker){ .d = d }, f);
}
