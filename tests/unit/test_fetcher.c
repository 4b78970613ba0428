/*
 * tokend/fetcher.h between an engine and a transport that are the test's own: which credential is tried next, what is
 * told when there is no memory for it, and that nothing is begun at the end.
 */
#include "config.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failalloc.h"
#include "tokend/expiry.h"
#include "tokend/fetcher.h"
#include "tokend/gate.h"
#include "tokend/log.h"
#include "tokend/renew.h"
#include "tokend/side.h"
#include "tokend/watch.h"

/* --- the transport ---------------------------------------------------------------------------- */

struct oauth_fetch {
	const struct oauth_credential *k;
	oauth_fetch_done *done;
	void *arg;
	bool over;
};

static struct oauth_fetch fetches[1000];
static size_t nfetches, memory_for;		/* so many more may be started */

struct oauth_http *oauth_http_new(const struct oauth_http_loop *loop, const char *user_agent)
{
	(void)loop, (void)user_agent;
	return (struct oauth_http *)fetches;
}

void oauth_http_free(struct oauth_http *h)
{
	(void)h;
}

struct oauth_fetch *oauth_http_start(struct oauth_http *h, const struct oauth_client *c,
    const struct oauth_credential *k, const struct oauth_want *w, oauth_fetch_done *done, void *arg)
{
	(void)h, (void)c, (void)w;
	if (memory_for == 0)
		return NULL;
	memory_for--;
	assert_true(nfetches < sizeof fetches / sizeof fetches[0]);
	fetches[nfetches] = (struct oauth_fetch){ k, done, arg, false };
	return &fetches[nfetches++];
}

void oauth_http_cancel(struct oauth_fetch *f)
{
	f->over = true;
}

void oauth_http_ready(struct oauth_http *h, int fd, int what)
{
	(void)h, (void)fd, (void)what;
}

void oauth_http_timeout(struct oauth_http *h)
{
	(void)h;
}

static void refused(size_t i)
{
	struct oauth_failure f = { .credential = true, .permanent = true, .retry_after_s = -1 };
	struct oauth_token none = { .expires_in_s = 0 };

	mx_fail(&f.err, MX_PROVIDER, "client-secret-rejected", "the secret is wrong");
	assert_false(fetches[i].over);
	fetches[i].over = true;
	fetches[i].done(fetches[i].arg, &none, &f, 1);
}

static void granted(size_t i)
{
	struct oauth_token t = { .id = "0123456789abcdef", .expires_in_s = 3600 };

	assert_false(fetches[i].over);
	fetches[i].over = true;
	fetches[i].done(fetches[i].arg, &t, NULL, 1);
}

/* --- the engine, and the rest of the daemon --------------------------------------------------- */

struct engine_client {
	struct engine_client *parent;	/* NULL: none, a client itself */
	void *side;
	unsigned ends, sent;
	bool ok, permanent;
	char code[64];
	enum mx_class cls;
};

const char *engine_client_name(const struct engine_client *c)
{
	(void)c;
	return "c";
}

void **engine_client_side(struct engine_client *c)
{
	return &c->side;
}

struct engine_client *engine_client_parent(struct engine_client *c)
{
	return c->parent != NULL ? c->parent : c;
}

const char *engine_client_subject(const struct engine_client *c)
{
	return c->parent != NULL ? "box@example.test" : NULL;
}

void engine_sent(struct engine_client *c)
{
	c->sent++;
}

void engine_fetched(struct engine_client *c, const struct engine_result *r)
{
	c->ends++;
	c->ok = r->err == NULL;
	c->permanent = r->permanent;
	c->cls = r->err != NULL ? r->err->cls : MX_OK;
	snprintf(c->code, sizeof c->code, "%s", r->err != NULL ? r->err->code : "");
}

static unsigned watched;

uint64_t watch_look(const struct oauth_client *c)
{
	(void)c;
	return 1;
}

uint64_t watch_look_grant(const struct oauth_client *c)
{
	(void)c;
	return 2;
}

