/*
 * The daemon's side: a file of its own in conf.d, the socket in the chroot, systemd's drop-in for that.
 */
#include "config.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/out.h"
#include "ctl/setup/postfix.h"

#define SOCKET_PATH_MAX 106	/* bytes: of an entry of "listen" */
#define CLIENT "exo"		/* name of the client that is written */

char *pf_name(const char *dir)
{
	size_t n = strlen(dir);
	char *out = malloc(3 * n + 1), *p = out;

	for (size_t i = 1; out != NULL && i < n; i++) {
		if (dir[i] == '/') {
			*p++ = '-';
		} else if (strchr("-_@~+", dir[i]) != NULL) {	/* so that no two folders have one name */
			static const char hex[] = "0123456789abcdef";

			*p++ = '_', *p++ = hex[(unsigned char)dir[i] >> 4], *p++ = hex[dir[i] & 15];
		} else {
			*p++ = dir[i];
		}
	}
	if (out != NULL)
		*p = '\0';
	return out;
}

/* As a YAML string in double quotes; owned. */
static char *quoted(const char *s)
{
	char *out = malloc(2 * strlen(s) + 3), *p = out;

	if (out == NULL)
		return NULL;
	*p++ = '"';
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			*p++ = '\\';
		*p++ = *s;
	}
	*p++ = '"';
	*p = '\0';
	return out;
}

static bool under_systemd(void)
{
	char *systemctl = su_find_program("systemctl");
	const char *const argv[] = { systemctl, "is-active", "--quiet", "mta-xoauth2-tokend.socket", NULL };
	struct su_output o = { 0 };
	bool yes = systemctl != NULL && su_run(argv, &o) && o.status == 0;

	su_output_free(&o);
	free(systemctl);
	return yes;
}

bool pf_folder(struct su_set *out, const char *path)
{
	struct su_file none = { 0 }, made = { .there = true, .mode = 0755 };

	return access(path, F_OK) == 0 || su_set_find(out, path) != NULL ||
	    su_set_add(out, SU_FOLDER, path, "", &none, &made);
}

/* Folders of path that are missing below the queue directory; the daemon makes its socket in the last one. */
static bool plan_folders(struct pf *p, const char *user, struct su_set *out)
{
	const struct passwd *pw = user != NULL ? getpwnam(user) : NULL;
	char *path = strdup(p->outside), *slash = path != NULL ? path + strlen(p->value[PF_QUEUE]) : NULL;
	struct stat st;
	bool ok = path != NULL;

	while (ok && (slash = strchr(slash + 1, '/')) != NULL) {
		*slash = '\0';
		if (lstat(path, &st) == -1 && errno == ENOENT) {
			struct su_file before = { 0 }, after = { .there = true, .mode = 0755 };

			if (strchr(slash + 1, '/') == NULL && pw != NULL)
				after.mode = 0775, after.gid = pw->pw_gid;
			ok = su_set_add(out, SU_FOLDER, path, "", &before, &after);
		} else if (!S_ISDIR(st.st_mode)) {
			su_find(&p->found, SU_WRONG, "socket", "%s is no folder, but the socket in the chroot belongs "
			    "below it", path);
		}
		*slash = '/';
	}
	free(path);
	return ok;
}

/* Text that makes the socket in the chroot, for conf.d; "" when systemd or the configuration has it. */
static char *plan_socket(struct pf *p, const char *name, struct su_set *out)
{
	struct su_file before;
	char *path, *text;
	bool ok;

	if (!p->chroot)
		return strdup("");
	for (size_t i = 0; p->conf != NULL && i < p->conf->nlisten; i++)
		if (strcmp(p->conf->listen[i].path, p->outside) == 0)
			return strdup("");
	if (strlen(p->outside) > SOCKET_PATH_MAX) {
		su_find(&p->found, SU_WRONG, "socket", "the socket in the chroot would be %s, which is longer than "
		    "the %d bytes a socket's path may have", p->outside, SOCKET_PATH_MAX);
		return strdup("");
	}
	if (!under_systemd())
		return plan_folders(p, p->conf != NULL ? p->conf->user : MX_USER, out) ?
		    pf_text("listen:\n  - path: ", p->outside, "\n", NULL) : NULL;
	path = pf_text(MX_SYSCONFDIR "/systemd/system/mta-xoauth2-tokend.socket.d/postfix-", name, ".conf", NULL);
	text = pf_text("[Socket]\nListenStream=", p->outside, "\n", NULL);
	ok = path != NULL && text != NULL && plan_folders(p, NULL, out);
	if (ok && pf_folder(out, MX_SYSCONFDIR "/systemd/system/mta-xoauth2-tokend.socket.d") && pf_read(p, path,
	    &before)) {
		ok = pf_change(out, SU_FILE, path, "", &before, text, strlen(text), 0644);
		text = NULL;
	}
	free(path);
	free(text);
	return ok ? strdup("") : NULL;
}

