/*
 * Lines: what is shown of a change, and a change taken back from a file that was edited since. State: kept, found
 * again, and not taken for whole when it is damaged.
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

#include "ctl/setup/block.h"
#include "ctl/setup/grant.h"
#include "ctl/setup/lines.h"
#include "ctl/setup/postfix.h"
#include "ctl/setup/state.h"

static struct su_text text(const char *s)
{
	return (struct su_text){ s, s != NULL ? strlen(s) : 0 };
}

/* --- shown ------------------------------------------------------------------------------------ */

static void shown(void **state)
{
	static const struct { const char *from, *to; bool mask; const char *diff; } row[] = {
		{ "a\nb\nc\n", "a\nB\nc\n", false, "--- f\n+++ f\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n" },
		{ NULL, "x\n", false, "--- /dev/null\n+++ f\n@@ -0,0 +1,1 @@\n+x\n" },
		{ "x\n", NULL, false, "--- f\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-x\n" },
		{ "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n", false,
		    "--- f\n+++ f\n@@ -7,3 +7,4 @@\n 7\n 8\n 9\n+10\n" },
		/* Two changes near each other are one hunk, far from each other two. */
		{ "1\n2\n3\n4\n", "0\n1\n2\n3\n4\n5\n", false,
		    "--- f\n+++ f\n@@ -1,4 +1,6 @@\n+0\n 1\n 2\n 3\n 4\n+5\n" },
		{ "1\n2\n3\n4\n5\n6\n7\n8\n", "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n", false,
		    "--- f\n+++ f\n@@ -1,3 +1,4 @@\n+0\n 1\n 2\n 3\n@@ -6,3 +7,4 @@\n 6\n 7\n 8\n+9\n" },
		{ "a", "a\n", false, "--- f\n+++ f\n@@ -1,1 +1,1 @@\n-a\n\\ no newline at the end of the file\n+a\n" },
		/* Passwords are behind the first colon of the value, also on lines that only stand around. */
		{ "[h]:587 u:pw\n# c\nk\tv:pw2\n", "[h]:587 u\n# c\nk\tv:pw2\n", true,
		    "--- f\n+++ f\n@@ -1,3 +1,3 @@\n-[h]:587 u:***\n+[h]:587 u\n # c\n k\tv:***\n" },
		/* Those that were taken out, and those in a line of their own. */
		{ "a u:pw\n#b u:old\n# [c]:25 u:older\n", "a u\n#b u:old\n# [c]:25 u:older\n", true,
		    "--- f\n+++ f\n@@ -1,3 +1,3 @@\n-a u:***\n+a u\n #b u:***\n # [c]:***\n" },
		{ "a u:pw\nb u:\n\t pw2\n\n", "a u\nb u:\n\t pw2\n\n", true,
		    "--- f\n+++ f\n@@ -1,4 +1,4 @@\n-a u:***\n+a u\n b u:***\n \t ***\n \n" },
		{ "a\x1b[1mb\n", "c\n", false, "--- f\n+++ f\n@@ -1,1 +1,1 @@\n-a\\x1b[1mb\n+c\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
		const struct su_text from = text(row[i].from), to = text(row[i].to);
		char *got = NULL;
		size_t n = 0;
		FILE *f = open_memstream(&got, &n);

		assert_non_null(f);
		assert_true(su_diff_show(f, "f", &from, &to, row[i].mask));
		fclose(f);
		assert_string_equal(got, row[i].diff);
		free(got);
	}
}

/* More than fits the table is one hunk, and still right. */
static void large(void **state)
{
	const size_t lines = 9000;
	char *a = malloc(lines * 8), *b = malloc(lines * 8);
	size_t n = 0, k = 0;
	struct su_diff d;

	(void)state;
	assert_true(a != NULL && b != NULL);
	for (size_t i = 0; i < lines; i++) {
		n += (size_t)snprintf(a + n, 8, "a%05zu\n", i);
		k += (size_t)snprintf(b + k, 8, "b%05zu\n", i);
	}
	assert_true(su_diff(&(struct su_text){ a, n }, &(struct su_text){ b, k }, &d));
	assert_int_equal(d.n, 1);
	assert_int_equal(d.h[0].an, lines);
	assert_int_equal(d.h[0].bn, lines);
	free(d.h);
	free(a);
	free(b);
}

/* --- merged ----------------------------------------------------------------------------------- */

static void merged(void **state)
{
	static const struct { const char *base, *mine, *theirs, *out; } row[] = {	/* out NULL: a conflict */
		{ "a\nX\nb\n", "a\nb\n", "a\nX\nb\n", "a\nb\n" },
		{ "a\nX\nb\n", "a\nb\n", "0\na\nX\nb\nc\n", "0\na\nb\nc\n" },
		{ "a\nX\n", "a\n", "a\nX\nuser\n", "a\nuser\n" },		/* right behind ours */
		{ "a\nX\n", "a\n", "a\nuser\nX\n", "a\nuser\n" },
		{ "a\nX\n", "a\n", "a\nX\n    -o continued\n", NULL },
		{ "a\nX\n", "a\n", "a\nX\n\tcontinued\n", NULL },
		{ "a\nX\nb\n", "a\nb\n", "a\nX\n  c\nb\n", NULL },
		{ "a\nX\n", "a\n", "a\nY\n", NULL },
		{ "a\nX\nY\n", "a\n", "a\nX\n1\nY\n", NULL },			/* in our midst */
		{ "a\nX\nY\n", "a\n", "a\n", "a\n" },				/* they took it back themselves */
		{ "a\nX\nY\n", "a\n", "a\nX\n", NULL },			/* half of it */
		{ "new\n", "old\n", "new\nmore\n", "old\nmore\n" },
		{ "new\n", "old\n", "old\n", "old\n" },
		{ "a\nb\n", "a\nwas\nb\n", "a\nb\n", "a\nwas\nb\n" },		/* a line that we had removed */
		{ "a\nb\n", "a\nwas\nb\n", "a\ntheirs\nb\n", NULL },
		{ "a\nb\n", "a\nwas\nb\n", "a\nB\n", "a\nwas\nB\n" },
		{ "X\n", "", "X\nuser\n", "user\n" },
		{ "X\n", "", "X\n", "" },
		{ "", "a\n", "", "a\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
		const struct su_text base = text(row[i].base), mine = text(row[i].mine), theirs = text(row[i].theirs);
		size_t n = 0, at = 0, lines = 0;
		char *out;
		enum su_merge r = su_merge(&base, &mine, &theirs, &out, &n, &at, &lines);

		if (r != (row[i].out != NULL ? SU_MERGED : SU_CONFLICT))
			fail_msg("row %zu: %d", i, (int)r);
		if (row[i].out != NULL && strcmp(out, row[i].out) != 0)
			fail_msg("row %zu: \"%s\"", i, out);
		if (row[i].out != NULL)
			assert_int_equal(n, strlen(row[i].out));
		free(out);
	}
}

/* Where the conflict is, in their lines. */
static void conflict(void **state)
{
	const struct su_text base = text("a\nX\nb\n"), mine = text("a\nb\n"), theirs = text("0\na\nX2\nX3\nb\n");
	size_t n, at, lines;
	char *out;

	(void)state;
	assert_int_equal(su_merge(&base, &mine, &theirs, &out, &n, &at, &lines), SU_CONFLICT);
	assert_int_equal(at, 2);
	assert_int_equal(lines, 2);
}

/* --- kept ------------------------------------------------------------------------------------- */

static struct su_file file(const char *s, mode_t mode)
{
	struct su_file f = { .there = s != NULL, .mode = mode, .uid = geteuid(), .gid = getegid() };

	if (s != NULL)
		assert_non_null(f.p = strdup(s));
	f.n = s != NULL ? strlen(s) : 0;
	return f;
}

static void put(struct su_set *s, enum su_kind kind, const char *path, const char *before, const char *after)
{
	struct su_file b = file(before, before != NULL ? 0640 : 0), a = file(after, after != NULL ? 0604 : 0);

	assert_true(su_set_add(s, kind, path, "a note", &b, &a));
}

static void remove_all(const char *dir)
{
	char *p = su_join(dir, "/state", "");

	assert_int_equal(su_set_remove(p), 0);
	free(p);
	assert_int_equal(su_remove_folder(dir), 0);
}

static void kept(void **state)
{
	char dir[] = "/tmp/mx-state.XXXXXX", *where, *one, *two, *gone;
	struct su_set s = { 0 }, t;
	const char *path;
	struct stat st;
	int err;

	(void)state;
	assert_non_null(mkdtemp(dir));
	where = su_join(dir, "/state", "");
	one = su_join(dir, "/one two", "");
	two = su_join(dir, "/two", "");
	gone = su_join(dir, "/gone", "");
	assert_int_equal(su_set_load(where, &t, &err), SU_NONE);
	put(&s, SU_FILE, one, NULL, "");
	put(&s, SU_PASSWORDS, two, "old\n", "new\n");
	put(&s, SU_FILE, gone, "old\n", NULL);
	assert_int_equal(su_set_save(where, &s), 0);
	assert_int_equal(su_set_load(where, &t, &err), SU_APPLYING);
	assert_int_equal(t.n, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(t.c[i].path, s.c[i].path);
		assert_string_equal(t.c[i].note, "a note");
		assert_int_equal(t.c[i].kind, s.c[i].kind);
		assert_true(su_file_equal(&t.c[i].before, &s.c[i].before) && su_file_equal(&t.c[i].after,
		    &s.c[i].after));
	}
	assert_int_equal(su_set_apply(&t, &path), 0);
	assert_int_equal(stat(one, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0604);
	assert_int_equal(stat(gone, &st), -1);
	su_set_free(&t);
	assert_int_equal(su_set_done(where), 0);
	assert_int_equal(su_set_load(where, &t, &err), SU_DONE);
	su_set_free(&t);
	su_set_free(&s);
	assert_int_equal(unlink(one) | unlink(two), 0);
	remove_all(dir);
	free(where);
	free(one);
	free(two);
	free(gone);
}

/* A copy that is not what was kept, a manifest that ends early: never half of a set. */
static void damaged(void **state)
{
	static const struct { const char *name; off_t cut; } row[] = {
		{ "/before.0", 2 }, { "/after.0", 0 }, { "/manifest", 30 }, { "/manifest", 0 },
	};
	char dir[] = "/tmp/mx-state.XXXXXX", *where, *path;
	struct su_set s = { 0 }, t;
	int err;

	(void)state;
	assert_non_null(mkdtemp(dir));
	where = su_join(dir, "/state", "");
	put(&s, SU_FILE, "/nowhere", "old\n", "new\n");
	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
		assert_int_equal(su_set_save(where, &s), 0);
		path = su_join(where, row[i].name, "");
		assert_int_equal(truncate(path, row[i].cut), 0);
		free(path);
		assert_int_equal(su_set_load(where, &t, &err), SU_DAMAGED);
		assert_int_equal(su_set_remove(where), 0);
	}
	su_set_free(&s);
	remove_all(dir);
	free(where);
}

/* A symbolic link is never followed, nor replaced by a file. */
static void links(void **state)
{
	char dir[] = "/tmp/mx-state.XXXXXX", *link, *target;
	struct su_file f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	link = su_join(dir, "/link", "");
	target = su_join(dir, "/target", "");
	f = file("x", 0600);
	assert_int_equal(su_file_put(target, &f), 0);
	su_file_free(&f);
	assert_int_equal(symlink(target, link), 0);
	assert_int_not_equal(su_file_read(link, &f), 0);
	su_file_free(&f);
	assert_int_equal(su_remove_folder(dir), 0);
	free(link);
	free(target);
}

/* --- Postfix ---------------------------------------------------------------------------------- */

static void tables(void **state)
{
	static const struct { const char *list, *type, *name, *type2; } row[] = {
		{ "hash:/etc/postfix/sasl_passwd", "hash", "/etc/postfix/sasl_passwd", NULL },
		{ "  proxy:lmdb:/a, texthash:/b", "lmdb", "/a", "texthash" },
		{ "inline:{ { @a = b:[c] }, { d = e } } hash:/x", "inline", "{ { @a = b:[c] }, { d = e } }", "hash" },
		{ "nothing", "", "", NULL },
	};
	char type[64], name[128];

	(void)state;
	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
		const char *list = row[i].list;

		assert_true(pf_table(&list, type, sizeof type, name, sizeof name));
		assert_string_equal(type, row[i].type);
		assert_string_equal(name, row[i].name);
		assert_int_equal(pf_table(&list, type, sizeof type, name, sizeof name), row[i].type2 != NULL);
		if (row[i].type2 != NULL)
			assert_string_equal(type, row[i].type2);
	}
}

/* No two folders have one name. */
static void names(void **state)
{
	static const char *const row[][2] = { { "/etc/postfix", "etc-postfix" }, { "/etc/postfix-out", "etc-postfix_2dout" },
		{ "/a-b/c", "a_2db-c" }, { "/a/b-c", "a-b_2dc" }, { "/a/b/c", "a-b-c" }, { "/a_2db/c", "a_5f2db-c" } };

	(void)state;
	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
		char *got = su_name(row[i][0]);

		assert_string_equal(got, row[i][1]);
		free(got);
	}
}

