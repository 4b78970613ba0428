#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/hash.h"
#include "oauth/file.h"

#define KEY_MAX ((size_t)64 * 1024)	/* bytes: a key and a long chain of certificates */
#define PATH_SHOWN_TWICE 100		/* bytes: up to here a text holds the whole command */

static const char credential[] = "credential:";

#define SECRET(what, how) { .noun = (what), .store = (how), .secret = true, \
	.missing = { MX_CONFIG, "secret-missing" }, .unreadable = { MX_CONFIG, "secret-unreadable" }, \
	.busy = { MX_TEMP, "secret-unreadable" }, .not_a_file = { MX_CONFIG, "secret-not-a-file" }, \
	.open_to_all = { MX_CONFIG, "secret-world-readable" } }

const struct oauth_file_kind oauth_file_secret = SECRET("secret file", "store the secret's value in it, with mode 640");
const struct oauth_file_kind oauth_file_proxy = SECRET("proxy credentials file",
    "store USER:PASSWORD in it, with mode 640");

const struct oauth_file_kind oauth_file_key = {
	.noun = "key file",
	.store = "check the path, or store it there with mode 640",
	.secret = true,
	.missing = { MX_CONFIG, "key-missing" },
	.unreadable = { MX_CONFIG, "key-unreadable" },
	.busy = { MX_TEMP, "key-unreadable" },
	.not_a_file = { MX_CONFIG, "key-unreadable" },
	.open_to_all = { MX_CONFIG, "key-world-readable" },
	.malformed = { MX_CONFIG, "key-malformed" },
};

const struct oauth_file_kind oauth_file_service_account = {
	.noun = "service account file",
	.store = "check the path, or store it there with mode 640",
	.secret = true,
	.missing = { MX_CONFIG, "service-account-missing" },
	.unreadable = { MX_CONFIG, "service-account-unreadable" },
	.busy = { MX_TEMP, "service-account-unreadable" },
	.not_a_file = { MX_CONFIG, "service-account-unreadable" },
	.open_to_all = { MX_CONFIG, "service-account-world-readable" },
	.malformed = { MX_CONFIG, "service-account-malformed" },
};

/* Anybody may read a certificate. */
const struct oauth_file_kind oauth_file_certificate = {
	.noun = "certificate file",
	.store = "check the path, or store it there with mode 644",
	.missing = { MX_CONFIG, "certificate-missing" },
	.unreadable = { MX_CONFIG, "certificate-unreadable" },
	.busy = { MX_TEMP, "certificate-unreadable" },
	.not_a_file = { MX_CONFIG, "certificate-unreadable" },
	.malformed = { MX_CONFIG, "certificate-malformed" },
};

#define FAIL(e, c, ...) mx_fail((e), (c).cls, (c).code, __VA_ARGS__)

/* Who may and who should read: for the one text that needs both. */
static void whoami(char *user, size_t ucap, char *group, size_t gcap)
{
	struct passwd pw, *pwp = NULL;
	struct group gr, *grp = NULL;
	char room[2048];
	struct mx_buf b;

	mx_buf_init(&b, user, ucap);
	if (getpwuid_r(geteuid(), &pw, room, sizeof room, &pwp) == 0 && pwp != NULL)
		mx_buf_adds(&b, pwp->pw_name);
	else
		mx_buf_addf(&b, "uid %lu", (unsigned long)geteuid());
	if (mx_buf_str(&b) == NULL)
		user[0] = '\0';
	mx_buf_init(&b, group, gcap);
	if (getegid() != 0 && getgrgid_r(getegid(), &gr, room, sizeof room, &grp) == 0 && grp != NULL)
		mx_buf_adds(&b, grp->gr_name);
	else
		mx_buf_adds(&b, MX_USER);
	if (mx_buf_str(&b) == NULL)
		group[0] = '\0';
}

static enum mx_class cannot_open(const struct oauth_file_kind *k, const char *path, int err, struct mx_err *e)
{
	char user[64], group[64];

	switch (err) {
	case ENOENT:
	case ENOTDIR:
		return FAIL(e, k->missing, "the %s does not exist; %s: %s", k->noun, k->store, path);
	case EACCES:
	case EPERM:
		whoami(user, sizeof user, group, sizeof group);
		if (k->mend != NULL)
			return FAIL(e, k->unreadable, "user %s may not read the %s; %s: %s", user, k->noun, k->mend,
			    path);
		if (strlen(path) <= PATH_SHOWN_TWICE)
			return FAIL(e, k->unreadable, "user %s may not read the %s; chgrp %s %s && chmod 640 %s "
			    "(the folders above it must let that group through)", user, k->noun, group, path, path);
		return FAIL(e, k->unreadable, "user %s may not read the %s; chgrp it to %s and chmod it to 640: %s",
		    user, k->noun, group, path);
	case ENXIO:
		return FAIL(e, k->not_a_file, "the %s is a socket or a pipe, not a regular file; name another one: %s",
		    k->noun, path);
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return FAIL(e, k->busy, "the %s cannot be opened just now (%s); raise the daemon's limits: %s", k->noun,
		    strerror(err), path);
	default:
		return FAIL(e, k->unreadable, "the %s cannot be opened (%s); check the path: %s", k->noun,
		    strerror(err), path);
	}
}

