#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/text.h"
#include "settings/build.h"

#define FILE_MAX_BYTES (256u * 1024 * 1024)	/* a million clients; more is a mistake */

/* Reads fd to its end. NULL: errno says why (EFBIG: longer than allowed). */
static char *read_all(int fd, size_t *len)
{
	size_t cap = 16384, n = 0;
	char *p = malloc(cap), *more;
	ssize_t got = 1;

	while (p != NULL && got != 0) {
		if (n == cap) {
			more = cap < FILE_MAX_BYTES ? realloc(p, cap * 2) : NULL;
			if (more == NULL) {
				errno = cap < FILE_MAX_BYTES ? ENOMEM : EFBIG;
				goto bad;
			}
			p = more, cap *= 2;
		}
		got = read(fd, p + n, cap - n);
		if (got > 0)
			n += (size_t)got;
		else if (got < 0 && errno != EINTR)
			goto bad;
	}
	*len = n;
	return p;
bad:
	free(p);
	return NULL;
}

static char *slurp(struct build *b, const char *file, size_t *n)
{
	const bool main_file = file == b->main_file;
	const struct conf_where at = { file, 0, 0 };
	const int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	const char *why = "";
	char *text = NULL;
	struct stat st;
	int err;

	if (fd == -1 || fstat(fd, &st) == -1)
		goto out;
	if (!S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		goto out;
	}
	if ((st.st_mode & S_IWOTH) != 0)
		cf_warn(b->r, &at,
		    "every user of this host may change this file, and so where the secrets are "
		    "sent: chmod o-w it");
	text = read_all(fd, n);
out:
	err = errno;
	if (text == NULL) {
		if (err == EACCES || err == EPERM)
			why = ": correct its permissions and those of the folders above, or run "
			      "this as root";
		else if (err == ENOENT && main_file)
			why = ": write it (a sample is installed beside the documentation) or name "
			      "another one";
		else if (!main_file)
			why = ": every *.yaml file in conf.d is read; rename it if it is not meant "
			      "to be";
		cf_error(b->r, &at, "cannot be read (%s)%s", strerror(err), why);
		b->broken = true;
	}
	if (fd != -1)
		close(fd);
	return text;
}

/* Line and column of the byte at p. */
static struct conf_where place(const char *file, const char *text, const char *p)
{
	struct conf_where at = { file, 1, 1 };

	for (; text < p; text++) {
		if (*text == '\n')
			at.line++, at.column = 1;
		else if (((unsigned char)*text & 0xc0) != 0x80)
			at.column++;
	}
	return at;
}

static bool bad_byte(struct build *b, const char *file, const char *text, const char *p,
    const char *what)
{
	const struct conf_where at = place(file, text, p);

	cf_error(b->r, &at, "%s", what);
	return false;
}

/* First byte that does not continue well-formed UTF-8. There is one. */
static const char *first_bad(const char *s, const char *end)
{
	size_t n;

	while (s < end) {
		for (n = 1; n <= 4 && n <= (size_t)(end - s) && !mx_utf8_ok(s, n); n++)
			;
		if (n > 4 || n > (size_t)(end - s))
			return s;
		s += n;
	}
	return end;
}

/*
 * What is wrong with the bytes themselves. libyaml would find most of it, but not say where; and it
 * takes U+0085, U+2028 and U+2029 for ends of lines, which no editor does.
 */
static bool bytes_ok(struct build *b, const char *file, const char *text, size_t n)
{
	const char *end = text + n;
	bool indent = true, tab = false;

	if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		return bad_byte(b, file, text, text,
		    "the file begins with a byte order mark: save it as UTF-8 without one");
	if (!mx_utf8_ok(text, n))
		return bad_byte(b, file, text, first_bad(text, end),
		    "this is not UTF-8: save the file in that "
		    "encoding");
	for (const char *p = text; p < end; p++) {
		const unsigned char c = (unsigned char)*p;

		if (c == '\n') {
			indent = true, tab = false;
		} else if (c == '\t') {
			tab |= indent;
		} else if (c < 0x20 ? !(c == '\r' && p + 1 < end && p[1] == '\n') : c == 0x7f) {
			return bad_byte(b, file, text, p, "control characters are not allowed");
		} else if ((c == 0xc2 && (unsigned char)p[1] < 0xa0) ||
		    (c == 0xe2 && p[1] == '\x80' && (p[2] == '\xa8' || p[2] == '\xa9'))) {
			return bad_byte(b, file, text, p,
			    "an invisible end of line stands here: remove it");
		} else if (c != ' ' && c != '\r') {
			if (tab && indent && c != '#') {
				while (p > text && p[-1] != '\n')
					p--;
				p += strcspn(p, "\t");
				return bad_byte(b, file, text, p,
				    "a tab is used for indentation: YAML takes "
				    "blanks alone");
			}
			indent = false;
		}
	}
	return true;
}

