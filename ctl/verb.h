/*
 * The table of verbs: it drives the parsing of the command line, help and suggestions.
 */
#ifndef MX_CTL_VERB_H
#define MX_CTL_VERB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit statuses (mta-xoauth2(8)); those of the daemon's errors come from mx_class_info(). */
#define CTL_FINE 0
#define CTL_FOUND 1		/* something is not as it should be; status --check has its own */
#define CTL_USAGE 2
#define CTL_CONFIG 3
#define CTL_UNREACHABLE 4	/* no daemon there, or nothing that speaks its protocol */
#define CTL_SERVER 6		/* the mail server */
#define CTL_TEMP 75		/* also: the output cannot be written */

#define CTL_CONF MX_SYSCONFDIR "/mta-xoauth2/tokend.yaml"

/* What a command line came to; options that were not given are NULL, 0 or false. */
struct call {
	const struct verb *verb;	/* NULL: none was named (--help, --version) */
	const char *arg;		/* of the verb; NULL: it takes none */
	const char *socket, *config;
	uint32_t timeout_s;
	bool help, version, json, check, browser;
	/* of postfix and exim: */
	const char *relayhost, *account, *sender, *instance, *state, *pieces;
	const char *tenant, *client_id, *secret_file;
	bool dry_run, yes;
	/* of diagnose: */
	const char *relay, *send_to, *from, *mta, *ca_file;
	/* of rehearse: */
	const char *scenario, *daemon;
	bool keep, list;
	/* of report: */
	const char *log, *output;
	bool plain_ids;
	/* of setup: */
	const char *name, *mailbox, *credential, *permission, *cloud, *users, *app_name, *proxy;
};

/* In struct call: bool, const char *, uint32_t. */
enum ctl_type { CTL_FLAG, CTL_TEXT, CTL_SECONDS };

struct ctl_option {
	const char *name;		/* with its dashes; NULL ends a list */
	char letter;			/* the short form; 0: none */
	enum ctl_type type;
	const char *value;		/* what the help calls its value; NULL for a flag */
	size_t offset;			/* in struct call */
	const char *help;
};

struct verb {
	const char *name;		/* NULL ends the table */
	const char *arg;		/* what the help calls its argument; NULL: none */
	const struct ctl_option *options;	/* its own; NULL: none */
	int (*run)(const struct call *c);	/* the exit status; what is wrong has been said */
	const char *help;		/* one line */
	const char *more;		/* lines for the verb's own help */
};

extern const struct verb verbs[];
extern const struct ctl_option global_options[];

const struct verb *verb_find(const char *name);		/* NULL: none */
const char *verb_nearest(const char *name);		/* NULL: nothing like it */

/* An option of list (may be NULL) by "--name" of n bytes, or by its letter with n 1. NULL: none. */
const struct ctl_option *verb_option(const struct ctl_option *list, const char *name, size_t n);

int check_run(const struct call *c);	/* check.c */
int diagnose_run(const struct call *c);	/* diagnose.c */
int login_run(const struct call *c);	/* login.c */
int status_run(const struct call *c);	/* status.c */
int postfix_run(const struct call *c);	/* postfix.c */
int setup_run(const struct call *c);	/* exchange.c */
int token_run(const struct call *c);	/* token.c */
int flush_run(const struct call *c);	/* simple.c */
int exim_run(const struct call *c);
int rehearse_run(const struct call *c);	/* rehearse.c */
int report_run(const struct call *c);	/* report.c */
int reload_run(const struct call *c);
int ping_run(const struct call *c);
int metrics_run(const struct call *c);

#endif