static enum mx_class read_fd(const struct oauth_file_kind *k, int fd, const char *path, size_t max, struct mx_secret *s,
    struct mx_err *e)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) == -1)
		return cannot_open(k, path, errno, e);
	if (!S_ISREG(st.st_mode))
		return FAIL(e, k->not_a_file, "the %s is not a regular file; name the file itself: %s", k->noun, path);
	if (k->secret && (st.st_mode & (S_IROTH | S_IWOTH)))
		return FAIL(e, k->open_to_all, "the %s is open to every user of this host (mode %04o); chmod %s %s",
		    k->noun, (unsigned)(st.st_mode & 07777), st.st_mode & S_IWOTH ? "o-rw" : "o-r", path);
	if (!mx_secret_alloc(s, max + 1))
		return mx_fail(e, MX_TEMP, "no-memory", "no memory to read the %s %s", k->noun, path);
	while (s->len < max) {
		n = read(fd, s->p + s->len, max - s->len);
		if (n == 0)
			break;
		if (n > 0)
			s->len += (size_t)n;
		else if (errno != EINTR)
			return FAIL(e, k->unreadable, "the %s cannot be read (%s); check the disk it is on: %s",
			    k->noun, strerror(errno), path);
	}
	s->p[s->len] = '\0';
	return MX_OK;
}

/* NULL: it is none of systemd's, or does not fit. */
static const char *credential_path(const char *path, char *full)
{
	const char *dir = secure_getenv("CREDENTIALS_DIRECTORY");
	struct mx_buf b;

	if (dir == NULL || strncmp(path, credential, sizeof credential - 1) != 0)
		return NULL;
	mx_buf_init(&b, full, OAUTH_PATH_MAX);
	mx_buf_addf(&b, "%s/%s", dir, path + sizeof credential - 1);
	return mx_buf_str(&b);
}

/* The path that "credential:NAME" means; any other is its own. full: OAUTH_PATH_MAX bytes. */
static enum mx_class resolve(const struct oauth_file_kind *k, const char **path, char *full, struct mx_err *e)
{
	const char *name = *path + sizeof credential - 1, *found;

	if (strncmp(*path, credential, sizeof credential - 1) != 0)
		return MX_OK;
	if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL)
		return FAIL(e, k->missing, "\"%.80s\" does not name a systemd credential; write credential:NAME, "
		    "without a path", *path);
	if (secure_getenv("CREDENTIALS_DIRECTORY") == NULL)
		return FAIL(e, k->missing, "\"%.80s\" needs a credential from systemd, and $CREDENTIALS_DIRECTORY is "
		    "not set; add LoadCredential=%.80s:/PATH to the unit, or name a file", *path, name);
	if ((found = credential_path(*path, full)) == NULL)
		return FAIL(e, k->missing, "the path of \"%.80s\" is too long; give the credential a shorter name",
		    *path);
	*path = found;
	return MX_OK;
}

enum mx_class oauth_file_read(const struct oauth_file_kind *kind, const char *path, size_t max, struct mx_secret *out,
    struct mx_err *e)
{
	struct mx_secret s = { 0 };
	char full[OAUTH_PATH_MAX];
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
	if ((cls = read_fd(kind, fd, path, max, &s, e)) == MX_OK)
		mx_secret_move(out, &s);
out:
	if (fd != -1)
		close(fd);
	mx_secret_free(&s);
	return cls;
}

enum mx_class oauth_file_read_key(const struct oauth_file_kind *kind, const char *path, struct mx_secret *out,
    struct mx_err *e)
{
	enum mx_class cls = oauth_file_read(kind, path, KEY_MAX + 1, out, e);

	if (cls != MX_OK || (out->len > 0 && out->len <= KEY_MAX))
		return cls;
	if (out->len == 0)
		cls = FAIL(e, kind->malformed, "the %s is empty; store it anew: %s", kind->noun, path);
	else
		cls = FAIL(e, kind->malformed, "the %s has more than %zu bytes; is it another file? %s", kind->noun,
		    KEY_MAX, path);
	mx_secret_free(out);
	return cls;
}

const char *oauth_file_of_uri(const char *s)
{
	const char *p = s + sizeof "file:" - 1;

	if (strncasecmp(s, "file:", sizeof "file:" - 1) != 0)
		return s;
	if (strncasecmp(p, "//localhost/", 12) == 0)
		return p + 11;
	return strncmp(p, "///", 3) == 0 ? p + 2 : p;
}

uint64_t oauth_file_stamp(uint64_t h, const char *path)
{
	struct { uint64_t dev, ino, size, mtime_s, mtime_ns, mode, uid, gid; } x = { 0 };
	char full[OAUTH_PATH_MAX];
	struct stat st;

	if (path != NULL && *path != '/' && *(path = oauth_file_of_uri(path)) != '/')
		path = credential_path(path, full);
	if (path != NULL && stat(path, &st) == 0) {
		x.dev = (uint64_t)st.st_dev;
		x.ino = (uint64_t)st.st_ino;
		x.size = (uint64_t)st.st_size;
		x.mtime_s = (uint64_t)st.st_mtim.tv_sec;
		x.mtime_ns = (uint64_t)st.st_mtim.tv_nsec;
		x.mode = st.st_mode;	/* not ctime: to set the same mode again changes nothing */
		x.uid = st.st_uid;
		x.gid = st.st_gid;
	}
	return mx_fnv(h, &x, sizeof x);
}

uint64_t oauth_credential_stamp(uint64_t h, const struct oauth_credential *c)
{
	h = oauth_file_stamp(h, c->secret_file);
	h = oauth_file_stamp(h, c->key);
	h = oauth_file_stamp(h, c->key_passphrase_file);
	h = oauth_file_stamp(h, c->service_account_file);
	h = oauth_file_stamp(h, c->assertion_file);	/* through links: a new target is another inode */
	return oauth_file_stamp(h, c->certificate_file);
}
