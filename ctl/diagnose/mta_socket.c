/*
 * The daemon's socket, as the mail server's user has it, in its chroot.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/client.h"
#include "common/clock.h"
#include "ctl/diagnose/mta.h"

#define PING_MS 3000
#define DROP_IN MX_SYSCONFDIR "/systemd/system/mta-xoauth2-tokend.socket.d"

/* The first part of the way that the user may not pass, by its mode; owned, NULL: all of it may be. */
static char *closed(const char *path, uid_t uid, gid_t gid)
{
	char *part = strdup(path), *slash = part;
	struct stat st;

	while (part != NULL && slash != NULL && (slash = strchr(slash + 1, '/')) != NULL) {
		*slash = '\0';
		if (stat(part, &st) == -1)
			break;
		if (((st.st_uid == uid ? st.st_mode >> 6 : st.st_gid == gid ? st.st_mode >> 3 : st.st_mode) & 1) == 0)
			return part;
		*slash = '/';
	}
	free(part);
	return NULL;
}

/* The command that has the daemon listen there too. */
static void tell_command(struct dg_walk *w, const char *outside, const char *folder)
{
	const char *slash = strrchr(w->config, '/');
	char text[1000];
	int n;

	if (!su_plain_path(outside))
		return;
	if (su_socket_unit())
		n = snprintf(text, sizeof text, "mkdir -p " DROP_IN " && printf '[Socket]\\nListenStream=%s\\n' >" DROP_IN
		    "/postfix.conf && systemctl daemon-reload && systemctl stop mta-xoauth2-tokend.service && systemctl restart "
		    "mta-xoauth2-tokend.socket", outside);
	else
		n = snprintf(text, sizeof text, "install -d -m 775 -g %s %s && mkdir -p %.*s/conf.d && printf 'listen:\\n  - path: "
		    "%s\\n' >%.*s/conf.d/50-postfix-socket.yaml && mta-xoauth2 reload", w->conf->user, folder,
		    (int)(slash - w->config), w->config, outside, (int)(slash - w->config), w->config);
	dg_value(w, "make_socket", n > 0 && (size_t)n < sizeof text ? text : NULL);
}

/* Why there is no answer, by what stands at the path. */
static void say_why(struct dg_walk *w, const char *outside, const struct mx_err *e)
{
	const bool jailed = w->asker.root != NULL;
	const char *slash = strrchr(outside, '/');
	char *shut, *folder = slash != NULL ? strndup(outside, (size_t)(slash - outside)) : NULL;
	struct stat st;

	dg_value(w, "daemon_socket", w->socket);
	dg_value(w, "socket", outside);
	dg_value(w, "folder", folder);
	dg_value(w, "user", w->asker.user);
	if (jailed && folder != NULL)
		tell_command(w, outside, folder);
	if (*w->asker.socket != '/') {
		dg_broken(w, "socket-elsewhere", "the mail server asks at %s, which is no absolute path", w->asker.socket);
	} else if (stat(outside, &st) == -1 && errno == ENOENT) {
		if (jailed)
			dg_broken(w, "socket-not-in-chroot", "smtp(8) runs in the chroot %s and asks at %s, and there is no %s",
			    w->asker.root, w->asker.socket, outside);
		else
			dg_broken(w, "socket-elsewhere", "the mail server asks at %s, where nothing is; the daemon answers at %s",
			    outside, w->socket);
	} else if (strcmp(e->code, "socket-forbidden") == 0 &&
	    (shut = closed(outside, w->asker.uid, w->asker.gid)) != NULL) {
		dg_value(w, "folder", shut);
		dg_broken(w, "socket-way-closed", "user %s may not pass %s by its mode, on the way to %s", w->asker.user, shut,
		    outside);
		free(shut);
	} else if (strcmp(e->code, "socket-forbidden") == 0 && (st.st_mode & 02) == 0) {
		dg_broken(w, "socket-mode", "user %s may not write to %s, whose mode is %04o", w->asker.user, outside,
		    (unsigned)(st.st_mode & 07777));
	} else if (strcmp(e->code, "socket-unreachable") == 0) {
		dg_broken(w, jailed ? "socket-dead-in-chroot" : "socket-elsewhere", "nothing listens at %s, which was left by a "
		    "process that has ended; the daemon answers at %s", outside, w->socket);
	} else {
		dg_broken_err(w, e);
	}
	free(folder);
}

void dg_mta_socket(struct dg_walk *w)
{
	const struct su_question q = { .verb = MX_VERB_PING, .deadline_ms = mx_now_ms() + PING_MS,
		.retry_ms = MX_RETRY_MS };
	char *outside;
	uint64_t left;
	struct mx_err e;

	if (w->asker.user == NULL) {
		dg_skip(w, "no mail server is looked at");
		return;
	}
	if (geteuid() != 0 && geteuid() != w->asker.uid) {
		dg_skip(w, "only root can ask as %s", w->asker.user);
		dg_unknown(w, "whether user %s reaches %s: run this as root", w->asker.user, w->asker.socket);
		return;
	}
	if (geteuid() != 0 && w->asker.root != NULL) {
		dg_skip(w, "only root can look into the chroot");
		return;
	}
	if (su_ask(&w->asker, &q, NULL, &left, &e) == MX_OK) {
		dg_ok(w, "the daemon answers %s at %s%s%s", w->asker.user, w->asker.socket,
		    w->asker.root != NULL ? " in the chroot " : "", w->asker.root != NULL ? w->asker.root : "");
		return;
	}
	if ((outside = su_join(w->asker.root != NULL ? w->asker.root : "", w->asker.socket, "")) == NULL)
		w->no_memory = true;
	else
		say_why(w, outside, &e);
	free(outside);
}
