/*
 * The only file that knows json-c. The library copies strings: into its token buffer, which is
 * grown beforehand so that it never moves and is wiped at the end, and into the objects, which are
 * wiped one by one, also those of a broken text. What remains is the first of two members of one
 * name, which the library frees itself (the last one counts; RFC 6749 section 5.1 allows none
 * twice).
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <json-c/json.h>
#include <json-c/printbuf.h>

#include "common/buf.h"
#include "common/text.h"
#include "oauth/refusal.h"
#include "oauth/reply.h"
#include "oauth/retryafter.h"

#define JSON_DEPTH 16
#define ROOM_FIXED 16384		/* bytes */
#define ROOM_FACTOR 32			/* objects of a list of one-digit numbers, for each byte of text */

static void wipe_json(struct json_object *o)
{
	switch (json_object_get_type(o)) {
	case json_type_string:
		/* The library's own buffer, not a copy. */
		mx_wipe((void *)(uintptr_t)json_object_get_string(o),
		    (size_t)json_object_get_string_len(o));
		break;
	case json_type_array:
		for (size_t i = 0; i < json_object_array_length(o); i++)
			wipe_json(json_object_array_get_idx(o, i));
		break;
	case json_type_object: {
		json_object_object_foreach(o, key, value) {
			(void)key;
			wipe_json(value);
		}
		break;
	}
	default:
		break;
	}
}

static void drop_json(struct json_object *o)
{
	wipe_json(o);
	json_object_put(o);
}

static void drop_tokener(struct json_tokener *tok)
{
	/*
	 * Fields that the library calls its own: there is no other way to what a broken text left.
	 */
	for (int i = 0; i <= tok->depth; i++)
		if (tok->stack[i].current != NULL)
			wipe_json(tok->stack[i].current);
	mx_wipe(tok->pb->buf, (size_t)tok->pb->size);
	json_tokener_free(tok);
}

static bool only_blanks(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] != ' ' && s[i] != '\t' && s[i] != '\r' && s[i] != '\n')
			return false;
	return true;
}

enum parsed { PARSED, PARSED_NO_MEMORY, PARSED_BROKEN, PARSED_CUT, PARSED_DEEP };

static enum parsed parse(const char *s, size_t n, struct json_object **out)
{
	struct json_tokener *tok;
	void *room;
	enum json_tokener_error err;
	enum parsed r = PARSED_BROKEN;

	*out = NULL;
	/*
	 * The library does not look whether it got memory for a member's name. So it is tried beforehand whether
	 * there is as much as it will need; what is given back here is what it gets.
	 */
	if ((room = malloc(ROOM_FIXED + ROOM_FACTOR * n)) == NULL)
		return PARSED_NO_MEMORY;
	free(room);
	if ((tok = json_tokener_new_ex(JSON_DEPTH)) == NULL)
		return PARSED_NO_MEMORY;
	if (printbuf_memset(tok->pb, 0, 0, (int)n + 1) != 0) {
		r = PARSED_NO_MEMORY;
		goto out;
	}
	printbuf_reset(tok->pb);
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS);
	*out = json_tokener_parse_ex(tok, s, (int)n);
	err = json_tokener_get_error(tok);
	if (err == json_tokener_continue)
		r = PARSED_CUT;
	else if (err == json_tokener_error_depth)
		r = PARSED_DEEP;
	else if (err == json_tokener_success && only_blanks(s + json_tokener_get_parse_end(tok),
	    n - json_tokener_get_parse_end(tok)))
		r = PARSED;
	if (r != PARSED && *out != NULL) {
		drop_json(*out);
		*out = NULL;
	}
out:
	drop_tokener(tok);
	return r;
}

/* A member that is a string; NULL otherwise. */
static const char *str(struct json_object *o, const char *name, size_t *n)
{
	struct json_object *v;

	*n = 0;
	if (!json_object_object_get_ex(o, name, &v) || !json_object_is_type(v, json_type_string))
		return NULL;
	*n = (size_t)json_object_get_string_len(v);
	return json_object_get_string(v);
}

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

	if ((token = str(o, "access_token", &token_len)) == NULL)
		return oauth_refusal_bad(
		    client, f, true, "reply-no-token", "the reply holds no access_token");
	if ((type = str(o, "token_type", &type_len)) == NULL)
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

	if ((s = str(o, "trace_id", &n)) != NULL)
		oauth_id_copy(f->trace_id, sizeof f->trace_id, s, n);
	if ((s = str(o, "correlation_id", &n)) != NULL)
		oauth_id_copy(f->correlation_id, sizeof f->correlation_id, s, n);
	if ((s = str(o, "timestamp", &n)) != NULL)
		oauth_text_copy(f->timestamp, sizeof f->timestamp, s, n);
}

static void read_error(struct json_object *o, struct oauth_failure *f)
{
	struct json_object *e = NULL;
	const char *s;
	size_t n;

	if ((s = str(o, "error", &n)) != NULL) {
		oauth_text_copy(f->error, sizeof f->error, s, n);
		s = str(o, "error_description", &n);
	} else if (json_object_object_get_ex(o, "error", &e) &&
	    json_object_is_type(e, json_type_object)) {
		/* Google's other form: {"error":{"status":"...","message":"..."}} */
		if ((s = str(e, "status", &n)) != NULL)
			oauth_text_copy(f->error, sizeof f->error, s, n);
		s = str(e, "message", &n);
	} else {
		s = str(o, "error_description", &n);
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
	return !json_object_is_type(e, json_type_string) || (str(o, "error", &n) != NULL && n > 0);
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
	while (skip < n && only_blanks(s + skip, 1))
		skip++;
	s += skip, n -= skip;
	if (n == 0 || (s[0] != '{' && s[0] != '['))
		return oauth_refusal_not_json(client, h, f);
	if (!mx_utf8_ok(s, n) || memchr(s, '\0', n) != NULL)
		return oauth_refusal_bad(
		    client, f, false, "reply-malformed", "the reply is not UTF-8 text");
	switch (parse(s, n, &o)) {
	case PARSED:
		break;
	case PARSED_NO_MEMORY:
		return mx_fail(&f->err, MX_TEMP, "no-memory",
		    "client \"%.64s\": no memory for the reply; look at the daemon's memory limit",
		    client);
	case PARSED_CUT:
		return oauth_refusal_bad(
		    client, f, false, "reply-truncated", "the reply's JSON ends too early");
	case PARSED_DEEP:
		return oauth_refusal_bad(
		    client, f, false, "reply-malformed", "the reply's JSON is nested too deeply");
	case PARSED_BROKEN:
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
		cls = oauth_refusal(client, f);
	}
	drop_json(o);
	return cls;
}
