#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "oauth/refresh_file.h"

#define LOCK_END ".lock"
#define NEW_END ".new"

struct oauth_refresh_lock {
	char *path, *lock, *fresh;	/* whole, for texts */
	const char *name, *lock_name, *fresh_name;	/* the ends of these, in the folder */
	int dir, fd, out;		/* -1: none; out: PATH.new */
	uid_t dir_uid;
	gid_t dir_gid;
};

bool oauth_refresh_ok(const void *p, size_t n)
{
	const unsigned char *s = p;

	for (size_t i = 0; i < n; i++)
		if (s[i] < 0x20 || s[i] > 0x7e)
			return false;
	return n > 0 && n <= OAUTH_REFRESH_MAX;
}

/* --- folder and lock ---------------------------------------------------------------------- */

static enum mx_class no_memory(const char *path, struct mx_err *e)
{
	return mx_fail(e, MX_TEMP, "no-memory", "no memory for the refresh token; look at the daemon's memory limit: "
	    "%s", path);
}

static enum mx_class missing(const char *path, struct mx_err *e)
{
	return mx_fail(e, MX_CONFIG, "refresh-token-missing", "there is no refresh token yet; run \"mta-xoauth2 login "
	    "ACCOUNT\", which stores one in %s", path);
}

static enum mx_class unwritable(const char *path, int err, struct mx_err *e)
{
	return mx_fail(e, MX_TEMP, "refresh-token-unwritable", "a new refresh token could not be stored (%s): make "
	    "room, or make the folder writable for the daemon's user, and restart the daemon if the folder is new to it; "
	    "the old one stays: %s", strerror(err), path);
}

static const char *base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

static char *joined(const char *path, const char *end)
{
	size_t n = strlen(path) + strlen(end) + 1;
	char *s = malloc(n);
	struct mx_buf b;

	if (s == NULL)
		return NULL;
	mx_buf_init(&b, s, n);
	mx_buf_adds(&b, path);
	mx_buf_adds(&b, end);
	(void)mx_buf_str(&b);
	return s;
}

static int open_dir(const char *path)
{
	const size_t n = (size_t)(base(path) - path);
	char *dir = n == 0 ? strdup(".") : strndup(path, n);
	int fd;

	if (dir == NULL)
		return -1;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(dir);
	return fd;
}

static enum mx_class take(struct oauth_refresh_lock *l, int tries, struct mx_err *e)
{
	const int flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	struct stat st, named;

	l->fd = openat(l->dir, l->lock_name, flags | O_CREAT | O_EXCL, 0600);
	if (l->fd != -1) {
		/* Root's lock would keep the daemon out for ever. */
		if (geteuid() == 0 && l->dir_uid != 0 && fchown(l->fd, l->dir_uid, l->dir_gid) == -1)
			return unwritable(l->lock, errno, e);
	} else if (errno != EEXIST || (l->fd = openat(l->dir, l->lock_name, flags)) == -1) {
		if (errno == ENOENT && tries > 1)
			return take(l, tries - 1, e);
		if (errno == ELOOP || errno == EISDIR || errno == ENXIO)
			goto wrong;
		return unwritable(l->lock, errno, e);
	}
	if (fstat(l->fd, &st) == -1)
		return unwritable(l->lock, errno, e);
	if (!S_ISREG(st.st_mode))
		goto wrong;
	if (flock(l->fd, LOCK_EX | LOCK_NB) == -1) {
		if (errno != EWOULDBLOCK)
			return unwritable(l->lock, errno, e);
		return mx_fail(e, MX_TEMP, "refresh-token-busy", "another process renews this refresh token just now; "
		    "it is tried again shortly: %s", l->path);
	}
	if (fstatat(l->dir, l->lock_name, &named, AT_SYMLINK_NOFOLLOW) == 0 && named.st_ino == st.st_ino &&
	    named.st_dev == st.st_dev)
		return MX_OK;
	close(l->fd);			/* somebody has removed it, and others would lock another one */
	l->fd = -1;
	if (tries > 1)
		return take(l, tries - 1, e);
	return unwritable(l->lock, ESTALE, e);
wrong:
	return mx_fail(e, MX_CONFIG, "refresh-token-lock", "%s is no plain file, and so no lock; remove it", l->lock);
}

enum mx_class oauth_refresh_lock(const char *path, struct oauth_refresh_lock **out, struct mx_err *e)
{
	struct oauth_refresh_lock *l = calloc(1, sizeof *l);
	enum mx_class cls = MX_OK;
	struct stat st;