/* --- blocks of ours, and refresh tokens --------------------------------------------------------- */

static void blocks(void **state)
{
	static const struct { const char *made, *now, *after; } row[] = {
		{ "a\n# mta-xoauth2: x\nM = 1\n# mta-xoauth2: end\nb\n",
		    "A\n# mta-xoauth2: x\nM = 2\nN = 3\n# mta-xoauth2: end\nb\nc\n",
		    "A\n# mta-xoauth2: x\nM = 1\n# mta-xoauth2: end\nb\nc\n" },
		/* Two blocks, each by its name. */
		{ "# mta-xoauth2: x\n1\n# mta-xoauth2: end\n# mta-xoauth2: y\n2\n# mta-xoauth2: end\n",
		    "# mta-xoauth2: y\n9\n# mta-xoauth2: end\n# mta-xoauth2: x\n1\n# mta-xoauth2: end\n",
		    "# mta-xoauth2: y\n2\n# mta-xoauth2: end\n# mta-xoauth2: x\n1\n# mta-xoauth2: end\n" },
		/* Nothing edited; no end; gone. */
		{ "# mta-xoauth2: x\n1\n# mta-xoauth2: end\n", "# mta-xoauth2: x\n1\n# mta-xoauth2: end\nz", NULL },
		{ "# mta-xoauth2: x\n1\n# mta-xoauth2: end\n", "# mta-xoauth2: x\n2\n", NULL },
		{ "# mta-xoauth2: x\n1\n# mta-xoauth2: end\n", "other\n", NULL },
	};
	char *p;

	(void)state;
	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
		struct su_change c = { .kind = SU_BLOCK, .after = { .there = true, .p = (char *)(uintptr_t)row[i].made,
		    .n = strlen(row[i].made) } };
		const struct su_file now = { .there = true, .p = (char *)(uintptr_t)row[i].now, .n = strlen(row[i].now) };

		assert_true(su_block_made(&c, &now, &p));
		if (row[i].after == NULL)
			assert_null(p);
		else
			assert_string_equal(p, row[i].after);
		free(p);
	}
}

