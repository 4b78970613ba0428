/*
 * Folders that root acts upon: nobody else has a hand in them, nor in those above; and what an earlier version kept in a folder
 * of the daemon's user.
 */
#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/setup/file.h"
#include "ctl/setup/grant.h"
#include "ctl/setup/state.h"
#include "ctl/setup/trust.h"

#define OTHER 12345	/* a uid of nobody's */

static char top[64], why[SU_WHY];

static char *at(const char *rest)
{
	static char paths[8][256];
	static unsigned next;
	char *p = paths[next++ % 8];

	(void)snprintf(p, sizeof paths[0], "%s%s", top, rest);
	return p;
}

static int begin(void **state)
{
	(void)state;
	(void)umask(022);
	(void)strcpy(top, "/tmp/mx-trust.XXXXXX");
	return mkdtemp(top) != NULL && chmod(top, 0755) == 0 ? 0 : -1;
}

static int end(void **state)
{
	static const char *const all[] = { "/state/postfix/one", "/state/postfix", "/state", "/old/postfix/one", "/old/postfix",
		"/old/there/one", "/old/there", "/old", "/new/postfix/one", "/new/postfix", "/new", "/mine", "/a/b/postfix", "/a/b", "/a", "" };

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		(void)remove(at(all[i]));
	return access(top, F_OK) == -1 ? 0 : -1;
}

static int trust(const char *base, bool make)
{
	char *path;
	int err = su_trust(base, "postfix", make, &path, why);

	free(path);
	return err;
}

