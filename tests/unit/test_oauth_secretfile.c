/*
 * oauth/secretfile.h with real files, modes and users.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
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

#include "oauth/secretfile.h"

static char dir[64];
static char path[128];

static void put(const char *name, const void *bytes, size_t n, mode_t mode)
{
	int fd;

	assert_true(snprintf(path, sizeof path, "%s/%s", dir, name) < (int)sizeof path);
	(void)unlink(path);
	assert_true((fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600)) != -1);
	assert_int_equal(write(fd, bytes, n), (ssize_t)n);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

#define V(s) s, sizeof s - 1
static const struct {
	const char *name, *in;
	size_t n;
	mode_t mode;
	const char *want;
	size_t want_n;
	const char *code;
} files[] = {
	{ "plain", V("Abc8Q~secret"), 0600, V("Abc8Q~secret"), NULL },
	{ "LF", V("Abc8Q~secret\n"), 0640, V("Abc8Q~secret"), NULL },
	{ "CRLF", V("Abc8Q~secret\r\n"), 0440, V("Abc8Q~secret"), NULL },
	{ "group may write", V("s\n"), 0660, V("s"), NULL },
	{ "blanks stay", V(" a b \n"), 0600, V(" a b "), NULL },
	{ "UTF-8", V("\xC3\xBC\xE2\x82\xAC\n"), 0600, V("\xC3\xBC\xE2\x82\xAC"), NULL },
	{ "bytes beyond ASCII", V("\x80\xFF\xFE\n"), 0600, V("\x80\xFF\xFE"), NULL },
	{ "nearly a GUID", V("11111111-2222-3333-4444-55555555555g"), 0600,
	    V("11111111-2222-3333-4444-55555555555g"), NULL },
	{ "empty", V(""), 0600, NULL, 0, "secret-empty" },
	{ "only a newline", V("\n"), 0600, NULL, 0, "secret-empty" },
	{ "only CRLF", V("\r\n"), 0600, NULL, 0, "secret-empty" },
	{ "two newlines", V("s\n\n"), 0600, NULL, 0, "secret-malformed" },
	{ "two lines", V("a\nb\n"), 0600, NULL, 0, "secret-malformed" },
	{ "NUL", V("a\0b"), 0600, NULL, 0, "secret-malformed" },
	{ "UTF-16",
	    V("\xFF\xFE"
	      "a\0b\0"),
	    0600, NULL, 0, "secret-malformed" },
	{ "CR inside", V("a\rb"), 0600, NULL, 0, "secret-malformed" },
	{ "CR at the end", V("ab\r"), 0600, NULL, 0, "secret-malformed" },
	{ "TAB", V("a\tb"), 0600, NULL, 0, "secret-malformed" },
	{ "DEL", V("a\x7f"), 0600, NULL, 0, "secret-malformed" },
	{ "BOM", V("\xEF\xBB\xBF" "Abc8Q~secret"), 0600, NULL, 0, "secret-has-bom" },
	{ "BOM alone", V("\xEF\xBB\xBF\n"), 0600, NULL, 0, "secret-has-bom" },
	{ "GUID", V("11111111-2222-3333-4444-aAbBcCdDeEfF\n"), 0600, NULL, 0, "secret-is-guid" },
	{ "world-readable", V("secret"), 0644, NULL, 0, "secret-world-readable" },
	{ "world-writable", V("secret"), 0602, NULL, 0, "secret-world-readable" },
};

static void test_files(void **state)
{
	struct mx_secret s = { 0 };
	struct mx_err e;
	enum mx_class cls;

	(void)state;
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		put("secret", files[i].in, files[i].n, files[i].mode);
		cls = oauth_secret_read(path, &s, &e);
		if (files[i].code == NULL) {
			if (cls != MX_OK || s.len != files[i].want_n ||
			    memcmp(s.p, files[i].want, s.len) != 0 || s.p[s.len] != '\0')
				fail_msg("%s: class %d, %zu bytes", files[i].name, cls, s.len);
		} else if (cls != MX_CONFIG || s.p != NULL || strcmp(e.code, files[i].code) != 0 ||
		    strstr(e.text, path) == NULL) {
			fail_msg("%s: class %d, code %s, '%s'", files[i].name, cls, e.code, e.text);
		}
		mx_secret_free(&s);
	}
}

static void test_world_readable_text(void **state)
{
	struct mx_secret s = { 0 };
	struct mx_err e;
	char want[256];

	(void)state;
	put("secret", "secret", 6, 0644);
	assert_int_equal(oauth_secret_read(path, &s, &e), MX_CONFIG);
	assert_true(snprintf(want, sizeof want, "chmod o-r %s", path) > 0);
	assert_non_null(strstr(e.text, want));
	assert_non_null(strstr(e.text, "0644"));
}

static void test_sizes(void **state)
{
	static char big[OAUTH_SECRET_MAX + 64];
	struct mx_secret s = { 0 };
	struct mx_err e;

	(void)state;
	memset(big, 'x', sizeof big);
	put("secret", big, OAUTH_SECRET_MAX, 0600);
	assert_int_equal(oauth_secret_read(path, &s, &e), MX_OK);
	assert_int_equal(s.len, OAUTH_SECRET_MAX);
	mx_secret_free(&s);
	for (size_t n = OAUTH_SECRET_MAX + 1; n < OAUTH_SECRET_MAX + 6; n++) {
		put("secret", big, n, 0600);
		assert_int_equal(oauth_secret_read(path, &s, &e), MX_CONFIG);
		assert_string_equal(e.code, "secret-too-long");
	}
	big[OAUTH_SECRET_MAX] = '\r';
	big[OAUTH_SECRET_MAX + 1] = '\n';
	put("secret", big, OAUTH_SECRET_MAX + 2, 0600);
	assert_int_equal(oauth_secret_read(path, &s, &e), MX_OK);
	assert_int_equal(s.len, OAUTH_SECRET_MAX);
	mx_secret_free(&s);
	put("secret", big, OAUTH_SECRET_MAX + 3, 0600);
	assert_int_equal(oauth_secret_read(path, &s, &e), MX_CONFIG);
	assert_string_equal(e.code, "secret-too-long");
}

static void refused(const char *p, const char *code)
{
	struct mx_secret s = { 0 };
	struct mx_err e;

	assert_int_equal(oauth_secret_read(p, &s, &e), MX_CONFIG);
	if (strcmp(e.code, code) != 0)
		fail_msg("%s: code %s instead of %s", p, e.code, code);
	assert_null(s.p);
}

static void test_not_files(void **state)
{
	char fifo[128];

	(void)state;
	refused("/nonexistent/secret", "secret-missing");
	refused("", "secret-missing");
	refused(NULL, "secret-missing");
	refused(dir, "secret-not-a-file");
	refused("/dev/null", "secret-not-a-file");
	assert_true(snprintf(fifo, sizeof fifo, "%s/fifo", dir) > 0);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	refused(fifo, "secret-not-a-file");	/* and does not hang */
	unlink(fifo);
}

