/*
 * What the refresh_token grant has of its own: the file of the token, which no two clients may share, and scopes in a
 * user's name.
 */
#include "config.h"

#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "oauth/refresh_file.h"
#include "settings/build.h"

/* false: there is no memory, or the place is taken. */
static bool find_file(struct build *b, struct conf_client *c, const struct cf_client *w)
{
	const char *s = w->refresh_token_file.s;
	char path[sizeof MX_STATEDIR + 80], first[512];
	const struct conf_client *other;
	struct mx_buf buf;
	uint32_t i;

	if (s == NULL) {
		mx_buf_init(&buf, path, sizeof path);
		mx_buf_addf(&buf, MX_STATEDIR "/%s.refresh", c->oc.name);
		if (mx_buf_str(&buf) == NULL || (s = cf_intern(b->mem, path, buf.len)) == NULL)
			return cf_oom(b);
	}
	c->oc.refresh_token_file = s;
	if (!cf_map_get(&b->refresh_files, s, strlen(s), &i))
		return cf_map_put(&b->refresh_files, s, (uint32_t)(c - b->c->clients)) || cf_oom(b);
	other = &b->c->clients[i];
	cf_error(b->r, w->refresh_token_file.at.line != 0 ? &w->refresh_token_file.at : &c->at,
	    "\"refresh_token_file\": %s is client \"%s\"'s already%s: each renewal would end the other's token; give "
	    "each client a file of its own", s, other->oc.name, cf_first_place(first, sizeof first, &other->at,
	    &c->at));
	return false;
}

/* Is one of the scope's words this one, or a resource's? */
static bool asks_for(const char *scope, const char *word)
{
	const size_t k = strlen(word);
	size_t n;

	for (; *scope != '\0'; scope += n + (scope[n] == ' ')) {
		n = strcspn(scope, " ");
		if (n >= k && strncasecmp(scope + n - k, word, k) == 0 && (n == k || scope[n - k - 1] == '/'))
			return true;
	}
	return false;
}

/* Microsoft's rules for a user's token; others have theirs. */
static void scopes(struct build *b, const struct conf_client *c, const struct conf_where *at)
{
	const struct oauth_provider *p = c->provider;
	const char *scope = c->oc.scope, *better = p->delegated_scope != NULL ? p->delegated_scope : p->scope;

	if (better == NULL)
		better = "https://outlook.office.com/SMTP.Send offline_access";
	if (scope == NULL)
		return;			/* then it is that of the login */
	if (asks_for(scope, ".default"))
		cf_warn(b->r, at, "\"scope\": /.default is for client_credentials; a user's token wants the permission "
		    "by name: \"scope: %s\"", better);
	else if (!asks_for(scope, "SMTP.Send"))
		cf_warn(b->r, at, "\"scope\": without SMTP.Send no mail can be sent with the token; write \"scope: "
		    "%s\"", better);
	if (!asks_for(scope, "offline_access"))
		cf_warn(b->r, at, "\"scope\": without offline_access Microsoft gives no refresh token; write \"scope: "
		    "%s\"", better);
}

void cf_refresh_grant(struct build *b, struct conf_client *c, const struct cf_client *w, bool entra)
{
	if (c->oc.grant != OAUTH_GRANT_REFRESH_TOKEN) {
		if (w->refresh_token_file.at.line != 0)
			cf_warn(b->r, &w->refresh_token_file.at, "\"refresh_token_file\" is not used: it is for "
			    "\"grant: refresh_token\"");
		return;
	}
	if (w->refresh_token_file.at.line != 0 && w->refresh_token_file.s == NULL)
		return;			/* complained of when it was read */
	if (find_file(b, c, w) && entra && (w->scope.at.line == 0 || w->scope.s != NULL))
		scopes(b, c, w->scope.at.line != 0 ? &w->scope.at : &c->at);
}

/* What is wrong with it keeps nobody from starting: a login mends it while the daemon runs. */
void cf_check_refresh(struct build *b, const struct oauth_client *oc, const struct conf_where *at, uid_t daemon)
{
	const char *path = oc->refresh_token_file, *slash;
	const bool as_daemon = daemon == geteuid();
	bool closed;
	struct mx_secret s = { 0 };
	char dir[4096];
	struct mx_buf buf;
	struct stat st;
	struct mx_err e;

	if (path == NULL)
		return;
	slash = strrchr(path, '/');
	mx_buf_init(&buf, dir, sizeof dir);
	mx_buf_add(&buf, path, slash == path ? 1 : (size_t)(slash - path));
	if (mx_buf_str(&buf) == NULL)
		dir[0] = '\0';
	closed = as_daemon && access(dir, F_OK) == 0 && access(dir, W_OK | X_OK) == -1;
	if (oauth_refresh_peek(path, &s, &e) == MX_OK) {
		if (!as_daemon && stat(path, &st) == 0 && st.st_uid != daemon)
			cf_warn(b->r, at, "client \"%s\": the refresh token's file belongs to another user than the "
			    "daemon's, which so may not read it; chown it to that user: %s", oc->name, path);
	} else if (!as_daemon && geteuid() != 0 && strcmp(e.code, "refresh-token-unreadable") == 0) {
		cf_warn(b->r, at, "client \"%s\": the refresh token's file cannot be checked by this user: run this as "
		    "root", oc->name);
	} else if (!as_daemon && strcmp(e.code, "refresh-token-foreign") == 0 && stat(path, &st) == 0 &&
	    st.st_uid == daemon) {
		closed = true;		/* to root the file is foreign because the folder is not the daemon's */
	} else {
		cf_warn(b->r, at, "client \"%s\": %s", oc->name, e.text);
	}
	mx_secret_free(&s);
	if (closed)
		cf_warn(b->r, at, "client \"%s\": the daemon's user may not write to %s, and so can store no new "
		    "refresh token: chown it to that user, with mode 700", oc->name, dir);
}
