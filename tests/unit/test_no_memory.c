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
#include "engine/engine.h"
#include "engine/store.h"

#define PLACES_MAX 20000

/*
 * Runs it with the n-th allocation failing, for every n, once alone and once with all behind it, until one run
 * meets no failure. Returns how many places there were.
 */
static unsigned long at_every_place(void (*it)(void *arg), void (*afterwards)(void *arg), void *arg)
{
	unsigned long n = 0;
	bool failed = true;
	int all;

	for (all = 0; all < 2; all++) {
		for (n = 1, failed = true; failed; n++) {
			assert_true(n < PLACES_MAX);
			failalloc_arm(n, all);
			it(arg);
			failed = failalloc_disarm();
			if (afterwards != NULL)
				afterwards(arg);
		}
	}
	return n - 2;
}

/* --- engine and store --------------------------------------------------------------------- */

struct asker { struct engine_waiter w; unsigned tokens, errors; };	/* w first: the engine hands back its address */

#define MAILBOXES 20
#define ASKED_MAX 64

struct world {
	struct asker mailbox[MAILBOXES];
	struct engine *e;
	struct store *store;
	uint64_t boot;
	struct engine_client *asked[ASKED_MAX];		/* their requests are under way */
	size_t nasked;
	struct asker asker[3];
};

static void now(void *ctx, uint64_t *boot, uint64_t *wall)
{
	*boot = ((struct world *)ctx)->boot;
	*wall = *boot + 1000000;
}

static uint32_t none(void *ctx)
{
	(void)ctx;
	return 0;
}

static void *fetch(void *ctx, struct engine_client *c, void *client, bool urgent)
{
	struct world *w = ctx;
	void *p = malloc(16);

	(void)client, (void)urgent;
	free(p);
	if (p == NULL)
		return NULL;
	assert_true(w->nasked < ASKED_MAX);
	w->asked[w->nasked++] = c;
	return c;
}

static void cancel(void *ctx, void *handle)
{
	struct world *w = ctx;

	size_t i;

	for (i = 0; i < w->nasked; i++)
		if (w->asked[i] == handle)
			w->asked[i] = w->asked[--w->nasked];
}

static void timer(void *ctx, uint64_t ms)
{
	(void)ctx, (void)ms;
}

static void *keep(void *ctx, const char *name, uint64_t fp, const struct engine_saved *s, const void *t, size_t n,
    unsigned char **where)
{
	return store_keep(((struct world *)ctx)->store, name, fp, s, t, n, where);
}

static void *recall(void *ctx, const char *name, uint64_t fp, struct engine_saved *s, unsigned char **where, size_t *n)
{
	return store_recall(((struct world *)ctx)->store, name, fp, s, where, n);
}

static void forget(void *ctx, void *kept)
{
	store_forget(((struct world *)ctx)->store, kept);
}

static void count(struct asker *a, const struct engine_answer *x)
{
	assert_true((x->token != NULL) != (x->err != NULL));
	a->tokens += x->token != NULL;
	a->errors += x->err != NULL;
}

static void done(struct engine_waiter *w, const struct engine_answer *x)
{
	count((struct asker *)(void *)w, x);
}

/* Asks as asker i; true: answered at once. */
static bool ask(struct world *w, int i, const char *name)
{
	struct engine_client *c = engine_find(w->e, name);
	struct engine_answer x;

	assert_non_null(c);
	w->asker[i].w.done = done;
	if (!engine_want(c, &w->asker[i].w, &x))
		return false;
	count(&w->asker[i], &x);
	return true;
}

static bool put(struct world *w, const char *name, uint64_t fingerprint)
{
	struct engine_params p = { .name = name, .fingerprint = fingerprint, .min_remaining_s = 300,
	    .stale_until_s = 60,
		.backoff_min_ms = 1000, .backoff_max_ms = 300000, .each = name[0] == 'e' };

	return engine_put(w->e, &p) != NULL;
}

