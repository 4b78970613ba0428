#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/setup/file.h"
#include "ctl/setup/plugins.h"

/* Does a plugin's file speak of this mechanism? */
static bool speaks_xoauth2(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool yes = false;
	struct stat st;
	void *m;

	if (fd != -1 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && st.st_size < (64 << 20) &&
	    (m = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0)) != MAP_FAILED) {
		yes = memmem(m, (size_t)st.st_size, "XOAUTH2", 8) != NULL;	/* with its NUL */
		(void)munmap(m, (size_t)st.st_size);
	}
	if (fd != -1)
		close(fd);
	return yes;
}

static bool look_into(const char *path, struct su_plugins *p, void (*rival)(void *arg, const char *dir, const char *name),
    void *arg)
{
	DIR *d = opendir(path);
	const struct dirent *e;
	struct stat st;
	bool ok = true;
	char **which;
	size_t n;

	while (d != NULL && ok && (e = readdir(d)) != NULL) {
		n = strlen(e->d_name);
		if (n < 4 || strcmp(e->d_name + n - 3, ".so") != 0)
			continue;
		if (strcmp(e->d_name, SU_PLUGIN_FILE) == 0) {
			if (fstatat(dirfd(d), SU_PLUGIN_FILE, &st, 0) == -1)
				continue;
			p->found |= (st.st_mode & 0444) == 0444;
			which = (st.st_mode & 0444) == 0444 ? &p->ours : &p->closed;
		} else if (speaks_xoauth2(dirfd(d), e->d_name)) {
			which = &p->other;
			if (rival != NULL)
				rival(arg, path, e->d_name);
		} else {
			continue;
		}
		if (*which == NULL)
			ok = (*which = su_join(path, "/", e->d_name)) != NULL;
	}
	if (d != NULL)
		closedir(d);
	return ok;
}

bool su_plugins_look(const char *path, struct su_plugins *p, void (*rival)(void *arg, const char *dir, const char *name),
    void *arg)
{
	char *copy = strdup(path), *rest = copy, *dir;
	bool ok = copy != NULL;

	*p = (struct su_plugins){ 0 };
	while (ok && (dir = strsep(&rest, ":")) != NULL)
		if (*dir != '\0')
			ok = look_into(dir, p, rival, arg);
	free(copy);
	return ok;
}

void su_plugins_free(struct su_plugins *p)
{
	free(p->ours);
	free(p->closed);
	free(p->other);
	*p = (struct su_plugins){ 0 };
}
