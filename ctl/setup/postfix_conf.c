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
/* Where systemd looks, whatever prefix this was built with. */
#define DROP_INS "/etc/systemd/system/mta-xoauth2-tokend.socket.d"

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
	if (!su_socket_unit())
		return plan_folders(p, p->conf != NULL ? p->conf->user : MX_USER, out) ?
		    su_concat("listen:\n  - path: ", p->outside, "\n", NULL) : NULL;
	path = su_concat(DROP_INS "/postfix-", name, ".conf", NULL);
	text = su_concat("[Socket]\nListenStream=", p->outside, "\n", NULL);
	ok = path != NULL && text != NULL && plan_folders(p, NULL, out);
	if (ok && su_folder(out, DROP_INS) && su_read(&p->found, path, &before)) {
		ok = su_change_to(out, SU_FILE, path, "", &before, text, strlen(text), 0644);
		text = NULL;
	}
	free(path);
	free(text);
	return ok ? strdup("") : NULL;
}

/* Nobody has an account for it yet: by --tenant and its companions, by sasl-xoauth2, or not at all. */
static char *plan_client(struct pf *p, struct su_set *out)
{
	char *token_file = p->c->tenant == NULL ? pf_mapped_path(p) : NULL, *text = NULL;
	struct su_client k = { 0 };

	if ((p->c->tenant != NULL || token_file != NULL) && su_client_taken(&p->job, p->conf, p->account)) {
		text = strdup("");
	} else if (p->c->tenant != NULL || token_file != NULL) {
		if (p->c->tenant != NULL ? su_client_given(p->c, &k) : pf_take_over(p, token_file, &k, out))
			text = su_client_text(&k, p->account, p->value[PF_OWNER]);
	} else {
		if (p->conf != NULL)
			su_find_no_account(&p->job, p->account);
		text = strdup("");
	}
	su_client_free(&k);
	free(token_file);
	return text;
}

/* Text that lets the mail server's user have the account's token; "" when it may. */
static char *plan_account(struct pf *p, struct su_set *set)
{
	const struct conf_account *a = p->conf == NULL ? NULL :
	    conf_account_find(p->conf, p->account, strlen(p->account));

	return a == NULL ? plan_client(p, set) : su_leave(&p->job, a, p->host, p->value[PF_OWNER], p->uid, p->gid);
}

bool pf_plan_daemon(struct pf *p, const char *name, struct su_set *out)
{
	char *socket = plan_socket(p, name, out), *account = plan_account(p, out);
	char *text = socket != NULL && account != NULL ? su_join(socket, account, "") : NULL;
	bool ok = text != NULL && (*text == '\0' || su_conf_file(&p->job, p->conf == NULL, text, out));

	free(socket);
	free(account);
	free(text);
	return ok;
}
