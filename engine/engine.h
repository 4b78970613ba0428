/*
 * The token engine: one cache entry and one state machine per OAuth client; any number of askers, at
 * most one request under way each. It knows neither HTTP, JSON nor a real clock: all of these come
 * in by struct engine_ops, so that tests drive it through hours in milliseconds.
 *
 * One thread. Times are milliseconds on the clock of ops->now ("boot": counts suspend, never jumps);
 * "wall" is only compared with itself. Callbacks may call engine_want(), engine_cancel() and
 * engine_status() and engine_sent(), nothing else of this header.
 */
#ifndef MX_ENGINE_ENGINE_H
#define MX_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/secret.h"
#include "common/status.h"

#define ENGINE_TICK_MAX_MS 30000	/* no timer is longer: a jump of a clock is seen by then */
#define ENGINE_PATIENCE_MS 2500		/* askers wait for a retry that is no further away than this */
#define ENGINE_REJECT_MS 60000		/* at most one new token per client for rejections in this time */
#define ENGINE_IDLE_MS (26ull * 3600 * 1000)	/* unasked for so long: no background refresh any more */
#define ENGINE_ID_MAX 33		/* bytes of a token id, NUL included */

struct engine;
struct engine_client;

/* What the engine has to know of a client; copied. */
struct engine_params {
	const char *name;		/* copied */
	uint64_t fingerprint;		/* same name, other fingerprint: another client's token */
	uint32_t min_remaining_s;	/* a token with less life is not handed out ... */
	uint32_t stale_until_s;		/* ... but in an outage it is until so much is left; 0: never */
	uint32_t backoff_min_ms, backoff_max_ms;
	bool each;			/* a token for each mailbox: asked for by engine_sub(), never itself */
	void *client;			/* handed to ops->fetch */
};

enum engine_state { ES_BUG = 0, ES_EMPTY, ES_FIRST, ES_FRESH, ES_REFRESH, ES_WAIT, ES_HOLD, ES_N };
const char *engine_state_name(enum engine_state s);

/* A fetch's outcome, given to engine_fetched(). */
struct engine_result {
	struct mx_secret *token;	/* moved from on success; NULL or empty: failure */
	const char *id;			/* token id */
	uint32_t expires_in_s, refresh_in_s;	/* refresh_in_s 0: not given */
	const struct mx_err *err;	/* failure: what askers hear */
	bool permanent;			/* failure: hold, else back off */
	int32_t retry_after_s;		/* failure: -1 none */
};

/* What an asker gets: token or err, never both. Valid during the call only. */
struct engine_answer {
	const struct mx_secret *token;
	const char *id;
	uint32_t expires_in_s;
	const struct mx_err *err;
};

/* An asker in the queue; embedded in the asker's own structure, zeroed before first use. */
struct engine_waiter {
	void (*done)(struct engine_waiter *w, const struct engine_answer *a);
	struct engine_waiter *next, **prev;
	struct engine_client *client;	/* NULL: not queued */
};

/* What is kept of a token beside its bytes, so that it outlives the process. Times: of the same boot. */
struct engine_saved {
	uint64_t sent_boot_ms, sent_wall_ms;	/* of the request that brought it */
	uint64_t rejected_boot_ms;		/* 0: never */
	uint32_t life_s, refresh_in_s;
	uint32_t suspect;			/* 1: a mail server has refused it */
	char id[ENGINE_ID_MAX], rejected_id[ENGINE_ID_MAX];
};

enum engine_note {
	EN_GOT, EN_FAILED, EN_SAME_TOKEN, EN_REJECTED, EN_REJECT_IGNORED,
	EN_JUMP,		/* a clock has; no client: in_ms is the number of refreshes that now come sooner */
	EN_GONE,		/* the client is about to be freed */
	EN_BUG
};

struct engine_ops {
	void (*now)(void *ctx, uint64_t *boot_ms, uint64_t *wall_ms);
	uint32_t (*random)(void *ctx);
	/*
	 * Starts a request, or lets it wait its turn; engine_sent() says when it is really sent (else: now), and
	 * engine_fetched() follows, never from inside. urgent: somebody waits. NULL: could not even start.
	 */
	void *(*fetch)(void *ctx, struct engine_client *c, void *client, bool urgent);
	void (*urge)(void *ctx, void *fetch, bool urgent);	/* somebody waits for it now, or nobody; may be NULL */
	void (*cancel)(void *ctx, void *fetch);	/* its client goes away: no engine_fetched() any more */
	void (*timer)(void *ctx, uint64_t in_ms);		/* call engine_tick() then; replaces */
	/* For log and counters; err and in_ms (until the next try or refresh) where they apply. */
	void (*note)(void *ctx, struct engine_client *c, enum engine_note n, const struct mx_err *err,
	    uint64_t in_ms);
	/*
	 * Tokens that outlive the process; all three or none. keep: copies n bytes and says where they now
	 * are, a NUL behind them; NULL: no room. recall: what an earlier process kept, once; NULL: nothing.
	 * forget: wiped, no recall() finds it any more.
	 */
	void *(*keep)(void *ctx, const char *name, uint64_t fingerprint, const struct engine_saved *s,
	    const void *token, size_t n, unsigned char **where);
	void *(*recall)(void *ctx, const char *name, uint64_t fingerprint, struct engine_saved *s,
	    unsigned char **where, size_t *n);
	void (*forget)(void *ctx, void *kept);
	void *ctx;
};

struct engine *engine_new(const struct engine_ops *ops);	/* ops is copied; NULL: no memory */
void engine_free(struct engine *e);	/* askers hear MX_TEMP shutting-down; what is kept stays kept */