void watch_add(struct server *s, struct engine_client *c, uint64_t files, uint64_t grant)
{
	(void)s, (void)c;
	assert_int_equal(files, 1);
	assert_int_equal(grant, 2);
	watched++;
}

/* No client of these tests has a refresh token. */
struct renewal *renew_start(struct server *s, const struct oauth_client *c, const struct oauth_credential *k,
    uint64_t *files, oauth_fetch_done *done, void *arg)
{
	(void)s, (void)c, (void)k, (void)files, (void)done, (void)arg;
	fail_msg("a renewal");
	return NULL;
}

void renew_cancel(struct renewal *r)
{
	(void)r;
	fail_msg("a renewal");
}

void expiry_look(struct engine_client *c)
{
	(void)c;
}

void conf_ref_drop(struct conf_ref *r)
{
	r->refs--;
}

void server_last_answer(struct server *s)
{
	(void)s;
}

void log_event(int priority, const char *event, const char *fmt, ...)
{
	(void)priority, (void)event, (void)fmt;
}

/* --- the tests -------------------------------------------------------------------------------- */

static const struct oauth_credential two[2] = { { .secret_file = "/a" }, { .secret_file = "/b" } };
static struct conf_client cc;
static struct conf_ref ref;
static struct server s;

static void begin(size_t memory)
{
	nfetches = watched = 0;
	memory_for = memory;
	cc = (struct conf_client){ .oc = { .name = "c", .token_endpoint = "https://a.example/token", .credential = two,
		.ncredentials = 2 } };
	ref = (struct conf_ref){ .refs = 1 };
	s = (struct server){ .conf = &ref };
	assert_non_null(s.base = event_base_new());
	assert_non_null(s.fetcher = fetcher_new(&s));
}

static void end(struct engine_client *c)
{
	assert_int_equal(ref.refs, 1);		/* nothing holds the configuration any more */
	fetcher_free(s.fetcher);
	event_base_free(s.base);
	if (c != NULL)
		side_free(c);
}

static void the_second_is_tried_at_once(void **state)
{
	struct engine_client c = { 0 };

	(void)state;
	begin(2);
	assert_non_null(fetcher_start(&s, &c, &cc, true));
	refused(0);
	assert_int_equal(c.ends, 0);
	assert_int_equal(nfetches, 2);
	assert_ptr_equal(fetches[1].k, &two[1]);
	granted(1);
	assert_true(c.ends == 1 && c.ok);
	assert_int_equal(side_find(&c)->credential, 1);
	assert_int_equal(side_find(&c)->failed, 1);
	end(&c);
}

/* Nothing is known of the second one yet, so its want of memory is no refusal: it is tried again soon. */
static void no_memory_for_the_second(void **state)
{
	struct engine_client c = { 0 };

	(void)state;
	begin(1);
	assert_non_null(fetcher_start(&s, &c, &cc, true));
	refused(0);
	assert_int_equal(c.ends, 1);
	assert_string_equal(c.code, "no-memory");
	assert_true(c.cls == MX_TEMP && !c.permanent && watched == 0);
	end(&c);
}

static void both_are_refused(void **state)
{
	struct engine_client c = { 0 };

	(void)state;
	begin(2);
	assert_non_null(fetcher_start(&s, &c, &cc, true));
	refused(0);
	refused(1);
	assert_int_equal(c.ends, 1);
	assert_string_equal(c.code, "client-secret-rejected");
	assert_true(c.permanent && watched == 1);
	assert_int_equal(side_find(&c)->failed, 2);
	end(&c);
}

/* What is known of credentials is known of the client, whichever mailbox has found it out. */
static void mailboxes_share_their_credentials(void **state)
{
	struct engine_client c = { 0 }, a = { .parent = &c }, b = { .parent = &c };

	(void)state;
	begin(3);
	assert_non_null(fetcher_start(&s, &a, &cc, true));
	refused(0);
	granted(1);
	assert_true(a.ok && a.side == NULL);
	assert_true(side_find(&c)->credential == 1 && side_find(&c)->failed == 1);
	assert_non_null(fetcher_start(&s, &b, &cc, true));
	assert_ptr_equal(fetches[2].k, &two[1]);
	granted(2);
	assert_true(b.ok);
	end(&c);
}

