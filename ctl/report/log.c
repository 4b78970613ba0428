/*
 * The last lines of the log: the daemon's from the journal, or those of a file that have to do with it.
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/report/report.h"
#include "ctl/setup/run.h"

/* "event key=..." of a daemon that logs to standard error. */
static bool own_line(const char *s, size_t n)
{
	size_t i, k;

	for (i = 0; i < n && (islower((unsigned char)s[i]) || s[i] == '_'); i++)
		;
	if (i < 4 || i == n || s[i] != ' ')
		return false;
	for (k = i + 1; k < n && (islower((unsigned char)s[k]) || s[k] == '_'); k++)
		;
	return k > i + 1 && k < n && s[k] == '=';
}

static bool wanted(const char *s, size_t n)
{
	static const char *const words[] = { "mta-xoauth2", "xoauth", "XOAUTH", "oauthbearer", "OAUTHBEARER", "SASL", "sasl", "AUTH", "authenticat",
		"Authenticat", "status=deferred", "status=bounced", NULL };

	for (size_t i = 0; words[i] != NULL; i++)
		if (memmem(s, n, words[i], strlen(words[i])) != NULL)
			return true;
	return own_line(s, n);
}

/* The last lines of text that pick admits. */
static void lines(struct rp *r, const char *text, size_t n, bool (*pick)(const char *s, size_t n))
{
	const char *line[RP_LINES], *end = text + n, *lf;
	size_t count = 0, i;

	for (const char *p = text; p < end; p = lf + 1) {
		if ((lf = memchr(p, '\n', (size_t)(end - p))) == NULL)
			lf = end;
		if (lf > p && (pick == NULL || pick(p, (size_t)(lf - p))))
			line[count++ % RP_LINES] = p;
	}
	for (i = count > RP_LINES ? count - RP_LINES : 0; i < count; i++) {
		const char *p = line[i % RP_LINES];

		if ((lf = memchr(p, '\n', (size_t)(end - p))) == NULL)
			lf = end;
		fputs("  ", r->out);
		rp_text(r, p, (size_t)(lf - p));
		fputc('\n', r->out);
	}
	if (count == 0)
		rp_line(r, "  none");
	else if (count > RP_LINES)
		rp_line(r, "  (the last %d of %zu)", RP_LINES, count);
}

static void journal(struct rp *r)
{
	char *path = su_find_program("journalctl");
	const char *argv[] = { path, "--unit", "mta-xoauth2-tokend", "--lines", "200", "--output", "short-iso", "--no-pager", "--quiet", NULL };
	struct su_output o = { 0 };

	if (path == NULL)
		rp_line(r, "  there is no journal here; name a file: --log FILE");
	else if (su_run(argv, &o) && o.status == 0)
		lines(r, o.out, strlen(o.out), NULL);
	else
		rp_line(r, "  the journal cannot be read (exit status %d); run this as root, or name a file: --log FILE", o.status);
	if (o.out != NULL)
		mx_wipe(o.out, SU_OUTPUT_MAX);
	su_output_free(&o);
	free(path);
}

void rp_log_show(struct rp *r, const char *file)
{
	size_t n;
	char *text;

	if (file == NULL) {
		journal(r);
		return;
	}
	text = rp_read(file, RP_LOG_MAX, true, &n);
	if (text == NULL) {
		rp_line(r, "  the file cannot be read (%s)", strerror(errno));
		return;
	}
	lines(r, text, n, wanted);
	mx_wipe(text, n);
	free(text);
}
