/*
 * The daemon as a whole: what its parts share. One thread, one event loop.
 */
#ifndef MX_TOKEND_SERVER_H
#define MX_TOKEND_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"
#include "oauth/http.h"
#include "settings/conf.h"
#include "tokend/histogram.h"

struct event;
struct event_base;
struct listener;
struct watch;
struct cache;
struct reload;
struct renewals;
struct conn;

/* A configuration in use: kept until the last request that was built from it has ended. */
struct conf_ref { struct conf *conf; unsigned refs; };

struct counters {			/* since the start; for STATUS and METRICS */
	uint64_t requests[10];		/* by enum mx_verb */
	uint64_t results[MX_CLASS_N];	/* answers by class */
	uint64_t refused_busy;		/* connections over a limit */
	uint64_t fetch_ok, fetch_temp, fetch_perm;
	uint64_t rejected, bugs;
};

struct reload_result { bool any, failed; uint64_t at_boot_ms; struct mx_err err; };	/* err: if it failed */

struct server {
	const char *conf_path;
	struct event_base *base;
	struct conf_ref *conf;
	struct engine *engine;
	struct oauth_http *http;
	struct fetcher *fetcher;
	struct reload *reload;		/* NULL: there was none yet */
	struct renewals *renewals;	/* likewise */
	struct cache *cache;		/* NULL: tokens end with the process */
	struct listener *listeners;
	struct conn *conns;		/* all open connections */
	size_t nconns;
	struct event *engine_timer;
	struct watch *watches;		/* clients on hold whose files are looked at, a ring */
	size_t nwatches;
	struct event *watch_timer;
	struct event *expiry_timer;	/* NULL: nobody looks when credentials end */
	size_t expiry_next;		/* the client that it looks at next */
	struct counters count;
	struct histogram answer_time[2], fetch_time;	/* answers: SASL, RAW and TOKEN; all others */
	struct reload_result last_reload;
	struct metrics_file *metrics_file;	/* NULL: none is written */
	uint64_t started_wall_ms, loaded_wall_ms;	/* for people; ages are counted on the other clock */
	uint64_t started_boot_ms, loaded_boot_ms;
	bool stopping;
	bool ending;			/* the loop is over: nothing new is begun */
};

struct conf_ref *conf_ref_new(struct conf *c);		/* one reference; NULL: no memory, c is the caller's */
void conf_ref_drop(struct conf_ref *r);

/* server.c */
bool server_init(struct server *s, const char *conf_path);	/* loop, engine, transport */
void server_run(struct server *s);		/* until SIGTERM or SIGINT and the last answer */
void server_done(struct server *s);
void server_last_answer(struct server *s);	/* stops the loop when stopping and nothing is open */

#endif
