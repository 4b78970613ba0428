#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tokend/cache.h"
#include "tokend/listen.h"
#include "tokend/notify.h"

#define BACKLOG 1024

bool listen_has(const struct listener *list, const char *path)
{
	for (; list != NULL; list = list->next)
		if (strcmp(list->path, path) == 0)
			return true;
	return false;
}

bool listen_wanted(const struct listener *list, const struct conf_listen *l)
{
	bool by_default = l->at.line == 0;

	for (; by_default && list != NULL; list = list->next)
		if (list->inherited)
			return false;
	return true;
}

void listen_protocols(struct listener *list, const struct conf *c)
{
	size_t i;

	for (; list != NULL; list = list->next) {
		for (i = 0; i < c->nlisten && strcmp(c->listen[i].path, list->path) != 0; i++)
			;
		list->protocol = i < c->nlisten ? c->listen[i].protocol : CONF_PROTOCOL_TOKEND;
	}
}

static enum mx_class add(struct listener **list, int fd, const char *path, bool inherited, struct mx_err *e)
{
	struct listener *l = calloc(1, sizeof *l), **at;

	if (l == NULL || (l->path = strdup(path)) == NULL) {
		free(l);
		return mx_fail(e, MX_TEMP, "no-memory", "no memory for a listening socket");
	}
	l->fd = fd;
	l->inherited = inherited;
	for (at = list; *at != NULL; at = &(*at)->next)
		;
	*at = l;
	return MX_OK;
}

enum mx_class listen_inherit(struct listener **list, int n, struct mx_err *e)
{
	int i, on, type;

	for (i = 0; i < n; i++) {
		struct sockaddr_un sa = { 0 };
		socklen_t len = sizeof sa - 1, l1 = sizeof on, l2 = sizeof type;
		int fd = NOTIFY_FD_FIRST + i;
		enum mx_class cls;

		if (strcmp(notify_fd_name(i), CACHE_FD_NAME) == 0)
			continue;
		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &l1) == -1 || on == 0 ||
		    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &l2) == -1 || type != SOCK_STREAM ||
		    getsockname(fd, (struct sockaddr *)&sa, &len) == -1 || sa.sun_family != AF_UNIX ||
		    fcntl(fd, F_SETFL, O_NONBLOCK) == -1)
			return mx_fail(e, MX_CONFIG, "bad-handed-socket", "descriptor %d handed over by systemd is no "
			    "listening UNIX stream socket; use ListenStream= with a path in the socket unit", fd);
		if ((cls = add(list, fd, sa.sun_path, true, e)) != MX_OK)
			return cls;
	}
	return MX_OK;
}

/* Makes the directories above path that are missing. Below /run they belong to the daemon, which cleans up there. */
static enum mx_class make_dirs(const char *path, uid_t uid, gid_t gid, struct mx_err *e)
{
	char dir[sizeof ((struct sockaddr_un *)0)->sun_path];
	bool runtime = strncmp(path, "/run/", 5) == 0 || strncmp(path, "/var/run/", 9) == 0;
	char *p;

	snprintf(dir, sizeof dir, "%s", path);
	for (p = dir + 1; (p = strchr(p, '/')) != NULL; p++) {
		*p = '\0';
		if (mkdir(dir, 0755) == 0) {
			if (chmod(dir, 0755) == -1 || (runtime && geteuid() == 0 && chown(dir, uid, gid) == -1))
				return mx_fail(e, MX_CONFIG, "socket-directory", "%s: %s", dir, strerror(errno));
		} else if (errno != EEXIST) {
			return mx_fail(e, MX_CONFIG, "socket-directory", "the directory %s for the socket %s cannot be made "
			    "(%s); make it, or start the daemon as root or by systemd", dir, path, strerror(errno));
		}
		*p = '/';
	}
	return MX_OK;
}

