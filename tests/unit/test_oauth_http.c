/*
 * oauth/http.h against a TLS server of its own (test_oauth_http_server.py).
 */
#include "config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/text.h"
#include "oauth/http-private.h"
#include "oauth/http_wait.h"
#include "tests/unit/test_oauth_http_env.h"

static const struct {
	const char *where, *uri;
	enum mx_class cls;
	bool permanent;
	long status;
	const char *code, *text;
} failures[] = {
	{ "good", "/redirect", MX_CONFIG, true, 307, "redirect-refused", "evil.example" },
	{ "good", "/big", MX_TEMP, false, 0, "reply-too-large", "1 MiB" },
	{ "good", "/endless", MX_TEMP, false, 0, "reply-too-large", "1 MiB" },
	{ "good", "/html", MX_TEMP, false, 200, "reply-not-json", "text/html" },
	{ "good", "/cut", MX_TEMP, false, 200, "reply-truncated", "ends too early" },
	{ "good", "/short", MX_TEMP, false, 0, "connection-lost", "broke" },
	{ "good", "/empty", MX_TEMP, false, 0, "connection-lost", "broke" },
	{ "good", "/reset", MX_TEMP, false, 0, "connection-lost", "broke" },
	{ "good", "/nonhttp", MX_TEMP, false, 0, "reply-not-http", "HTTP" },
	{ "good", "/hang", MX_TEMP, false, 0, "provider-timeout", "in time" },
	{ "good", "/drip", MX_TEMP, false, 0, "provider-timeout", "in time" },
	{ "good", "/throttled", MX_TEMP, false, 429, "provider-throttled", "HTTP 429" },
	{ "good", "/busy", MX_TEMP, false, 503, "provider-unavailable", "HTTP 503" },
	{ "good", "/later", MX_TEMP, false, 503, "provider-unavailable", "HTTP 503" },
	{ "good", "/invalid", MX_PROVIDER, true, 401, "client-secret-rejected", "AADSTS7000215" },
	{ "good", "/echo", MX_PROVIDER, true, 401, "client-rejected", "****" },
	{ "good", "/fine", MX_PROVIDER, true, 200, "provider-refused", "****" },
	{ "good", "/nothing", MX_CONFIG, true, 404, "reply-not-json", "HTTP 404" },
	{ "expired", "/token", MX_TEMP, false, 0, "tls-cert-expired", "clock" },
	{ "early", "/token", MX_TEMP, false, 0, "tls-cert-expired", "not valid yet" },
	{ "wrongname", "/token", MX_TEMP, false, 0, "tls-name-mismatch", "another name" },
	{ "oldtls", "/token", MX_TEMP, false, 0, "tls-version", "TLS 1.2" },
	{ "plain", "/token", MX_TEMP, false, 0, "tls-handshake-failed", "does not speak TLS" },
	{ "slam", "/token", MX_TEMP, false, 0, "tls-handshake-failed", "handshake" },
	{ "silent", "/token", MX_TEMP, false, 0, "tls-timeout", "filter" },
	{ "closed", "/token", MX_TEMP, false, 0, "connect-refused", "127.0.0.1" },
};

static void test_failures(void **state)
{
	struct oauth_http *h = new_http();
	char url[256];

	(void)state;
	for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
		struct oauth_client c = client(url, failures[i].where, failures[i].uri);
		unsigned pending = 1;
		struct result r = { .pending = &pending };

		start(h, &c, &r);
		run(h, &pending);
		if (r.cls != failures[i].cls || r.f.permanent != failures[i].permanent ||
		    r.f.http_status != failures[i].status ||
		    strcmp(r.f.err.code, failures[i].code) != 0 ||
		    strstr(r.f.err.text, failures[i].text) == NULL)
			fail_msg("%s%s: class %d, HTTP %ld, code %s, '%s'", failures[i].where,
			    failures[i].uri, (int)r.cls, r.f.http_status, r.f.err.code,
			    r.f.err.text);
		check_text(failures[i].code, &r.f);
		assert_int_equal(r.f.retry_after_s,
		    strcmp(failures[i].uri, "/later") == 0 ? 17 :
		        r.f.http_status == 429             ? 17 :
		        r.f.http_status == 503             ? 3600 :
		                                             -1);
		assert_true(r.took_ms < 3000);
	}
	free_http(h);
}

static void request_was(char *out, size_t cap)
{
	char path[128];
	ssize_t n;
	int fd;

	assert_true(snprintf(path, sizeof path, "%s/request", dir) > 0);
	assert_true((fd = open(path, O_RDONLY)) != -1);
	assert_true((n = read(fd, out, cap - 1)) > 0);
	out[n] = '\0';
	close(fd);
}

