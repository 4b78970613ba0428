/*
 * Secrets that this host has in files. They are read so that they can be told from anything else, wherever they turn up.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/secret.h"
#include "ctl/report/report.h"

#define SECRET_MAX 65536u
#define DENSE 40		/* bytes in a row, of what keys and signatures are written in */

char *rp_read(const char *path, size_t max, bool tail, size_t *n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), err;
	char *text = NULL;
	struct stat st;
	ssize_t got = 1;

	*n = 0;
	if (fd == -1)
		return NULL;
	if (fstat(fd, &st) == -1)
		goto out;
	if (!S_ISREG(st.st_mode)) {
		errno = EINVAL;
		goto out;
	}
	if (tail && st.st_size > (off_t)max && lseek(fd, st.st_size - (off_t)max, SEEK_SET) == -1)
		goto out;
	if ((text = malloc(max + 1)) == NULL)
		goto out;
	while (*n < max && (got = read(fd, text + *n, max - *n)) != 0) {
		if (got > 0)
			*n += (size_t)got;
		else if (errno != EINTR)
			break;
	}
	text[*n] = '\0';
	if (got < 0) {
		err = errno;
		free(text);
		text = NULL;
		errno = err;
	}
out:
	err = errno;
	close(fd);
	errno = err;
	return text;
}

/* The runs of a PEM or JSON file that are no words of the format. */
static void dense(struct rp *r, const char *s, size_t n)
{
	size_t i = 0, len;

	while (i < n) {
		for (len = 0; i + len < n && ((s[i + len] >= '0' && s[i + len] <= '9') || (s[i + len] >= 'A' && s[i + len] <= 'Z') ||
		    (s[i + len] >= 'a' && s[i + len] <= 'z') || (s[i + len] != '\0' && strchr("+/=_-", s[i + len]) != NULL)); len++)
			;
		if (len >= DENSE)
			rp_known(r, s + i, len);
		i += len + 1;
	}
}

void rp_secret_file(struct rp *r, const char *path)
{
	struct mx_secret s = { 0 };
	ssize_t got;
	int fd;

	if (!rp_first_time(r, path))
		return;
	if (!rp_known_room(r)) {
		r->beyond += access(path, F_OK) == 0;
		return;
	}
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) == -1) {
		r->unread += errno != ENOENT && errno != ENOTDIR;
		return;
	}
	if (!mx_secret_alloc(&s, SECRET_MAX)) {
		r->no_memory = true;
		close(fd);
		return;
	}
	while (s.len < s.cap && (got = read(fd, s.p + s.len, s.cap - s.len)) > 0)
		s.len += (size_t)got;
	close(fd);
	while (s.len > 0 && (s.p[s.len - 1] == '\n' || s.p[s.len - 1] == '\r'))
		s.len--;
	r->secrets += s.len > 0;
	if (s.len > 0 && (*s.p == '{' || memmem(s.p, s.len, "-----BEGIN", 10) != NULL))
		dense(r, (const char *)s.p, s.len);
	else
		rp_known(r, s.p, s.len);
	mx_secret_free(&s);
}
