/*
 * oauth/identity.h: which file a challenge of Azure Arc's may have read, and what is made of it.
 */
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

#include "oauth/identity.h"

static char dir[64], folder[160];

static const char *in(const char *base, const char *name, char path[160])
{
	assert_true(snprintf(path, 160, "%s/%s", base, name) < 160);
	return path;
}

static void put(const char *path, const char *text, size_t n, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

/* good.key in the folder, and every kind of bad one beside it. */
static int make(void **state)
{
	static char big[OAUTH_ARC_KEY_MAX + 1];
	char path[160], to[160];

	(void)state;
	strcpy(dir, "/tmp/mxarcXXXXXX");
	assert_non_null(mkdtemp(dir));
	in(dir, "tokens", folder);
	assert_int_equal(mkdir(folder, 0755), 0);
	memset(big, 'k', sizeof big);
	put(in(folder, "good.key", path), "c2VjcmV0/+==", 12, 0640);
	put(in(folder, "longest.key", path), big, sizeof big - 1, 0640);
	put(in(folder, "long.key", path), big, sizeof big, 0640);
	put(in(folder, "empty.key", path), "", 0, 0640);
	put(in(folder, "line.key", path), "abc\r\nX: y", 9, 0640);
	put(in(folder, "newline.key", path), "abc\n", 4, 0640);
	put(in(folder, "open.key", path), "abc", 3, 0646);
	put(in(folder, "name.txt", path), "abc", 3, 0640);
	put(in(folder, ".key", path), "abc", 3, 0640);
	put(in(folder, ".hidden.key", path), "abc", 3, 0640);
	put(in(dir, "outside.key", path), "abc", 3, 0640);
	put(in(folder, "foreign.key", path), "abc", 3, 0640);
	if (geteuid() == 0)
		assert_int_equal(chown(path, 12345, 0), 0);
	assert_int_equal(symlink("good.key", in(folder, "link.key", path)), 0);
	assert_int_equal(symlink(in(dir, "outside.key", to), in(folder, "away.key", path)), 0);
	assert_int_equal(symlink(dir, in(folder, "up", path)), 0);
	assert_int_equal(mkfifo(in(folder, "pipe.key", path), 0640), 0);
	assert_int_equal(mkdir(in(folder, "folder.key", path), 0755), 0);
	assert_int_equal(mkdir(in(folder, "sub", path), 0755), 0);
	put(in(folder, "sub/deep.key", path), "abc", 3, 0640);
	return 0;
}

static int tidy(void **state)
{
	char command[96];

	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

/* %s is the folder. want: what is sent, NULL: nothing is read, and the text says why. */
static const struct {
	const char *name, *challenge, *want, *why;
} rows[] = {
	{ "good", "Basic realm=%s/good.key", "Basic c2VjcmV0/+==", NULL },
	{ "in quotes", "Basic realm=\"%s/good.key\"", "Basic c2VjcmV0/+==", NULL },
	{ "other case", "BASIC  Realm=%s/good.key ", "Basic c2VjcmV0/+==", NULL },
	{ "no challenge", NULL, NULL, "without naming a key file" },
	{ "another scheme", "Bearer realm=%s/good.key", NULL, "without naming a key file" },
	{ "another word", "Basic charset=%s/good.key", NULL, "without naming a key file" },
	{ "nothing", "Basic realm=", NULL, "without naming a key file" },
	{ "empty quotes", "Basic realm=\"\"", NULL, "without naming a key file" },
	{ "more behind it", "Basic realm=%s/good.key, x=y", NULL, "nothing was read" },
	{ "elsewhere", "Basic realm=/etc/shadow", NULL, "nothing was read" },
	{ "elsewhere, a key", "Basic realm=/etc/ssl/a.key", NULL, "nothing was read" },
	{ "relative", "Basic realm=good.key", NULL, "nothing was read" },
	{ "another name", "Basic realm=%s/name.txt", NULL, "nothing was read" },
	{ "no name", "Basic realm=%s/.key", NULL, "nothing was read" },
	{ "hidden", "Basic realm=%s/.hidden.key", NULL, "nothing was read" },
	{ "up and away", "Basic realm=%s/../outside.key", NULL, "nothing was read" },
	{ "up and back", "Basic realm=%s/../tokens/good.key", NULL, "nothing was read" },
	{ "through a link", "Basic realm=%s/up/outside.key", NULL, "nothing was read" },
	{ "below", "Basic realm=%s/sub/deep.key", NULL, "nothing was read" },
	{ "two slashes", "Basic realm=%s//good.key", NULL, "nothing was read" },
	{ "a folder that begins so", "Basic realm=%sx/good.key", NULL, "nothing was read" },
	{ "a link", "Basic realm=%s/link.key", NULL, "symbolic link" },
	{ "a link away", "Basic realm=%s/away.key", NULL, "symbolic link" },
	{ "a pipe", "Basic realm=%s/pipe.key", NULL, "not a regular file" },
	{ "a folder", "Basic realm=%s/folder.key", NULL, "not a regular file" },
	{ "not there", "Basic realm=%s/missing.key", NULL, "No such file" },
	{ "empty", "Basic realm=%s/empty.key", NULL, "empty or has more than 4096" },
	{ "too large", "Basic realm=%s/long.key", NULL, "empty or has more than 4096" },
	{ "everybody's", "Basic realm=%s/open.key", NULL, "everybody may write it" },
	{ "somebody's", "Basic realm=%s/foreign.key", NULL,
	    "neither to root nor to the user himds" },
	{ "two lines", "Basic realm=%s/line.key", NULL, "no header may have" },
	{ "a line end", "Basic realm=%s/newline.key", NULL, "no header may have" },
};

static void test_challenges(void **state)
{
	struct oauth_request r = { 0 };
	char challenge[320];
	enum mx_class cls;
	struct mx_err e;

	(void)state;
	if (geteuid() != 0)
		skip(); /* what this user writes is not root's */
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (rows[i].challenge != NULL) {
			const char *gap = strstr(rows[i].challenge, "%s");
			int n = gap != NULL ? (int)(gap - rows[i].challenge)
					    : (int)strlen(rows[i].challenge);

			snprintf(challenge, sizeof challenge, "%.*s%s%s", n, rows[i].challenge,
			    gap != NULL ? folder : "", gap != NULL ? gap + 2 : "");
		}
		cls = oauth_identity_challenged(
		    "c", folder, rows[i].challenge != NULL ? challenge : NULL, &r, &e);
		if (rows[i].want != NULL) {
			if (cls != MX_OK)
				fail_msg("%s: %s", rows[i].name, e.text);
			assert_string_equal(r.authorization.p, rows[i].want);
			assert_int_equal(r.authorization.len, strlen(rows[i].want));
			assert_string_equal(r.secret.p, rows[i].want + 6);
		} else if (cls != MX_CONFIG || strcmp(e.code, "identity-challenge") != 0 ||
		    strstr(e.text, rows[i].why) == NULL || r.authorization.len != 0) {
			fail_msg("%s: %s", rows[i].name, e.text);
		}
		oauth_request_free(&r);
	}
}

static void test_the_longest(void **state)
{
	struct oauth_request r = { 0 };
	char challenge[320];
	struct mx_err e;

	(void)state;
	if (geteuid() != 0)
		skip();
	snprintf(challenge, sizeof challenge, "Basic realm=%s/longest.key", folder);
	assert_int_equal(oauth_identity_challenged("c", folder, challenge, &r, &e), MX_OK);
	assert_int_equal(r.authorization.len, 6 + OAUTH_ARC_KEY_MAX);
	oauth_request_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_challenges),
		cmocka_unit_test(test_the_longest) };

	return cmocka_run_group_tests(tests, make, tidy);
}
