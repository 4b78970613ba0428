/*
 * Memory runs out at every place in turn: nothing crashes, nothing that was there is lost, the error says so, and
 * afterwards everything goes on.
 */
#include "config.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "failalloc.h"
#include "oauth/exchange.h"
#include "oauth/http.h"
#include "oauth/key.h"
#include "oauth/refresh_file.h"
#include "oauth/reply.h"
#include "oauth/request.h"
#include "test_conf_util.h"

/* --- configuration, request, reply -------------------------------------------------------- */

static void load(void *arg)
{
	struct conf_report r;
	struct conf *c = conf_dir_load(arg, CONF_CHECK_SECRETS, &r);

	assert_true(c != NULL || r.errors > 0);		/* it is an error, and known to be one */
	conf_report_free(&r);
	conf_free(c);
}

static void loads_again(void *arg)
{
	struct conf_report r;
	struct conf *c = conf_dir_load(arg, CONF_CHECK_SECRETS, &r);

	if (c == NULL)
		conf_show("without a failure", &r);
	assert_non_null(c);
	conf_report_free(&r);
	conf_free(c);
}

static void configuration_without_memory(void **state)
{
	struct conf_dir d;
	char text[2048];
	int n;

	(void)state;
	conf_dir_make(&d);
	n = snprintf(text, sizeof text, "clients:\n  c:\n    provider: custom\n    client_id: relay\n    "
	    "client_secret_file: %s/secret\n    token_endpoint: https://id.example/token\n    proxy: "
	    "http://proxy.example:3128\n    no_proxy: [a.example, b.example]\naccounts:\n  \"*@contoso.com\":\n    "
	    "client: c\n    allow_users: [root, 4711]\n    relays: [\"*.example.com\", mail.example.org]\n  "
	    "bob@contoso.com:\n    client: c\n", d.path);
	conf_dir_write(&d, "tokend.yaml", text, (size_t)n);
	conf_dir_write(&d, "conf.d/more.yaml", "accounts:\n  \"*\": {client: c}\n", 29);
	(void)umask(077);
	conf_dir_write(&d, "secret", "the-secret-of-this-test-0123456789\n", 35);
	loads_again(&d);
	print_message("# %lu places\n", failalloc_everywhere(load, loads_again, &d));
	conf_dir_remove(&d);
}

static void request(void *arg)
{
	struct mx_secret s = { 0 };
	struct oauth_request r;
	struct mx_err e;
	enum mx_class cls;

	(void)arg;
	if (!mx_secret_set(&s, "the-secret", 10))
		return;
	cls = oauth_request_build_with(&(struct oauth_client){ .name = "c", .grant = OAUTH_GRANT_CLIENT_CREDENTIALS,
	    .token_endpoint = "https://id.example/token", .client_id = "relay", .scope = "mail" },
	    OAUTH_AUTH_SECRET_BASIC, &s, &r, &e);
	if (cls == MX_OK)
		oauth_request_free(&r);
	else
		assert_string_equal(e.code, "no-memory");
	mx_secret_free(&s);
}

static void identity(void *arg)
{
	const struct oauth_credential k = { .auth = OAUTH_AUTH_FEDERATED, .platform = OAUTH_PLATFORM_APP_SERVICE,
		.platform_resource = "api://AzureADTokenExchange" };
	const struct oauth_client c = { .name = "c", .grant = OAUTH_GRANT_CLIENT_CREDENTIALS,
	    .token_endpoint = "https://id.example/token",
		.client_id = "relay", .scope = "mail", .credential = &k, .ncredentials = 1 };
	static const char text[] = "{\"access_token\":\"a.e30.c\",\"expires_on\":\"3600\"}";
	const struct oauth_http_reply h = { .status = 200, .retry_after_s = -1, .body = text,
	    .body_len = sizeof text - 1 };
	struct oauth_exchange x;
	struct oauth_failure f;
	struct oauth_token t;

	(void)arg;
	if (!oauth_exchange_begin(&x, &c, &k, NULL, &f)) {
		assert_string_equal(f.err.code, "no-memory");
		return;
	}
	if (oauth_exchange_reply(&x, &h, &t, &f) == OAUTH_REFUSED)
		assert_string_equal(f.err.code, "no-memory");
	else
		assert_false(x.req.local);
	assert_null(t.access_token.p);
	oauth_exchange_free(&x);
}

