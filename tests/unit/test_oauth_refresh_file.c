/*
 * oauth/refresh_file.h with real files. Every call to the system that changes something is counted, may be made to
 * fail, and may be the last one of its process: whatever happens, the old token or the new one is there, whole.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fakefiles.h"
#include "oauth/refresh_file.h"

#define OLD "old~Refresh.Token_0"
#define NEW "new~Refresh.Token_1/+="
#define NOBODY 65534

static char dir[64], path[96];

/* --- files ------------------------------------------------------------------------------------- */

static void put(const void *bytes, size_t n, mode_t mode)
{
	int fd;

	(void)unlink(path);
	assert_true((fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600)) != -1);
	assert_int_equal(write(fd, bytes, n), (ssize_t)n);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void is(const char *want)
{
	char got[256];
	int fd = open(path, O_RDONLY);
	ssize_t n;
	struct stat st;

	assert_true(fd != -1);
	assert_int_equal(fstat(fd, &st), 0);
	n = read(fd, got, sizeof got);
	close(fd);
	assert_int_equal(n, (ssize_t)strlen(want) + 1);
	assert_memory_equal(got, want, (size_t)n - 1);
	assert_int_equal(got[n - 1], '\n');
	assert_int_equal(st.st_mode & 07777, 0600);
}

/* Nothing lies about but the token and its lock. */
static void tidy(void)
{
	struct dirent *d;
	DIR *p = opendir(dir);

	assert_non_null(p);
	while ((d = readdir(p)) != NULL)
		if (d->d_name[0] != '.' && strcmp(d->d_name, "t") != 0)
			assert_string_equal(d->d_name, "t.lock");
	closedir(p);
}

static struct oauth_refresh_lock *locked(void)
{
	struct oauth_refresh_lock *l;
	struct mx_err e;

	if (oauth_refresh_lock(path, &l, &e) != MX_OK)
		fail_msg("%s: %s", e.code, e.text);
	return l;
}

static enum mx_class replace(struct oauth_refresh_lock *l, const char *token, struct mx_err *e)
{
	struct mx_secret s;
	enum mx_class cls;

	assert_true(mx_secret_set(&s, token, strlen(token)));
	cls = oauth_refresh_replace(l, &s, (uid_t)-1, (gid_t)-1, e);
	mx_secret_free(&s);
	return cls;
}

static void reads(const char *want)
{
	struct oauth_refresh_lock *l = locked();
	struct mx_secret s;
	struct mx_err e;

	if (oauth_refresh_read(l, &s, &e) != MX_OK)
		fail_msg("%s: %s", e.code, e.text);
	assert_string_equal((char *)s.p, want);
	mx_secret_free(&s);
	oauth_refresh_unlock(l);
}

/* --- reading ----------------------------------------------------------------------------------- */

#define V(s) s, sizeof s - 1
static const struct { const char *name, *in; size_t n; mode_t mode; const char *want, *code; } files[] = {
	{ "plain", V(OLD), 0600, OLD, NULL },
	{ "newline", V(OLD "\n"), 0600, OLD, NULL },
	{ "read only", V(OLD "\n"), 0400, OLD, NULL },
	{ "every kind of character", V("M.C1_SN1.!a*b$-._~+/= x\n"), 0600, "M.C1_SN1.!a*b$-._~+/= x", NULL },
	{ "empty", V(""), 0600, NULL, "refresh-token-empty" },
	{ "only a newline", V("\n"), 0600, NULL, "refresh-token-empty" },
	{ "two lines", V("a\nb\n"), 0600, NULL, "refresh-token-malformed" },
	{ "CRLF", V("a\r\n"), 0600, NULL, "refresh-token-malformed" },
	{ "NUL", V("a\0b"), 0600, NULL, "refresh-token-malformed" },
	{ "DEL", V("a\x7f"), 0600, NULL, "refresh-token-malformed" },
	{ "beyond ASCII", V("a\xC3\xBC"), 0600, NULL, "refresh-token-malformed" },
	{ "group may read", V(OLD), 0640, NULL, "refresh-token-exposed" },
	{ "group may write", V(OLD), 0620, NULL, "refresh-token-exposed" },
	{ "others may read", V(OLD), 0604, NULL, "refresh-token-exposed" },
	{ "others may write", V(OLD), 0602, NULL, "refresh-token-exposed" },
};

