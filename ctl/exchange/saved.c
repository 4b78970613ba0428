/*
 * The answers of the last run, so that --client-id is all that has to be said once the script has run.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/exchange/exchange.h"
#include "ctl/out.h"
#include "ctl/setup/file.h"
#include "ctl/setup/job.h"

#define SAVED_MAX 65536		/* bytes */

static char *folder(const struct xo *x)
{
	return su_concat(x->c->state != NULL ? x->c->state : MX_STATEDIR, "/exchange", NULL);
}

/* The folder above is the daemon's user's, who might put another one in its place: what is in there becomes root's. */
static int owned(const char *dir)
{
	struct stat st = { 0 };

	if (lstat(dir, &st) == -1 && errno == ENOENT)
		return CTL_FINE;
	if (S_ISDIR(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
		return CTL_FINE;
	out_error("%s is not a folder that belongs to the user who runs this and that nobody else may write to: look who made "
	    "it, and remove it", dir);
	return CTL_CONFIG;
}

static int damaged(const struct xo *x)
{
	out_error("%s is damaged: remove it, and give the answers again", x->saved);
	return CTL_CONFIG;
}

/* "key=value" of n bytes. What is in the file is judged as options are. */
static bool take(char *found[XO_N], const char *line, size_t n)
{
	for (unsigned k = XO_NAME + 1; k < XO_N; k++) {
		const size_t m = strlen(xo_questions[k].key);

		if (n <= m || memcmp(line, xo_questions[k].key, m) != 0 || line[m] != '=')
			continue;
		free(found[k]);
		found[k] = strndup(line + m + 1, n - m - 1);
		/* A user may be gone by now: that is for the daemon's file to tell. */
		return found[k] != NULL && (k == XO_USERS ? xo_shows_itself(found[k]) :
		    xo_questions[k].judge(found[k]) == NULL);
	}
	return false;
}

int xo_saved_read(struct xo *x, char *found[XO_N])
{
	char *dir = folder(x);
	struct su_file f = { 0 };
	const char *p, *end;
	int err, r = CTL_FINE;

	x->saved = dir != NULL ? su_join(dir, "/", x->v[XO_NAME]) : NULL;
	if (x->saved == NULL)
		r = out_failed(ENOMEM);
	else
		r = owned(dir);
	free(dir);
	if (r != CTL_FINE)
		return r;
	if ((err = su_file_read(x->saved, &f)) != 0) {
		out_error("%s, the answers of an earlier run, cannot be read (%s)%s", x->saved, strerror(err),
		    err == EACCES ? "; run this as root" : "");
		r = CTL_CONFIG;
	} else if (f.there) {
		x->again = true;
		if (f.n > SAVED_MAX || strlen(f.p) != f.n)
			r = damaged(x);
		for (p = f.p; r == CTL_FINE && *p != '\0'; p = end + 1)
			if ((end = strchr(p, '\n')) == NULL || !take(found, p, (size_t)(end - p))) {
				r = damaged(x);
				break;
			}
	}
	su_file_free(&f);
	return r;
}

int xo_saved_write(const struct xo *x)
{
	char *dir = folder(x), *storage = malloc(SAVED_MAX);
	struct mx_buf b;
	int err = ENOMEM, r;

	if (dir == NULL || storage == NULL || ((err = su_make_folders(dir, 0700)) != 0 && err != EEXIST)) {
		out_error("%s cannot be made (%s), and the answers are kept there", dir != NULL ? dir : "the folder",
		    strerror(err));
		r = CTL_CONFIG;
		goto out;
	}
	if ((r = owned(dir)) != CTL_FINE)
		goto out;
	mx_buf_init(&b, storage, SAVED_MAX);
	for (unsigned k = XO_NAME + 1; k < XO_N; k++)
		if (x->v[k] != NULL)
			mx_buf_addf(&b, "%s=%s\n", xo_questions[k].key, x->v[k]);
	r = mx_buf_str(&b) != NULL ? xo_put(x->saved, b.p, b.len, 0600, 0) : out_failed(EFBIG);
out:
	free(dir);
	free(storage);
	return r;
}
