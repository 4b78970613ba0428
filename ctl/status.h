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

#define STATUS_KEYS_MAX 40
#define STATUS_EXPIRES_S (14 * 86400)	/* a credential with less time left is worth a warning */

enum status_kind { STATUS_OTHER, STATUS_DAEMON, STATUS_CLIENT, STATUS_MAILBOX, STATUS_USER, STATUS_OTHERS };

struct status_key {
	const char *wire;	/* NULL ends a list */
	const char *json;
	bool number;
};

enum { SD_VERSION, SD_PID, SD_UPTIME, SD_CONF, SD_LOADED, SD_CLIENTS, SD_MAILBOXES, SD_ACCOUNTS, SD_CONNS,
    SD_SECRET, SD_UNLOCKED, SD_RELOAD_AGO, SD_RELOAD_CODE, SD_RELOAD_ERROR, SD_SANDBOX, SD_N };
enum { SC_NAME, SC_STATE, SC_TOKEN, SC_EXPIRES, SC_NEXT, SC_WAITING, SC_FETCHES, SC_FAILURES,
    SC_ANSWERS, SC_REJECTIONS, SC_FAILED_AGO, SC_CLASS, SC_CODE, SC_ERROR, SC_MARGIN, SC_OKS,
    SC_TEMPORARY, SC_PERMANENT, SC_SUCCESS_AGO, SC_PAST_AGO, SC_PAST_CLASS, SC_PAST_CODE,
    SC_PAST_ERROR, SC_CREDENTIAL, SC_ENDING, SC_KIND, SC_USED, SC_REFUSED, SC_N };
enum { SU_UID, SU_CONNS, SU_REQUESTS, SU_ANSWERS, SU_DENIED, SU_TURNED_AWAY, SU_N };

extern const struct status_key status_daemon_keys[SD_N + 1];
extern const struct status_key status_client_keys[SC_N + 1];	/* also of a mailbox */
extern const struct status_key status_user_keys[SU_N + 1];	/* also of others, who have no uid */

struct status_line {
	enum status_kind kind;
	struct mx_span v[STATUS_KEYS_MAX];	/* by SD_, SC_ or SU_; s NULL: not given */
};

/* Takes one line off *p (to end). false: nothing left. */
bool status_line(const char **p, const char *end, struct status_line *l);

/* Decimal, perhaps negative; false: not given, or none. */
bool status_number(const struct mx_span *v, int64_t *out);

/*
 * What is wrong with a client, the worst of it. A token serves while it has its margin: the daemon
 * hands out none that has less.
 */
enum status_cause {
	CAUSE_NONE,
	CAUSE_RENEWAL,		/* warning: the last fetch failed, the token still serves */
	CAUSE_EXPIRING,		/* warning: a secret or certificate ends within STATUS_EXPIRES_S */
	CAUSE_EXPIRED,		/* critical: that day has come */
	CAUSE_NO_TOKEN,		/* critical: the last fetch failed, and no token serves */
	CAUSE_N
};
enum status_cause status_cause(const struct status_line *client);

enum status_health { STATUS_GOOD, STATUS_WARNING, STATUS_CRITICAL };
enum status_health status_health(const struct status_line *client);
const char *status_health_name(enum status_health h);

struct status_sum {
	struct status_line daemon, others;	/* others.kind STATUS_OTHERS: there is such a line */
	size_t clients, users, by_health[3], by_cause[CAUSE_N];
	size_t mailboxes;			/* in no health: a client is in trouble when none of its has a token */
	bool reload_failed;			/* the last one: a warning by itself */
	enum status_health worst_of_clients, worst;	/* worst: with the daemon */
	struct status_line worst_client;	/* the first of the worst, if any is not good */
	size_t name_width;			/* of the longest name, in columns */
};

/* false: not a complete answer to STATUS. */
bool status_sum(const struct answer *a, struct status_sum *s);

/* "credential 2 (certificate)": the one that ends first. Returns out. */
const char *status_ending(char out[static 64], const struct status_line *client);

/* The two largest units of a time; "-" when it is not given, "ended" when negative. Returns out. */
const char *status_duration(char out[static 40], const struct mx_span *v);

void status_table(const struct answer *a, const struct status_sum *s);
void status_json(const struct answer *a, const struct status_sum *s);

#endif
