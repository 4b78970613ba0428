/*
 * The store belongs to the daemon's user, and what that one cannot read or write is of no use: so root acts as that
 * user, but for the talk with the daemon, which knows root.
 */
#include "config.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "ctl/login.h"
#include "ctl/out.h"
#include "oauth/refresh_file.h"

#define BEYOND_MS 30000		/* a renewal by the daemon takes what its request may (timeout), and some seconds to store */
#define AGAIN_MS 200

int login_user_become(const struct login *l)
{
	const char *user = l->conf->user;
	const struct passwd *pw = getpwnam(user);

	if (pw == NULL) {
		out_error("there is no user \"%s\", as which the daemon would run and whose file the refresh token "
		    "would be; make it: useradd --system --no-create-home --shell /usr/sbin/nologin %s", user, user);
		return CTL_CONFIG;
	}
	if (pw->pw_uid == geteuid())
		return CTL_FINE;
	if (geteuid() != 0) {
		out_error("the refresh token is to be a file of the daemon's user, \"%s\": run this as root, or as "
		    "that user (sudo -u %s mta-xoauth2 login %s)", user, user, l->call->arg);
		return CTL_CONFIG;
	}
	if (initgroups(user, pw->pw_gid) == -1 || setegid(pw->pw_gid) == -1 || seteuid(pw->pw_uid) == -1) {
		out_error("cannot act as user \"%s\" (%s)", user, strerror(errno));
		return CTL_TEMP;
	}
	return CTL_FINE;
}

void login_user_back(void)
{
	if (geteuid() == getuid())
		return;
	if (seteuid(getuid()) == -1 || setegid(getgid()) == -1)
		/* the daemon will not know us, and say so */
		out_error("cannot act as root again (%s)", strerror(errno));
}

/* The daemon holds the lock while it renews its token, and no longer. */
static enum mx_class lock(struct login *l, struct oauth_refresh_lock **k, struct mx_err *e)
{
	const uint64_t end = mx_boot_ms() + l->oc->timeout_ms + BEYOND_MS;
	enum mx_class cls;

	while ((cls = oauth_refresh_lock(l->oc->refresh_token_file, k, e)) == MX_TEMP &&
	    strcmp(e->code, "refresh-token-busy") == 0 && mx_boot_ms() < end &&
	    login_sleep(l, mx_boot_ms() + AGAIN_MS, 0, NULL))
		;
	return cls;
}

int login_store_ready(struct login *l)
{
	const char *path = l->oc->refresh_token_file;
	struct oauth_refresh_lock *k = NULL;
	struct mx_err e;
	enum mx_class cls = lock(l, &k, &e);

	if (cls == MX_OK)
		cls = oauth_refresh_prepare(k, &e);
	oauth_refresh_unlock(k);
	if (cls == MX_OK)
		return CTL_FINE;
	if (login_signal != 0)
		return LOGIN_STOPPED;
	if (strcmp(e.code, "refresh-token-missing") == 0)	/* of the lock: its folder is */
		out_error("client \"%s\": the folder for %s does not exist; make it: install -d -o %s -m 700 %.*s",
		    l->oc->name, path, l->conf->user, (int)(strrchr(path, '/') - path), path);
	else
		out_error("client \"%s\": %s; nothing was asked of the provider", l->oc->name, e.text);
	return mx_class_info(cls)->exit_code;
}

int login_store(struct login *l)
{
	struct oauth_refresh_lock *k = NULL;
	struct mx_err e;
	enum mx_class cls = lock(l, &k, &e);

	if (cls == MX_OK && (cls = oauth_refresh_prepare(k, &e)) == MX_OK)
		cls = oauth_refresh_replace(k, &l->t.refresh_token, (uid_t)-1, (gid_t)-1, &e);
	oauth_refresh_unlock(k);
	if (cls == MX_OK)
		return CTL_FINE;
	if (login_signal != 0)
		return LOGIN_STOPPED;
	out_error("client \"%s\": the provider agreed, but its refresh token cannot be stored and is lost: %s; mend "
	    "that and run this again", l->oc->name, e.text);
	return mx_class_info(cls)->exit_code;
}