	*out = NULL;
	if (l == NULL)
		return no_memory(path, e);
	l->dir = l->fd = l->out = -1;
	l->path = strdup(path);
	l->lock = joined(path, LOCK_END);
	l->fresh = joined(path, NEW_END);
	if (l->path == NULL || l->lock == NULL || l->fresh == NULL) {
		cls = no_memory(path, e);
		goto out;
	}
	l->name = base(l->path);
	l->lock_name = base(l->lock);
	l->fresh_name = base(l->fresh);
	if ((l->dir = open_dir(path)) == -1 || fstat(l->dir, &st) == -1) {
		cls = errno == ENOENT || errno == ENOTDIR ? missing(path, e) : unwritable(path, errno, e);
		goto out;
	}
	l->dir_uid = st.st_uid;
	l->dir_gid = st.st_gid;
	if ((cls = take(l, 3, e)) != MX_OK)
		goto out;
	/* Its writer is dead, for the lock is ours. What the place may hold of others' is seen by prepare. */
	if (unlinkat(l->dir, l->fresh_name, 0) == -1 && errno == EROFS)
		cls = unwritable(path, errno, e);
out:
	if (cls != MX_OK)
		oauth_refresh_unlock(l);
	else
		*out = l;
	return cls;
}

static void drop_new(struct oauth_refresh_lock *l)
{
	if (l->out == -1)
		return;
	close(l->out);
	l->out = -1;
	(void)unlinkat(l->dir, l->fresh_name, 0);
}

void oauth_refresh_unlock(struct oauth_refresh_lock *l)
{
	if (l == NULL)
		return;
	drop_new(l);
	if (l->fd != -1)
		close(l->fd);
	if (l->dir != -1)
		close(l->dir);
	free(l->path);
	free(l->lock);
	free(l->fresh);
	free(l);
}

/* --- the token as it is ------------------------------------------------------------------- */

static enum mx_class cannot_open(const char *path, int err, struct mx_err *e)
{
	switch (err) {
	case ENOENT:
	case ENOTDIR:
		return missing(path, e);
	case ELOOP:
		return mx_fail(e, MX_CONFIG, "refresh-token-symlink", "the refresh token's file is a symbolic link, "
		    "which cannot be replaced as a whole; name the file itself by refresh_token_file: %s", path);
	case ENXIO:
		return mx_fail(e, MX_CONFIG, "refresh-token-not-a-file", "the refresh token's file is a socket or a "
		    "pipe; remove it and run \"mta-xoauth2 login ACCOUNT\": %s", path);
	case EACCES:
	case EPERM:
		return mx_fail(e, MX_CONFIG, "refresh-token-unreadable", "the daemon's user may not read the refresh "
		    "token's file; chown it to that user, with mode 600, and let that user into the folders above: %s",
		    path);
	default:
		return mx_fail(e, MX_TEMP, "refresh-token-unreadable", "the refresh token's file cannot be read (%s); "
		    "look at the disk it is on, and at the daemon's limits: %s", strerror(err), path);
	}
}

static enum mx_class judge_file(const char *path, const struct stat *st, uid_t dir_uid, struct mx_err *e)
{
	if (!S_ISREG(st->st_mode))
		return mx_fail(e, MX_CONFIG, "refresh-token-not-a-file", "the refresh token's file is not a plain "
		    "file; remove it and run \"mta-xoauth2 login ACCOUNT\": %s", path);
	if (st->st_nlink > 1)
		return mx_fail(e, MX_CONFIG, "refresh-token-linked", "the refresh token's file has a second name, "
		    "under which an old token would live on; remove that one (find it with: find FOLDER -samefile "
		    "FILE): %s", path);
	if (st->st_uid != 0 && st->st_uid != geteuid() && (geteuid() != 0 || st->st_uid != dir_uid))
		return mx_fail(e, MX_CONFIG, "refresh-token-foreign", "the refresh token's file belongs to another "
		    "user (uid %lu), who may have put it there; if it is right, chown it to the daemon's user: %s",
		    (unsigned long)st->st_uid, path);
	if ((st->st_mode & 077) != 0)
		return mx_fail(e, MX_CONFIG, "refresh-token-exposed", "the refresh token's file is open to others "
		    "(mode %04o), who may have read it; chmod 600 it, and run \"mta-xoauth2 login ACCOUNT\" if anybody "
		    "could: %s", (unsigned)(st->st_mode & 07777), path);
	return MX_OK;
}

static enum mx_class judge_token(const char *path, struct mx_secret *s, struct mx_err *e)
{
	if (s->len > 0 && s->p[s->len - 1] == '\n')
		s->p[--s->len] = '\0';
	if (s->len == 0)
		return mx_fail(e, MX_CONFIG, "refresh-token-empty", "the refresh token's file is empty; run "
		    "\"mta-xoauth2 login ACCOUNT\": %s", path);
	if (s->len > OAUTH_REFRESH_MAX)
		return mx_fail(e, MX_CONFIG, "refresh-token-too-long", "the refresh token's file holds more than %d "
		    "bytes; it must hold the token alone: run \"mta-xoauth2 login ACCOUNT\": %s", OAUTH_REFRESH_MAX,
		    path);
	if (!oauth_refresh_ok(s->p, s->len))
		return mx_fail(e, MX_CONFIG, "refresh-token-malformed", "the refresh token's file holds something else "
		    "than one line of printable ASCII; run \"mta-xoauth2 login ACCOUNT\": %s", path);
	return MX_OK;
}

