/*
 * A file as a whole: bytes, mode and owner; read, and put in its place in one step.
 */
#ifndef MX_CTL_SETUP_FILE_H
#define MX_CTL_SETUP_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SU_FILE_MAX ((size_t)16 << 20)	/* bytes */
#define SU_TEMP ".mta-xoauth2~"		/* behind the name of a file that is being written */

struct su_file {
	bool there;
	char *p;		/* owned; a NUL behind it; NULL when not there */
	size_t n;
	mode_t mode;		/* permissions */
	uid_t uid;
	gid_t gid;
};

/*
 * 0, also for a file that is not there. Else errno: ELOOP for a symbolic link, EINVAL for what is no file, EFBIG.
 * *f is to be freed in any case.
 */
int su_file_read(const char *path, struct su_file *f);
void su_file_free(struct su_file *f);	/* wipes it: it may hold passwords */
bool su_file_copy(struct su_file *to, const struct su_file *from);	/* false: no memory */
bool su_file_bytes_equal(const struct su_file *x, const struct su_file *y);
bool su_file_equal(const struct su_file *x, const struct su_file *y);	/* mode and owner too */

/* Makes path what f is, by a new file that is synced and renamed; or removes it. 0 or errno. */
int su_file_put(const char *path, const struct su_file *f);

/* Removes what an interrupted su_file_put() has left beside path. 0 or errno. */
int su_file_clear(const char *path);

/* What has happened in the folder of path outlives a power failure. */
int su_sync_folder(const char *path);

/* DIR/NAME, or PATH and what is behind it, for keeps. NULL: no memory. */
char *su_join(const char *a, const char *b, const char *c);

/* Makes the folder and those above that are missing, mode for the last one. 0 or errno. */
int su_make_folders(const char *path, mode_t mode);

/* Removes a folder of files. 0, also when there is none, or errno. */
int su_remove_folder(const char *path);

#endif