static void no_memory_for_the_first(void **state)
{
	struct engine_client c = { 0 };

	(void)state;
	begin(0);
	assert_null(fetcher_start(&s, &c, &cc, true));
	end(&c);
}

/* The loop is over: a request is neither sent nor fails for itself; whoever waits hears that the daemon stops. */
static void nothing_is_begun_at_the_end(void **state)
{
	struct engine_client c = { 0 }, d = { 0 };
	void *first, *late;

	(void)state;
	begin(10);
	assert_non_null(first = fetcher_start(&s, &c, &cc, true));
	s.ending = true;
	assert_non_null(late = fetcher_start(&s, &d, &cc, true));
	assert_int_equal(nfetches, 1);
	refused(0);				/* no second credential now */
	assert_int_equal(nfetches, 1);
	assert_int_equal(c.ends, 1);
	(void)first;
	fetcher_cancel(&s, late);
	assert_int_equal(d.ends, 0);
	end(&c);
	side_free(&d);
}

/* What waited since others made a crowd is sent when they are done, and each is answered once. */
static void the_crowd_ends(void **state)
{
	static struct engine_client c[4][GATE_MAX];
	static struct conf_client host[4];
	static char url[4][40];
	size_t h, i, sent = 0;

	(void)state;
	begin(sizeof fetches / sizeof fetches[0]);
	for (h = 0; h < 4; h++) {
		host[h] = cc;
		snprintf(url[h], sizeof url[h], "https://host-%zu.example/token", h);
		host[h].oc.token_endpoint = url[h];
		for (i = 0; i < GATE_MAX; i++)
			assert_non_null(fetcher_start(&s, &c[h][i], &host[h], false));
	}
	assert_int_equal(nfetches, 3 * GATE_MAX + GATE_FEW);
	for (i = 0; i < 3 * GATE_MAX; i++)
		granted(i);
	assert_int_equal(nfetches, 4 * GATE_MAX);	/* though none of the fourth host's own has ended */
	for (; i < nfetches; i++)
		granted(i);
	for (h = 0; h < 4; h++)
		for (i = 0; i < GATE_MAX; i++) {
			assert_true(c[h][i].ends == 1 && c[h][i].ok);
			sent += c[h][i].sent;
		}
	assert_int_equal(sent, 4 * GATE_MAX);
	end(NULL);
}

/*
 * Each allocation fails in turn, alone and with all behind it: who asked is answered once or told so, and nothing is
 * left.
 */
static void without_memory(void **state)
{
	unsigned long n = 0;
	bool failed = true;

	(void)state;
#ifndef HAVE_FAILALLOC
	return;		/* the allocator is a sanitizer's, or not the GNU C library's */
#endif
	for (int all = 0; all < 2; all++) {
		for (n = 1, failed = true; failed; n++) {
			struct engine_client c = { 0 };
			void *x;

			begin(10);
			failalloc_arm(n, all);
			x = fetcher_start(&s, &c, &cc, true);
			if (x != NULL)
				refused(0);
			if (nfetches == 2)
				granted(1);
			failed = failalloc_disarm();
			assert_int_equal(c.ends, x != NULL);
			assert_true(failed || (c.ok && side_find(&c)->credential == 1));
			end(&c);
		}
		assert_in_range(n, 4, 20);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_second_is_tried_at_once), cmocka_unit_test(no_memory_for_the_second),
		cmocka_unit_test(both_are_refused), cmocka_unit_test(mailboxes_share_their_credentials),
		 cmocka_unit_test(no_memory_for_the_first),
		cmocka_unit_test(nothing_is_begun_at_the_end), cmocka_unit_test(the_crowd_ends),
		cmocka_unit_test(without_memory),
	};

	return cmocka_run_group_tests_name("fetcher", tests, NULL, NULL);
}
