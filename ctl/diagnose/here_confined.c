/*
 * AppArmor and SELinux judge the mail server's own process, not this one: what they refuse stands in logs alone.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/klog.h>
#endif
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/text.h"
#include "ctl/diagnose/here.h"
#include "ctl/diagnose/here_confined.h"

#define AUDIT_LOG "/var/log/audit/audit.log"
#define TAIL_MAX ((size_t)1 << 20)	/* bytes that are looked at: the last ones */
#define RECENT_S 900			/* older ones may have been mended since */
#define READ_ALL 3			/* syslog(2) */

/* What stands behind NAME= in quotes or up to a blank. */
static bool field(const char *line, size_t n, const char *name, char *out, size_t cap)
{
	const size_t k = strlen(name);
	const char *p, *end = line + n;
	size_t len;

	for (p = line; (p = memmem(p, (size_t)(end - p), name, k)) != NULL; p += k)
		if (p == line || p[-1] == ' ')
			break;
	if (p == NULL)
		return false;
	p += k;
	if (p < end && *p == '"') {
		p++;
		for (len = 0; p + len < end && p[len] != '"'; len++)
			;
	} else {
		for (len = 0; p + len < end && p[len] != ' '; len++)
			;
	}
	if (len == 0 || len >= cap)
		return false;
	memcpy(out, p, len);
	out[len] = '\0';
	return true;
}

static bool has(const char *line, size_t n, const char *word)
{
	return memmem(line, n, word, strlen(word)) != NULL;
}

bool dg_denied(const char *line, size_t n, const char *const words[], struct dg_denial *d)
{
	const char *at;
	char context[256], *p;
	bool ours = false;

	*d = (struct dg_denial){ 0 };
	d->selinux = has(line, n, "avc:  denied") || has(line, n, "avc: denied");
	if (d->selinux ? has(line, n, "permissive=1") : !has(line, n, "apparmor=\"DENIED\""))
		return false;		/* in a permissive domain it is written down, and let through */
	for (size_t i = 0; words[i] != NULL; i++)
		ours |= has(line, n, words[i]);
	if (!ours)
		return false;
	if (!d->selinux) {
		(void)field(line, n, "profile=", d->profile, sizeof d->profile);
	} else if (field(line, n, "scontext=", context, sizeof context)) {	/* USER:ROLE:TYPE:LEVEL */
		p = strchr(context, ':');
		p = p != NULL ? strchr(p + 1, ':') : NULL;
		if (p != NULL)
			(void)snprintf(d->profile, sizeof d->profile, "%.*s", (int)strcspn(p + 1, ":"), p + 1);
	}
	if ((at = memmem(line, n, "audit(", 6)) != NULL)
		(void)mx_parse_uint(at + 6, strspn(at + 6, "0123456789"), 0, UINT32_MAX, &d->when);
	return true;
}

/* The end of a file; owned. NULL: not to be read, errno says why. */
static char *tail(const char *path, size_t *n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	char *p = NULL;
	ssize_t got;

	*n = 0;
	if (fd == -1)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (p = malloc(TAIL_MAX + 1)) != NULL) {
		(void)lseek(fd, st.st_size > (off_t)TAIL_MAX ? st.st_size - (off_t)TAIL_MAX : 0, SEEK_SET);
		while (*n < TAIL_MAX && ((got = read(fd, p + *n, TAIL_MAX - *n)) > 0 || (got == -1 && errno == EINTR)))
			*n += got > 0 ? (size_t)got : 0;
		p[*n] = '\0';
	}
	close(fd);
	return p;
}

/* What the kernel still has of its log; owned. NULL: it does not tell. */
static char *kernel(size_t *n)
{
	char *p = NULL;

	*n = 0;
#ifdef __linux__
	int got;

	if ((p = malloc(TAIL_MAX + 1)) == NULL)
		return NULL;
	if ((got = klogctl(READ_ALL, p, (int)TAIL_MAX)) < 0) {
		free(p);
		return NULL;
	}
	*n = (size_t)got;
	p[*n] = '\0';
#endif
	return p;
}

/* The last denial in a log that is ours; its line is in text. */
static bool last(const char *log, size_t n, const char *const words[], struct dg_denial *d, char *text, size_t cap)
{
	const char *line = log, *end;
	struct dg_denial one;
	bool found = false;

	for (; line < log + n; line = end + 1) {
		if ((end = memchr(line, '\n', (size_t)(log + n - line))) == NULL)
			end = log + n;
		if (!dg_denied(line, (size_t)(end - line), words, &one) || one.when < d->when)
			continue;
		*d = one;
		found = true;
		(void)snprintf(text, cap, "%.*s", (int)(end - line), line);
	}
	return found;
}

static bool on(const char *path, const char *yes)
{
	char c[8] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd != -1 ? read(fd, c, sizeof c - 1) : -1;

	if (fd != -1)
		close(fd);
	return n > 0 && strncmp(c, yes, strlen(yes)) == 0;
}

static void say(struct dg_walk *w, const struct dg_denial *d, const char *text)
{
	const uint64_t now = mx_wall_ms() / 1000;
	const char *name = d->selinux ? "SELinux" : "AppArmor";
	char file[sizeof d->profile];

	/* A profile's file is named after its path. */
	(void)snprintf(file, sizeof file, "%s", d->profile + (*d->profile == '/'));
	for (char *p = file; (p = strchr(p, '/')) != NULL; *p = '.')
		;
	dg_value(w, "profile", d->profile);
	dg_value(w, "profile_file", file);
	if (d->when == 0 || d->when + RECENT_S > now) {
		dg_evidence(w, "%s", text);
		dg_broken(w, d->selinux ? "selinux-denied" : "apparmor-denied", "%s has refused %s the way to the daemon", name,
		    d->profile);
	} else {
		dg_note(w, "%s refused %s the way to the daemon %llu min ago, and not since", name, d->profile,
		    (unsigned long long)((now - d->when) / 60));
	}
}

void dg_confined(struct dg_walk *w)
{
	const bool selinux = on("/sys/fs/selinux/enforce", "1"), apparmor = on("/sys/module/apparmor/parameters/enabled", "Y");
	const char *const words[] = { "tokend.sock", "mta-xoauth2", w->asker.socket, NULL };
	struct dg_denial d = { 0 };
	size_t n = 0, k = 0;
	char *audit = tail(AUDIT_LOG, &n), *log = kernel(&k), text[1024] = "";
	bool found = false;

	if (audit != NULL)
		found = last(audit, n, words, &d, text, sizeof text);
	if (log != NULL)
		found |= last(log, k, words, &d, text, sizeof text);
	if (found) {
		say(w, &d, text);
	} else if (log == NULL && audit == NULL) {
		dg_skip(w, "neither the kernel's log nor " AUDIT_LOG " can be read%s", geteuid() != 0 ? ": run this as root" : "");
		dg_unknown(w, "whether AppArmor or SELinux refuses the mail server the socket: look for \"DENIED\" and \"avc: denied\" in "
		    "the kernel's log");
	} else if (!selinux && !apparmor) {
		dg_ok(w, "neither AppArmor nor SELinux is in force");
	} else {
		dg_ok(w, "%s: no denial that has to do with this in %s%s%s", selinux ? "SELinux" : "AppArmor", log != NULL ?
		    "the kernel's log" : "", log != NULL && audit != NULL ? " and " : "", audit != NULL ? AUDIT_LOG : "");
	}
	free(audit);
	free(log);
}
