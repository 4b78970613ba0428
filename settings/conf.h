/*
 * The configuration (tokend.yaml and conf.d beside it), read, typed, checked and resolved. Read by
 * the daemon and by the admin tool's "check"; immutable once loaded.
 */
#ifndef MX_SETTINGS_CONF_H
#define MX_SETTINGS_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "oauth/client.h"
#include "oauth/provider.h"

/* Line and column count from 1, columns in characters. Line 0: the file as a whole. */
struct conf_where { const char *file; unsigned line, column; };

enum conf_protocol { CONF_PROTOCOL_TOKEND, CONF_PROTOCOL_SOCKETMAP };

struct conf_listen {
	const char *path;
	enum conf_protocol protocol;
	mode_t mode;		/* default 0666 */
	const char *owner;	/* NULL: the daemon's user */
	const char *group;	/* NULL: the daemon's group */
	struct conf_where at;
};

#define CONF_CREDENTIALS_MAX 8

struct conf_client {
	struct oauth_client oc;			/* what a fetch needs */
	const struct oauth_provider *provider;
	uint32_t min_remaining_s, stale_until_s;
	uint32_t backoff_min_ms, backoff_max_ms;	/* transient failures: 1 s ... 300 s */
	/* of each of oc.credential: */
	struct conf_credential {
		struct conf_where at;
		uint64_t expires;	/* seconds since the epoch; 0: not known, or never */
		/* of a key's files as expires was read: oauth_credential_stamp(); 0: not read */
		uint64_t stamp;
	} *cred;
	uint64_t fingerprint;			/* of everything that makes a token another one */
	struct conf_where at;
};

/* Names as written and the ids they had when the file was read. */
struct conf_names {
	size_t n;
	const char **name;
	uint32_t *id;		/* uid or gid; UINT32_MAX: unknown then */
};

struct conf_account {
	const char *pattern;		/* "user@dom", "*@dom" or "*" */
	const struct conf_client *client;
	const char *user;		/* NULL: the name asked for */
	struct conf_names allow_users, allow_groups, allow_token_users;
	size_t nrelays;
	const char *const *relays;	/* lower-case patterns ("*.example.com"); nrelays 0: any */
	bool xoauth2, oauthbearer;	/* mechanisms allowed */
	struct conf_where at;
};

struct conf {
	size_t nlisten, nclients, naccounts;
	struct conf_listen *listen;
	struct conf_client *clients;	/* sorted by oc.name */
	struct conf_account *accounts;
	struct conf_names admin_users;
	int log_level;			/* syslog(3) level: LOG_ERR ... LOG_DEBUG */
	const char *user;		/* account the daemon drops to */
	const char *token_cache;	/* path, or "none"; NULL: the fd store, or beside the first socket */
	uint32_t max_connections;	/* in all */
	uint32_t max_connections_per_uid;
	uint32_t max_mailboxes;		/* with tokens of their own */
	uint32_t request_timeout_ms;	/* a request must be here by then */
	const char *metrics_file;	/* NULL: none is written */
	uint32_t metrics_interval_s;
	uint32_t deadline_ms;		/* an asker that names none is answered by then */
	struct conf_own *own;		/* private: memory and lookup tables */
};

/*
 * One complaint. severity: 'e' error, 'w' warning. text: complete sentence(s), without file and
 * line.
 */
struct conf_complaint {
	struct conf_where at;
	char severity;
	const char *text;
	const char *scope;		/* what to write in place of a scope that the provider never grants; else NULL */
};

struct conf_report {
	size_t n, errors, warnings;	/* n: kept in c; errors, warnings: found, kept or not */
	struct conf_complaint *c;	/* owned, in the order found; errors push out warnings */
};
#define CONF_COMPLAINTS_MAX 50		/* kept; one more entry then says "... and N more" */

#define CONF_CHECK_SECRETS 1	/* also open every secret file as this process may */
#define CONF_BY_HAND 2		/* somebody looks, and not the daemon: its environment is not known here */

/*
 * Reads path and the *.yaml files of conf.d beside it, in the order of their names. NULL: at least
 * one error; the report says which. The report is always filled (freed by conf_report_free),
 * warnings included.
 */
struct conf *conf_load(const char *path, unsigned flags, struct conf_report *r);
void conf_free(struct conf *c);			/* NULL is fine */
void conf_report_free(struct conf_report *r);

/* "FILE:LINE:COLUMN: error: TEXT" into out. Returns out. */
const char *conf_complaint_str(char *out, size_t cap, const struct conf_complaint *c);

/*
 * Account for a name: exact, then "*@domain", then "*"; domain without regard to case and one
 * trailing dot, local part as written and then without regard to case. Hashed. NULL: none. name: n
 * bytes, no control bytes.
 */
const struct conf_account *conf_account_find(const struct conf *c, const char *name, size_t n);
const struct conf_client *conf_client_find(const struct conf *c, const char *name);

/* Does the account let tokens go to this relay? Case and one trailing dot do not matter. */
bool conf_relay_allowed(const struct conf_account *a, const char *host, size_t n);

/* Is id among the names (65534 never is)? An empty list means root only (id 0). */
bool conf_uid_listed(const struct conf_names *l, uid_t uid);
bool conf_gid_listed(const struct conf_names *l, gid_t gid);	/* an empty list means nobody */

#endif