/* Requests under way end with a token, or for want of memory without. */
static void token(struct world *w, const char *text)
{
	struct mx_err err;
	size_t n = w->nasked;

	for (; n > 0 && w->nasked > 0; n--) {
		struct mx_secret t = { 0 };
		struct engine_result r = { .token = &t, .id = text, .expires_in_s = 3600, .retry_after_s = -1,
		    .err = &err };
		struct engine_client *c = w->asked[0];

		mx_fail(&err, MX_TEMP, "no-memory", "no memory");
		if (!mx_secret_set(&t, text, strlen(text)))
			r.token = NULL;
		w->asked[0] = w->asked[--w->nasked];
		engine_fetched(c, &r);
		mx_secret_free(&t);
	}
}

static int memory_file(void)
{
	char path[] = "/tmp/mx-nomem-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

/* Clients a and b; a has a token. */
static void world_begin(struct world *w)
{
	struct engine_ops ops = { .now = now, .random = none, .fetch = fetch, .cancel = cancel, .timer = timer,
		.keep = keep, .recall = recall, .forget = forget, .ctx = w };

	*w = (struct world){ .boot = 3600000 };
	assert_int_equal(store_open(memory_file(), "", &w->store), STORE_FINE);
	w->e = engine_new(&ops);
	assert_non_null(w->e);
	assert_true(put(w, "a", 1) && put(w, "b", 1) && put(w, "e", 1));
	engine_commit(w->e);
	while (engine_settle(w->e, 1))
		;
	assert_false(ask(w, 0, "a"));
	token(w, "token-a");
	assert_int_equal(w->asker[0].tokens, 1);
}

static void world_end(struct world *w)
{
	engine_free(w->e);
	store_close(w->store);
}

/* A day: a cold client is asked for, a token is refused, time passes, the set of clients is exchanged. */
static void a_day(void *arg)
{
	struct world *w = arg;
	char name[16];
	int i;

	if (!ask(w, 1, "b"))
		token(w, "token-b");
	engine_rejected(engine_find(w->e, "a"), "token-a");
	token(w, "token-a2");
	w->boot += 31 * 60000;
	engine_tick(w->e);
	token(w, "token-3");
	engine_flush(engine_find(w->e, "b"));
	for (i = 0; i < MAILBOXES; i++) {
		struct engine_client *m;
		struct engine_answer x;
		bool made;

		snprintf(name, sizeof name, "m%d@x", i);
		if ((m = engine_sub(engine_find(w->e, "e"), name, true, &made)) == NULL)
			continue;
		assert_ptr_equal(engine_sub_find(engine_find(w->e, "e"), name), m);
		w->mailbox[i].w.done = done;
		if (engine_want(m, &w->mailbox[i].w, &x))
			count(&w->mailbox[i], &x);
		if (i < MAILBOXES - 2)		/* two wait over the reload, for those of another client */
			token(w, "token-m");
	}
	for (i = 0; i < 40; i++) {		/* enough to let every table grow */
		snprintf(name, sizeof name, "n%d", i);
		if (!put(w, name, 1)) {
			engine_abort(w->e);
			break;
		}
	}
	if (i == 40) {
		if (!put(w, "a", 1) || !put(w, "b", 2) || !put(w, "e", 2)) {
			engine_abort(w->e);
			return;
		}
		engine_commit(w->e);
		while (engine_settle(w->e, 7))
			;
	}
}

/* Whatever failed: every asker has been answered once or still waits, and both clients give tokens again. */
static void the_next_day(void *arg)
{
	struct world *w = arg;
	int i;

	for (i = 0; i < 2; i++)
		if (w->asker[i].tokens + w->asker[i].errors + (w->asker[i].w.client != NULL) != 1)
			fail_msg("asker %d: %u tokens, %u errors", i, w->asker[i].tokens, w->asker[i].errors);
	token(w, "token-4");
	for (i = 0; i < MAILBOXES; i++) {
		struct asker *m = &w->mailbox[i];

		if (m->w.done != NULL && m->tokens + m->errors + (m->w.client != NULL) != 1)
			fail_msg("mailbox %d: %u tokens, %u errors", i, m->tokens, m->errors);
		engine_cancel(&m->w);
	}
	w->boot += 3600000;
	engine_tick(w->e);
	token(w, "token-5");
	if (!ask(w, 2, "a"))
		token(w, "token-6");
	assert_int_equal(w->asker[2].tokens, 1);
	if (w->asker[1].w.client != NULL)
		engine_cancel(&w->asker[1].w);
	w->asker[1] = (struct asker){ .tokens = 0 };
	if (!ask(w, 1, "b"))
		token(w, "token-7");
	assert_int_equal(w->asker[1].tokens, 1);
	world_end(w);
	world_begin(w);
}

static void engine_without_memory(void **state)
{
	struct world w;
	unsigned long places;

	(void)state;
	world_begin(&w);
	places = at_every_place(a_day, the_next_day, &w);
	world_end(&w);
	print_message("# %lu places\n", places);
	assert_in_range(places, 50, PLACES_MAX);
}

/* A token that is at hand is served though there is no memory at all. */
static void a_token_at_hand_needs_none(void **state)
{
	struct world w;
	bool at_once;

	(void)state;
	world_begin(&w);
	failalloc_arm(1, true);
	at_once = ask(&w, 1, "a");
	assert_false(failalloc_disarm());
	assert_true(at_once && w.asker[1].tokens == 1);
	world_end(&w);
}

static void reopen(void *arg)
{
	struct store *s;
	int fd = dup(*(int *)arg);
	enum store_why why = store_open(fd, "", &s);

	assert_true(why == STORE_FINE || why == STORE_NO_MEMORY);
	store_close(s);
}

static void still_whole(void *arg)
{
	struct store *s;

	assert_int_equal(store_open(dup(*(int *)arg), "", &s), STORE_FINE);
	assert_int_equal(store_found(s), 200);
	store_close(s);
}

static void store_without_memory(void **state)
{
	struct engine_saved d = { .life_s = 1, .id = "id" };
	int fd = memory_file(), i;
	unsigned char *where;
	struct store *s;
	char name[16];

	(void)state;
	assert_int_equal(store_open(dup(fd), "", &s), STORE_FINE);
	for (i = 0; i < 200; i++) {
		snprintf(name, sizeof name, "c%d", i);
		assert_non_null(store_keep(s, name, 1, &d, name, strlen(name), &where));
	}
	store_close(s);
	assert_in_range(at_every_place(reopen, still_whole, &fd), 4, PLACES_MAX);
	close(fd);
}

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
	print_message("# %lu places\n", at_every_place(load, loads_again, &d));
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
	assert_in_range(at_every_place(renewal, NULL, path), 5, PLACES_MAX);
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
	at_every_place(request, NULL, NULL);
	assert_int_equal(setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:1/", 1) | setenv("IDENTITY_HEADER", "secret", 1),
	    0);
	failalloc_ours_only = true;		/* json-c dies of a failure within it; see parse() in oauth/reply.c */
	assert_in_range(at_every_place(identity, NULL, NULL), 1, PLACES_MAX);
	assert_in_range(at_every_place(reply, NULL, good), 1, PLACES_MAX);
	assert_in_range(at_every_place(reply, NULL, bad), 1, PLACES_MAX);
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
	assert_in_range(at_every_place(open_key, opens_again, &c), 1, PLACES_MAX);
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
	print_message("# %lu places\n", at_every_place(transfer, NULL, &c));
	conf_dir_remove(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(engine_without_memory), cmocka_unit_test(a_token_at_hand_needs_none),
		cmocka_unit_test(store_without_memory), cmocka_unit_test(configuration_without_memory),
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
