#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "ctl/setup/file.h"

char *su_join(const char *a, const char *b, const char *c)
{
	size_t x = strlen(a), y = strlen(b), z = strlen(c);
	char *p = malloc(x + y + z + 1);

	if (p == NULL)
		return NULL;
	memcpy(p, a, x);
	memcpy(p + x, b, y);
	memcpy(p + x + y, c, z + 1);
	return p;
}

static int fill(int fd, size_t size, struct su_file *f)
{
	ssize_t got = 1;

	if (size > SU_FILE_MAX)
		return EFBIG;
	if ((f->p = malloc(size + 2)) == NULL)		/* one more, to notice that it grows */
		return ENOMEM;
	while (f->n <= size && got != 0) {
		got = read(fd, f->p + f->n, size + 1 - f->n);
		if (got > 0)
			f->n += (size_t)got;
		else if (got < 0 && errno != EINTR)
			return errno;
	}
	f->p[f->n] = '\0';
	return f->n > size ? EBUSY : 0;
}

int su_file_read(const char *path, struct su_file *f)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), err = 0;
	struct stat st;

	*f = (struct su_file){ 0 };
	if (fd == -1)
		return errno == ENOENT ? 0 : errno;
	if (fstat(fd, &st) == -1)
		err = errno;
	else if (!S_ISREG(st.st_mode))
		err = EINVAL;
	else
		err = fill(fd, (size_t)st.st_size, f);
	close(fd);
	if (err == 0) {
		f->there = true;
		f->mode = st.st_mode & 07777;
		f->uid = st.st_uid, f->gid = st.st_gid;
	}
	return err;
}

void su_file_free(struct su_file *f)
{
	mx_wipe(f->p, f->p != NULL ? f->n : 0);
	free(f->p);
	*f = (struct su_file){ 0 };
}

bool su_file_copy(struct su_file *to, const struct su_file *from)
{
	*to = *from;
	if (from->p == NULL)
		return true;
	if ((to->p = malloc(from->n + 1)) == NULL) {
		*to = (struct su_file){ 0 };
		return false;
	}
	memcpy(to->p, from->p, from->n);
	to->p[from->n] = '\0';
	return true;
}

bool su_file_bytes_equal(const struct su_file *x, const struct su_file *y)
{
	return x->there == y->there && x->n == y->n && (x->n == 0 || memcmp(x->p, y->p, x->n) == 0);
}

bool su_file_equal(const struct su_file *x, const struct su_file *y)
{
	return su_file_bytes_equal(x, y) &&
	    (!x->there || (x->mode == y->mode && x->uid == y->uid && x->gid == y->gid));
}

int su_sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = strndup(path, slash != NULL && slash > path ? (size_t)(slash - path) : 1);
	int fd, err = 0;

	if (dir == NULL)
		return ENOMEM;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 || fsync(fd) == -1)
		err = errno;
	if (fd != -1)
		close(fd);
	free(dir);
	return err;
}

static int write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t put = write(fd, p, n);

		if (put < 0 && errno != EINTR)
			return errno;
		if (put > 0)
			p += put, n -= (size_t)put;
	}
	return 0;
}

static int put_temp(const char *temp, const struct su_file *f)
{
	int fd, err;

	if (unlink(temp) == -1 && errno != ENOENT)
		return errno;
	if ((fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)) == -1)
		return errno;
	err = write_all(fd, f->p, f->n);
	if (err == 0 && (fchown(fd, f->uid, f->gid) == -1 || fchmod(fd, f->mode) == -1 || fsync(fd) == -1))
		err = errno;
	if (close(fd) == -1 && err == 0)
		err = errno;
	return err;
}

int su_file_clear(const char *path)
{
	char *temp = su_join(path, SU_TEMP, "");
	int err = temp == NULL ? ENOMEM : 0;

	/* Looked for first: a file system that is read-only refuses to remove even what is not there. */
	if (temp != NULL && access(temp, F_OK) == 0 && unlink(temp) == -1)
		err = errno;
	free(temp);
	return err;
}

int su_file_put(const char *path, const struct su_file *f)
{
	char *temp = su_join(path, SU_TEMP, "");
	int err = 0;

	if (temp == NULL)
		return ENOMEM;
	if (!f->there) {
		if ((unlink(path) == -1 && errno != ENOENT) || (unlink(temp) == -1 && errno != ENOENT))
			err = errno;
	} else if ((err = put_temp(temp, f)) != 0 || rename(temp, path) == -1) {
		err = err != 0 ? err : errno;
		(void)unlink(temp);
	}
	free(temp);
	return err != 0 ? err : su_sync_folder(path);
}

int su_make_folders(const char *path, mode_t mode)
{
	char *p = strdup(path), *slash;
	int err = p == NULL ? ENOMEM : 0;

	for (slash = p; err == 0 && (slash = strchr(slash + 1, '/')) != NULL; *slash = '/') {
		*slash = '\0';
		if (mkdir(p, 0755) == -1 && errno != EEXIST)
			err = errno;
	}
	if (err == 0 && mkdir(p, mode) == -1 && errno != EEXIST)
		err = errno;
	free(p);
	return err != 0 ? err : su_sync_folder(path);
}

int su_remove_folder(const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *e;
	int err = 0;

	if (d == NULL)
		return errno == ENOENT ? 0 : errno;
	while (err == 0 && (e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		    unlinkat(dirfd(d), e->d_name, 0) == -1)
			err = errno;
	closedir(d);
	if (err == 0 && rmdir(path) == -1)
		err = errno;
	return err;
}
