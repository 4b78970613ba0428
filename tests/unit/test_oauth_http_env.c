/*
 * What test_oauth_http runs in: a poll loop, clients, and the server behind them.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/text.h"
#include "tests/unit/test_oauth_http_env.h"

#define FDS 256
#define GIVE_UP_MS 15000

/* One less per character, so that the needle itself does not stand in this process. */
const char secret_minus_1[] = "Mddckd,r2bqds,1/07,+%<}*";

char dir[64], ca_file[128], other_ca[128], secret_file[128];
static pid_t server = -1;
static int server_stdin = -1;
static char ports[512];

/* --- the loop ------------------------------------------------------------------------ */

static struct { int fd, what; } watched[FDS];
static size_t nwatched;
uint64_t due = UINT64_MAX;
static bool inside_start;

static void watch(void *ctx, int fd, int what, void **slot)
{
	size_t i = 0;

	assert_ptr_equal(ctx, &due);
	while (i < nwatched && watched[i].fd != fd)
		i++;
	assert_true(i < FDS);
	assert_int_equal(*slot != NULL, i < nwatched);
	if (what == 0) {
		if (i < nwatched)
			watched[i] = watched[--nwatched];
		return;
	}
	if (i == nwatched)
		nwatched++;
	watched[i].fd = fd;
	watched[i].what = what;
	*slot = &watched;		/* any mark: it must come back */
}

static void timer(void *ctx, long ms)
{
	assert_ptr_equal(ctx, &due);
	due = ms < 0 ? UINT64_MAX : mx_now_ms() + (uint64_t)ms;
}

static const struct oauth_http_loop loop = { .watch = watch, .timer = timer, .ctx = &due };

void run(struct oauth_http *h, const unsigned *pending)
{
	uint64_t end = mx_now_ms() + GIVE_UP_MS, now;
	struct pollfd p[FDS];
	size_t n;

	while (*pending > 0 && (now = mx_now_ms()) < end) {
		uint64_t next = due < end ? due : end;

		n = nwatched;
		for (size_t i = 0; i < n; i++)
			p[i] = (struct pollfd){ .fd = watched[i].fd, .events = (short)
			    ((watched[i].what & OAUTH_HTTP_IN ? POLLIN : 0) |
			    (watched[i].what & OAUTH_HTTP_OUT ? POLLOUT : 0)) };
		poll(p, (nfds_t)n, next > now ? (int)(next - now) : 0);
		for (size_t i = 0; i < n; i++)
			if (p[i].revents != 0)
				oauth_http_ready(h, p[i].fd,
				    (p[i].revents & (POLLIN | POLLHUP | POLLERR) ? OAUTH_HTTP_IN :
				                                                   0) |
				        (p[i].revents & POLLOUT ? OAUTH_HTTP_OUT : 0));
		if (due <= mx_now_ms()) {
			due = UINT64_MAX;
			oauth_http_timeout(h);
		}
	}
	if (*pending > 0)
		fail_msg("%u fetches did not end", *pending);
}

/* --- one fetch ----------------------------------------------------------------------- */

static void done(void *arg, struct oauth_token *t, const struct oauth_failure *f, uint32_t took_ms)
{
	struct result *r = arg;

	assert_false(inside_start);
	assert_true(*r->pending > 0);
	--*r->pending;
	r->took_ms = took_ms;
	if (f != NULL) {
		assert_null(t->access_token.p);
		r->f = *f;
		r->cls = f->err.cls;
		return;
	}
	r->cls = MX_OK;
	r->token_len = t->access_token.len;
	r->expires_in_s = t->expires_in_s;
	memcpy(r->id, t->id, sizeof r->id);
}

struct oauth_fetch *start(struct oauth_http *h, const struct oauth_client *c, struct result *r)
{
	struct oauth_fetch *f;

	inside_start = true;
	f = oauth_http_start(h, c, c->credential, NULL, done, r);
	inside_start = false;
	assert_non_null(f);
	return f;
}

int port(const char *name)
{
	char key[32];
	const char *p;

	assert_true(snprintf(key, sizeof key, "%s=", name) > 0);
	assert_non_null(p = strstr(ports, key));
	return atoi(p + strlen(key));
}

struct oauth_http *new_http(void)
{
	struct oauth_http *h = oauth_http_new(&loop, "mta-xoauth2-test/1");