static void refused(struct oauth_refresh_lock *l, const char *code, const char *name)
{
	struct mx_secret s;
	struct mx_err e;

	if (oauth_refresh_read(l, &s, &e) != MX_CONFIG || strcmp(e.code, code) != 0)
		fail_msg("%s: want %s, got %s", name, code, e.code);
	assert_null(s.p);
	assert_non_null(strstr(e.text, path));		/* the file is named, its content is not */
	assert_null(strstr(e.text, OLD));
	if (oauth_refresh_peek(path, &s, &e) != MX_CONFIG || strcmp(e.code, code) != 0)
		fail_msg("%s: want %s, got %s by peek", name, code, e.code);
}

static void test_read(void **state)
{
	struct oauth_refresh_lock *l = locked();
	struct mx_secret s;
	struct mx_err e;

	(void)state;
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		put(files[i].in, files[i].n, files[i].mode);
		if (files[i].code != NULL) {
			refused(l, files[i].code, files[i].name);
			continue;
		}
		if (oauth_refresh_read(l, &s, &e) != MX_OK)
			fail_msg("%s: %s", files[i].name, e.text);
		assert_string_equal((char *)s.p, files[i].want);
		assert_int_equal(s.len, strlen(files[i].want));
		mx_secret_free(&s);
	}
	oauth_refresh_unlock(l);
}

static void test_sizes(void **state)
{
	static char big[OAUTH_REFRESH_MAX + 3];
	struct oauth_refresh_lock *l = locked();
	struct mx_secret s;
	struct mx_err e;

	(void)state;
	memset(big, 'x', sizeof big);
	put(big, OAUTH_REFRESH_MAX, 0600);
	assert_int_equal(oauth_refresh_read(l, &s, &e), MX_OK);
	assert_int_equal(s.len, OAUTH_REFRESH_MAX);
	assert_int_equal(oauth_refresh_replace(l, &s, (uid_t)-1, (gid_t)-1, &e), MX_OK);
	mx_secret_free(&s);
	assert_int_equal(oauth_refresh_read(l, &s, &e), MX_OK);
	assert_int_equal(s.len, OAUTH_REFRESH_MAX);
	mx_secret_free(&s);
	put(big, OAUTH_REFRESH_MAX + 1, 0600);
	refused(l, "refresh-token-too-long", "a byte too many");
	put(big, sizeof big, 0600);
	refused(l, "refresh-token-too-long", "many bytes too many");
	big[OAUTH_REFRESH_MAX] = '\n';
	put(big, OAUTH_REFRESH_MAX + 1, 0600);
	assert_int_equal(oauth_refresh_read(l, &s, &e), MX_OK);
	mx_secret_free(&s);
	oauth_refresh_unlock(l);
}

static void test_kinds(void **state)
{
	struct oauth_refresh_lock *l = locked();
	char other[100];

	(void)state;
	(void)unlink(path);
	refused(l, "refresh-token-missing", "nothing");
	assert_int_equal(symlink("t.other", path), 0);
	refused(l, "refresh-token-symlink", "symbolic link");
	(void)unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	refused(l, "refresh-token-not-a-file", "pipe");
	(void)unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	refused(l, "refresh-token-not-a-file", "folder");
	assert_int_equal(rmdir(path), 0);
	put(V(OLD), 0600);
	assert_true(snprintf(other, sizeof other, "%s.other", path) < (int)sizeof other);
	assert_int_equal(link(path, other), 0);
	refused(l, "refresh-token-linked", "two names");
	assert_int_equal(unlink(other), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, NOBODY, NOBODY), 0);
		refused(l, "refresh-token-foreign", "another user's");
	}
	oauth_refresh_unlock(l);
}

/* --- the lock ---------------------------------------------------------------------------------- */

static void lock_fails(const char *p, enum mx_class cls, const char *code)
{
	struct oauth_refresh_lock *l;
	struct mx_err e;

	assert_int_equal(oauth_refresh_lock(p, &l, &e), cls);
	assert_null(l);
	assert_string_equal(e.code, code);
}