static void read_one(struct build *b, const char *file)
{
	struct conf_where at = { file, 1, 1 };
	size_t n = 0;
	char *text = slurp(b, file, &n);

	if (text == NULL)
		return;
	if (n == 0) {
		cf_error(b->r, &at, "this file is empty");
		b->broken = true;
	} else if (bytes_ok(b, file, text, n)) {
		cf_read_text(b, file, text, n);
		if (text[n - 1] != '\n') {
			at = place(file, text, text + n);
			cf_warn(b->r, &at, "the last line does not end: was the file cut off?");
		}
	} else
		b->broken = true;
	free(text);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool ends_with(const char *s, const char *end)
{
	const size_t n = strlen(s), k = strlen(end);

	return n > k && strcmp(s + n - k, end) == 0;
}

/* DIR/conf.d beside the main file. */
static const char *conf_d(struct build *b, const char *path)
{
	static const char sub[] = "conf.d";
	const char *slash = strrchr(path, '/');
	const size_t n = slash == NULL ? 0 : (size_t)(slash - path) + 1;
	char *p = cf_alloc(b->mem, n + sizeof sub);

	if (p == NULL) {
		(void)cf_oom(b);
		return NULL;
	}
	memcpy(p, path, n);
	memcpy(p + n, sub, sizeof sub);
	return p;
}

static const char *below(struct build *b, const char *dir, const char *name)
{
	const size_t n = strlen(dir), k = strlen(name);
	char *p = cf_alloc(b->mem, n + k + 2);

	if (p == NULL) {
		(void)cf_oom(b);
		return NULL;
	}
	memcpy(p, dir, n);
	p[n] = '/';
	memcpy(p + n + 1, name, k);
	return p;
}

/* Paths of the *.yaml files in dir, sorted. The array is the caller's to free. */
static const char **list(struct build *b, const char *dir, size_t *n)
{
	struct conf_where at = { dir, 0, 0 };
	const char **names = NULL;
	const struct dirent *d;
	size_t cap = 0;
	DIR *h = opendir(dir);

	*n = 0;
	if (h == NULL) {
		if (errno != ENOENT) {
			cf_error(b->r, &at,
			    "cannot be read (%s): correct its permissions, or remove it",
			    strerror(errno));
			b->broken = true;
		}
		return NULL;
	}
	while ((d = readdir(h)) != NULL && !b->oom) {
		if (d->d_name[0] == '.')
			continue;
		if (ends_with(d->d_name, ".yml")) {
			at.file = below(b, dir, d->d_name);
			if (at.file != NULL)
				cf_warn(b->r, &at,
				    "this file is not read: its name must end in .yaml");
		}
		if (!ends_with(d->d_name, ".yaml"))
			continue;
		if (!cf_grow(&names, *n, &cap, sizeof *names))
			(void)cf_oom(b);
		else if ((names[*n] = below(b, dir, d->d_name)) != NULL)
			++*n;
	}
	closedir(h);
	if (*n > 0)
		qsort(names, *n, sizeof *names, by_name);
	return names;
}

void cf_read_files(struct build *b, const char *path)
{
	const char **names;
	const char *dir;
	size_t n;

	read_one(b, b->main_file);
	if ((dir = conf_d(b, path)) == NULL)
		return;
	names = list(b, dir, &n);
	for (size_t i = 0; i < n && !b->oom; i++)
		read_one(b, names[i]);
	free(names);
}