/*
 * The set of clients after a reload: put each, then commit, or abort and nothing has changed. Clients with
 * the same name and fingerprint keep token and askers; a hold of theirs for a permanent error ends, for the
 * reload may have followed its repair. Askers of a client whose fingerprint changed
 * go on with the new one; those of a removed client hear MX_TEMP client-removed. Until the commit
 * engine_find() and engine_each() show the old set. put: NULL without memory.
 *
 * The commit itself takes no time, however many clients there are: what it leaves to do is done by calls of
 * engine_settle(), about n clients each, until that returns false. Only then may the old params.client go, and
 * the next put come. The first commit also recalls the tokens of an earlier process, at once.
 */
bool engine_reserve(struct engine *e, size_t n);	/* room for so many puts; false: no memory */
struct engine_client *engine_put(struct engine *e, const struct engine_params *p);
void engine_commit(struct engine *e);
bool engine_settle(struct engine *e, size_t n);
void engine_abort(struct engine *e);

struct engine_client *engine_find(struct engine *e, const char *name);
void *engine_client_of(struct engine_client *c);	/* params.client; of a sub-client its parent's */
const char *engine_client_name(const struct engine_client *c);

/*
 * Sub-clients: "NAME/SUBJECT", for a client NAME whose params say each. Made on first demand, outside of any reload,
 * whatever stage that is in, and always below the client that engine_find() shows. They have their parent's params. A
 * parent that stays at a reload keeps them; of one that got another fingerprint those that somebody waits for are made
 * anew, and their askers go on with these; else they go, and their askers hear client-removed. One that nobody has
 * asked for ENGINE_IDLE_MS goes. Where there is no room the one goes that has waited longest to be asked, of those
 * without a token first, and never one with a request or an asker.
 *
 * engine_sub: finds or makes one. fresh: it may be made even if an earlier process left no token for it, *made says
 * whether that was so. NULL: it may not; or there is no room or memory. engine_sub_find: NULL: there is none.
 */
#define ENGINE_SUBS_MAX 10000		/* until engine_sub_limit() says so otherwise */
struct engine_client *engine_sub(struct engine_client *parent, const char *subject, bool fresh, bool *made);
struct engine_client *engine_sub_find(struct engine_client *parent, const char *subject);
void engine_sub_limit(struct engine *e, size_t most);	/* those that are there stay */
size_t engine_sub_count(const struct engine *e);
const char *engine_client_subject(const struct engine_client *c);	/* NULL: it is no sub-client */
struct engine_client *engine_client_parent(struct engine_client *c);	/* of one that is none: itself */

/* By place, for those who visit them in several turns: one that stays keeps its place. NULL: that one is empty. */
size_t engine_sub_places(const struct engine *e);
struct engine_client *engine_sub_at(struct engine *e, size_t i);	/* i < engine_sub_places() */

/* What is true of all sub-clients of one parent. Takes a look at each. */
struct engine_subs { size_t n, failing; bool any_token; int64_t expires_in_ms; };	/* the token that ends first */
void engine_sub_sum(struct engine_client *parent, struct engine_subs *s);

void **engine_client_side(struct engine_client *c);	/* a place for its owner's own; NULL at first */

/*
 * Asks. true: *a holds the answer now. false: w->done() will be called once, unless engine_cancel()
 * comes first. w must stay where it is until then.
 */
bool engine_want(struct engine_client *c, struct engine_waiter *w, struct engine_answer *a);
void engine_cancel(struct engine_waiter *w);	/* fine when not queued */

/* The asker's time is up: takes it out of the queue; *a holds the best there is, a living token or why not. */
void engine_give_up(struct engine_waiter *w, struct engine_answer *a);

/* The request under way is sent now: the life of its token begins. Also from inside ops->fetch. */
void engine_sent(struct engine_client *c);
void engine_fetched(struct engine_client *c, const struct engine_result *r);
void engine_tick(struct engine *e);

/* The mail server refused this token (id NULL: whichever is cached). true: it was dropped. */
bool engine_rejected(struct engine_client *c, const char *id);

/* Forgets token and hold of a client; askers in the queue go on waiting for a new one. */
void engine_flush(struct engine_client *c);

/* What a permanent error was held for has changed: asks at once. Nothing where there is no such hold. */
void engine_retry(struct engine_client *c);

struct engine_status {
	const char *name;
	bool permanent;			/* on hold for a permanent error, no request under way */
	enum engine_state state;
	const char *token_id;		/* NULL: no token */
	int64_t expires_in_ms;		/* of the token; may be negative */
	uint64_t next_in_ms;		/* until the next refresh or the end of the hold; 0: none */
	const struct mx_err *err;	/* last failure since the last success; NULL: none */
	const struct mx_err *past;	/* the last failure, a success having followed it; NULL: none */
	uint64_t failed_ago_ms;		/* with err or past; they are never both there */
	int64_t margin_ms;		/* a token with less life is not handed out, as things are now */
	uint64_t fetches, failures, answers, rejections;
	uint64_t oks, permanents;	/* fetches that brought a token; failures that were permanent */
	bool ever_ok;			/* a token was obtained, in this process or by the one before it */
	uint64_t ok_ago_ms;		/* since the last success; with ever_ok */
	size_t waiting;
};
void engine_status(struct engine_client *c, struct engine_status *s);

/*
 * The clients by number, for those who visit them in several turns of the loop. The numbers hold as long as the
 * epoch is the same: each commit makes it another one.
 */
size_t engine_count(const struct engine *e);
struct engine_client *engine_at(struct engine *e, size_t i);	/* i < engine_count() */
uint64_t engine_epoch(const struct engine *e);

/* Visits every client in the order of putting. */
void engine_each(struct engine *e, void (*fn)(void *arg, struct engine_client *c), void *arg);

#endif
