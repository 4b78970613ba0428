/*
 * The plugin sasl-xoauth2: its configuration and its token files are JSON, and what a token file has counts more.
 * Instead of a password the map has the token file's path, as smtp(8) sees it in its chroot.
 */
#include "config.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/text.h"
#include "ctl/setup/grant.h"
#include "ctl/setup/postfix_sasl.h"
#include "oauth/json.h"

void sx_wrong(const struct sx_source *s, const char *what)
{
	su_find(&s->p->found, SU_WRONG, "take over", "sasl-xoauth2's client cannot be taken over: %s (%s, " SX_CONFIG "); mend "
	    "that, or give --tenant, --client-id and --secret-file", what, s->path);
}

char *sx_seen(const struct pf *p, const char *path)
{
	char *inside = p->chroot ? su_join(p->value[PF_QUEUE], path, "") : NULL;

	if (inside != NULL && access(inside, F_OK) == 0)
		return inside;
	free(inside);
	return strdup(path);
}

/* NULL after it has been found, or when there is no such file. */
static struct json_object *load(struct pf *p, const char *path, struct su_file *f)
{
	struct json_object *o = NULL;

	if (su_read(&p->found, path, f) && f->there && oauth_json_parse(f->p, f->n, &o) != OAUTH_JSON_FINE)
		su_find(&p->found, SU_WRONG, "take over", "%s is not JSON: is it sasl-xoauth2's?", path);
	return o;
}

/* A value of the one or of the other, not empty and without control characters; NULL: none. */
static const char *value(const struct sx_source *s, const char *name, size_t *n)
{
	struct json_object *o = s->token != NULL && oauth_json_has(s->token, name) ? s->token : s->config;
	const char *v = o != NULL ? oauth_json_text(o, name, n) : NULL;

	return v != NULL && *n > 0 && !mx_has_ctl(v, *n) ? v : NULL;
}

char *sx_copy(const struct sx_source *s, const char *name)
{
	size_t n = 0;
	const char *v = value(s, name, &n);

	return v != NULL ? strndup(v, n) : NULL;
}

static int hex(char c)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;

	return at != NULL ? (int)((at - digits) % 16) : -1;
}

char *sx_meant(char *s)
{
	char *to = s;

	for (const char *p = s; p != NULL && *p != '\0'; p++) {
		int code = *p == '%' && hex(p[1]) >= 0 && hex(p[2]) >= 0 ? hex(p[1]) * 16 + hex(p[2]) : 0;

		if (code != 0)
			p += 2;
		*to++ = code != 0 ? (char)code : *p;
	}
	if (to != NULL)
		*to = '\0';
	return s;
}

bool sx_set(char **to, const char *text)
{
	return (*to = strdup(text)) != NULL;
}

/* As the plugin reads it. */
static bool says_yes(const struct sx_source *s, const char *name)
{
	size_t n = 0;
	const char *v = value(s, name, &n);

	return v != NULL && (strcasecmp(v, "yes") == 0 || strcasecmp(v, "true") == 0);
}

/* A secret as a file of its own, for root and the daemon or for the daemon alone. */
static bool keep(const struct sx_source *s, enum su_kind kind, const char *path, const char *note, const char *v, size_t n,
    struct su_set *out)
{
	const struct passwd *pw = getpwnam(s->p->conf != NULL ? s->p->conf->user : MX_USER);
	struct su_file before = { 0 }, after = { .there = true, .mode = 0640, .gid = pw != NULL ? pw->pw_gid : 0 };

	if (kind == SU_GRANT)
		after.mode = 0600, after.uid = pw != NULL ? pw->pw_uid : 0;
	if ((after.p = malloc(n + 2)) == NULL)
		return false;
	memcpy(after.p, v, n);
	memcpy(after.p + n, "\n", 2);
	after.n = n + 1;
	if (su_read(&s->p->found, path, &before) && before.there)
		su_find(&s->p->found, SU_WRONG, "take over", "%s is there already: look what it is, and remove it", path);
	return su_set_add(out, kind, path, note, &before, &after);
}