static void test_unreadable(void **state)
{
	const struct passwd *pw = getpwnam("nobody");
	struct mx_secret s = { 0 };
	struct mx_err e;
	char want[300];
	enum mx_class cls;

	(void)state;
	if (geteuid() != 0 || pw == NULL)
		return;		/* needs another user to be */
	put("secret", "Abc8Q~secret", 12, 0600);
	assert_int_equal(setegid(pw->pw_gid), 0);
	assert_int_equal(seteuid(pw->pw_uid), 0);
	cls = oauth_secret_read(path, &s, &e);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(setegid(0), 0);
	assert_int_equal(cls, MX_CONFIG);
	assert_string_equal(e.code, "secret-unreadable");
	assert_non_null(strstr(e.text, "user nobody"));
	assert_true(snprintf(want, sizeof want, " %s && chmod 640 %s", path, path) > 0);
	assert_non_null(strstr(e.text, want));
}

/* However long the path: what to do stands in the text whole. */
static void test_long_paths(void **state)
{
	static char deep[3000];
	struct mx_secret s = { 0 };
	struct mx_err e;

	(void)state;
	memset(deep, 'a', sizeof deep - 1);
	deep[0] = '/';
	for (size_t i = 100; i < sizeof deep - 1; i += 100)
		deep[i] = '/';
	assert_int_equal(oauth_secret_read(deep, &s, &e), MX_CONFIG);
	assert_string_equal(e.code, "secret-missing");
	assert_non_null(strstr(e.text, "store the secret's value"));
}

static void test_credentials(void **state)
{
	struct mx_secret s = { 0 };
	struct mx_err e;

	(void)state;
	put("contoso", "Abc8Q~secret\n", 13, 0400);
	unsetenv("CREDENTIALS_DIRECTORY");
	refused("credential:contoso", "secret-missing");
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	assert_int_equal(oauth_secret_read("credential:contoso", &s, &e), MX_OK);
	assert_string_equal(s.p, "Abc8Q~secret");
	mx_secret_free(&s);
	refused("credential:other", "secret-missing");
	refused("credential:", "secret-missing");
	refused("credential:../contoso", "secret-missing");
	refused("credential:a/b", "secret-missing");
	refused("credential:.", "secret-missing");
	unlink(path);
}

/* A GUID is refused where it is the ID of a secret, and nowhere else. */
static void test_guid_elsewhere(void **state)
{
	static const struct { const char *url; bool refused; } hosts[] = {
		{ "https://login.microsoftonline.com/t/oauth2/v2.0/token", true },
		{ "HTTPS://LOGIN.MICROSOFTONLINE.US:443/t/oauth2/v2.0/token", true },
		{ "https://login.partner.microsoftonline.cn/t", true },
		{ "https://login.microsoftonline.com.example/t", false },
		{ "https://keycloak.example/realms/r/protocol/openid-connect/token", false },
	};
	struct mx_secret s = { 0 };
	struct mx_err e;

	(void)state;
	put("secret", V("11111111-2222-3333-4444-555555555555\n"), 0600);
	for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
		struct oauth_client c = {
			.name = "c", .token_endpoint = hosts[i].url
		};

		if (oauth_secret_read_for(&c, path, &s, &e) != (hosts[i].refused ? MX_CONFIG : MX_OK))
			fail_msg("%s", hosts[i].url);
		mx_secret_free(&s);
	}
}

