/*
 * oauth/proxy.h: which hosts are reached without the proxy, and its file.
 */
#include "config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "oauth/proxy.h"

static void test_no_proxy(void **state)
{
	static const struct { const char *list, *url; bool past; } rows[] = {
		{ NULL, "https://a.example/t", false },
		{ "", "https://a.example/t", false },
		{ "*", "https://a.example/t", true },
		{ "b.example,*", "https://a.example/t", false },	/* alone, as libcurl has it */
		{ "a.example", "https://a.example/t", true },
		{ "A.Example.", "https://a.eXample.:8443/t", true },
		{ "example", "https://a.example?x", true },
		{ ".example", "https://a.example", true },
		{ ".a.example", "https://a.example", true },
		{ "b.example, a.example", "https://a.example/t", true },
		{ ".example", "https://aexample/t", false },
		{ "xample", "https://a.example/t", false },
		{ "x.a.example", "https://a.example/t", false },
		{ ".", "https://a.example/t", false },
		{ "192.0.2.1", "https://192.0.2.1/t", true },
		{ "192.0.2.0/24", "https://192.0.2.255:1/t", true },
		{ "192.0.2.0/25", "https://192.0.2.128/t", false },
		{ "192.0.2.0/25", "https://192.0.2.127/t", true },
		{ "0.0.0.0/0", "https://192.0.2.127/t", true },
		{ "192.0.2.0/33", "https://192.0.2.0/t", false },
		{ "192.0.2.0/", "https://192.0.2.0/t", false },
		{ "192.0.2.0/x", "https://192.0.2.0/t", false },
		{ "0.2.1", "https://192.0.2.1/t", false },
		{ "192.0.2.0/24", "https://a.example/t", false },
		{ "::1", "https://[::1]:8443/t", true },
		{ "[::1]", "https://[::1]/t", true },
		{ "2001:db8::/32", "https://[2001:db8:1::2]/t", true },
		{ "2001:db8::/33", "https://[2001:db8:8000::2]/t", false },
		{ "::1", "https://127.0.0.1/t", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (oauth_no_proxy(rows[i].list, rows[i].url) != rows[i].past)
			fail_msg("%s for %s", rows[i].list, rows[i].url);
}

static void test_credentials(void **state)
{
	static const struct { const char *content, *user, *password, *code; } rows[] = {
		{ "user:pass\n", "user", "pass", NULL },
		{ "user:pass:word", "user", "pass:word", NULL },
		{ "DOMAIN\\user:p \r\n", "DOMAIN\\user", "p ", NULL },
		{ "user:\n", "user", "", NULL },
		{ "user", NULL, NULL, "proxy-credentials-malformed" },
		{ ":pass", NULL, NULL, "proxy-credentials-malformed" },
		{ "", NULL, NULL, "secret-empty" },
		{ "a:b\nc:d", NULL, NULL, "secret-malformed" },
		{ "\xEF\xBB\xBF" "a:b", NULL, NULL, "secret-has-bom" },
	};
	char path[] = "/tmp/mxproxyXXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd != -1);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const size_t n = strlen(rows[i].content);
		struct mx_secret user, password;
		struct mx_err e;

		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, rows[i].content, n, 0), (ssize_t)n);
		if (rows[i].code == NULL) {
			assert_int_equal(oauth_proxy_credentials(path, &user, &password, &e), MX_OK);
			assert_string_equal((char *)user.p, rows[i].user);
			assert_int_equal(password.len, strlen(rows[i].password));
			assert_memory_equal(password.p, rows[i].password, password.len);
		} else {
			assert_int_equal(oauth_proxy_credentials(path, &user, &password, &e), MX_CONFIG);
			assert_string_equal(e.code, rows[i].code);
			assert_non_null(strstr(e.text, "proxy credentials file"));
			assert_non_null(strstr(e.text, path));
			assert_true(user.p == NULL && password.p == NULL);
		}
		mx_secret_free(&user);
		mx_secret_free(&password);
	}
	close(fd);
	unlink(path);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(test_no_proxy),
	    cmocka_unit_test(test_credentials) };

	return cmocka_run_group_tests_name("oauth/proxy", tests, NULL, NULL);
}