static enum mx_class read_at(int dir, const char *name, const char *path, uid_t dir_uid, struct mx_secret *out,
    struct mx_err *e)
{
	const size_t max = OAUTH_REFRESH_MAX + 2;	/* a newline, and a byte that shows that it is too long */
	struct mx_secret s = { 0 };
	enum mx_class cls;
	struct stat st;
	ssize_t n = 1;
	int fd;

	*out = (struct mx_secret){ 0 };
	if ((fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) == -1 ||
	    fstat(fd, &st) == -1) {
		cls = cannot_open(path, errno, e);
		goto out;
	}
	if ((cls = judge_file(path, &st, dir_uid, e)) != MX_OK)
		goto out;
	if (!mx_secret_alloc(&s, max + 1)) {
		cls = no_memory(path, e);
		goto out;
	}
	while (n != 0 && s.len < max) {
		n = read(fd, s.p + s.len, max - s.len);
		if (n > 0) {
			s.len += (size_t)n;
		} else if (n == -1 && errno != EINTR) {
			cls = cannot_open(path, errno, e);
			goto out;
		}
	}
	s.p[s.len] = '\0';
	if ((cls = judge_token(path, &s, e)) == MX_OK)
		mx_secret_move(out, &s);
out:
	if (fd != -1)
		close(fd);
	mx_secret_free(&s);
	return cls;
}

enum mx_class oauth_refresh_read(struct oauth_refresh_lock *l, struct mx_secret *out, struct mx_err *e)
{
	return read_at(l->dir, l->name, l->path, l->dir_uid, out, e);
}

enum mx_class oauth_refresh_peek(const char *path, struct mx_secret *out, struct mx_err *e)
{
	int dir = open_dir(path);
	enum mx_class cls;
	struct stat st;

	*out = (struct mx_secret){ 0 };
	if (dir == -1 || fstat(dir, &st) == -1)
		cls = cannot_open(path, errno, e);
	else
		cls = read_at(dir, base(path), path, st.st_uid, out, e);
	if (dir != -1)
		close(dir);
	return cls;
}

/* --- its successor ------------------------------------------------------------------------ */

/* Where the file system has no way to claim room, zeros do. Returns errno, or 0. */
static int claim(int fd, size_t n)
{
	static const char zeros[1024];
	int err = posix_fallocate(fd, 0, (off_t)n);
	ssize_t k;

	if (err != EOPNOTSUPP && err != EINVAL && err != ENOSYS)
		return err;
	for (size_t done = 0; done < n; done += (size_t)k) {
		k = pwrite(fd, zeros, n - done < sizeof zeros ? n - done : sizeof zeros, (off_t)done);
		if (k == 0)
			return ENOSPC;
		if (k == -1 && errno != EINTR)
			return errno;
		if (k == -1)
			k = 0;
	}
	return 0;
}

enum mx_class oauth_refresh_prepare(struct oauth_refresh_lock *l, struct mx_err *e)
{
	int err = 0;

	drop_new(l);
	if (unlinkat(l->dir, l->fresh_name, 0) == -1 && errno != ENOENT)
		return unwritable(l->fresh, errno, e);
	l->out = openat(l->dir, l->fresh_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (l->out == -1)
		return unwritable(l->path, errno, e);
	if ((err = claim(l->out, OAUTH_REFRESH_MAX + 1)) == 0 && fsync(l->out) == -1)
		err = errno;
	if (err == 0)
		return MX_OK;
	drop_new(l);
	return unwritable(l->path, err, e);
}

static bool write_all(int fd, const unsigned char *p, size_t n, off_t at)
{
	ssize_t k;

	while (n > 0) {
		k = pwrite(fd, p, n, at);
		if (k == 0)
			errno = ENOSPC;
		if (k == 0 || (k == -1 && errno != EINTR))
			return false;
		if (k > 0)
			p += k, n -= (size_t)k, at += k;
	}
	return true;
}

enum mx_class oauth_refresh_replace(struct oauth_refresh_lock *l, const struct mx_secret *token, uid_t uid, gid_t gid,
    struct mx_err *e)
{
	enum mx_class cls;
	int err;

	if (!oauth_refresh_ok(token->p, token->len))
		return mx_fail(e, MX_CONFIG, "refresh-token-malformed", "the new refresh token is empty, too long, or "
		    "not of printable ASCII characters, and is not stored; the old one stays: %s", l->path);
	if (l->out == -1 && (cls = oauth_refresh_prepare(l, e)) != MX_OK)
		return cls;
	if (!write_all(l->out, token->p, token->len, 0) || !write_all(l->out, (const unsigned char *)"\n", 1,
	    (off_t)token->len) || ftruncate(l->out, (off_t)token->len + 1) == -1 ||
	    ((uid != (uid_t)-1 || gid != (gid_t)-1) && fchown(l->out, uid, gid) == -1) || fsync(l->out) == -1 ||
	    renameat(l->dir, l->fresh_name, l->dir, l->name) == -1) {
		/* What a failed fsync left is not to be trusted: the next try begins with another file. */
		err = errno;
		drop_new(l);
		return unwritable(l->path, err, e);
	}
	close(l->out);
	l->out = -1;
	return fsync(l->dir) == -1 ? unwritable(l->path, errno, e) : MX_OK;
}
