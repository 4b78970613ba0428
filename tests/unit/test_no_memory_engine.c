/*
 * Engine and store without memory, at every place in turn: every asker is answered once or still waits, what was kept
 * is still there, and afterwards everything goes on.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "engine/engine.h"
#include "engine/store.h"
#include "failalloc.h"

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
	places = failalloc_everywhere(a_day, the_next_day, &w);
	world_end(&w);
	print_message("# %lu places\n", places);
	assert_in_range(places, 50, FAILALLOC_PLACES_MAX - 1);
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
	assert_in_range(failalloc_everywhere(reopen, still_whole, &fd), 4, FAILALLOC_PLACES_MAX - 1);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(engine_without_memory), cmocka_unit_test(a_token_at_hand_needs_none),
		cmocka_unit_test(store_without_memory),
	};

#ifndef HAVE_FAILALLOC
	puts("1..0 # SKIP the allocator is a sanitizer's, or not the GNU C library's");
	return 0;
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