static void test_lock(void **state)
{
	struct oauth_refresh_lock *l = locked();
	char lock[100], nowhere[100];
	struct stat st;
	int status;
	pid_t pid;

	(void)state;
	lock_fails(path, MX_TEMP, "refresh-token-busy");
	if ((pid = fork()) == 0) {
		struct oauth_refresh_lock *m;

		_exit(oauth_refresh_lock(path, &m, NULL) == MX_TEMP ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	oauth_refresh_unlock(l);
	assert_true(snprintf(lock, sizeof lock, "%s.lock", path) < (int)sizeof lock);
	assert_int_equal(lstat(lock, &st), 0);		/* it stays */
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(unlink(lock), 0);
	assert_int_equal(symlink("elsewhere", lock), 0);
	lock_fails(path, MX_CONFIG, "refresh-token-lock");
	assert_int_equal(unlink(lock), 0);
	assert_int_equal(mkdir(lock, 0700), 0);
	lock_fails(path, MX_CONFIG, "refresh-token-lock");
	assert_int_equal(rmdir(lock), 0);
	assert_int_equal(mkfifo(lock, 0600), 0);
	lock_fails(path, MX_CONFIG, "refresh-token-lock");
	assert_int_equal(unlink(lock), 0);
	assert_true(snprintf(nowhere, sizeof nowhere, "%s/nowhere/t", dir) < (int)sizeof nowhere);
	lock_fails(nowhere, MX_CONFIG, "refresh-token-missing");
}

/* A lock that root has made is the daemon's too: it belongs to who owns the folder. */
static void test_lock_of_root(void **state)
{
	struct oauth_refresh_lock *l;
	char lock[100];
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chown(dir, NOBODY, NOBODY), 0);
	put(V(OLD), 0600);
	assert_int_equal(chown(path, NOBODY, NOBODY), 0);
	l = locked();
	assert_true(snprintf(lock, sizeof lock, "%s.lock", path) < (int)sizeof lock);
	assert_int_equal(stat(lock, &st), 0);
	assert_int_equal(st.st_uid, NOBODY);
	oauth_refresh_unlock(l);
	reads(OLD);				/* root may read what the folder's owner has */
	assert_int_equal(chown(dir, 0, 0), 0);
	assert_int_equal(unlink(lock), 0);
}

static void test_owner(void **state)
{
	struct oauth_refresh_lock *l;
	struct mx_secret s;
	struct mx_err e;
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	put(V(OLD), 0600);
	l = locked();
	assert_true(mx_secret_set(&s, NEW, strlen(NEW)));
	assert_int_equal(oauth_refresh_replace(l, &s, NOBODY, NOBODY, &e), MX_OK);
	mx_secret_free(&s);
	oauth_refresh_unlock(l);
	is(NEW);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, NOBODY);
	assert_int_equal(st.st_gid, NOBODY);
}

/* --- replacing --------------------------------------------------------------------------------- */

static void test_replace(void **state)
{
	struct oauth_refresh_lock *l;
	struct mx_err e;

	(void)state;
	(void)unlink(path);
	l = locked();
	assert_int_equal(replace(l, OLD, &e), MX_OK);		/* the first one, as login does */
	is(OLD);
	assert_int_equal(oauth_refresh_prepare(l, &e), MX_OK);
	assert_int_equal(replace(l, NEW, &e), MX_OK);
	is(NEW);
	assert_int_equal(replace(l, "", &e), MX_CONFIG);
	assert_string_equal(e.code, "refresh-token-malformed");
	assert_int_equal(replace(l, "a\nb", &e), MX_CONFIG);
	is(NEW);
	assert_int_equal(oauth_refresh_prepare(l, &e), MX_OK);	/* and not used: no reply came */
	oauth_refresh_unlock(l);
	is(NEW);
	tidy();
}

static const struct { const char *name; enum call call; unsigned nth; int err; bool sent, there; } faults[] = {
	{ "no room for it", FALLOCATE, 1, ENOSPC, false, false },
	{ "quota", FALLOCATE, 1, EDQUOT, false, false },
	{ "broken disk at the claim", FALLOCATE, 1, EIO, false, false },
	{ "read-only", OPENAT, 1, EROFS, false, false },
	{ "no entry for it", OPENAT, 1, ENOSPC, false, false },
	{ "the claim does not reach the disk", FSYNC, 1, EIO, false, false },
	{ "write", PWRITE, 1, EIO, true, false },
	{ "write of the newline", PWRITE, 2, ENOSPC, true, false },
	{ "cut", FTRUNCATE, 1, EIO, true, false },
	{ "it does not reach the disk", FSYNC, 2, EIO, true, false },
	{ "rename", RENAMEAT, 1, EIO, true, false },
	{ "rename without room", RENAMEAT, 1, ENOSPC, true, false },
	{ "the folder does not reach the disk", FSYNC, 3, EIO, true, true },
};