static bool take_secret(const struct sx_source *s, struct su_client *k, struct su_set *out)
{
	const char *slash = strrchr(s->p->config, '/');
	char *folder, *v = sx_meant(sx_copy(s, "client_secret"));
	bool ok = false;

	if (v == NULL && !s->credentials)
		return true;	/* a public client */
	if (v == NULL) {
		sx_wrong(s, "there is no client_secret");
		return true;
	}
	folder = strndup(s->p->config, (size_t)(slash - s->p->config));
	if (mx_has_ctl(v, strlen(v)))
		sx_wrong(s, "its client_secret has control characters");
	ok = folder != NULL && su_folder(out, folder) &&
	    (k->client_secret_file = su_join(folder, "/" SU_CLIENT ".secret", "")) != NULL &&
	    keep(s, SU_SECRET, k->client_secret_file, "", v, strlen(v), out);
	free(folder);
	mx_wipe(v, strlen(v));
	free(v);
	return ok;
}

/* The daemon replaces the store's file, so the folder has to be its own. */
static void look_at_store(const struct sx_source *s, const char *folder)
{
	const char *user = s->p->conf != NULL ? s->p->conf->user : MX_USER;
	const struct passwd *pw = getpwnam(user);
	struct stat st;

	if (pw == NULL)
		su_find(&s->p->found, SU_WRONG, "take over", "there is no user \"%s\", whose file the refresh token would be",
		    user);
	else if (stat(folder, &st) == -1 || st.st_uid != pw->pw_uid)
		su_find(&s->p->found, SU_WRONG, "take over", "the daemon keeps the refresh token in %s, which is not its user's: "
		    "install -d -o %s -m 700 %s", folder, user, folder);
}

static bool take_grant(const struct sx_source *s, struct su_client *k, struct su_set *out)
{
	/* Not where "disable" keeps things: that is root's, and this is the daemon's user's. */
	char *folder = s->p->c->state != NULL ? su_join(s->p->c->state, "/tokens", "") : strdup(MX_STATEDIR);
	char *token = su_grant_of(&s->file), *store = folder != NULL ? su_join(folder, "/" SU_CLIENT ".refresh", "") : NULL;
	struct su_file before, none = { 0 };
	bool ok = store != NULL;

	if (token == NULL)
		sx_wrong(s, "its token file has no usable refresh_token");
	else if (s->p->c->sender != NULL)
		sx_wrong(s, "with --sender other mail still goes by its refresh token, and two that renew it end each other's "
		    "login");
	if (folder != NULL)
		look_at_store(s, folder);
	/* The file goes first: whoever reads it from now on finds nothing, and not a token that two renew. */
	if (ok && token != NULL && (ok = su_file_copy(&before, &s->file)))
		ok = su_set_add(out, SU_TOKEN, s->path, store, &before, &none) &&
		    keep(s, SU_GRANT, store, s->path, token, strlen(token), out);
	if (ok && strcmp(folder, MX_STATEDIR) != 0)
		ok = sx_set(&k->refresh_token_file, store);
	mx_wipe(token, token != NULL ? strlen(token) : 0);
	free(token);
	free(folder);
	free(store);
	return ok;
}

static bool take(const struct sx_source *s, struct su_client *k, struct su_set *out)
{
	char *user = sx_copy(s, "user");

	if (says_yes(s, "manage_token_externally"))
		sx_wrong(s, "manage_token_externally is set, so it is another program that gets its tokens");
	if ((k->client_id = sx_meant(sx_copy(s, "client_id"))) == NULL)
		sx_wrong(s, "there is no client_id");
	if (user != NULL && strcmp(user, s->p->account) != 0)
		k->user = user;
	else
		free(user);
	sx_tell_of_others(s);
	if (!take_secret(s, k, out) || (!s->credentials && !take_grant(s, k, out)) || !sx_take_provider(s, k) ||
	    !sx_take_way(s, k))
		return false;
	su_find(&s->p->found, SU_GOOD, "take over", "the client %s of %s is sasl-xoauth2's, %s", k->client_id != NULL ?
	    k->client_id : "?", k->tenant != NULL ? k->tenant : k->token_endpoint != NULL ? k->token_endpoint : k->provider,
	    s->credentials ? "with its secret" : "with its refresh token, which the daemon renews from now on");
	return true;
}

bool pf_take_over(struct pf *p, const char *token_file, struct su_client *k, struct su_set *out)
{
	struct sx_source s = { .p = p, .path = sx_seen(p, token_file) };
	struct su_file f = { 0 };
	bool ok = false;

	if (s.path != NULL) {
		s.token = load(p, s.path, &s.file);
		s.config = load(p, SX_CONFIG, &f);
		s.credentials = says_yes(&s, "use_client_credentials");
		ok = take(&s, k, out);
	}
	su_file_free(&s.file);
	su_file_free(&f);
	free(s.path);
	oauth_json_drop(s.token);
	oauth_json_drop(s.config);
	return ok;
}
