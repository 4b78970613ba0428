/*
 * A client for Exchange Online, set up: the answers, the daemon's file, and the script that does the part in the cloud.
 */
#ifndef MX_CTL_EXCHANGE_H
#define MX_CTL_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/buf.h"
#include "ctl/verb.h"
#include "oauth/provider.h"

/* In the order in which they are asked for; those behind XO_ASKED are given by options alone. */
enum xo_key {
	XO_NAME, XO_TENANT, XO_MAILBOX, XO_CREDENTIAL, XO_PERMISSION, XO_CLOUD, XO_USERS, XO_ASKED,
	XO_APP = XO_ASKED, XO_CLIENT_ID, XO_SECRET_FILE, XO_PROXY, XO_CA_FILE, XO_OUTPUT, XO_N
};

#define XO_NAME_MAX 40		/* bytes: Exchange's names have 64, and get some words more */
#define XO_TEXT_MAX ((size_t)256 * 1024)	/* bytes of the script, and of the daemon's file */
#define XO_DAYS 730		/* of the certificate */
/* tokend.yaml where there is none: conf.d is not read without. */
#define XO_MAIN "# Clients and accounts are in conf.d. Every key: man 5 tokend.conf.\nlog_level: info\n"

struct xo {
	const struct call *c;
	char *v[XO_N];		/* owned; NULL: none. A list has commas and no blanks */
	bool terminal;		/* somebody can be asked */
	bool again;		/* answers of an earlier run were found */
	bool changed;		/* ... and other ones than --client-id are new, or the script is wanted elsewhere */
	enum oauth_cloud cloud;
	bool certificate, secret, identity;	/* one of them */
	bool rbac;
	const char *config;	/* tokend.yaml */
	char *folder;		/* its folder; all of these owned */
	char *yaml, *key, *crt, *secret_file, *script, *saved;	/* paths */
	gid_t gid;		/* the daemon's group */
	char *user;		/* the daemon's */
	bool config_there;
};

/* --- answers.c, judge.c, saved.c --- */

struct xo_question {
	const char *flag, *key;		/* --mailbox, mailbox */
	size_t offset;			/* of the option in struct call */
	const char *ask;		/* NULL: nobody is asked */
	const char *help;		/* one line above the question; NULL: none */
	const char *(*judge)(const char *s);	/* NULL: it is fine; else how it must be: "must be ..." */
};
extern const struct xo_question xo_questions[XO_N];

int xo_answers(struct xo *x);		/* all of them, from options, the last run, a person, or defaults. An exit status */
void xo_free(struct xo *x);

const char *xo_judge_name(const char *s);
const char *xo_judge_tenant(const char *s);
const char *xo_judge_mailboxes(const char *s);
const char *xo_judge_credential(const char *s);
const char *xo_judge_permission(const char *s);
const char *xo_judge_cloud(const char *s);
const char *xo_judge_users(const char *s);
const char *xo_judge_app(const char *s);
const char *xo_judge_guid(const char *s);
const char *xo_judge_path(const char *s);
const char *xo_judge_text(const char *s);

/* Nothing in it that a terminal, an editor or a reader would not show as it is? */
bool xo_shows_itself(const char *s);
/* The parts of a list: returns the next one's length, 0 at its end. *s goes on behind it. */
size_t xo_part(const char **s, const char **part);

int xo_saved_read(struct xo *x, char *found[XO_N]);	/* found: owned; none where there is no file. An exit status */
int xo_saved_write(const struct xo *x);

/* --- person.c --- */

/* A line that is typed, without its end; owned. NULL: the end, and that has been said. */
char *xo_line(const char *prompt, const char *otherwise);
bool xo_agreed(const char *prompt, bool otherwise);	/* y or n */
struct mx_secret;
int xo_hidden(const char *prompt, struct mx_secret *s);	/* a line that is not shown. An exit status */

/* --- text: yaml.c, script.c, script_entra.c, script_exchange.c --- */

/* id NULL: the client's ID is not known yet */
void xo_yaml(const struct xo *x, const char *id, struct mx_buf *b);
/* certificate: its PEM; NULL: none */
void xo_script(const struct xo *x, const char *certificate, struct mx_buf *b);
extern const char xo_ps_begin[], xo_ps_begin2[], xo_ps_begin3[], xo_ps_tools[], xo_ps_application[],
    xo_ps_certificate[], xo_ps_secret[], xo_ps_identity[], xo_ps_principal[], xo_ps_find_role[],
    xo_ps_role[], xo_ps_list_role[], xo_ps_no_role[], xo_ps_entra_begin[], xo_ps_entra_end[],
    xo_ps_exchange[], xo_ps_mailbox[], xo_ps_rbac[], xo_ps_exchange_begin[], xo_ps_exchange_end[],
    xo_ps_exchange_end2[], xo_ps_end_id[], xo_ps_end_identity[], xo_ps_end[];

/* --- files: own.c, stage.c --- */

/* Puts "# mta-xoauth2 setup exchange: NUMBER", which knows an edited text again, above what is in b from start on. */
void xo_own_seal(struct mx_buf *b);
void xo_own_seal_ps(struct mx_buf *b);	/* ... a script, with a byte order mark where PowerShell needs one */
/* A file at path that may be replaced, or none. An exit status; what is wrong has been said. */
int xo_own_check(const char *path, const char *instead);
int xo_put(const char *path, const char *p, size_t n, mode_t mode, gid_t gid);	/* an exit status */

/* Judges the configuration as it would be with this text for x->yaml. An exit status; complaints have been printed. */
int xo_stage(const struct xo *x, const char *text, size_t n, unsigned flags);

/* --- steps: credential.c, run.c, next.c --- */

int xo_credential_look(const struct xo *x);	/* is what is there fit to be used? An exit status */
/* Key and certificate, or the secret: made unless they are there. pem: the certificate; XO_PEM_MAX bytes. */
#define XO_PEM_MAX 16384
int xo_credential_make(const struct xo *x, char *pem);
int xo_run(struct xo *x);
int xo_next(const struct xo *x, bool complete);		/* what is left to do, and offers to do it */

#endif
