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
#include "common/text.h"
#include "oauth/secretfile.h"

#define SECRET_SHORT 16			/* bytes: generated secrets are longer */
#define PATH_SHOWN_TWICE 100		/* bytes: up to here a text holds the whole command */

static const char credential[] = "credential:";

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
	if (getegid() != 0 && getgrgid_r(getegid(), &gr, room, sizeof room, &grp) == 0 &&
	    grp != NULL)
		mx_buf_adds(&b, grp->gr_name);
	else
		mx_buf_adds(&b, MX_USER);
	if (mx_buf_str(&b) == NULL)
		group[0] = '\0';
}

static enum mx_class cannot_open(const char *path, int err, struct mx_err *e)
{
	char user[64], group[64];

	switch (err) {
	case ENOENT:
	case ENOTDIR:
		return mx_fail(e, MX_CONFIG, "secret-missing",
		    "the secret file does not exist; store the secret's value in it, with mode "
		    "640: %s",
		    path);
	case EACCES:
	case EPERM:
		whoami(user, sizeof user, group, sizeof group);
		if (strlen(path) <= PATH_SHOWN_TWICE)
			return mx_fail(e, MX_CONFIG, "secret-unreadable",
			    "user %s may not read the secret file; chgrp %s %s && chmod 640 %s "
			    "(the folders above it must let that group through)",
			    user, group, path, path);
		return mx_fail(e, MX_CONFIG, "secret-unreadable",
		    "user %s may not read the secret file; chgrp it to %s and chmod it to 640: %s",
		    user, group, path);
	case ENXIO:
		return mx_fail(e, MX_CONFIG, "secret-not-a-file",
		    "the secret file is a socket or a pipe, not a regular file; name another one: "
		    "%s",
		    path);
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return mx_fail(e, MX_TEMP, "secret-unreadable",
		    "the secret file cannot be opened just now (%s); raise the daemon's limits: %s",
		    strerror(err), path);
	default:
		return mx_fail(e, MX_CONFIG, "secret-unreadable",
		    "the secret file cannot be opened (%s); check the path: %s", strerror(err),
		    path);
	}
}

/* GUID: 8-4-4-4-12 hex digits. */
static bool is_guid(const struct mx_secret *s)
{
	if (s->len != 36)
		return false;
	for (size_t i = 0; i < 36; i++) {
		unsigned char c = s->p[i];
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		bool hex =
		    (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');

		if (dash ? c != '-' : !hex)
			return false;
	}
	return true;
}

/* What there is of control bytes, worst first. NULL: none. */
static const char *control(const struct mx_secret *s)
{
	if (!mx_has_ctl(s->p, s->len))
		return NULL;
	return memchr(s->p, '\0', s->len) != NULL ? "a NUL byte (is it UTF-16?)" :
	    memchr(s->p, '\n', s->len) != NULL    ? "more than one line" :
	    memchr(s->p, '\r', s->len) != NULL    ? "a carriage return" :
	                                            "a control character";
}

static enum mx_class judge(
    const char *path, const struct mx_secret *s, bool any_bytes, struct mx_err *e)
{
	if (s->len == 0)
		return mx_fail(e, MX_CONFIG, "secret-empty",
		    "the secret file is empty; store the secret's value in it: %s", path);
	if (s->len > OAUTH_SECRET_MAX)
		return mx_fail(e, MX_CONFIG, "secret-too-long",
		    "the secret file holds more than %d bytes; it must hold the secret's value and "
		    "nothing else: %s",
		    OAUTH_SECRET_MAX, path);
	if (!any_bytes && mx_has_ctl(s->p, s->len))
		return mx_fail(e, MX_CONFIG, "secret-malformed",
		    "the secret file holds %s; store the secret's value alone, as one line: %s",
		    control(s), path);
	if (!any_bytes && is_guid(s))
		return mx_fail(e, MX_CONFIG, "secret-is-guid",
		    "the secret file holds a GUID: this is the secret's ID, not its value; copy "
		    "the Value "
		    "column of Certificates & secrets (shown only once, else make a new secret) "
		    "into it: %s",
		    path);
	return MX_OK;
}

static enum mx_class read_fd(int fd, const char *path, struct mx_secret *s, struct mx_err *e)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) == -1)
		return cannot_open(path, errno, e);
	if (!S_ISREG(st.st_mode))
		return mx_fail(e, MX_CONFIG, "secret-not-a-file",
		    "the secret file is not a regular file; name the file that holds the secret: "
		    "%s",
		    path);
	if (st.st_mode & (S_IROTH | S_IWOTH))
		return mx_fail(e, MX_CONFIG, "secret-world-readable",
		    "the secret file is open to every user of this host (mode %04o); chmod %s %s",
		    (unsigned)(st.st_mode & 07777), st.st_mode & S_IWOTH ? "o-rw" : "o-r", path);
	/* CRLF and one byte more than the longest: what is longer shows itself. */
	if (!mx_secret_alloc(s, OAUTH_SECRET_MAX + 4))
		return mx_fail(
		    e, MX_TEMP, "no-memory", "no memory to read the secret file %s", path);
	while (s->len < OAUTH_SECRET_MAX + 3) {
		n = read(fd, s->p + s->len, OAUTH_SECRET_MAX + 3 - s->len);
		if (n == 0)
			break;
		if (n > 0)
			s->len += (size_t)n;
		else if (errno != EINTR)
			return mx_fail(e, MX_CONFIG, "secret-unreadable",
			    "the secret file cannot be read (%s); check the disk it is on: %s",
			    strerror(errno), path);
	}
	if (s->len > 0 && s->len < OAUTH_SECRET_MAX + 3 && s->p[s->len - 1] == '\n') {
		s->len--;
		if (s->len > 0 && s->p[s->len - 1] == '\r')
			s->len--;
	}
	s->p[s->len] = '\0';
	return MX_OK;
}

