#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "ctl/out.h"
#include "ctl/setup/grant.h"
#include "oauth/json.h"
#include "oauth/refresh_file.h"

#define WAIT_MS 60000		/* a renewal takes as long as its request may, and some seconds to store */
#define AGAIN_MS 200
#define KEY "refresh_token"

static void drop(char *secret)
{
	mx_wipe(secret, secret != NULL ? strlen(secret) : 0);
	free(secret);
}

char *su_grant_of(const struct su_file *token_file)
{
	struct json_object *o = NULL;
	const char *v;
	char *out = NULL;
	size_t n;

	if (token_file->there && oauth_json_parse(token_file->p, token_file->n, &o) == OAUTH_JSON_FINE &&
	    (v = oauth_json_str(o, KEY, &n)) != NULL && oauth_refresh_ok(v, n))
		out = strndup(v, n);
	oauth_json_drop(o);
	return out;
}

/*
 * What the store holds now; NULL: nothing. Its folder is the daemon's user's, who must not have root read a file for him: a
 * link to another one, or another one's second name, is nothing.
 */
static char *stored(const char *path)
{
	struct mx_secret s;
	struct mx_err e;
	char *out = NULL;

	if (oauth_refresh_peek(path, &s, &e) == MX_OK)
		out = strndup((const char *)s.p, s.len);
	mx_secret_free(&s);
	return out;
}

/* Behind a string literal of JSON that begins here. */
static const char *behind(const char *s)
{
	for (s++; *s != '"' && *s != '\0'; s++)
		if (*s == '\\' && s[1] != '\0')
			s++;
	return *s == '"' ? s + 1 : s;
}

/* The literal that the outermost object has for KEY, the last one counts. false: none. */
static bool find_value(const char *text, const char **from, const char **to)
{
	int depth = 0;
	bool found = false;
	const char *end, *v;

	for (const char *s = text; *s != '\0'; s++) {
		depth += (*s == '{' || *s == '[') - (*s == '}' || *s == ']');
		if (*s != '"')
			continue;
		end = behind(s);
		v = end + strspn(end, " \t\r\n");
		if (depth == 1 && *v == ':' && (size_t)(end - s) == sizeof KEY + 1 &&
		    strncmp(s + 1, KEY, sizeof KEY - 1) == 0) {
			v += 1 + strspn(v + 1, " \t\r\n");
			found = *v == '"';
			*from = v;
			*to = end = found ? behind(v) : v;
		}
		s = end - 1;
	}
	return found;
}

/* The file with another refresh token in it, all else byte for byte. false: no memory, or it does not fit into it. */
static bool with_token(const struct su_file *old, const char *token, struct su_file *out)
{
	const char *from = old->p, *to = old->p;
	char *p, *check;
	bool same;

	*out = *old;
	out->p = NULL;
	if (strlen(old->p) != old->n || !find_value(old->p, &from, &to) ||
	    (p = out->p = malloc(old->n + 2 * strlen(token) + 3)) == NULL)
		return false;
	memcpy(p, old->p, (size_t)(from - old->p));
	p += from - old->p;
	*p++ = '"';
	for (const char *s = token; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			*p++ = '\\';
		*p++ = *s;
	}
	*p++ = '"';
	memcpy(p, to, (size_t)(old->p + old->n - to) + 1);
	out->n = (size_t)(p - out->p) + (size_t)(old->p + old->n - to);
	check = su_grant_of(out);
	same = check != NULL && strcmp(check, token) == 0;
	drop(check);
	return same;
}

/* old with the token in it, if it has another one. */
static bool make(const char *path, const struct su_file *old, const char *token, struct su_file *final)
{
	char *has = su_grant_of(old);
	bool ok = token == NULL || (has != NULL && strcmp(has, token) == 0) ? su_file_copy(final, old) :
	    with_token(old, token, final);

	if (!ok)
		out_error("the refresh token cannot be put back into %s; nothing was changed", path);
	drop(has);
	return ok;
}

bool su_grant_back(const struct su_change *c, const struct su_file *now, struct su_file *final)
{
	char *taken = su_grant_of(&c->before), *newest = stored(c->note);
	bool renewed = newest != NULL && (taken == NULL || strcmp(newest, taken) != 0), ok;

	/* Written anew by the other program, and not renewed by the daemon: then it is the newest. */
	if (now->there && !renewed)
		ok = su_file_copy(final, now);
	else
		ok = make(c->path, now->there ? now : &c->before, newest, final);
	drop(taken);
	drop(newest);
	return ok;
}

void su_grant_tell(const struct su_set *set, const struct su_set *undo)
{
	const struct su_change *c;

	for (size_t i = 0; i < set->n; i++)
		if (set->c[i].kind == SU_TOKEN && (c = su_set_find(undo, set->c[i].path)) != NULL &&
		    !su_file_bytes_equal(&set->c[i].before, &c->after))
			printf("The refresh token was renewed meanwhile, and the newest one goes into %s: this file is not as "
			    "it was, byte for byte, since the provider takes the old one no more.\n", c->path);
}

bool su_grant_renew(struct su_set *undo)
{
	struct su_file final;
	char *newest;
	bool ok = true;

	for (size_t i = 0; ok && i < undo->n; i++) {
		if (undo->c[i].kind != SU_TOKEN || !undo->c[i].after.there || (newest = stored(undo->c[i].note)) == NULL)
			continue;
		if ((ok = make(undo->c[i].path, &undo->c[i].after, newest, &final))) {
			su_file_free(&undo->c[i].after);
			undo->c[i].after = final;
		}
		drop(newest);
	}
	return ok;
}

int su_grant_lock(const struct su_set *set, struct oauth_refresh_lock **l)
{
	const uint64_t end = mx_boot_ms() + WAIT_MS;
	const struct timespec again = { 0, AGAIN_MS * 1000000L };
	enum mx_class cls = MX_OK;
	struct mx_err e;

	*l = NULL;
	for (size_t i = 0; i < set->n; i++) {
		if (set->c[i].kind != SU_GRANT)
			continue;
		while ((cls = oauth_refresh_lock(set->c[i].path, l, &e)) == MX_TEMP &&
		    strcmp(e.code, "refresh-token-busy") == 0 && mx_boot_ms() < end)
			(void)nanosleep(&again, NULL);
		break;
	}
	if (cls == MX_OK || strcmp(e.code, "refresh-token-missing") == 0)	/* not even its folder is there */
		return CTL_FINE;
	out_error("%s; nothing was changed", e.text);
	return mx_class_info(cls)->exit_code;
}

void su_grant_forget(const struct su_set *undo)
{
	char *path;

	for (size_t i = 0; i < undo->n; i++) {
		if (undo->c[i].kind != SU_GRANT || undo->c[i].after.there ||
		    (path = su_join(undo->c[i].path, ".lock", "")) == NULL)
			continue;
		(void)unlink(path);
		free(path);
	}
}
