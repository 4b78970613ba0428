/*
 * The plugin: is it where this mail server's Cyrus SASL looks, and the only one for its mechanism.
 */
#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/text.h"
#include "ctl/child.h"
#include "ctl/diagnose/mta.h"
#include "ctl/setup/plugins.h"

/* The first folder of a path. */
static void tell_folder(struct dg_walk *w, const char *path)
{
	char *first = strndup(path, strcspn(path, ":"));

	dg_value(w, "folder", first);
	free(first);
}

#define ENTRY "sasl_client_plug_init"
#define LOAD_S 10

struct loading { const struct dg_walk *w; const char *file; char *why; size_t n, cap; };

/* In the child, as the mail server's user: no code of the file's runs as root. */
static void load(int fd, void *arg)
{
	const struct loading *l = arg;
	const struct dg_mta *m = l->w->mta;
	const char *file = l->file;
	const char *said = "";
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	void *plugin;

	for (int i = 0; null != -1 && i < 3; i++)
		(void)dup2(null, i);
	(void)alarm(LOAD_S);
	if (geteuid() == 0 && (setgroups(0, NULL) == -1 || setgid(m->pf.gid) == -1 || setuid(m->pf.uid) == -1))
		said = "";		/* it cannot be tried, and that is no fault of the file's */
	else if (access(file, R_OK) == -1)
		said = "";		/* nor is this: smtp(8) opens it as root */
	else if ((plugin = dlopen(file, RTLD_NOW | RTLD_LOCAL)) == NULL)
		said = dlerror();
	else if (dlsym(plugin, ENTRY) == NULL)
		said = "it has no " ENTRY;
	(void)child_put(fd, said, strlen(said) + 1);
}

static bool take(int fd, void *arg)
{
	struct loading *l = arg;
	ssize_t got;

	while (l->n + 1 < l->cap && ((got = read(fd, l->why + l->n, l->cap - 1 - l->n)) > 0 || (got == -1 && errno == EINTR)))
		l->n += got > 0 ? (size_t)got : 0;
	return true;
}

/* What the dynamic linker says against it, into why. "": nothing, or it cannot be tried. */
static void try_to_load(struct dg_walk *w, const char *file, char *why, size_t cap)
{
	struct loading l = { .w = w, .file = file, .why = why, .cap = cap };
	int st;

	(void)child_ask(load, take, &l, &st);
	why[l.n] = '\0';
	mx_clean(why, strlen(why));
	if (st == -1 || l.n > 0)
		return;
	/* not even a NUL */
	(void)snprintf(why, cap, "it ends the process that loads it%s", WIFSIGNALED(st) ? ", by signal " : "");
	if (WIFSIGNALED(st))
		(void)snprintf(why + strlen(why), cap - strlen(why), "%d", WTERMSIG(st));
}

static void found_it(struct dg_walk *w, const char *path, const char *file)
{
	char why[512];

	try_to_load(w, file, why, sizeof why);
	dg_value(w, "file", file);
	if (*why != '\0')
		dg_broken(w, "plugin-unloadable", "%s cannot be loaded: %s", file, why);
	else
		dg_ok(w, SU_PLUGIN_FILE " is in %s, and nothing else there knows XOAUTH2", path);
}

void dg_mta_plugin(struct dg_walk *w)
{
	struct su_plugins found = { 0 };
	char *path = NULL;

	if (w->mta_name == NULL || strcmp(w->mta_name, "postfix") != 0) {
		dg_skip(w, w->mta_name == NULL ? "no mail server is looked at" :
		    "Exim's client asks the daemon without a SASL library");
		return;
	}
	if ((path = pf_sasl_path(&w->mta->pf)) == NULL || !su_plugins_look(path, &found, NULL, NULL)) {
		w->no_memory = true;
	} else if (found.other != NULL) {
		dg_value(w, "file", found.other);
		dg_broken(w, "plugin-shadowed", "%s knows XOAUTH2 too, and Cyrus SASL may take that one", found.other);
	} else if (found.found) {
		found_it(w, path, found.ours);
	} else if (found.closed != NULL) {
		dg_value(w, "file", found.closed);
		dg_broken(w, "plugin-closed", "%s may not be read by everybody", found.closed);
	} else if (strcmp(path, MX_SASLDIR) != 0 && access(MX_SASLDIR "/" SU_PLUGIN_FILE, R_OK) == 0) {
		tell_folder(w, path);
		dg_value(w, "file", MX_SASLDIR "/" SU_PLUGIN_FILE);
		dg_broken(w, "plugin-elsewhere", SU_PLUGIN_FILE " is in " MX_SASLDIR ", and import_environment of this Postfix has "
		    "SASL_PATH=%s", path);
	} else {
		tell_folder(w, path);
		dg_broken(w, "plugin-missing", SU_PLUGIN_FILE " is not in %s", path);
	}
	su_plugins_free(&found);
	free(path);
}