	assert_non_null(h);
	return h;
}

void free_http(struct oauth_http *h)
{
	oauth_http_free(h);
	assert_int_equal(nwatched, 0);
	due = UINT64_MAX;
}

const struct oauth_credential by_post = { .auth = OAUTH_AUTH_SECRET_POST, .secret_file = secret_file };
const struct oauth_credential by_basic = { .auth = OAUTH_AUTH_SECRET_BASIC, .secret_file = secret_file };
const struct oauth_credential no_file = { .auth = OAUTH_AUTH_SECRET_POST, .secret_file = "/nonexistent" };

struct oauth_client client(char url[256], const char *where, const char *uri)
{
	struct oauth_client c = {
		.name = "contoso",
		.grant = OAUTH_GRANT_CLIENT_CREDENTIALS,
		.token_endpoint = url,
		.client_id = "id:1",
		.scope = "a b",
		.credential = &by_post, .ncredentials = 1,
		.ca_file = ca_file,
		.connect_timeout_ms = 1000,
		.timeout_ms = 1500,
	};

	assert_true(snprintf(url, 256, "https://127.0.0.1:%d%s", port(where), uri) > 0);
	return c;
}

/* The text names client and next step, and neither it nor the description holds the secret. */
void check_text(const char *name, const struct oauth_failure *f)
{
	char secret[SECRET_LEN + 1];
	bool leaks;

	for (size_t i = 0; i <= SECRET_LEN; i++)
		secret[i] = (char)(i < SECRET_LEN ? secret_minus_1[i] + 1 : 0);
	leaks = strstr(f->err.text, secret) != NULL || strstr(f->description, secret) != NULL ||
	    strstr(f->error, secret) != NULL;
	mx_wipe(secret, sizeof secret);
	if (leaks || strstr(f->err.text, "client \"contoso\": ") != f->err.text ||
	    mx_has_ctl(f->err.text, strlen(f->err.text)))
		fail_msg("%s: '%s'", name, f->err.text);
}

/* --- the server ---------------------------------------------------------------------- */

int begin(void **state)
{
	const char *src = getenv("MX_SRC");
	char script[512], secret[SECRET_LEN];
	int in[2], out[2], fd;
	size_t n = 0;
	ssize_t r;

	(void)state;
	assert_true(snprintf(script, sizeof script, "%s/tests/unit/test_oauth_http_server.py",
	    src != NULL ? src : ".") < (int)sizeof script);
	assert_true(snprintf(dir, sizeof dir, "/tmp/test_oauth_http.XXXXXX") > 0);
	assert_non_null(mkdtemp(dir));
	assert_true(snprintf(ca_file, sizeof ca_file, "%s/ca.pem", dir) > 0);
	assert_true(snprintf(other_ca, sizeof other_ca, "%s/otherca.pem", dir) > 0);
	assert_true(snprintf(secret_file, sizeof secret_file, "%s/secret", dir) > 0);
	for (size_t i = 0; i < SECRET_LEN; i++)
		secret[i] = (char)(secret_minus_1[i] + 1);
	assert_true((fd = open(secret_file, O_WRONLY | O_CREAT, 0600)) != -1);
	assert_int_equal(write(fd, secret, sizeof secret), (ssize_t)sizeof secret);
	close(fd);
	mx_wipe(secret, sizeof secret);

	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	if ((server = fork()) == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		close(out[0]);
		execlp("python3", "python3", "-W", "ignore", script, dir, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	server_stdin = in[1];
	while (n < sizeof ports - 1 && (r = read(out[0], ports + n, sizeof ports - 1 - n)) > 0 &&
	    memchr(ports, '\n', n += (size_t)r) == NULL)
		;
	close(out[0]);
	if (memchr(ports, '\n', n) == NULL) {
		print_error("test_oauth_http_server.py did not start (python3 and openssl are "
		            "needed)\n");
		return -1;
	}
	return oauth_http_global_init() ? 0 : -1;
}

int end(void **state)
{
	char cmd[] = "rm", rf[] = "-rf", *argv[] = { cmd, rf, dir, NULL };
	pid_t pid;
	int status;

	(void)state;
	close(server_stdin);
	waitpid(server, &status, 0);
	if ((pid = fork()) == 0) {
		execvp("rm", argv);
		_exit(127);
	}
	return waitpid(pid, &status, 0) == pid ? 0 : -1;
}
