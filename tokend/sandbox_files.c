/*
 * Landlock. Its rules cannot be widened later, and a reload may name new files. So everything may be read (the
 * rights of the daemon's user decide, as before), sockets may be made anywhere, and files only in folders that
 * are known now: what a reload adds to those needs a restart, and is told. Nothing may be run, whatever seccomp
 * says.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef HAVE_LINUX_LANDLOCK_H
#include <linux/landlock.h>
#endif

#include "tokend/sandbox-private.h"

bool sandbox_folders(const struct conf *c, sandbox_folder_fn *fn, void *arg)
{
	const char *before = "";
	size_t n = 0;

	for (size_t i = 0; i <= c->nclients; i++) {
		const char *path = i < c->nclients ? c->clients[i].oc.refresh_token_file : c->metrics_file, *slash;
		char *folder;
		size_t len;
		bool more;

		if (path == NULL || (slash = strrchr(path, '/')) == NULL)
			continue;
		len = slash == path ? 1 : (size_t)(slash - path);
		if (len == n && memcmp(path, before, n) == 0 && i < c->nclients)
			continue;	/* very many clients keep their tokens in one folder */
		before = path;
		n = len;
		if ((folder = strndup(path, len)) == NULL)
			return false;
		more = fn(arg, folder, i < c->nclients ? "refresh_token_file" : "metrics_file");
		free(folder);
		if (!more)
			return false;
	}
	return true;
}

#if defined(HAVE_LINUX_LANDLOCK_H) && defined(SYS_landlock_create_ruleset)

/* What a header of an older system lacks; the kernel says which it knows. */
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif
#define NET_BIND_TCP (1ULL << 0)
#define SCOPE_SIGNAL (1ULL << 1)

/* As the sixth version of the interface has it; an older kernel takes a part of it. */
struct ruleset { uint64_t fs, net, scoped; };

#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define SOCKETS (LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE)
#define WRITE (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_TRUNCATE)
#define FIRST_VERSION (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | \
	LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | \
	LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | \
	LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | \
	LANDLOCK_ACCESS_FS_MAKE_SYM)

#define FOLDERS_MAX 1024

struct place { dev_t dev; ino_t ino; };
static struct place places[FOLDERS_MAX];
static size_t nplaces;

static bool known(const struct stat *st)
{
	for (size_t i = 0; i < nplaces; i++)
		if (places[i].dev == st->st_dev && places[i].ino == st->st_ino)
			return true;
	return false;
}

/* Cuts the last part off; false: that was the last. */
static bool up(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash == NULL || path[1] == '\0')
		return false;
	slash[slash == path] = '\0';
	return true;
}

bool sandbox_covers(const char *folder)
{
	char *path = strdup(folder);
	bool found = false;
	struct stat st;

	if (path == NULL)
		return true;		/* nobody is warned, then */
	do
		found = stat(path, &st) == 0 && known(&st);
	while (!found && up(path));
	free(path);
	return found;
}

static int allow(int ruleset, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr a = { .allowed_access = access };
	int r;

	if ((a.parent_fd = open(path, O_PATH | O_CLOEXEC)) == -1)
		return -1;
	r = (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &a, 0);
	close(a.parent_fd);
	return r;
}

struct making { int ruleset; uint64_t write; const char *why; };

/* One that is not there yet stands for the folder above it: somebody will make it. */
static bool add_folder(void *arg, const char *folder, const char *what)
{
	struct making *m = arg;
	char *path = strdup(folder);
	struct stat st;

	(void)what;
	if (path == NULL) {
		m->why = strerror(errno);
		return false;
	}
	while (stat(path, &st) == -1 && up(path))
		;
	if (stat(path, &st) == 0 && !known(&st)) {
		if (nplaces == FOLDERS_MAX)
			m->why = "files are written in too many folders";
		else if (allow(m->ruleset, path, m->write) == -1)
			m->why = strerror(errno);
		else
			places[nplaces++] = (struct place){ st.st_dev, st.st_ino };
	}
	free(path);
	return m->why == NULL;
}

const char *sandbox_files(const struct conf *c)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct ruleset all = { .fs = FIRST_VERSION };
	size_t size = version < 4 ? sizeof all.fs : version < 6 ? 2 * sizeof all.fs : sizeof all;
	struct making m = { .why = NULL };

	if (version < 1)
		return errno == ENOSYS || errno == EOPNOTSUPP ? "this kernel has no Landlock, or it is not switched on (lsm=)" :
		    strerror(errno);
	if (version >= 2)
		all.fs |= LANDLOCK_ACCESS_FS_REFER;
	if (version >= 3)
		all.fs |= LANDLOCK_ACCESS_FS_TRUNCATE;
	if (version >= 4)
		all.net = NET_BIND_TCP;
	if (version >= 6)
		all.scoped = SCOPE_SIGNAL;
	m.write = WRITE & all.fs;
	if ((m.ruleset = (int)syscall(SYS_landlock_create_ruleset, &all, size, 0)) == -1)
		return strerror(errno);
	/* /dev: a key in a TPM, and /dev/null. */
	if (allow(m.ruleset, "/", READ | SOCKETS) == -1 || (allow(m.ruleset, "/dev", LANDLOCK_ACCESS_FS_WRITE_FILE |
	    (LANDLOCK_ACCESS_FS_TRUNCATE & all.fs)) == -1 && errno != ENOENT))
		m.why = strerror(errno);
	else if (add_folder(&m, MX_STATEDIR, NULL) && !sandbox_folders(c, add_folder, &m) && m.why == NULL)
		m.why = strerror(ENOMEM);
	if (m.why == NULL && syscall(SYS_landlock_restrict_self, m.ruleset, 0) == -1)
		m.why = strerror(errno);
	close(m.ruleset);
	return m.why;
}

#else

bool sandbox_covers(const char *folder)
{
	(void)folder;
	return true;
}

const char *sandbox_files(const struct conf *c)
{
	(void)c;
	return "built without Landlock";
}

#endif