/* Somebody answers there? A file that is no socket is never touched. */
static enum mx_class check_old(const char *path, struct mx_err *e)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct stat st;
	int fd, r;

	if (lstat(path, &st) == -1)
		return errno == ENOENT ? MX_OK : mx_fail(e, MX_CONFIG, "socket-path", "%s: %s", path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return mx_fail(e, MX_CONFIG, "socket-path", "%s exists and is no socket; it is left alone: remove it or "
		    "choose another path", path);
	memcpy(sa.sun_path, path, strlen(path) + 1);
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) == -1)
		return mx_fail(e, MX_TEMP, "socket", "socket: %s", strerror(errno));
	r = connect(fd, (struct sockaddr *)&sa, sizeof sa) == -1 ? errno : 0;
	close(fd);
	if (r == 0 || r == EAGAIN || r == EINPROGRESS)
		return mx_fail(e, MX_CONFIG, "socket-in-use", "another daemon is listening on %s; stop it first", path);
	if (r != ECONNREFUSED)
		return mx_fail(e, MX_CONFIG, "socket-path", "%s: %s", path, strerror(r));
	return MX_OK;
}

static enum mx_class owner_of(const struct conf_listen *l, const char *user, uid_t *uid, gid_t *gid,
    struct mx_err *e)
{
	const struct passwd *pw = getpwnam(l->owner != NULL ? l->owner : user);
	const struct group *gr;

	*uid = geteuid();
	*gid = getegid();
	if (geteuid() != 0 && l->owner == NULL && l->group == NULL)
		return MX_OK;
	if (pw == NULL)
		return mx_fail(e, MX_CONFIG, "unknown-user", "there is no user \"%s\" to own the socket %s",
		    l->owner != NULL ? l->owner : user, l->path);
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	if (l->group != NULL) {
		if ((gr = getgrnam(l->group)) == NULL)
			return mx_fail(e, MX_CONFIG, "unknown-group", "there is no group \"%s\" to own the socket %s",
			    l->group, l->path);
		*gid = gr->gr_gid;
	}
	return MX_OK;
}

enum mx_class listen_make(struct listener **list, const struct conf_listen *l, const char *user,
    struct mx_err *e)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	enum mx_class cls;
	struct stat st;
	struct listener *mine;
	uid_t uid;
	gid_t gid;
	int fd = -1, n;

	if (listen_has(*list, l->path))
		return MX_OK;
	n = snprintf(sa.sun_path, sizeof sa.sun_path, "%s~", l->path);
	if (n < 0 || (size_t)n >= sizeof sa.sun_path)
		return mx_fail(e, MX_CONFIG, "socket-path-too-long", "the socket's path %s is longer than %zu bytes",
		    l->path, sizeof sa.sun_path - 2);
	if ((cls = owner_of(l, user, &uid, &gid, e)) != MX_OK ||
	    (cls = make_dirs(l->path, uid, gid, e)) != MX_OK || (cls = check_old(l->path, e)) != MX_OK)
		return cls;
	(void)unlink(sa.sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1 || bind(fd, (struct sockaddr *)&sa, sizeof sa) == -1 || listen(fd, BACKLOG) == -1 ||
	    chmod(sa.sun_path, l->mode) == -1 ||
	    ((uid != geteuid() || gid != getegid()) && lchown(sa.sun_path, uid, gid) == -1) ||
	    lstat(sa.sun_path, &st) == -1 || rename(sa.sun_path, l->path) == -1) {
		cls = mx_fail(e, MX_CONFIG, "socket-not-made", "the socket %s cannot be made (%s); its directory must be "
		    "writable for the user the daemon starts as", l->path, strerror(errno));
		goto out;
	}
	if ((cls = add(list, fd, l->path, false, e)) != MX_OK)
		goto out;
	fd = -1;
	for (mine = *list; mine->next != NULL; mine = mine->next)
		;
	mine->dev = st.st_dev;
	mine->ino = st.st_ino;
out:
	if (fd != -1) {
		close(fd);
		(void)unlink(sa.sun_path);
	}
	return cls;
}

void listen_close(struct listener *l)
{
	struct stat st;

	if (l->ev != NULL)
		event_free(l->ev);
	if (!l->inherited && lstat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
		(void)unlink(l->path);		/* not another daemon's that took its place */
	close(l->fd);
	free(l->path);
	free(l);
}

void listen_close_all(struct listener **list)
{
	while (*list != NULL) {
		struct listener *l = *list;

		*list = l->next;
		listen_close(l);
	}
}
