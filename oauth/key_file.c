#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "oauth/key_file.h"

#define FILE_MAX ((size_t)64 * 1024)	/* bytes: a key and a long chain of certificates */

const struct key_kind key_kind_key = {
	.noun = "key file",
	.secret = true,
	.missing = { MX_CONFIG, "key-missing" },
	.unreadable = { MX_CONFIG, "key-unreadable" },
	.busy = { MX_TEMP, "key-unreadable" },
	.open_to_all = { MX_CONFIG, "key-world-readable" },
	.malformed = { MX_CONFIG, "key-malformed" },
};

const struct key_kind key_kind_service_account = {
	.noun = "service account file",
	.secret = true,
	.missing = { MX_CONFIG, "service-account-missing" },
	.unreadable = { MX_CONFIG, "service-account-unreadable" },
	.busy = { MX_TEMP, "service-account-unreadable" },
	.open_to_all = { MX_CONFIG, "service-account-world-readable" },
	.malformed = { MX_CONFIG, "service-account-malformed" },
};

/* Anybody may read a certificate. */
const struct key_kind key_kind_certificate = {
	.noun = "certificate file",
	.missing = { MX_CONFIG, "certificate-missing" },
	.unreadable = { MX_CONFIG, "certificate-unreadable" },
	.busy = { MX_TEMP, "certificate-unreadable" },
	.malformed = { MX_CONFIG, "certificate-malformed" },
};

static enum mx_class cannot_open(const struct key_kind *kind, const char *path, int err, struct mx_err *e)
{
	switch (err) {
	case ENOENT:
	case ENOTDIR:
		return mx_fail(e, kind->missing.cls, kind->missing.code,
		    "the %s does not exist; check the path, or store it there with mode 640: %s", kind->noun, path);
	case EACCES:
	case EPERM:
		if (kind->mend != NULL)
			return mx_fail(e, kind->unreadable.cls, kind->unreadable.code, "uid %lu may not read the %s; %s: %s",
			    (unsigned long)geteuid(), kind->noun, kind->mend, path);
		return mx_fail(e, kind->unreadable.cls, kind->unreadable.code,
		    "uid %lu may not read the %s; chgrp it to %s and chmod it to 640 (the folders above it "
		    "must let that group through): %s", (unsigned long)geteuid(), kind->noun, MX_USER, path);
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return mx_fail(e, kind->busy.cls, kind->busy.code,
		    "the %s cannot be opened just now (%s); raise the daemon's limits: %s", kind->noun,
		    strerror(err), path);
	default:
		return mx_fail(e, kind->unreadable.cls, kind->unreadable.code,
		    "the %s cannot be opened (%s); check the path: %s", kind->noun, strerror(err), path);
	}
}

static enum mx_class read_fd(const struct key_kind *kind, int fd, const char *path, struct mx_secret *s,
    struct mx_err *e)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) == -1)
		return cannot_open(kind, path, errno, e);
	if (!S_ISREG(st.st_mode))
		return mx_fail(e, kind->unreadable.cls, kind->unreadable.code,
		    "the %s is not a regular file; name the file itself: %s", kind->noun, path);
	if (kind->secret && (st.st_mode & (S_IROTH | S_IWOTH)))
		return mx_fail(e, kind->open_to_all.cls, kind->open_to_all.code,
		    "the %s is open to every user of this host (mode %04o); chmod %s %s", kind->noun,
		    (unsigned)(st.st_mode & 07777), st.st_mode & S_IWOTH ? "o-rw" : "o-r", path);
	/* One byte more than the longest: what is longer shows itself. */
	if (!mx_secret_alloc(s, FILE_MAX + 1))
		return mx_fail(e, MX_TEMP, "no-memory", "no memory to read the %s %s", kind->noun, path);
	while (s->len < s->cap) {
		n = read(fd, s->p + s->len, s->cap - s->len);
		if (n == 0)
			break;
		if (n > 0)
			s->len += (size_t)n;
		else if (errno != EINTR)
			return mx_fail(e, kind->unreadable.cls, kind->unreadable.code,
			    "the %s cannot be read (%s); check the disk it is on: %s", kind->noun, strerror(errno),
			    path);
	}
	if (s->len == 0)
		return mx_fail(e, kind->malformed.cls, kind->malformed.code, "the %s is empty; store it anew: %s",
		    kind->noun, path);
	if (s->len > FILE_MAX)
		return mx_fail(e, kind->malformed.cls, kind->malformed.code,
		    "the %s has more than %zu bytes; is it another file? %s", kind->noun, FILE_MAX, path);
	return MX_OK;
}

/* The path that "credential:NAME" means; any other is its own. full: 4096 bytes. */
static enum mx_class resolve(const struct key_kind *kind, const char **path, char *full, struct mx_err *e)
{
	static const char prefix[] = "credential:";
	const char *name = *path + sizeof prefix - 1, *dir;
	struct mx_buf b;

	if (strncmp(*path, prefix, sizeof prefix - 1) != 0)
		return MX_OK;
	if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL)
		return mx_fail(e, kind->missing.cls, kind->missing.code,
		    "\"%.80s\" does not name a systemd credential; write credential:NAME, without a path", *path);
	if ((dir = secure_getenv("CREDENTIALS_DIRECTORY")) == NULL)
		return mx_fail(e, kind->missing.cls, kind->missing.code,
		    "\"%.80s\" needs a credential from systemd, and $CREDENTIALS_DIRECTORY is not set; add "
		    "LoadCredential=%.80s:/PATH to the unit, or name a file", *path, name);
	mx_buf_init(&b, full, 4096);
	mx_buf_addf(&b, "%s/%s", dir, name);
	if (mx_buf_str(&b) == NULL)
		return mx_fail(e, kind->missing.cls, kind->missing.code,
		    "the path of \"%.80s\" is too long; give the credential a shorter name", *path);
	*path = full;
	return MX_OK;
}

enum mx_class key_file_read(const struct key_kind *kind, const char *path, struct mx_secret *out,
    struct mx_err *e)
{
	struct mx_secret s = { 0 };
	char full[4096];
	enum mx_class cls;
	int fd = -1;

	*out = (struct mx_secret){ 0 };
	if ((cls = resolve(kind, &path, full, e)) != MX_OK)
		return cls;
	/* O_NONBLOCK: opening a pipe must not hang the daemon. O_NOCTTY: nor a terminal become its own. */
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) == -1) {
		cls = cannot_open(kind, path, errno, e);
		goto out;
	}
	if ((cls = read_fd(kind, fd, path, &s, e)) == MX_OK)
		mx_secret_move(out, &s);
out:
	if (fd != -1)
		close(fd);
	mx_secret_free(&s);
	return cls;
}