/* Every byte value, where the provider is not Microsoft; only a newline at the very end is not the secret's. */
static void test_any_bytes(void **state)
{
	struct oauth_client c = { .name = "c", .token_endpoint = "https://id.example/token" };
	struct mx_secret s = { 0 };
	struct mx_err e;
	char all[257];

	(void)state;
	for (int i = 0; i < 256; i++)
		all[i] = (char)(255 - i);
	all[256] = '\n';
	put("secret", all, sizeof all, 0600);
	assert_int_equal(oauth_secret_read_for(&c, path, &s, &e), MX_OK);
	assert_int_equal(s.len, 256);
	assert_memory_equal(s.p, all, 256);
	mx_secret_free(&s);
	c.token_endpoint = "https://login.microsoftonline.com/t/oauth2/v2.0/token";
	assert_int_equal(oauth_secret_read_for(&c, path, &s, &e), MX_CONFIG);
	assert_string_equal(e.code, "secret-malformed");
}

/* The command in the text makes a file of it that is fine. */
static void test_commands(void **state)
{
	static const struct { const char *in; size_t n; } spoiled[] = {
		{ V("\xEF\xBB\xBF" "Abc8Q~0123456789abcdef\n") }, { V("Abc8Q~0123\r456789abcdef\n") },
		{ V("Abc8Q~0123456789abcdef\r") }, { V("Abc8Q~0123456789abcdef\r\r\n") },
	};
	struct oauth_client other = { .name = "c", .token_endpoint = "https://id.example/token" };

	(void)state;
	for (size_t i = 0; i < 2 * sizeof spoiled / sizeof spoiled[0]; i++) {
		struct mx_secret s = { 0 };
		const char *command;
		struct mx_err e;

		put("secret", spoiled[i / 2].in, spoiled[i / 2].n, 0640);
		if (i % 2 == 0) {
			assert_int_equal(oauth_secret_read(path, &s, &e), MX_CONFIG);
		} else {
			assert_int_equal(oauth_secret_read_for(&other, path, &s, &e), MX_OK);
			assert_true(oauth_secret_lint(path, &s, &e));
			mx_secret_free(&s);
		}
		assert_non_null(command = strstr(e.text, "sed -i "));
		assert_int_equal(system(command), 0);
		if (oauth_secret_read(path, &s, &e) != MX_OK)
			fail_msg("%zu: %s", i, e.text);
		assert_string_equal((char *)s.p, "Abc8Q~0123456789abcdef");
		assert_false(oauth_secret_lint(path, &s, &e));
		mx_secret_free(&s);
	}
}

static const struct { const char *in, *code; } lints[] = {
	{ "Abc8Q~0123456789abcdef", NULL },
	{ " Abc8Q~0123456789abcdef", "secret-has-blanks" },
	{ "Abc8Q~0123456789abcdef ", "secret-has-blanks" },
	{ "Abc8Q~0123 456789abcdef", NULL },
	{ "\xEF\xBB\xBF" "Abc8Q~0123456789abcdef", "secret-has-bom" },
	{ "11111111-2222-3333-4444-555555555555", "secret-is-guid" },
	{ "Abc8Q~0123456789\nabcdef", "secret-has-controls" },
	{ "Abc8Q~0123456789\tabcdef", "secret-has-controls" },
	{ "short", "secret-short" },
	{ "0123456789abcde", "secret-short" },
	{ "0123456789abcdef", NULL },
};

static void test_lint(void **state)
{
	struct mx_secret s = { 0 };
	struct mx_err e;

	(void)state;
	for (size_t i = 0; i < sizeof lints / sizeof lints[0]; i++) {
		assert_true(mx_secret_set(&s, lints[i].in, strlen(lints[i].in)));
		if (oauth_secret_lint("/etc/s", &s, &e) != (lints[i].code != NULL) ||
		    (lints[i].code != NULL && strcmp(e.code, lints[i].code) != 0))
			fail_msg("'%s'", lints[i].in);
		mx_secret_free(&s);
	}
}

static int begin(void **state)
{
	(void)state;
	assert_true(snprintf(dir, sizeof dir, "/tmp/test_oauth_secretfile.XXXXXX") > 0);
	return mkdtemp(dir) == NULL || chmod(dir, 0755) == -1 ? -1 : 0;
}

static int end(void **state)
{
	char secret[128];

	(void)state;
	if (snprintf(secret, sizeof secret, "%s/secret", dir) > 0)
		(void)unlink(secret);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files), cmocka_unit_test(test_world_readable_text),
		cmocka_unit_test(test_sizes), cmocka_unit_test(test_not_files),
		cmocka_unit_test(test_unreadable), cmocka_unit_test(test_long_paths),
		cmocka_unit_test(test_credentials), cmocka_unit_test(test_guid_elsewhere),
		cmocka_unit_test(test_any_bytes), cmocka_unit_test(test_commands),
		cmocka_unit_test(test_lint),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