static struct su_file as_file(const char *s)
{
	return (struct su_file){ .there = s != NULL, .p = (char *)(uintptr_t)s, .n = s != NULL ? strlen(s) : 0 };
}

/* The newest refresh token goes back, and nothing else of the file is touched. */
static void tokens(void **state)
{
	static const char old[] = "{\n \"user\": \"refresh_token\", \"x\": {\"refresh_token\": \"in\"},\n\t\"refresh_token\" : "
	    "\"o\\u006cd\",\"z\":[1, {\"refresh_token\":\"b\"}] }\n";
	static const struct { const char *before, *now, *store, *final; } row[] = {
		{ old, NULL, NULL, old },
		{ old, NULL, "old\n", old },
		{ old, NULL, "ne\\w\"~\n", "{\n \"user\": \"refresh_token\", \"x\": {\"refresh_token\": \"in\"},\n\t\"refresh_token\""
		    " : \"ne\\\\w\\\"~\",\"z\":[1, {\"refresh_token\":\"b\"}] }\n" },
		/* The other program has written it anew. */
		{ old, "{\"refresh_token\":\"its\"}", "old\n", "{\"refresh_token\":\"its\"}" },
		{ old, "{\"refresh_token\":\"its\"}", NULL, "{\"refresh_token\":\"its\"}" },
		{ old, "{\"refresh_token\":\"its\", \"a\":1}", "new\n", "{\"refresh_token\":\"new\", \"a\":1}" },
	};
	char dir[] = "/tmp/mx-grant.XXXXXX", *store;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_non_null(store = su_join(dir, "/c.refresh", ""));
	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
		struct su_change c = { .kind = SU_TOKEN, .path = (char *)(uintptr_t)"token", .note = store, .before =
		    as_file(row[i].before) };
		struct su_file now = as_file(row[i].now), stored = as_file(row[i].store), final;

		stored.mode = 0600, stored.uid = geteuid(), stored.gid = getegid();
		assert_int_equal(su_file_put(store, &stored), 0);
		assert_true(su_grant_back(&c, &now, &final));
		assert_string_equal(final.p, row[i].final);
		assert_int_equal(final.n, strlen(row[i].final));
		su_file_free(&final);
	}
	assert_int_equal(su_remove_folder(dir), 0);
	free(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shown),
		cmocka_unit_test(large),
		cmocka_unit_test(merged),
		cmocka_unit_test(conflict),
		cmocka_unit_test(kept),
		cmocka_unit_test(damaged),
		cmocka_unit_test(links),
		cmocka_unit_test(tables),
		cmocka_unit_test(names),
		cmocka_unit_test(blocks),
		cmocka_unit_test(tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
