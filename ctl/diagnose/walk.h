/*
 * The walk of "diagnose": link after link, as the mail server would go, up to the first that is broken.
 */
#ifndef MX_CTL_DIAGNOSE_WALK_H
#define MX_CTL_DIAGNOSE_WALK_H

#include "common/response.h"
#include "common/secret.h"
#include "common/status.h"
#include "ctl/setup/run.h"
#include "ctl/verb.h"
#include "settings/conf.h"

enum dg_mark {
	DG_OK,
	DG_NOTE,	/* healthy, and worth knowing */
	DG_SKIP,	/* does not apply, or cannot be told from here */
	DG_BROKEN
};
enum dg_part { DG_HERE, DG_PROVIDER, DG_TOKEN, DG_SERVER, DG_PART_N };

struct dg_walk;
struct dg_mta;
struct dg_provider;
struct dg_link {
	const char *id;		/* in JSON: stable; NULL ends a table */
	const char *name;	/* for people */
	enum dg_part part;
	void (*run)(struct dg_walk *w);	/* says exactly one of dg_ok() ... dg_broken() */
};
extern const struct dg_link dg_links[];		/* links.c: all of them, in order */

enum dg_claim_kind { DG_STRING, DG_NUMBER, DG_LIST };	/* a list: words with blanks between them */

struct dg_list { struct dg_item { const char *id, *name; char *text; int kind; } *i; size_t n, cap; };

struct dg_walk {
	const struct call *call;
	const char *account;		/* as asked for */
	const char *config;		/* tokend.yaml */
	const char *socket;		/* the daemon's, outside of any chroot */

	/* Found on the way. NULL, 0, false: not yet, or not to be found. Freed by dg_free(). */
	struct conf *conf;
	const struct conf_account *entry;	/* in conf */
	const struct conf_client *client;	/* in conf */
	const char *user;			/* the mailbox that logs in */
	char *relay;				/* name of the server; never NULL behind link "account" */
	uint32_t port;
	enum mx_mech mech;			/* the one that is used */
	const char *mta_name;			/* "postfix", "exim"; NULL: none that is set up for this */
	struct dg_mta *mta;			/* private to mta*.c; NULL as mta_name */
	struct su_asker asker;			/* how the mail server's user asks; user NULL: no mail server */
	bool stale;				/* the daemon runs with another configuration than conf */
	char hint[MX_CODE_MAX];			/* code of what is odd with the client's secret; "": nothing */
	struct dg_provider *provider;		/* private to provider.h's files; NULL: not asked yet */
	struct dg_server *server;		/* private to server*.c: the connection to the mail server */
	struct mx_secret token;			/* an access token, bare */
	struct mx_secret response;		/* the SASL response, base64 */

	/* The report. */
	struct dg_list links, evidence, unknown, claims, values;	/* of links: kind is the mark */
	bool broken, no_memory;
	char code[MX_CODE_MAX], *cause, *fix;
	enum mx_class cls;
	int exit;			/* the exit status */

	/* Of the link that is being looked at. */
	const struct dg_link *link;
	bool said;
	void *private;			/* of tests */
};

/* What a link found, for people. One of these in each run(); the first counts. */
void dg_ok(struct dg_walk *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void dg_note(struct dg_walk *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void dg_skip(struct dg_walk *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* code: of a row of catalogue/, which has cause and fix; the rest is what was seen. */
void dg_broken(struct dg_walk *w, const char *code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* An error that has its class, code and sentence; the catalogue's cause and fix, if it has the code. */
void dg_broken_err(struct dg_walk *w, const struct mx_err *e);

/* Behind these: another cause and another fix for the code, likewise to be filled. */
void dg_explain(struct dg_walk *w, const char *cause, const char *fix);

void dg_evidence(struct dg_walk *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void dg_unknown(struct dg_walk *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A word for causes and fixes; name is a literal. The last one counts; NULL takes it back. */
void dg_value(struct dg_walk *w, const char *name, const char *value);
/* A text of the catalogue, or like one, with its words put in; the caller's to free(). NULL: no memory. */
char *dg_filled(struct dg_walk *w, const char *text);
void dg_claim(struct dg_walk *w, const char *name, enum dg_claim_kind kind, const char *value);

/* Walks. An exit status; all has been printed. */
int dg_run(struct dg_walk *w, const struct dg_link *links);
void dg_free(struct dg_walk *w);

/* The exit status of a broken link: where is the row's, "" without one. */
int dg_exit(const char *where, enum mx_class cls, const char *code);

/* show.c */
void dg_show_begin(const struct dg_walk *w);
void dg_show_start(const struct dg_walk *w);			/* w->link begins */
void dg_show_link(const struct dg_walk *w, const struct dg_item *i);	/* w->link is done */
void dg_show_end(const struct dg_walk *w);
/* json.c */
void dg_json(const struct dg_walk *w);

const char *dg_mark_name(enum dg_mark m);
const char *dg_part_name(enum dg_part p);

#endif