/* "connections" or "requests": how many there have been. */
static unsigned count(const char *of)
{
	char path[128], n[16] = "";
	int fd;

	assert_true(snprintf(path, sizeof path, "%s/%s", dir, of) > 0);
	if ((fd = open(path, O_RDONLY)) == -1)
		return 0;
	assert_true(read(fd, n, sizeof n - 1) >= 0);
	close(fd);
	return (unsigned)atoi(n);
}

static bool has_line(const char *request, const char *line)
{
	const char *p = strcasestr(request, line);

	return p != NULL && p[-1] == '\n' && p[strlen(line)] == '\r';
}

static void test_good(void **state)
{
	struct oauth_http *h = new_http();
	char url[256], request[4096], host[64];
	struct oauth_client c = client(url, "good", "/token");
	unsigned pending = 1, before = count("connections");
	struct result r = { .pending = &pending };
	const char *id, *body;

	(void)state;
	start(h, &c, &r);
	run(h, &pending);
	if (r.cls != MX_OK)
		fail_msg("%s", r.f.err.text);
	assert_int_equal(r.token_len, 2052);
	assert_int_equal(r.expires_in_s, 3599);
	request_was(request, sizeof request);
	assert_int_equal(strncmp(request, "POST /token HTTP/1.1\r\n", 22), 0);
	assert_true(has_line(request, "Accept: application/json"));
	assert_true(has_line(request, "Content-Type: application/x-www-form-urlencoded"));
	assert_true(has_line(request, "User-Agent: mta-xoauth2-test/1"));
	assert_true(has_line(request, "return-client-request-id: true"));
	assert_true(snprintf(host, sizeof host, "Host: 127.0.0.1:%d", port("good")) > 0);
	assert_true(has_line(request, host));
	assert_null(strcasestr(request, "\nExpect"));
	assert_null(strcasestr(request, "\nAuthorization"));
	assert_null(strcasestr(request, "\nCookie"));
	assert_null(strcasestr(request, "\nAccept-Encoding"));
	assert_non_null(id = strcasestr(request, "\nclient-request-id: "));
	id += 20;
	assert_int_equal(strspn(id, "0123456789abcdef-"), 36);
	assert_int_equal(id[14], '4');
	assert_non_null(body = strstr(request, "\r\n\r\n"));
	assert_string_equal(body + 4, "grant_type=client_credentials&client_id=id%3A1"
	    "&client_secret=Needle-s3cret-2018-%2C%26%3D%7E%2B&scope=a+b");

	/* Again, by Basic, over the same connection. */
	c.credential = &by_basic;
	pending = 1;
	start(h, &c, &r);
	run(h, &pending);
	assert_int_equal(r.cls, MX_OK);
	request_was(request, sizeof request);
	assert_true(has_line(request, "Authorization: Basic "
	    "aWQlM0ExOk5lZWRsZS1zM2NyZXQtMjAxOC0lMkMlMjYlM0QlN0UlMkI="));
	assert_non_null(body = strstr(request, "\r\n\r\n"));
	assert_string_equal(body + 4, "grant_type=client_credentials&scope=a+b");
	assert_int_equal(count("connections"), before + 1);
	mx_wipe(request, sizeof request);
	free_http(h);
}

/*
 * Neither of the two trusts the other's CA; and a CA file that is none is the configuration's
 * fault.
 */
static void test_ca(void **state)
{
	const struct { const char *ca, *code; enum mx_class cls;
	} rows[] = {
		{ NULL, "tls-untrusted-ca", MX_TEMP },
		{ other_ca, "tls-untrusted-ca", MX_TEMP },
		{ "/nonexistent/ca.pem", "ca-file-unusable", MX_CONFIG },
		{ secret_file, "ca-file-unusable", MX_CONFIG },
	};
	struct oauth_http *h = new_http();
	char url[256];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct oauth_client c = client(url, "good", "/token");
		unsigned pending = 1;
		struct result r = { .pending = &pending };

		c.ca_file = rows[i].ca;
		start(h, &c, &r);
		run(h, &pending);
		if (r.cls != rows[i].cls || strcmp(r.f.err.code, rows[i].code) != 0)
			fail_msg("%s: %s '%s'", rows[i].ca, r.f.err.code, r.f.err.text);
		assert_int_equal(r.f.permanent, rows[i].cls == MX_CONFIG);
		check_text(rows[i].code, &r.f);
		assert_non_null(strstr(r.f.err.text, "ca_file"));
	}
	free_http(h);
}