/* Whatever fails, the old token is there or the new one. */
static void renewal(void *arg)
{
	const char *path = arg;
	struct oauth_refresh_lock *l;
	struct mx_secret s;
	struct mx_err e;

	if (oauth_refresh_lock(path, &l, &e) != MX_OK) {
		assert_string_equal(e.code, strstr(e.code, "no-memory") != NULL ? "no-memory" :
		    "refresh-token-unwritable");
		return;
	}
	assert_int_equal(oauth_refresh_read(l, &s, &e), MX_OK);
	assert_int_equal(oauth_refresh_replace(l, &s, (uid_t)-1, (gid_t)-1, &e), MX_OK);
	mx_secret_free(&s);
	oauth_refresh_unlock(l);
}

static void store_of_a_refresh_token_without_memory(void **state)
{
	struct conf_dir d;
	char path[80];

	(void)state;
	conf_dir_make(&d);
	conf_dir_write(&d, "t", "token\n", 6);
	snprintf(path, sizeof path, "%s/t", d.path);
	assert_int_equal(chmod(path, 0600), 0);
	assert_in_range(failalloc_everywhere(renewal, NULL, path), 5, FAILALLOC_PLACES_MAX - 1);
	conf_dir_remove(&d);
}

static void reply(void *arg)
{
	const char *text = arg;
	struct oauth_http_reply h = { .status = 200, .content_type = "application/json", .retry_after_s = -1,
	    .body = text,
		.body_len = strlen(text) };
	struct oauth_token t;
	struct oauth_failure f;

	if (oauth_reply_parse("c", &h, &t, &f) == MX_OK) {
		assert_int_equal(t.access_token.len, 5);
		mx_secret_free(&t.access_token);
	} else {
		assert_true(f.err.text[0] != '\0');
	}
}

static void request_and_reply_without_memory(void **state)
{
	static char good[] = "{\"access_token\":\"abcde\",\"token_type\":\"Bearer\",\"expires_in\":3600}";
	static char bad[] = "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: "
	    "no\",\"error_codes\":[7000215]}";

	(void)state;
	failalloc_everywhere(request, NULL, NULL);
	assert_int_equal(setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:1/", 1) | setenv("IDENTITY_HEADER", "secret", 1),
	    0);
	failalloc_ours_only = true;		/* json-c dies of a failure within it; see parse() in oauth/reply.c */
	assert_in_range(failalloc_everywhere(identity, NULL, NULL), 1, FAILALLOC_PLACES_MAX - 1);
	assert_in_range(failalloc_everywhere(reply, NULL, good), 1, FAILALLOC_PLACES_MAX - 1);
	assert_in_range(failalloc_everywhere(reply, NULL, bad), 1, FAILALLOC_PLACES_MAX - 1);
	failalloc_ours_only = false;
}

/* --- keys and transport ------------------------------------------------------------------- */

static void open_key(void *arg)
{
	struct oauth_key *k;
	struct mx_err e;

	if (oauth_key_open(arg, 0, &k, &e) == MX_OK)
		oauth_key_free(k);
	else
		assert_int_equal(e.cls, MX_TEMP);	/* no fault of the file's is claimed */
}

static void opens_again(void *arg)
{
	struct oauth_key *k;
	struct mx_err e;

	if (oauth_key_open(arg, 0, &k, &e) != MX_OK)
		fail_msg("without a failure: %s", e.text);
	oauth_key_free(k);
}

/* Our own allocations: OpenSSL forgets some failures of its own, and calls what it could not read malformed. */
static void key_without_memory(void **state)
{
	char key[128], cert[128], pass[128], command[512];
	struct oauth_credential c = { .key = key, .certificate_file = cert, .key_passphrase_file = pass,
	    .alg = OAUTH_ALG_PS256,
		.thumbprint = OAUTH_THUMB_S256 };
	struct conf_dir d;

	(void)state;
	conf_dir_make(&d);
	snprintf(command, sizeof command, "cd %s && umask 077 && echo secret >p && printf "
	    "'[req]\\ndistinguished_name=dn\\n[dn]\\n' >r && OPENSSL_CONF=/dev/null openssl req -x509 -newkey rsa:2048 "
	    "-passout file:p -subj /CN=x -days 9 -keyout k -out c -config r 2>log", d.path);
	assert_int_equal(system(command), 0);
	snprintf(key, sizeof key, "%s/k", d.path);
	snprintf(cert, sizeof cert, "%s/c", d.path);
	snprintf(pass, sizeof pass, "%s/p", d.path);
	opens_again(&c);
	failalloc_ours_only = true;
	assert_in_range(failalloc_everywhere(open_key, opens_again, &c), 1, FAILALLOC_PLACES_MAX - 1);
	failalloc_ours_only = false;
	conf_dir_remove(&d);
}