static void made(void **state)
{
	struct stat st;
	char *path, *want = at("/a/b/postfix");

	(void)state;
	assert_int_equal(trust(at("/a/b"), false), ENOENT);
	assert_int_equal(access(at("/a"), F_OK), -1);
	assert_int_equal(su_trust(at("/a//b/"), "postfix", true, &path, why), 0);
	assert_int_equal(stat(want, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(st.st_uid, geteuid());
	free(path);
	assert_int_equal(trust(at("/a/b"), false), 0);
	/* A link of the administrator's is resolved: no one else could have made it. */
	assert_int_equal(symlink(at("/a"), at("/mine")), 0);
	assert_int_equal(su_trust(at("/mine/b"), "postfix", false, &path, why), 0);
	assert_string_equal(path, want);
	free(path);
}

static void relative(void **state)
{
	char *path, here[256], *want = at("/a/b/postfix");

	(void)state;
	assert_non_null(getcwd(here, sizeof here));
	assert_int_equal(chdir(top), 0);
	assert_int_equal(su_trust("a/b", "postfix", true, &path, why), 0);
	assert_string_equal(path, want);
	assert_int_equal(chdir(here), 0);
	free(path);
}

/* Refused wherever in the chain somebody else could act, with the folder and the next step. */
static void refused(void **state)
{
	char *postfix = at("/state/postfix"), *base = at("/state");

	(void)state;
	assert_int_equal(trust(base, true), 0);
	assert_int_equal(chmod(postfix, 0777), 0);
	assert_int_equal(trust(base, false), EPERM);
	assert_non_null(strstr(why, postfix));
	assert_non_null(strstr(why, "look who made it, and remove it"));
	assert_int_equal(chmod(postfix, 01777), 0);	/* sticky: others may make files in it all the same */
	assert_int_equal(trust(base, true), EPERM);
	assert_int_equal(chmod(postfix, 0700), 0);
	assert_int_equal(chmod(base, 0757), 0);
	assert_int_equal(trust(base, true), EPERM);
	assert_non_null(strstr(why, "name another one by --state"));
	assert_null(strstr(why, "/postfix"));
	assert_int_equal(chmod(base, 01777), 0);	/* as /tmp: what is in it is its owner's */
	assert_int_equal(trust(base, true), 0);
	assert_int_equal(chmod(base, 0755), 0);
	assert_int_equal(rename(postfix, at("/mine")), 0);
	assert_int_equal(symlink(at("/mine"), postfix), 0);
	assert_int_equal(trust(base, true), EPERM);
	assert_int_equal(unlink(postfix), 0);
	assert_int_equal(close(creat(postfix, 0600)), 0);
	assert_int_equal(trust(base, true), EPERM);
}

static void of_others(void **state)
{
	char *postfix = at("/state/postfix"), *base = at("/state");

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(trust(base, true), 0);
	assert_int_equal(chown(postfix, OTHER, 0), 0);
	assert_int_equal(trust(base, true), EPERM);
	assert_non_null(strstr(why, postfix));
	assert_int_equal(chown(postfix, 0, 0), 0);
	assert_int_equal(chown(base, OTHER, 0), 0);	/* what is below is root's, but may be replaced */
	assert_int_equal(trust(base, true), EPERM);
	assert_int_equal(chown(base, 0, OTHER), 0);
	assert_int_equal(trust(base, true), 0);
	assert_int_equal(chmod(base, 0775), 0);
	assert_int_equal(trust(base, true), EPERM);
}

/* A daemon's user's folder with what root has kept in it. */
static void old(const char *name)
{
	char path[256];

	assert_int_equal(mkdir(at("/old"), 0700), 0);
	(void)snprintf(path, sizeof path, "%s/%s", at("/old"), name);
	assert_int_equal(mkdir(path, 0700), 0);
	(void)snprintf(path, sizeof path, "%s/%s/one", at("/old"), name);
	assert_int_equal(close(creat(path, 0600)), 0);
	assert_int_equal(chown(at("/old"), OTHER, OTHER), 0);
}

static void adopted(void **state)
{
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(su_trust_adopt(at("/old"), at("/new"), "postfix", why), 0);
	assert_int_equal(access(at("/new"), F_OK), -1);
	old("postfix");
	assert_int_equal(su_trust_adopt(at("/old"), at("/new"), "exim", why), 0);
	assert_int_equal(su_trust_adopt(at("/old"), at("/new"), "postfix", why), 0);
	assert_int_equal(access(at("/new/postfix/one"), F_OK), 0);
	assert_int_equal(stat(at("/new/postfix"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(access(at("/old/postfix"), F_OK), -1);
	assert_int_equal(trust(at("/new"), false), 0);
	/* What comes there later is nothing to us. */
	assert_int_equal(mkdir(at("/old/postfix"), 0777), 0);
	assert_int_equal(chown(at("/old/postfix"), OTHER, OTHER), 0);
	assert_int_equal(su_trust_adopt(at("/old"), at("/new"), "postfix", why), 0);
	assert_int_equal(access(at("/new/postfix/one"), F_OK), 0);
}

static void not_adopted(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	old("there");
	assert_int_equal(mkdir(at("/old/postfix"), 0700), 0);
	assert_int_equal(chown(at("/old/postfix"), OTHER, OTHER), 0);
	assert_int_equal(su_trust_adopt(at("/old"), at("/new"), "postfix", why), EPERM);
	assert_non_null(strstr(why, at("/old/postfix")));
	assert_int_equal(rmdir(at("/old/postfix")), 0);
	assert_int_equal(symlink("there", at("/old/postfix")), 0);
	assert_int_equal(su_trust_adopt(at("/old"), at("/new"), "postfix", why), EPERM);
	assert_int_equal(access(at("/new/postfix"), F_OK), -1);
}

/* A state whose files are somebody else's says nothing. */
static void of_another(void **state)
{
	struct su_file before = { 0 }, after = { .there = true, .p = strdup("x"), .n = 1, .mode = 0600 };
	struct su_set set = { 0 };
	char *dir = at("/state"), *list = at("/state/manifest");
	int err;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_true(su_set_add(&set, SU_FILE, "/nowhere", "", &before, &after));
	assert_int_equal(su_set_save(dir, &set), 0);
	su_set_free(&set);
	assert_int_equal(su_set_load(dir, &set, &err), SU_APPLYING);
	su_set_free(&set);
	assert_int_equal(chown(list, OTHER, 0), 0);
	assert_int_equal(su_set_load(dir, &set, &err), SU_DAMAGED);
	assert_int_equal(err, EPERM);
	assert_int_equal(chown(list, 0, 0), 0);
	assert_int_equal(chown(at("/state/after.0"), OTHER, 0), 0);
	assert_int_equal(su_set_load(dir, &set, &err), SU_DAMAGED);
	assert_int_equal(su_remove_folder(dir), 0);
}

/* The daemon's user has put a link where root looks for the newest refresh token, or a second name of root's own file. */
static void lured(void **state)
{
	static const char text[] = "{\"refresh_token\":\"old\"}";
	struct su_change c = { .kind = SU_TOKEN, .path = at("/token"), .note = at("/old/c.refresh"), .before = { .there = true,
		.p = strdup(text), .n = strlen(text) } };
	struct su_file store = { .there = true, .p = strdup("stolen\n"), .n = 7, .mode = 0600, .uid = geteuid(), .gid = getegid() };
	struct su_file none = { 0 }, final;
	char *other = at("/mine");

	(void)state;
	assert_int_equal(mkdir(at("/old"), 0700), 0);
	for (unsigned kind = 0; kind < 3; kind++) {
		assert_int_equal(su_file_put(kind == 0 ? c.note : other, &store), 0);
		if (kind == 1)
			assert_int_equal(symlink(other, c.note), 0);
		else if (kind == 2)
			assert_int_equal(link(other, c.note), 0);
		assert_true(su_grant_back(&c, &none, &final));
		assert_string_equal(final.p, kind == 0 ? "{\"refresh_token\":\"stolen\"}" : text);
		su_file_free(&final);
		assert_int_equal(unlink(c.note), 0);
	}
	su_file_free(&c.before);
	su_file_free(&store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(made, begin, end),
		cmocka_unit_test_setup_teardown(relative, begin, end),
		cmocka_unit_test_setup_teardown(refused, begin, end),
		cmocka_unit_test_setup_teardown(of_others, begin, end),
		cmocka_unit_test_setup_teardown(adopted, begin, end),
		cmocka_unit_test_setup_teardown(not_adopted, begin, end),
		cmocka_unit_test_setup_teardown(of_another, begin, end),
		cmocka_unit_test_setup_teardown(lured, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
