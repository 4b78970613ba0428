/*
 * The answers of the last run, so that --client-id is all that has to be said once the script has run.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/exchange/exchange.h"
#include "ctl/out.h"
#include "ctl/setup/file.h"
#include "ctl/setup/trust.h"

#define SAVED_MAX 65536		/* bytes */

/* What is in there becomes root's. *dir: owned. An exit status. */
static int folder(const struct xo *x, bool make, char **dir)
{
	char why[SU_WHY];
	int err = su_trust_kept(x->c->state, "exchange", make, dir, why);

	if (err == 0 || (!make && (err == ENOENT || err == EACCES)))
		return *dir != NULL ? CTL_FINE : out_failed(ENOMEM);
	out_error("%s; the answers are kept there", why);
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
	struct su_file f = { 0 };
	const char *p, *end;
	char *dir;
	int err, r = folder(x, false, &dir);

	if (r == CTL_FINE && (x->saved = su_join(dir, "/", x->v[XO_NAME])) == NULL)
		r = out_failed(ENOMEM);
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
	char *dir, *storage = malloc(SAVED_MAX);
	struct mx_buf b;
	int r = folder(x, true, &dir);

	if (r == CTL_FINE && storage == NULL)
		r = out_failed(ENOMEM);
	if (r != CTL_FINE)
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
