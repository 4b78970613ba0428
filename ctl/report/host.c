#include "config.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "ctl/report/report.h"
#include "ctl/setup/run.h"
#include "oauth/http.h"

static void system_name(struct rp *r)
{
	struct utsname u;
	size_t n;
	char *text = rp_read("/etc/os-release", 65536, false, &n), *p, *end;

	if (uname(&u) == 0) {
		fprintf(r->out, "  kernel: ");
		rp_texts(r, u.sysname);
		fputc(' ', r->out);
		rp_show(r, u.release, strlen(u.release));
		fputc(' ', r->out);
		rp_show(r, u.machine, strlen(u.machine));
		fputc('\n', r->out);
	}
	if (text != NULL && (p = strstr(text, "PRETTY_NAME=")) != NULL) {
		p += strlen("PRETTY_NAME=");
		if ((end = strchr(p, '\n')) != NULL)
			*end = '\0';
		fputs("  system: ", r->out);
		rp_texts(r, p);
		fputc('\n', r->out);
	}
	free(text);
}

/* The first line of what a program says of itself. */
static void program(struct rp *r, const char *name, const char *a, const char *b)
{
	char *path = su_find_program(name);
	const char *argv[] = { path, a, b, NULL };
	struct su_output o = { 0 };

	if (path == NULL)
		return;
	if (su_run(argv, &o) && o.status == 0) {
		o.out[strcspn(o.out, "\n")] = '\0';
		fprintf(r->out, "  %s: ", name);
		rp_texts(r, o.out);
		fputc('\n', r->out);
	}
	su_output_free(&o);
	free(path);
}

/* What Cyrus SASL may load, and from where. */
static void plugins(struct rp *r)
{
	static const char *const dirs[] = { MX_SASLDIR, "/usr/lib/sasl2", "/usr/lib64/sasl2", "/usr/lib/*/sasl2", "/usr/local/lib/sasl2" };
	char pattern[4200];
	struct mx_buf b;
	glob_t g;

	for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
		mx_buf_init(&b, pattern, sizeof pattern);
		mx_buf_addf(&b, "%s/*.so", dirs[i]);
		if ((i > 0 && strcmp(dirs[i], MX_SASLDIR) == 0) || mx_buf_str(&b) == NULL || glob(pattern, 0, NULL, &g) != 0)
			continue;
		for (size_t k = 0; k < g.gl_pathc; k++) {
			fputs("  SASL plugin: ", r->out);
			rp_show(r, g.gl_pathv[k], strlen(g.gl_pathv[k]));
			fputc('\n', r->out);
		}
		globfree(&g);
	}
}

void rp_host_show(struct rp *r)
{
	rp_line(r, "  mta-xoauth2: %s", PACKAGE_VERSION);
	rp_line(r, "  libraries: %s", oauth_http_version());
	system_name(r);
	program(r, "postconf", "mail_version", NULL);
	program(r, "exim4", "-bV", NULL);
	program(r, "exim", "-bV", NULL);
	plugins(r);
}
