/*
 * The answer to STATUS, taken apart and shown in three ways. What a newer daemon adds is skipped.
 */
#ifndef MX_CTL_STATUS_H
#define MX_CTL_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"
#include "ctl/ask.h"

#define STATUS_KEYS_MAX 16

enum status_kind { STATUS_OTHER, STATUS_DAEMON, STATUS_CLIENT };

struct status_key {
	const char *wire;	/* NULL ends a list */
	const char *json;
	bool number;
};

enum { SD_VERSION, SD_PID, SD_UPTIME, SD_CONF, SD_LOADED, SD_CLIENTS, SD_ACCOUNTS, SD_CONNS,
    SD_SECRET, SD_UNLOCKED, SD_N };
enum { SC_NAME, SC_STATE, SC_TOKEN, SC_EXPIRES, SC_NEXT, SC_WAITING, SC_FETCHES, SC_FAILURES,
    SC_ANSWERS, SC_REJECTIONS, SC_FAILED_AGO, SC_CLASS, SC_CODE, SC_ERROR, SC_N };

extern const struct status_key status_daemon_keys[SD_N + 1];
extern const struct status_key status_client_keys[SC_N + 1];

struct status_line {
	enum status_kind kind;
	struct mx_span v[STATUS_KEYS_MAX];	/* by SD_ or SC_; s NULL: not given */
};

/* Takes one line off *p (to end). false: nothing left. */
bool status_line(const char **p, const char *end, struct status_line *l);

/* Decimal, perhaps negative; false: not given, or none. */
bool status_number(const struct mx_span *v, int64_t *out);

/* warning: the last fetch failed, the token still serves; critical: there is none that does. */
enum status_health { STATUS_GOOD, STATUS_WARNING, STATUS_CRITICAL };
enum status_health status_health(const struct status_line *client);
const char *status_health_name(enum status_health h);

struct status_sum {
	struct status_line daemon;
	size_t clients, by_health[3];
	enum status_health worst;
	struct status_line worst_client;	/* the first of the worst, if any is not good */
	size_t name_width;			/* of the longest name, in columns */
};

/* false: not a complete answer to STATUS. */
bool status_sum(const struct answer *a, struct status_sum *s);

void status_table(const struct answer *a, const struct status_sum *s);
void status_json(const struct answer *a, const struct status_sum *s);

#endif
