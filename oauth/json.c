/*
 * The one way from text to json-c's objects. The library copies strings: into its token buffer, which is
 * grown beforehand so that it never moves and is wiped at the end, and into the objects, which are
 * wiped one by one, also those of a broken text. What remains is the first of two members of one
 * name, which the library frees itself (the last one counts; RFC 6749 section 5.1 allows none
 * twice).
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>
#include <json-c/printbuf.h>

#include "common/buf.h"
#include "oauth/json.h"

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

void oauth_json_drop(struct json_object *o)
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

enum oauth_json oauth_json_parse(const char *s, size_t n, struct json_object **out)
{
	struct json_tokener *tok;
	void *room;
	enum json_tokener_error err;
	enum oauth_json r = OAUTH_JSON_BROKEN;

	*out = NULL;
	/*
	 * The library does not look whether it got memory for a member's name. So it is tried beforehand whether
	 * there is as much as it will need; what is given back here is what it gets.
	 */
	if ((room = malloc(ROOM_FIXED + ROOM_FACTOR * n)) == NULL)
		return OAUTH_JSON_NO_MEMORY;
	free(room);
	if ((tok = json_tokener_new_ex(JSON_DEPTH)) == NULL)
		return OAUTH_JSON_NO_MEMORY;
	if (printbuf_memset(tok->pb, 0, 0, (int)n + 1) != 0) {
		r = OAUTH_JSON_NO_MEMORY;
		goto out;
	}
	printbuf_reset(tok->pb);
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS);
	*out = json_tokener_parse_ex(tok, s, (int)n);
	err = json_tokener_get_error(tok);
	if (err == json_tokener_continue)
		r = OAUTH_JSON_CUT;
	else if (err == json_tokener_error_depth)
		r = OAUTH_JSON_DEEP;
	else if (err == json_tokener_success && only_blanks(s + json_tokener_get_parse_end(tok),
	    n - json_tokener_get_parse_end(tok)))
		r = OAUTH_JSON_FINE;
	if (r != OAUTH_JSON_FINE && *out != NULL) {
		oauth_json_drop(*out);
		*out = NULL;
	}
out:
	drop_tokener(tok);
	return r;
}

const char *oauth_json_str(struct json_object *o, const char *name, size_t *n)
{
	struct json_object *v;

	*n = 0;
	if (!json_object_object_get_ex(o, name, &v) || !json_object_is_type(v, json_type_string))
		return NULL;
	*n = (size_t)json_object_get_string_len(v);
	return json_object_get_string(v);
}

bool oauth_json_has(struct json_object *o, const char *name)
{
	return json_object_object_get_ex(o, name, NULL);
}

const char *oauth_json_text(struct json_object *o, const char *name, size_t *n)
{
	const char *s = oauth_json_str(o, name, n);
	struct json_object *v;

	if (s != NULL || !json_object_object_get_ex(o, name, &v) ||
	    (!json_object_is_type(v, json_type_boolean) && !json_object_is_type(v, json_type_int)))
		return s;
	s = json_object_get_string(v);
	*n = s != NULL ? strlen(s) : 0;
	return s;
}

const char *oauth_json_name(struct json_object *o, size_t i)
{
	if (!json_object_is_type(o, json_type_object))
		return NULL;
	json_object_object_foreach(o, name, value) {
		(void)value;
		if (i-- == 0)
			return name;
	}
	return NULL;
}
