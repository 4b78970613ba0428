/*
 * The configuration as it would be: the daemon's files in a folder of their own, with the new one among them.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/exchange/exchange.h"
#include "ctl/out.h"
#include "ctl/setup/file.h"
#include "ctl/setup/job.h"
#include "settings/conf.h"

static bool is_yaml(const char *name)
{
	const size_t n = strlen(name);

	return *name != '.' && n > 5 && strcmp(name + n - 5, ".yaml") == 0;
}

static int copy(const char *from, const char *to)
{
	struct su_file f = { 0 };
	char *real = realpath(from, NULL);	/* somebody may have a link there */
	int err = real == NULL ? errno : su_file_read(real, &f);

	free(real);
	if (err == 0 && f.there) {
		f.mode = 0600, f.uid = geteuid(), f.gid = getegid();
		err = su_file_put(to, &f);
	}
	su_file_free(&f);
	return err;
}

static int copy_folder(const char *from, const char *to)
{
	DIR *d = opendir(from);
	const struct dirent *e;
	int err = 0;

	if (d == NULL)
		return errno == ENOENT ? 0 : errno;
	while (err == 0 && (e = readdir(d)) != NULL) {
		char *a, *b;

		if (!is_yaml(e->d_name))
			continue;
		a = su_join(from, "/", e->d_name), b = su_join(to, "/", e->d_name);
		err = a != NULL && b != NULL ? copy(a, b) : ENOMEM;
		free(a);
		free(b);
	}
	closedir(d);
	return err;
}

/* Files are named as they will be, where they stand for x->folder by the folder stage. */
static void named(const struct xo *x, const char *stage, const char *s)
{
	const char *at;

	for (; (at = strstr(s, stage)) != NULL; s = at + strlen(stage)) {
		out_text(stderr, s, (size_t)(at - s));
		out_text(stderr, x->folder, strlen(x->folder));
	}
	out_text(stderr, s, strlen(s));
}

static void complain(const struct xo *x, const char *stage, const struct conf_report *rep)
{
	for (size_t i = 0; i < rep->n; i++) {
		const struct conf_complaint *c = &rep->c[i];

		if (c->severity != 'e')
			continue;
		named(x, stage, c->at.file);
		if (c->at.line != 0)
			fprintf(stderr, ":%u:%u", c->at.line, c->at.column);
		fputs(": error: ", stderr);
		named(x, stage, c->text);
		fputc('\n', stderr);
	}
}

static int judge(const struct xo *x, const char *stage, const char *main_file, unsigned flags)
{
	struct conf_report rep;
	struct conf *c = conf_load(main_file, flags | CONF_BY_HAND, &rep);
	int r = CTL_FINE;

	if (c == NULL) {
		complain(x, stage, &rep);
		out_error("nothing was changed in the daemon's configuration: with %s it would be wrong, see above", x->yaml);
		r = CTL_CONFIG;
	}
	conf_report_free(&rep);
	conf_free(c);
	return r;
}

int xo_stage(const struct xo *x, const char *text, size_t n, unsigned flags)
{
	char stage[] = "/tmp/mta-xoauth2-setup-XXXXXX";
	const char *base = strrchr(x->config, '/') + 1;
	char *conf_d = NULL, *main_file = NULL, *mine = NULL, *from = NULL;
	struct su_file f = { .there = true, .mode = 0600, .uid = geteuid(), .gid = getegid() };
	int err = 0, r = CTL_CONFIG;

	if (mkdtemp(stage) == NULL) {
		out_error("no folder can be made in /tmp (%s)", strerror(errno));
		return CTL_TEMP;
	}
	conf_d = su_join(stage, "/conf.d", "");
	main_file = su_join(stage, "/", base);
	from = su_join(x->folder, "/conf.d", "");
	mine = su_concat(stage, "/conf.d/", x->v[XO_NAME], ".yaml", NULL);
	if (conf_d == NULL || main_file == NULL || from == NULL || mine == NULL || (f.p = strndup(text, n)) == NULL)
		err = ENOMEM;
	f.n = n;
	if (err == 0)
		err = su_make_folders(conf_d, 0700);
	if (err == 0)
		err = copy_folder(from, conf_d);
	if (err == 0)
		err = su_file_put(mine, &f);
	if (err == 0 && x->config_there) {
		err = copy(x->config, main_file);
	} else if (err == 0) {
		su_file_free(&f);
		f = (struct su_file){ .there = true, .p = strdup(XO_MAIN), .n = strlen(XO_MAIN), .mode = 0600,
		    .uid = geteuid(), .gid = getegid() };
		err = f.p != NULL ? su_file_put(main_file, &f) : ENOMEM;
	}
	if (err != 0)
		out_error("the configuration cannot be copied for a look at it (%s)", strerror(err));
	else
		r = judge(x, stage, main_file, flags);
	su_file_free(&f);
	if (conf_d != NULL)
		(void)su_remove_folder(conf_d);
	(void)su_remove_folder(stage);
	free(conf_d);
	free(main_file);
	free(from);
	free(mine);
	return r;
}
