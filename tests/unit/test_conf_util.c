#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <dirent.h>

#include "tests/unit/test_conf_util.h"

void conf_dir_make(struct conf_dir *d)
{
	snprintf(d->path, sizeof d->path, "/tmp/mx-conf-XXXXXX");
	assert_non_null(mkdtemp(d->path));
}

static void empty_dir(const char *dir)
{
	DIR *h = opendir(dir);
	const struct dirent *e;
	char path[512];

	while (h != NULL && (e = readdir(h)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
		if (unlink(path) == -1) {
			empty_dir(path);
			(void)rmdir(path);
		}
	}
	if (h != NULL)
		closedir(h);
}

void conf_dir_remove(struct conf_dir *d)
{
	empty_dir(d->path);
	assert_int_equal(rmdir(d->path), 0);
}

void conf_dir_write(const struct conf_dir *d, const char *name, const char *text, size_t n)
{
	char path[128];
	FILE *f;

	if (strncmp(name, "conf.d/", 7) == 0) {
		snprintf(path, sizeof path, "%s/conf.d", d->path);
		(void)mkdir(path, 0755);
	}
	snprintf(path, sizeof path, "%s/%s", d->path, name);
	assert_non_null(f = fopen(path, "w"));
	assert_int_equal(fwrite(text, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

struct conf *conf_dir_load(const struct conf_dir *d, unsigned flags, struct conf_report *r)
{
	char path[128];

	snprintf(path, sizeof path, "%s/tokend.yaml", d->path);
	return conf_load(path, flags, r);
}

void conf_show(const char *what, const struct conf_report *r)
{
	char line[1400];

	fprintf(stderr, "# %s: %zu errors, %zu warnings\n", what, r->errors, r->warnings);
	for (size_t i = 0; i < r->n; i++)
		fprintf(stderr, "#   %s\n", conf_complaint_str(line, sizeof line, &r->c[i]));
}

bool conf_says(const struct conf_report *r, char severity, const char *part)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->c[i].severity == severity && strstr(r->c[i].text, part) != NULL)
			return true;
	return false;
}

struct conf *conf_good(const char *text)
{
	struct conf_report r;
	struct conf_dir d;
	struct conf *c;

	conf_dir_make(&d);
	conf_dir_write(&d, "tokend.yaml", text, strlen(text));
	if ((c = conf_dir_load(&d, 0, &r)) == NULL)
		conf_show(text, &r);
	conf_dir_remove(&d);
	conf_report_free(&r);
	assert_non_null(c);
	return c;
}