static void test_faults(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		struct oauth_refresh_lock *l;
		struct mx_err e;
		enum mx_class cls;

		put(V(OLD "\n"), 0600);
		l = locked();
		fakefiles.call = faults[i].call;
		fakefiles.nth = faults[i].nth;
		fakefiles.err = faults[i].err;
		cls = oauth_refresh_prepare(l, &e);
		if ((cls == MX_OK) != faults[i].sent)
			fail_msg("%s: prepare says %d", faults[i].name, (int)cls);
		if (cls == MX_OK)
			cls = replace(l, NEW, &e);
		fakefiles_calm();
		if (cls != MX_TEMP || strcmp(e.code, "refresh-token-unwritable") != 0)
			fail_msg("%s: %d %s", faults[i].name, (int)cls, e.code);
		is(faults[i].there ? NEW : OLD);
		if (faults[i].sent) {			/* and once more, as the daemon does */
			assert_int_equal(replace(l, NEW, &e), MX_OK);
			is(NEW);
		}
		oauth_refresh_unlock(l);
		tidy();
	}
}

static void test_interrupted(void **state)
{
	static const struct { int err; bool shortened; } kinds[] = { { EINTR, false }, { 0, true } };
	struct oauth_refresh_lock *l;
	struct mx_err e;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		put(V(OLD "\n"), 0600);
		l = locked();
		assert_int_equal(oauth_refresh_prepare(l, &e), MX_OK);
		fakefiles.call = PWRITE;
		fakefiles.nth = 1;
		fakefiles.err = kinds[i].err;
		fakefiles.shortened = kinds[i].shortened;
		assert_int_equal(replace(l, NEW, &e), MX_OK);
		fakefiles_calm();
		is(NEW);
		oauth_refresh_unlock(l);
	}
	/* A file system that cannot claim room is given zeros; a full one is found as well. */
	l = locked();
	fakefiles.call = FALLOCATE;
	fakefiles.nth = 1;
	fakefiles.err = EOPNOTSUPP;
	assert_int_equal(oauth_refresh_prepare(l, &e), MX_OK);
	fakefiles_calm();
	assert_int_equal(replace(l, OLD, &e), MX_OK);
	is(OLD);
	oauth_refresh_unlock(l);
}

/* One whole renewal, as the daemon does it. */
static void renewal(void)
{
	struct oauth_refresh_lock *l;
	struct mx_secret s;

	if (oauth_refresh_lock(path, &l, NULL) != MX_OK)
		_exit(2);
	if (oauth_refresh_read(l, &s, NULL) != MX_OK || oauth_refresh_prepare(l, NULL) != MX_OK)
		_exit(3);
	mx_secret_free(&s);
	if (replace(l, NEW, NULL) != MX_OK)
		_exit(4);
	oauth_refresh_unlock(l);
	_exit(0);
}

/* false: it came to its end. */
static bool killed_at(unsigned nth, bool ahead)
{
	pid_t pid;
	int status;

	assert_true((pid = fork()) != -1);
	if (pid == 0) {
		fakefiles.call = CALLS;
		fakefiles.nth = nth;
		fakefiles.ahead = ahead;
		renewal();
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
	else
		assert_int_equal(WTERMSIG(status), SIGKILL);
	return WIFSIGNALED(status);
}

static void test_killed(void **state)
{
	unsigned old = 0, new = 0;
	struct mx_secret s;
	struct mx_err e;

	(void)state;
	for (int ahead = 0; ahead < 2; ahead++)
		for (unsigned nth = 1;; nth++) {
			bool died;

			put(V(OLD "\n"), 0600);
			died = killed_at(nth, ahead);
			assert_int_equal(oauth_refresh_peek(path, &s, &e), MX_OK);
			if (strcmp((char *)s.p, OLD) == 0)
				old++;
			else
				new += strcmp((char *)s.p, NEW) == 0;
			mx_secret_free(&s);
			if (!died)
				break;
			/* The lock went with it, and the next one clears up. */
			assert_false(killed_at(0, false));
			is(NEW);
			tidy();
		}
	/* At least: lock, stale file, two of prepare, two writes, cut, fsync come before the rename. */
	assert_true(old >= 16);
	assert_true(new >= 4);
}

static int begin(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof dir, "/tmp/mx-refresh-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	(void)snprintf(path, sizeof path, "%s/t", dir);
	return 0;
}

static int end(void **state)
{
	static const char *const ends[] = { "t", "t.lock", "t.new", "t.other" };
	char name[100];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		(void)snprintf(name, sizeof name, "%s/%s", dir, ends[i]);
		(void)unlink(name);
	}
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read), cmocka_unit_test(test_sizes), cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_lock), cmocka_unit_test(test_lock_of_root), cmocka_unit_test(test_owner),
		cmocka_unit_test(test_replace), cmocka_unit_test(test_faults), cmocka_unit_test(test_interrupted),
		cmocka_unit_test(test_killed),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
