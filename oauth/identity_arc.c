/*
 * Azure Arc's challenge: whoever can read a file that the agent has just written may have the
 * token.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/text.h"
#include "oauth/identity.h"

#define AGENT_USER "himds"
#ifdef O_PATH
#define FOLDER O_PATH /* to pass through it is enough */
#else
#define FOLDER O_RDONLY
#endif

static const char *past(const char *s, const char *word)
{
	size_t n = strlen(word);

	s += strspn(s, " \t");
	return strncasecmp(s, word, n) == 0 ? s + n : NULL;
}

/* The path of a challenge, into out. false: it is none, or has something else in it. */
static bool realm(const char *challenge, char *out, size_t cap)
{
	const char *s = challenge == NULL ? NULL : past(challenge, "Basic ");
	struct mx_buf b;
	size_t n;

	if (s == NULL || (s = past(s, "realm=")) == NULL)
		return false;
	n = strlen(s);
	while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t'))
		n--;
	if (n >= 2 && s[0] == '"' && s[n - 1] == '"')
		s++, n -= 2;
	mx_buf_init(&b, out, cap);
	mx_buf_add(&b, s, n);
	return n > 0 && !mx_has_ctl(s, n) && mx_buf_str(&b) != NULL;
}

/* The name of a file directly in folder. NULL: the path leads elsewhere, or could. */
static const char *name_in(const char *folder, const char *path)
{
	size_t n = strlen(folder), k;
	const char *name;

	if (strncmp(path, folder, n) != 0 || path[n] != '/')
		return NULL;
	name = path + n + 1;
	k = strlen(name);
	if (name[0] == '.' || strchr(name, '/') != NULL || k <= 4 ||
	    strcmp(name + k - 4, ".key") != 0)
		return NULL;
	return name;
}

static bool is_agents(uid_t uid)
{
	struct passwd pw, *found = NULL;
	char room[2048];

	return uid == 0 ||
	    (getpwnam_r(AGENT_USER, &pw, room, sizeof room, &found) == 0 && found != NULL &&
		found->pw_uid == uid);
}

/* What is wrong with the open file; NULL: nothing. */
static const char *judge(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "it is not a regular file";
	if (!is_agents(st->st_uid))
		return "it belongs neither to root nor to the user " AGENT_USER;
	if ((st->st_mode & S_IWOTH) != 0)
		return "everybody may write it";
	if (st->st_size < 1 || st->st_size > OAUTH_ARC_KEY_MAX)
		return "it is empty or has more than 4096 bytes";
	return NULL;
}

/* "Basic " and the contents, as they are. why: what is wrong, on failure. */
static bool read_key(const char *folder, const char *name, struct mx_secret *out, const char **why)
{
	int dir = open(folder, FOLDER | O_DIRECTORY | O_CLOEXEC), fd = -1;
	ssize_t n = 0;
	struct stat st;
	bool ok = false;

	*why = NULL;
	/*
	 * O_NONBLOCK: a pipe must not hang the daemon. O_NOFOLLOW: a link may lead to anybody's
	 * file.
	 */
	if (dir != -1)
		fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1 || fstat(fd, &st) == -1) {
		*why = errno == ELOOP ? "it is a symbolic link"
		    : errno == EACCES ? "the daemon may not read it: add its user to the group "
					"himds, and restart it"
				      : strerror(errno);
		goto out;
	}
	if ((*why = judge(&st)) != NULL)
		goto out;
	if (!mx_secret_alloc(out, sizeof "Basic " + OAUTH_ARC_KEY_MAX + 1))
		goto out;
	memcpy(out->p, "Basic ", 6);
	out->len = 6;
	while (out->len <= 6 + OAUTH_ARC_KEY_MAX) {
		n = read(fd, out->p + out->len, 6 + OAUTH_ARC_KEY_MAX + 1 - out->len);
		if (n == 0 || (n == -1 && errno != EINTR))
			break;
		if (n > 0)
			out->len += (size_t)n;
	}
	if (n == -1)
		*why = strerror(errno);
	else if (out->len == 6 || out->len > 6 + OAUTH_ARC_KEY_MAX)
		*why = "it has changed while it was read";
	else if (mx_has_ctl(out->p, out->len))
		*why = "it has characters that no header may have";
	else
		ok = true;
	out->p[out->len] = '\0';
out:
	if (fd != -1)
		close(fd);
	if (dir != -1)
		close(dir);
	if (!ok)
		mx_secret_free(out);
	return ok;
}

enum mx_class oauth_identity_challenged(const char *client, const char *folder,
    const char *challenge, struct oauth_request *r, struct mx_err *e)
{
	char path[512], shown[200];
	const char *name, *why = NULL;
	struct mx_secret basic = { 0 };

	if (!realm(challenge, path, sizeof path))
		return mx_fail(e, MX_CONFIG, "identity-challenge",
		    "client \"%.64s\": what listens at Azure Arc's address answers HTTP 401 "
		    "without naming a key file; see what "
		    "it is, and that the agent is in order (azcmagent show)",
		    client);
	(void)mx_quote(shown, sizeof shown, path, strlen(path));
	if ((name = name_in(folder, path)) == NULL)
		return mx_fail(e, MX_CONFIG, "identity-challenge",
		    "client \"%.64s\": what listens at Azure Arc's address wants the file %s read, "
		    "which is no *.key file directly "
		    "in %s; nothing was read: see whether something else than the agent listens "
		    "there",
		    client, shown, folder);
	if (read_key(folder, name, &basic, &why) &&
	    mx_secret_set(&r->secret, basic.p + 6, basic.len - 6)) {
		mx_secret_move(&r->authorization, &basic);
		return MX_OK;
	}
	mx_secret_free(&basic);
	if (why == NULL)
		return mx_fail(e, MX_TEMP, "no-memory",
		    "client \"%.64s\": no memory to answer Azure Arc's challenge", client);
	return mx_fail(e, MX_CONFIG, "identity-challenge",
	    "client \"%.64s\": Azure Arc's key file %s cannot be used: %s; look at it and at the "
	    "agent (azcmagent show)",
	    client, shown, why);
}