/* The environment's proxy is not looked at; a configured one is used, and its refusals are told. */
static void test_proxy(void **state)
{
	const struct { const char *where, *no_proxy, *code;
	} rows[] = {
		{ NULL, NULL, NULL },
		{ "proxy407", NULL, "proxy-auth" },
		{ "proxy403", NULL, "proxy-failed" },
		{ "closed", NULL, "proxy-failed" },
		{ "closed", "127.0.0.1", NULL },
	};
	struct oauth_http *h;
	char url[256], proxy[64];

	(void)state;
	setenv("https_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	setenv("no_proxy", "*", 1);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct oauth_client c = client(url, "good", "/token");
		unsigned pending = 1;
		struct result r = { .pending = &pending };

		h = new_http();
		if (rows[i].where != NULL) {
			assert_true(snprintf(proxy, sizeof proxy, "http://u:hidden@127.0.0.1:%d",
			    port(rows[i].where)) > 0);
			c.proxy = proxy;
		}
		c.no_proxy = rows[i].no_proxy;
		start(h, &c, &r);
		run(h, &pending);
		if (rows[i].code == NULL ? r.cls != MX_OK : strcmp(r.f.err.code, rows[i].code) != 0)
			fail_msg("proxy %zu: %s '%s'", i, r.f.err.code, r.f.err.text);
		if (rows[i].code != NULL) {
			check_text(rows[i].code, &r.f);
			assert_null(strstr(r.f.err.text, "hidden"));
		}
		free_http(h);
	}
	unsetenv("https_proxy");
	unsetenv("ALL_PROXY");
	unsetenv("no_proxy");
}

/* What is wrong at once is told from the timer, not from start. */
static void test_early(void **state)
{
	const struct { const char *url; const struct oauth_credential *secret; const char *code; } rows[] = {
		{ "http://127.0.0.1/token", &by_post, "endpoint-not-https" },
		{ "ftp://127.0.0.1/token", &by_post, "endpoint-not-https" },
		{ "file:///etc/passwd", &by_post, "endpoint-not-https" },
		{ "https://", &by_post, "endpoint-malformed" },
		{ "https://user:hidden@127.0.0.1/", &by_post, "endpoint-malformed" },
		{ "https://127.0.0.1:1/", &no_file, "secret-missing" },
		{ NULL, &by_post, "endpoint-not-https" },
	};
	struct oauth_http *h = new_http();
	struct result r[sizeof rows / sizeof rows[0]] = { 0 };
	struct oauth_client c[sizeof rows / sizeof rows[0]];
	unsigned pending = 0;
	char url[256];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		c[i] = client(url, "good", "/token");
		c[i].token_endpoint = rows[i].url;
		c[i].credential = rows[i].secret;
		r[i].pending = &pending;
		pending++;
		start(h, &c[i], &r[i]);
		assert_true(due <= mx_now_ms());
	}
	run(h, &pending);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (r[i].cls != MX_CONFIG || !r[i].f.permanent ||
		    strcmp(r[i].f.err.code, rows[i].code) != 0)
			fail_msg("%s: %s '%s'", rows[i].url, r[i].f.err.code, r[i].f.err.text);
		check_text(rows[i].code, &r[i].f);
		assert_null(strstr(r[i].f.err.text, "hidden"));
	}
	free_http(h);
}

/* Slow ones beside quick ones, cancelled ones, and the rest cancelled by free. */
static void test_many(void **state)
{
	enum { N = 20 };
	struct oauth_http *h = new_http();
	char url[256], hang[256];
	struct oauth_client quick = client(url, "good", "/token"),
	                    slow = client(hang, "good", "/hang");
	struct oauth_client broken = quick;
	unsigned pending = N, never = 3;
	struct result r[N] = { 0 }, n = { .pending = &never };
	struct oauth_fetch *f, *g;
	uint64_t began = mx_now_ms();

	(void)state;
	slow.timeout_ms = 20000;
	broken.credential = &no_file;
	f = start(h, &slow, &n);
	start(h, &slow, &n);
	g = start(h, &broken, &n);
	for (unsigned i = 0; i < N; i++) {
		r[i].pending = &pending;
		start(h, &quick, &r[i]);
	}
	oauth_http_cancel(g);
	run(h, &pending);
	oauth_http_cancel(f);
	oauth_http_cancel(NULL);
	for (unsigned i = 0; i < N; i++)
		if (r[i].cls != MX_OK)
			fail_msg("%u: %s", i, r[i].f.err.text);
	assert_true(mx_now_ms() - began < 5000);
	assert_int_equal(never, 3);
	free_http(h);
}

/*
 * A kept connection takes a request with it: made once more, unless the request may not be, or the
 * reply had begun.
 */