static enum mx_class read_path(
    const char *path, bool any_bytes, struct mx_secret *out, struct mx_err *e)
{
	struct mx_secret s = { 0 };
	enum mx_class cls;
	int fd;

	/*
	 * O_NONBLOCK: opening a pipe must not hang the daemon. O_NOCTTY: nor a terminal become its
	 * own.
	 */
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) == -1) {
		cls = cannot_open(path, errno, e);
		goto out;
	}
	if ((cls = read_fd(fd, path, &s, e)) != MX_OK ||
	    (cls = judge(path, &s, any_bytes, e)) != MX_OK)
		goto out;
	mx_secret_move(out, &s);
out:
	if (fd != -1)
		close(fd);
	mx_secret_free(&s);
	return cls;
}

static enum mx_class read_named(
    const char *path, bool any_bytes, struct mx_secret *out, struct mx_err *e)
{
	const char *dir, *name;
	char full[4096];
	struct mx_buf b;

	*out = (struct mx_secret){ 0 };
	if (path == NULL || path[0] == '\0')
		return mx_fail(e, MX_CONFIG, "secret-missing",
		    "no secret file is named; set client_secret_file");
	if (strncmp(path, credential, sizeof credential - 1) != 0)
		return read_path(path, any_bytes, out, e);
	name = path + sizeof credential - 1;
	if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL)
		return mx_fail(e, MX_CONFIG, "secret-missing",
		    "\"%.80s\" does not name a systemd credential; write credential:NAME, without "
		    "a path",
		    path);
	if ((dir = secure_getenv("CREDENTIALS_DIRECTORY")) == NULL)
		return mx_fail(e, MX_CONFIG, "secret-missing",
		    "\"%.80s\" needs a credential from systemd, and $CREDENTIALS_DIRECTORY is not "
		    "set; add "
		    "LoadCredential=%.80s:/PATH to the unit, or name a file",
		    path, name);
	mx_buf_init(&b, full, sizeof full);
	mx_buf_addf(&b, "%s/%s", dir, name);
	if (mx_buf_str(&b) == NULL)
		return mx_fail(e, MX_CONFIG, "secret-missing",
		    "the path of \"%.80s\" is too long; give the credential a shorter name", path);
	return read_path(full, any_bytes, out, e);
}

/* Hosts where secrets have an ID beside their value, and people mix the two up. */
static bool is_microsoft(const char *url)
{
	static const char *const hosts[] = {
		"login.microsoftonline.com",
		"login.microsoftonline.us",
		"login.partner.microsoftonline.cn",
		"login.microsoft.com",
		"login.windows.net",
		"login.chinacloudapi.cn",
	};
	size_t n;

	if (url == NULL || strncasecmp(url, "https://", 8) != 0)
		return false;
	url += 8;
	n = strcspn(url, "/:?#");
	for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++)
		if (strlen(hosts[i]) == n && strncasecmp(url, hosts[i], n) == 0)
			return true;
	return false;
}

enum mx_class oauth_secret_read(const char *path, struct mx_secret *out, struct mx_err *e)
{
	return read_named(path, false, out, e);
}

enum mx_class oauth_secret_read_for(
    const struct oauth_client *c, const char *path, struct mx_secret *out, struct mx_err *e)
{
	return read_named(path, !is_microsoft(c->token_endpoint), out, e);
}

bool oauth_secret_lint(const struct mx_secret *s, struct mx_err *e)
{
	if (s->len >= 3 && memcmp(s->p, "\xEF\xBB\xBF", 3) == 0) {
		mx_fail(e, MX_CONFIG, "secret-has-bom",
		    "the secret begins with a byte order mark, which is sent "
		    "as part of it; save the file as plain text without one");
		return true;
	}
	if (s->len > 0 && (s->p[0] == ' ' || s->p[s->len - 1] == ' ')) {
		mx_fail(e, MX_CONFIG, "secret-has-blanks",
		    "the secret begins or ends with a blank, which is sent "
		    "as part of it; remove it unless it belongs there");
		return true;
	}
	if (control(s) != NULL) {
		mx_fail(e, MX_CONFIG, "secret-has-controls",
		    "the secret holds %s, which is sent as part of it; store the secret's value "
		    "alone, as one line, unless it belongs there", control(s));
		return true;
	}
	if (is_guid(s)) {
		mx_fail(e, MX_CONFIG, "secret-is-guid",
		    "the secret is a GUID; if the provider is Microsoft's, this "
		    "is the secret's ID and not its value");
		return true;
	}
	if (s->len < SECRET_SHORT) {
		mx_fail(e, MX_CONFIG, "secret-short",
		    "the secret has fewer than %d bytes; check that all of it was "
		    "copied",
		    SECRET_SHORT);
		return true;
	}
	return false;
}
