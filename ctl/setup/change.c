/*
 * The changes of a set, one by one; and the words for them.
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/setup/job.h"

char *su_concat(const char *first, ...)
{
	char *out = strdup(first), *more;
	const char *s;
	va_list ap;

	va_start(ap, first);
	while (out != NULL && (s = va_arg(ap, const char *)) != NULL) {
		more = su_join(out, s, "");
		free(out);
		out = more;
	}
	va_end(ap);
	return out;
}

bool su_read(struct su_found *found, const char *path, struct su_file *f)
{
	int err = su_file_read(path, f);

	if (err == 0)
		return true;
	if (err == ELOOP)
		su_find(found, SU_WRONG, "files", "%s is a symbolic link: whoever made it wants to change the "
		    "file it points to by other means, which this tool would break", path);
	else
		su_find(found, SU_WRONG, "files", "%s cannot be read (%s)", path, strerror(err));
	su_file_free(f);
	return false;
}

bool su_change_to(struct su_set *out, enum su_kind kind, const char *path, const char *note, struct su_file *before,
    char *text, size_t n, mode_t mode)
{
	struct su_file after = { .there = true, .p = text, .n = n, .mode = before->there ? before->mode : mode,
		.uid = before->there ? before->uid : 0, .gid = before->there ? before->gid : 0 };

	if (text == NULL) {
		su_file_free(before);
		return false;
	}
	return su_set_add(out, kind, path, note, before, &after);
}

char *su_name(const char *dir)
{
	size_t n = strlen(dir);
	char *out = malloc(3 * n + 1), *p = out;

	for (size_t i = 1; out != NULL && i < n; i++) {
		if (dir[i] == '/') {
			*p++ = '-';
		} else if (strchr("-_@~+", dir[i]) != NULL) {	/* so that no two folders have one name */
			static const char hex[] = "0123456789abcdef";

			*p++ = '_', *p++ = hex[(unsigned char)dir[i] >> 4], *p++ = hex[dir[i] & 15];
		} else {
			*p++ = dir[i];
		}
	}
	if (out != NULL)
		*p = '\0';
	return out;
}

bool su_folder(struct su_set *out, const char *path)
{
	struct su_file none = { 0 }, made = { .there = true, .mode = 0755 };

	return access(path, F_OK) == 0 || su_set_find(out, path) != NULL ||
	    su_set_add(out, SU_FOLDER, path, "", &none, &made);
}