static void test_again(void **state)
{
	const struct { const char *uri; enum oauth_repeat repeat; unsigned requests; const char *code;
	} rows[] = {
		{ "/vanish", OAUTH_REPEAT_SAME, 3, NULL },
		{ "/vanish", OAUTH_REPEAT_ANEW, 3, NULL },
		{ "/vanish", OAUTH_REPEAT_NEVER, 2, "connection-lost" },
		{ "/halfway", OAUTH_REPEAT_SAME, 2, "connection-lost" },
	};
	char url[256];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct oauth_http *h = new_http();
		struct oauth_client c = client(url, "good", rows[i].uri);
		unsigned pending = 1, before = count("requests");
		struct result r = { .pending = &pending };
		struct oauth_fetch *f;

		start(h, &c, &r);
		run(h, &pending);
		assert_int_equal(r.cls, MX_OK);
		pending = 1;
		f = start(h, &c, &r);
		assert_int_equal(f->x.req.repeat, OAUTH_REPEAT_SAME);	/* client credentials */
		f->x.req.repeat = rows[i].repeat;
		run(h, &pending);
		if (rows[i].code == NULL ? r.cls != MX_OK : strcmp(r.f.err.code, rows[i].code) != 0)
			fail_msg("row %zu: %s", i, r.f.err.text);
		assert_int_equal(count("requests") - before, rows[i].requests);
		free_http(h);
	}
}

/* Who has no loop waits: for a token, and for a failure of each kind. */
static void test_wait(void **state)
{
	const struct { const char *where, *uri; const struct oauth_credential *k; const char *code; } rows[] = {
		{ "good", "/token", &by_post, NULL },
		{ "good", "/vanish", &by_basic, NULL },
		{ "good", "/token", &no_file, "secret-missing" },
		{ "good", "/hang", &by_post, "provider-timeout" },
	};
	char url[256];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct oauth_client c = client(url, rows[i].where, rows[i].uri);
		struct oauth_failure f;
		struct oauth_token t;
		enum mx_class cls = oauth_http_wait("mta-xoauth2-test/1", &c, rows[i].k, NULL, &t, &f);

		if (rows[i].code == NULL ? cls != MX_OK : strcmp(f.err.code, rows[i].code) != 0)
			fail_msg("row %zu: %s %s", i, f.err.code, f.err.text);
		assert_int_equal(t.access_token.len > 0, rows[i].code == NULL);
		assert_int_equal(cls, rows[i].code == NULL ? MX_OK : f.err.cls);
		mx_secret_free(&t.access_token);
	}
}

/* --- what is left in memory ---------------------------------------------------------- */

#ifndef MX_SANITIZED		/* a sanitizer's allocator keeps what is freed */
static bool matches(const unsigned char *p, const char *minus_1, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != (unsigned char)(minus_1[i] + 1))
			return false;
	return true;
}

/* Searches the process's own heap and anonymous mappings, not its stack or code. */
static unsigned traces(const char *minus_1, size_t n, bool *looked)
{
	char line[512], name[256];
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned found = 0;

	*looked = maps != NULL;
	while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
		unsigned long from, to;
		char perms[8];

		name[0] = '\0';
		if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %255s", &from, &to, perms, name) < 3 ||
		    strncmp(perms, "rw", 2) != 0 || (name[0] == '[' && strcmp(name, "[heap]") != 0))
			continue;
		for (const unsigned char *p = (const unsigned char *)from;
		     p + n <= (const unsigned char *)to; p++)
			if (*p == (unsigned char)(minus_1[0] + 1) && matches(p, minus_1, n))
				found++;
	}
	if (maps != NULL)
		fclose(maps);
	return found;
}

static void test_wiped(void **state)
{
	static const char token_minus_1[] = "snj-/012345678";	/* tok.0123456789 */
	enum { N = sizeof token_minus_1 - 1 };
	char *planted = malloc(N), url[256];
	struct oauth_http *h;
	struct oauth_client c;
	bool looked;

	(void)state;
	assert_non_null(planted);
	for (size_t i = 0; i < N; i++)
		planted[i] = (char)(token_minus_1[i] + 1);
	if (traces(token_minus_1, N, &looked) != 1 && looked)
		fail_msg("the search does not find what is there");
	mx_wipe(planted, N);
	free(planted);
	if (!looked)
		return;			/* no /proc here */
	h = new_http();
	c = client(url, "good", "/token");
	for (unsigned i = 0; i < 4; i++) {
		unsigned pending = 1;
		struct result r = { .pending = &pending };

		c.credential = i % 2 == 0 ? &by_post : &by_basic;
		start(h, &c, &r);
		run(h, &pending);
		assert_int_equal(r.cls, MX_OK);
	}
	free_http(h);
	assert_int_equal(traces(token_minus_1, N, &looked), 0);
	assert_int_equal(traces(secret_minus_1, 20, &looked), 0);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifndef MX_SANITIZED
		cmocka_unit_test(test_wiped), /* first: nothing else has left anything yet */
#endif
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_ca),
		cmocka_unit_test(test_proxy),
		cmocka_unit_test(test_early),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_wait),
	};

	signal(SIGPIPE, SIG_IGN);	/* ok: a test program */
	return cmocka_run_group_tests(tests, begin, end);
}
