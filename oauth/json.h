/*
 * JSON that may hold secrets: parsed strictly, and wiped when it is given back. Knows nothing of what it means.
 */
#ifndef MX_OAUTH_JSON_H
#define MX_OAUTH_JSON_H

#include <stdbool.h>
#include <stddef.h>

struct json_object;

enum oauth_json { OAUTH_JSON_FINE, OAUTH_JSON_NO_MEMORY, OAUTH_JSON_BROKEN, OAUTH_JSON_CUT, OAUTH_JSON_DEEP };

/* n bytes of text, blanks around it allowed. *out: NULL on failure, else oauth_json_drop()'s. */
enum oauth_json oauth_json_parse(const char *s, size_t n, struct json_object **out);
void oauth_json_drop(struct json_object *o);	/* wipes every string in it; NULL is fine */

/* A member of an object that is a string, the library's own copy; NULL otherwise. */
const char *oauth_json_str(struct json_object *o, const char *name, size_t *n);
bool oauth_json_has(struct json_object *o, const char *name);
/* The same, and a number, true or false as it is written. */
const char *oauth_json_text(struct json_object *o, const char *name, size_t *n);
/* The name of an object's i-th member, counted from 0, the library's own copy. NULL: it has no more, or is none. */
const char *oauth_json_name(struct json_object *o, size_t i);

#endif