/* A client of this kind, and an account for it. */
static char *new_client(struct pf *p, const struct pf_client *k)
{
	const char *const value[] = { p->account, k->tenant, k->id, k->secret_file, k->proxy, k->ca_file };
	char *q[sizeof value / sizeof value[0]] = { NULL }, *out = NULL;
	bool ok = true;
	size_t i;

	for (i = 0; i < sizeof value / sizeof value[0]; i++)
		ok &= (q[i] = value[i] != NULL ? quoted(value[i]) : strdup("")) != NULL;
	if (ok)
		out = pf_text("clients:\n  " CLIENT ":\n    provider: exchange-online\n    tenant: ", q[1],
		    "\n    client_id: ", q[2], "\n    client_secret_file: ", q[3], *q[4] != '\0' ? "\n    proxy: "
		    "" : "", q[4],
		    *q[5] != '\0' ? "\n    ca_file: " : "", q[5], "\naccounts:\n  ", q[0], ":\n    client: " CLIENT
		    "\n    allow_users: [root, ", p->value[PF_OWNER], "]\n", NULL);
	for (i = 0; i < sizeof value / sizeof value[0]; i++)
		free(q[i]);
	return out;
}

/* Nobody has an account for it yet: by --tenant and its companions, by sasl-xoauth2, or not at all. */
static char *plan_client(struct pf *p, struct su_set *out)
{
	char *token_file = p->c->tenant == NULL ? pf_mapped_path(p) : NULL, *text = NULL;
	struct pf_client k = { 0 };

	if (p->conf != NULL && (p->c->tenant != NULL || token_file != NULL) && conf_client_find(p->conf, CLIENT) !=
	    NULL) {
		su_find(&p->found, SU_WRONG, "account", "%s has a client \"" CLIENT "\" already: write \"accounts:\" "
		    "with \"%s\" for it by hand", p->config, p->account);
		text = strdup("");
	} else if (p->c->tenant != NULL) {
		k = (struct pf_client){ strdup(p->c->tenant), strdup(p->c->client_id), strdup(p->c->secret_file),
		    NULL, NULL };
		if (k.tenant != NULL && k.id != NULL && k.secret_file != NULL)
			text = new_client(p, &k);
	} else if (token_file != NULL) {
		if (pf_take_over(p, token_file, &k, out))
			text = k.secret_file != NULL ? new_client(p, &k) : strdup("");
	} else {
		if (p->conf != NULL)
			su_find(&p->found, SU_WRONG, "account", "%s has no account for %s: write \"%s:\" below "
			    "\"accounts:\", and \"client: NAME\" below that, or give --tenant, --client-id and "
			    "--secret-file", p->config, p->account,
			    p->account);
		text = strdup("");
	}
	pf_client_free(&k);
	free(token_file);
	return text;
}

/* Text that lets the mail server's user have the account's token; "" when it may. */
static char *plan_account(struct pf *p, struct su_set *set)
{
	const struct conf_account *a = p->conf == NULL ? NULL :
	    conf_account_find(p->conf, p->account, strlen(p->account));
	char *pattern, *out;

	if (a == NULL)
		return plan_client(p, set);
	if (!conf_relay_allowed(a, p->host, strlen(p->host)))
		su_find(&p->found, SU_WRONG, "account", "%s:%u: account \"%s\" does not let tokens go to %s: add that "
		    "name to its \"relays\"", a->at.file, a->at.line, a->pattern, p->host);
	if (conf_uid_listed(&a->allow_users, p->uid) || conf_gid_listed(&a->allow_groups, p->gid))
		return strdup("");
	pattern = quoted(a->pattern);
	out = pattern == NULL ? NULL :
	    pf_text("accounts:\n  ", pattern, ":\n    allow_users: [", p->value[PF_OWNER], "]\n", NULL);
	free(pattern);
	return out;
}

/* Without a main file, the whole of it goes there: conf.d alone is not read. */
static bool plan_file(struct pf *p, const char *name, const char *text, struct su_set *out)
{
	const char *slash = strrchr(p->config, '/');
	char *folder = strndup(p->config, (size_t)(slash - p->config));
	char *dir = folder != NULL ? su_join(folder, "/conf.d", "") : NULL;
	char *path = p->conf == NULL ? strdup(p->config) : dir == NULL ? NULL : pf_text(dir, "/50-postfix-", name,
	    ".yaml", NULL);
	char *all = pf_text("# Written by \"mta-xoauth2 postfix enable\" for the Postfix in ", p->dir,
	    "; \"mta-xoauth2 postfix disable\" takes it back.\n", text, NULL);
	struct su_file before = { 0 };
	bool ok = path != NULL && all != NULL;

	if (ok)
		ok = pf_folder(out, p->conf == NULL ? folder : dir);
	if (ok && pf_read(p, path, &before)) {
		if (before.there)
			su_find(&p->found, SU_WRONG, "files", "%s is there already, and this tool has no record of "
			    "it: look what it is, and remove it", path);
		ok = pf_change(out, SU_FILE, path, "", &before, all, strlen(all), 0644);
		all = NULL;
	}
	free(folder);
	free(dir);
	free(path);
	free(all);
	return ok;
}

bool pf_plan_daemon(struct pf *p, const char *name, struct su_set *out)
{
	char *socket = plan_socket(p, name, out), *account = plan_account(p, out);
	char *text = socket != NULL && account != NULL ? su_join(socket, account, "") : NULL;
	bool ok = text != NULL && (*text == '\0' || plan_file(p, name, text, out));

	free(socket);
	free(account);
	free(text);
	return ok;
}
