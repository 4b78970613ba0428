/*
 * The one table of configuration keys: name, type, place, default, bounds. The parser, the
 * defaults, the errors about unknown and repeated keys and the check of the manual page read it,
 * and nothing else knows keys.
 */
#ifndef MX_SETTINGS_KEYS_H
#define MX_SETTINGS_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "settings/conf.h"

enum conf_type {
	CONF_T_STRING = 1,	/* min to max bytes */
	CONF_T_PATH,		/* absolute */
	CONF_T_SECRET,		/* path, or credential:NAME; never repeated in a complaint */
	CONF_T_URL,		/* https://...; never repeated */
	CONF_T_PROXY,		/* SCHEME://HOST:PORT; never repeated */
	CONF_T_SECONDS,		/* number, or number with ms, s, m, min, h; kept in whole seconds */
	CONF_T_MS,		/* the same, kept in milliseconds */
	CONF_T_COUNT,		/* decimal number */
	CONF_T_MODE,		/* octal number */
	CONF_T_BOOL,		/* yes, no, true, false */
	CONF_T_DATE,		/* YYYY-MM-DD; kept as cf_date() has it */
	CONF_T_ENUM,		/* one of word(0), word(1), ...; kept as its number */
	CONF_T_USER, CONF_T_GROUP,	/* one name of an account or group; kept as the name */
	CONF_T_STRINGS,		/* list, or one scalar */
	CONF_T_WORDS,		/* list of words; kept as a set of bits, 1 << number */
	CONF_T_USERS, CONF_T_GROUPS,		/* lists of names or numeric ids */
	/* nested: */
	CONF_T_LISTEN, CONF_T_CLIENTS, CONF_T_ACCOUNTS, CONF_T_CREDENTIALS, CONF_T_LIMITS
};

#define CONF_K_REQUIRED 1	/* every entry must have it */
#define CONF_K_PRESET 2		/* default comes from the preset or elsewhere: help says */
#define CONF_K_REFUSED 4	/* known, but an error: help says why */
#define CONF_K_LIMIT 8		/* may also stand below "limits" */
#define CONF_K_EACH_FILE 16	/* may be given once in each file; what is below is merged */
#define CONF_K_HOSTS 32		/* kept in lower case, without trailing dot and brackets */

struct conf_key {
	const char *name;
	enum conf_type type;
	size_t off;			/* of its struct cf_value in the section's struct */
	const char *def;		/* as it would be written; NULL: none */
	uint32_t min, max;		/* of the number as kept, or of the bytes of a string */
	const char *(*word)(unsigned i);	/* enum and words: NULL past the end */
	const char *(*bad)(const char *s, size_t n);	/* NULL: fine; else what is expected */
	unsigned flags;
	const char *help;		/* one line for people */
};

#define CONF_CLIENT_ID_HELP "the client's identifier (Entra: \"Application (client) ID\")"

enum conf_section_id {
	CONF_SECTION_TOP, CONF_SECTION_LISTEN, CONF_SECTION_CLIENT, CONF_SECTION_CREDENTIAL,
	CONF_SECTION_ACCOUNT, CONF_SECTION_N
};

struct conf_section {
	const char *name;		/* "the top level", "an entry of \"clients\"", ... */
	const struct conf_key *key;	/* sorted by name */
	size_t n;
	size_t size;			/* of the section's struct */
};
extern const struct conf_section conf_sections[CONF_SECTION_N];

/* Key of a section by its name; NULL: there is none. */
const struct conf_key *conf_key_find(const struct conf_section *s, const char *name, size_t n);

/* A value as it was written: at.line 0 means that it is the default, or absent. */
struct cf_value {
	struct conf_where at;
	const char *s;			/* text types */
	uint32_t v;			/* numbers, enums, sets of words */
	struct conf_names list;		/* lists; id is NULL for strings */
};

struct cf_top {
	struct cf_value listen, clients, accounts, limits, admin_users, log_level, user;
	struct cf_value max_connections, max_connections_per_uid, request_timeout, deadline;
	struct cf_value max_mailboxes;
	struct cf_value token_cache;
	struct cf_value metrics_file, metrics_interval;
};

struct cf_listen { struct cf_value path, protocol, mode, owner, group; };

struct cf_credential {
	struct conf_where at;		/* of the entry; line 0: beside the client's other keys */
	struct cf_value client_secret_file, secret_expires;
	struct cf_value key, key_passphrase_file, certificate_file, key_id;
	struct cf_value assertion_algorithm, assertion_audience, assertion_issuer, assertion_typ;
	struct cf_value service_account_file, assertion_file;
	struct cf_value managed_identity, identity_client_id, identity_object_id, identity_resource_id;
	struct cf_value refused;
};

struct cf_client {
	struct cf_value provider, cloud, tenant, client_id, grant, scope, resource, token_endpoint;
	struct cf_value device_authorization_endpoint, authorization_endpoint;
	struct cf_value refresh_token_file, client_auth, credentials, proxy, proxy_credentials_file, no_proxy, ca_file;
	struct cf_value min_remaining, stale_until, connect_timeout, timeout;
	struct cf_value backoff_min, backoff_max, workload_identity;
	struct cf_credential own;	/* given beside the client's other keys */
	struct cf_credential list[CONF_CREDENTIALS_MAX];	/* of "credentials" */
	size_t nlist;
	struct cf_value refused;
};

struct cf_account {
	struct cf_value client, user, allow_users, allow_groups, allow_token_users;
	struct cf_value relays, mechanisms;
};

/* log_level's words as syslog(3) levels. */
int conf_log_level(uint32_t word);

#endif
