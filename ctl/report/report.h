/*
 * The parts of a report. Each writes lines to r->out, and says in words what it could not find out.
 */
#ifndef MX_CTL_REPORT_REPORT_H
#define MX_CTL_REPORT_REPORT_H

#include "ctl/ask.h"
#include "ctl/report/mask.h"
#include "ctl/verb.h"
#include "settings/keys.h"

#define RP_CONF_MAX ((size_t)64 << 20)	/* bytes of a file of the configuration */
#define RP_LOG_MAX ((size_t)4 << 20)	/* bytes of the end of a log */
#define RP_LINES 200			/* shown of a log, of the status, of clients, of accounts */
#define RP_CONF_LINES 500		/* shown of a file of the configuration: nobody pastes more */

/* A whole file, or its last max bytes with tail; owned, NUL-terminated. NULL: errno says why. */
char *rp_read(const char *path, size_t max, bool tail, size_t *n);

/*
 * The configuration as it is written, key by key; also one that is wrong. Either walks through the main file and conf.d:
 * rp_conf_learn() notes names, local parts and the contents of secret files; rp_conf_show() shows.
 */
void rp_conf_learn(struct rp *r, const char *path);
void rp_conf_show(struct rp *r, const char *path);

/* conf_walk.c: each key with its value. key NULL: it is none of the section's. section: where it stands. */
struct rp_item {
	const struct conf_section *section;
	const struct conf_key *key;
	const char *name;		/* as written; of a client, a pattern: key is NULL and head says which */
	size_t name_n;
	enum { RP_KEY, RP_CLIENT, RP_ACCOUNT, RP_ENTRY, RP_VALUE } kind;	/* RP_VALUE: of a list */
	const char *value;		/* NULL: a list or a mapping follows, or nothing stands there */
	size_t value_n;
	unsigned depth;
};
/* false: broken from line on; 0 if memory is short. */
bool rp_conf_walk(const char *file, const char *text, size_t n, void (*item)(void *arg, const struct rp_item *i), void *arg,
    unsigned *line);

void rp_secret_file(struct rp *r, const char *path);	/* its content is known from here on */

void rp_host_show(struct rp *r);			/* versions, the system, SASL's plugins */
void rp_check_show(struct rp *r, const char *path);	/* what "check" says, and who may ask for what */
/* The answer to STATUS; a is asked already. */
void rp_status_show(struct rp *r, const struct answer *a);
/*
 * The tokens at hand, asked for by the accounts of path, and known from here on; then shown as claims. No client without a
 * token is asked for one. NULL: no memory.
 */
struct rp_tokens;
struct rp_tokens *rp_tokens_learn(struct rp *r, const struct call *c, const struct answer *status, const char *path);
void rp_tokens_show(struct rp *r, const struct rp_tokens *t);
void rp_tokens_free(struct rp_tokens *t);
void rp_log_show(struct rp *r, const char *file);	/* file NULL: the journal */
void rp_mta_show(struct rp *r);

#endif
