/*
 * What the files of settings/ share while a configuration is being read: the growing configuration,
 * the complaints, and what is known beside it and thrown away at the end.
 */
#ifndef MX_SETTINGS_BUILD_H
#define MX_SETTINGS_BUILD_H

#include "settings/keys.h"
#include "settings/mem.h"
#include "settings/report.h"

#define CF_EXPIRY_WARN_S (30 * 86400u)	/* a credential that ends within is a warning */

struct conf_own {
	struct cf_mem mem;
	struct cf_map exact;	/* pattern, domain in lower case -> account */
	struct cf_map folded;	/* address in lower case -> account that has upper case in it */
};

struct cf_client_side { struct conf_where ca_at, proxy_at, refresh_at; bool used; };
struct cf_account_side { const char *client; struct conf_where client_at, relays_at; };

/* An entry without "client": adds users to the account of that name in another file. */
struct cf_more { const char *pattern, *name; struct conf_names allow_users; struct conf_where at; };

struct build {
	struct conf *c;
	struct cf_mem *mem;		/* of c->own */
	struct conf_report *r;
	const char *main_file;
	unsigned flags;			/* of conf_load() */
	struct cf_top top;
	struct cf_map clients;		/* name -> number in c->clients, while these are unsorted */
	struct cf_client_side *client_side;
	struct cf_account_side *account_side;
	size_t cap_clients, cap_accounts, cap_listen, cap_client_side, cap_account_side;
	struct cf_map refresh_files;	/* path -> number of the client that has it */
	bool own_listen;		/* the main file says where to listen */
	struct cf_more *more;		/* users that further files add to accounts */
	size_t nmore, cap_more;
	struct cf_map users, groups;	/* name -> id, so that each is looked up once */
	struct cf_map lists;		/* text of a list -> number in list */
	struct conf_names *list;
	size_t nlists, cap_lists;
	struct conf_names item;		/* the list being read; its arrays are scratch */
	size_t cap_item_name, cap_item_id;
	char *text;			/* scratch for the key of lists */
	size_t cap_text;
	bool broken;		/* a file was not read to its end: what is missing may be there */
	bool clean;			/* the entry just read had no error: say what it lacks */
	bool oom;
};

/* Says once that there is no memory; returns false. */
bool cf_oom(struct build *b);

/* files.c: reads the main file and those of conf.d; what is wrong goes to the report. */
void cf_read_files(struct build *b, const char *path);

/* read.c: one file's text (n bytes, not NUL-terminated). file: interned. */
void cf_read_text(struct build *b, const char *file, const char *text, size_t n);

/*
 * value.c: types a scalar into v; a complaint and v as it was when it does not fit. at NULL: a
 * default.
 */
void cf_set(struct build *b, const struct conf_key *k, struct cf_value *v, const char *s, size_t n,
    const struct conf_where *at);
/* The section's struct, all defaults. */
void cf_defaults(struct build *b, const struct conf_section *s, void *section);
struct cf_value *cf_value_of(void *section, const struct conf_key *k);

/* names.c: one item of a list, then the end of the list. */
void cf_list_add(struct build *b, const struct conf_key *k, const char *s, size_t n,
    const struct conf_where *at);
void cf_list_end(struct build *b, const struct conf_key *k, struct cf_value *v);
/* Warns when there is no such account or group now. */
void cf_name_known(struct build *b, bool group, const char *s, size_t n,
    const struct conf_where *at);

/* client.c, account.c: what an entry says becomes part of the configuration. at: of its name. */
void cf_add_client(struct build *b, const char *name, const struct conf_where *at,
    struct cf_client *w);
void cf_add_account(struct build *b, const char *pattern, const struct conf_where *at,
    struct cf_account *w);
/*
 * refresh.c: file and scopes of the refresh_token grant, once the endpoint is known (entra: it is Microsoft's); the
 * token as it is now. daemon: the user it will run as.
 */
void cf_refresh_grant(struct build *b, struct conf_client *c, const struct cf_client *w, bool entra);
void cf_check_refresh(struct build *b, const struct oauth_client *oc, const struct conf_where *at, uid_t daemon);

/* credential.c: entra: the token endpoint, or the preset, is Microsoft's. */
void cf_add_credentials(struct build *b, struct conf_client *c, const struct cf_client *w, bool entra);
uint64_t cf_mix_credentials(uint64_t h, const struct oauth_client *oc);	/* into a fingerprint */
/*
 * identity.c: keys of a managed identity into a credential; a client whose grant it is; and the keys
 * that the platform's environment gives (false: there is something missing, and it has been said).
 */
void cf_identity(struct build *b, const struct cf_credential *v, struct oauth_credential *c);
void cf_identity_grant(struct build *b, struct conf_client *c, const struct cf_client *w);
bool cf_workload(struct build *b, const char *name, struct cf_client *w);
/* credential.c: the first key of a credential that is given; NULL: none. */
const struct cf_value *cf_credential_given(const struct cf_credential *w);
/* clouds.c: what belongs to different ones of Microsoft's clouds; at: of the account's relays. */
void cf_check_clouds(struct build *b, const struct conf_client *c, const struct cf_client *w);
void cf_check_relays(struct build *b, const struct conf_account *a, const struct conf_where *at);
void cf_link_accounts(struct build *b);	/* after the last file: accounts find their clients */

/* secrets.c: opens every client's secret and trusted certificates. Clients are still unsorted. */
void cf_check_secrets(struct build *b);

#endif