struct loop { int fd[8]; short what[8]; long ms; unsigned done; struct mx_err err; };

static void loop_watch(void *ctx, int fd, int what, void **slot)
{
	struct loop *l = ctx;
	size_t i = 0, at = 8;

	(void)slot;
	for (; i < 8; i++)
		if (l->what[i] != 0 && l->fd[i] == fd)
			break;
		else if (l->what[i] == 0 && at == 8)
			at = i;
	if (i == 8 && (i = at) == 8)
		return;
	l->fd[i] = fd;
	l->what[i] = (short)((what & OAUTH_HTTP_IN ? POLLIN : 0) | (what & OAUTH_HTTP_OUT ? POLLOUT : 0));
}

static void loop_timer(void *ctx, long ms)
{
	((struct loop *)ctx)->ms = ms;
}

static void fetched(void *arg, struct oauth_token *t, const struct oauth_failure *f, uint32_t ms)
{
	struct loop *l = arg;

	(void)t, (void)ms;
	l->done++;
	l->err = f->err;
}

/* A request to where nobody listens: from its start to its failure. */
static void transfer(void *arg)
{
	struct loop l = { .ms = -1 };
	const struct oauth_http_loop loop = { loop_watch, loop_timer, &l };
	const struct oauth_client *c = arg;
	struct oauth_http *h = oauth_http_new(&loop, "test");
	struct pollfd p[8];

	if (h == NULL)
		return;
	if (oauth_http_start(h, c, c->credential, NULL, fetched, &l) != NULL) {
		for (unsigned turns = 0; l.done == 0 && turns < 1000; turns++) {
			size_t n = 0;

			for (size_t i = 0; i < 8; i++)
				if (l.what[i] != 0)
					p[n++] = (struct pollfd){ .fd = l.fd[i], .events = l.what[i] };
			if (poll(p, n, l.ms >= 0 && l.ms < 20 ? (int)l.ms : 20) <= 0)
				oauth_http_timeout(h);
			for (size_t i = 0; i < n; i++)
				if (p[i].revents != 0)
					oauth_http_ready(h, p[i].fd, (p[i].revents & POLLOUT ? OAUTH_HTTP_OUT : 0) |
					    (p[i].revents & ~POLLOUT ? OAUTH_HTTP_IN : 0));
		}
		assert_int_equal(l.done, 1);
		if (l.err.cls != MX_TEMP)
			fail_msg("%s: %s", l.err.code, l.err.text);
	}
	oauth_http_free(h);
}

static void transfer_without_memory(void **state)
{
	struct oauth_credential k = { .auth = OAUTH_AUTH_SECRET_POST };
	struct oauth_client c = { .name = "c", .grant = OAUTH_GRANT_CLIENT_CREDENTIALS, .client_id = "relay",
		.token_endpoint = "https://127.0.0.1:1/token", .credential = &k, .ncredentials = 1,
		.timeout_ms = 5000 };
	struct conf_dir d;
	char path[128];

	(void)state;
	conf_dir_make(&d);
	(void)umask(077);
	conf_dir_write(&d, "secret", "the-secret-of-this-test-0123456789\n", 35);
	snprintf(path, sizeof path, "%s/secret", d.path);
	k.secret_file = path;
	transfer(&c);
	print_message("# %lu places\n", failalloc_everywhere(transfer, NULL, &c));
	conf_dir_remove(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(configuration_without_memory),
		cmocka_unit_test(request_and_reply_without_memory), cmocka_unit_test(key_without_memory),
		cmocka_unit_test(transfer_without_memory),
		cmocka_unit_test(store_of_a_refresh_token_without_memory),
	};

#ifndef HAVE_FAILALLOC
	puts("1..0 # SKIP the allocator is a sanitizer's, or not the GNU C library's");
	return 0;
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
