/*
 * report: all that helps to find a fault, to be pasted where everybody reads it. The parts are in report/.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ctl/out.h"
#include "ctl/report/report.h"

static void heading(struct rp *r, const char *text)
{
	rp_line(r, "\n== %s", text);
}

static void beginning(struct rp *r)
{
	char when[40] = "";
	time_t now = time(NULL);
	struct tm tm;

	if (gmtime_r(&now, &tm) != NULL)
		strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm);
	rp_line(r, "mta-xoauth2 report, %s, as %s", when, geteuid() == 0 ? "root" : "an ordinary user");
	rp_line(r, "Masked: [user:N] the local part of an address, [id:N] of a tenant or application%s, [ip:N], [secret:N],", r->plain_ids ?
	    " (not with --plain-ids)" : "");
	rp_line(r, "[masked:N] all that is not known to be harmless. Equal numbers are equal values, in this report alone.");
	rp_line(r, "Shown: domains and names of hosts, clients, users of this host, and paths. Read it before you paste it.");
	rp_line(r, "Secrets known by their files: %zu%s", r->secrets, r->secrets == 0 ? "" : "; they would be masked wherever they turned up");
	if (r->unread > 0)
		rp_line(r, "%zu files of secrets could not be read by this user: their contents are masked by their look alone", r->unread);
	if (r->beyond > 0)
		rp_line(r, "%zu more files of secrets were not read, so many are there: their contents are masked by their look alone", r->beyond);
}

static void parts(struct rp *r, const struct call *c, const char *path)
{
	struct rp_tokens *tokens = NULL;
	struct mx_endpoint ep;
	struct answer a = { 0 };
	bool asked = ask_endpoint(c, &ep) == CTL_FINE, up = asked && ask(&ep, MX_VERB_STATUS, NULL, &a) == MX_OK;

	rp_conf_learn(r, path);
	if (up)
		tokens = rp_tokens_learn(r, c, &a, path);
	rp_known_done(r);
	beginning(r);
	heading(r, "versions");
	rp_host_show(r);
	heading(r, "configuration");
	rp_conf_show(r, path);
	heading(r, "what it comes to");
	rp_check_show(r, path);
	heading(r, "status");
	if (up) {
		rp_status_show(r, &a);
	} else if (asked) {
		fputs("  ", r->out);
		rp_texts(r, a.err.text);
		fputc('\n', r->out);
	}
	heading(r, "tokens");
	if (tokens != NULL)
		rp_tokens_show(r, tokens);
	else
		rp_line(r, "  not looked at, since the status is not known");
	heading(r, "mail server");
	rp_mta_show(r);
	heading(r, "log");
	rp_log_show(r, c->log);
	rp_tokens_free(tokens);
	answer_free(&a);
}

/* A new file, for its owner alone. */
static int store(const char *path, const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	FILE *f = fd != -1 ? fdopen(fd, "w") : NULL;
	bool ok = f != NULL && fchmod(fd, 0600) == 0 && fwrite(text, 1, n, f) == n;

	if (f == NULL && fd != -1)
		close(fd);
	if (f != NULL && fclose(f) != 0)
		ok = false;
	if (!ok) {
		out_error("%s cannot be written (%s)%s", path, strerror(errno), errno == EEXIST ? "; name a file that is not there yet" : "");
		if (fd != -1)
			(void)unlink(path);
		return CTL_TEMP;
	}
	return CTL_FINE;
}

int report_run(const struct call *c)
{
	const char *path = c->config != NULL ? c->config : CTL_CONF;
	char *text = NULL;
	size_t n = 0;
	struct rp r = { 0 };
	FILE *f = open_memstream(&text, &n);
	int st = CTL_TEMP;

	if (f == NULL || !rp_begin(&r, f)) {
		out_error("no memory, or no random numbers, for a report; try again");
		goto out;
	}
	r.plain_ids = c->plain_ids;
	parts(&r, c, path);
	if (r.no_memory || fflush(f) != 0) {
		out_error("memory is short, and what could not be noted could not be masked: no report; try again");
		goto out;
	}
	if (c->output != NULL) {
		if ((st = store(c->output, text, n)) == CTL_FINE)
			out_error("%s is written; read it before you paste it", c->output);
	} else {
		fwrite(text, 1, n, stdout);
		st = CTL_FINE;
	}
out:
	if (f != NULL)
		fclose(f);
	free(text);
	rp_end(&r);
	return st;
}
