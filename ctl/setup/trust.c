#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "ctl/setup/file.h"
#include "ctl/setup/trust.h"

#ifdef O_PATH
#define LOOK (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)	/* needs no leave to read it */
#else
#define LOOK (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#endif

static int fail(int err, const char *what, const char *path, const char *next, char why[SU_WHY])
{
	struct mx_buf b;

	mx_buf_init(&b, why, SU_WHY);
	mx_buf_addf(&b, "%s %s%s%s", path, what, *next != '\0' ? ": " : "", next);
	if (mx_buf_str(&b) == NULL)
		(void)snprintf(why, SU_WHY, "a folder %s", what);
	return err;
}

/* shared: of such a folder as /tmp, where each may remove only what is his. */
static bool ours(const struct stat *st, bool shared)
{
	const bool others = (st->st_mode & S_IWOTH) != 0 || ((st->st_mode & S_IWGRP) != 0 && st->st_gid != 0);

	return S_ISDIR(st->st_mode) && (st->st_uid == 0 || st->st_uid == geteuid()) &&
	    (!others || (shared && (st->st_mode & S_ISVTX) != 0));
}

/* The part that is there, without symbolic links, and the rest behind it. NULL: errno. */
static char *resolved(const char *path)
{
	char *here = *path != '/' ? realpath(".", NULL) : NULL, *whole, *head, *real = NULL, *out;
	size_t n;

	whole = *path == '/' ? strdup(path) : here != NULL ? su_join(here, "/", path) : NULL;
	head = whole != NULL ? strdup(whole) : NULL;
	for (n = head != NULL ? strlen(head) : 0; head != NULL; head[n] = '\0') {
		if ((real = realpath(n == 0 ? "/" : head, NULL)) != NULL || errno != ENOENT || n == 0)
			break;
		while (n > 0 && head[--n] != '/')
			;
	}
	out = real != NULL ? su_join(strcmp(real, "/") == 0 && whole[n] == '/' ? "" : real, whole + n, "") : NULL;
	free(here);
	free(whole);
	free(head);
	free(real);
	return out;
}

/* The folder "at" ends with, in the folder of *fd; *fd becomes its. */
static int step(int *fd, const char *name, const char *at, bool make, bool last, char why[SU_WHY])
{
	struct stat st;
	int next, err;

	if (make && mkdirat(*fd, name, last ? 0700 : 0755) == -1 && errno != EEXIST) {
		err = errno;
		return fail(err, strerror(err), at, geteuid() != 0 ? "run this as root" : "it cannot be made", why);
	}
	if ((next = openat(*fd, name, LOOK)) == -1 && errno == ENOENT)
		return ENOENT;
	if (next == -1 && errno != ENOTDIR && errno != ELOOP) {
		err = errno;
		return fail(err, strerror(err), at, geteuid() != 0 ? "run this as root" : "it cannot be opened", why);
	}
	if (next == -1 || fstat(next, &st) == -1 || !ours(&st, !last)) {
		if (next != -1)
			close(next);
		return fail(EPERM, "is not a folder that belongs to the user who runs this and that nobody else may write to, "
		    "so what is in there could be anybody's", at, last ? "look who made it, and remove it" :
		    "name another one by --state, or mend its owner and mode", why);
	}
	close(*fd);
	*fd = next;
	return 0;
}

/* Each folder of the path, from / down. */
static int walk(char *path, bool make, char why[SU_WHY])
{
	int fd = open("/", LOOK), err = fd == -1 ? errno : 0;
	char *from = path, *end, c;

	while (err == 0 && *(from += strspn(from, "/")) != '\0') {
		end = from + strcspn(from, "/");
		c = *end;
		*end = '\0';
		err = step(&fd, from, path, make, end[c != '\0' ? strspn(end + 1, "/") + 1 : 0] == '\0', why);
		*end = c;
		from = end;
	}
	if (fd != -1)
		close(fd);
	return err;
}

int su_trust(const char *base, const char *name, bool make, char **path, char why[SU_WHY])
{
	char *real = resolved(base);
	int err;

	*why = '\0';
	*path = NULL;
	if (real == NULL || *real != '/') {
		err = real == NULL ? errno : EINVAL;
		free(real);
		return fail(err, strerror(err), base, "name another folder by --state", why);
	}
	*path = su_join(real, "/", name);
	free(real);
	if (*path == NULL)
		return fail(ENOMEM, strerror(ENOMEM), base, "", why);
	if ((err = walk(*path, make, why)) == 0 && make)
		err = su_sync_folder(*path);
	return err;
}

/* What is there under the name is what was looked at, or is put where it came from. */
static int moved(int old, int new, const char *name, const struct stat *seen)
{
	struct stat st;

	if (renameat(old, name, new, name) == -1)
		return errno;
	if (fstatat(new, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == seen->st_dev && st.st_ino == seen->st_ino)
		return 0;
	(void)renameat(new, name, old, name);
	return EBUSY;
}

int su_trust_adopt(const char *old, const char *new, const char *name, char why[SU_WHY])
{
	int from = open(old, LOOK), there = from != -1 ? openat(from, name, LOOK) : -1, to = -1, err = errno;
	char *path = NULL, *is = su_join(old, "/", name);
	struct stat st;

	*why = '\0';
	if (is == NULL)
		err = ENOMEM;
	else if (there == -1 && (err == ENOTDIR || err == ELOOP))
		err = fail(EPERM, "is no folder", is, "look who made it, and remove it", why);
	else if (there == -1 || su_trust(new, name, false, &path, why) != ENOENT)
		err = 0;	/* none, or not our business; what may be wrong with the new one is found next */
	else if (fstat(there, &st) == -1 || !ours(&st, false))
		err = fail(EPERM, "holds what an earlier version has kept, but somebody else may write to it", is,
		    "look who made it, and remove it", why);
	else if (mkdir(new, 0700) == -1 && errno != EEXIST)
		err = fail(errno, strerror(errno), new, "it cannot be made", why);
	else if ((to = open(new, LOOK)) == -1 || fstat(to, &st) == -1 || !ours(&st, false))
		err = fail(EPERM, "is not a folder of root alone", new, "look who made it, and remove it", why);
	else if (fstat(there, &st) == -1 || (err = moved(from, to, name, &st)) != 0)
		err = fail(err, "cannot be moved, as this version wants it", is, new, why);
	if (from != -1)
		close(from);
	if (there != -1)
		close(there);
	if (to != -1)
		close(to);
	free(path);
	free(is);
	return err;
}

int su_trust_kept(const char *state, const char *name, bool make, char **path, char why[SU_WHY])
{
	int err;

	*path = NULL;
	if (state == NULL && geteuid() == 0 && (err = su_trust_adopt(MX_STATEDIR, MX_SETUPDIR, name, why)) != 0)
		return err;
	return su_trust(state != NULL ? state : MX_SETUPDIR, name, make, path, why);
}
