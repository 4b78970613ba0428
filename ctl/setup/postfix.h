/*
 * Postfix: what it is set up as, what has to be changed, and how that is made and taken back.
 */
#ifndef MX_CTL_SETUP_POSTFIX_H
#define MX_CTL_SETUP_POSTFIX_H

#include "ctl/setup/client.h"
#include "ctl/setup/job.h"
#include "ctl/setup/run.h"

#define PF_SERVICE "exo"		/* as conf/postfix has it */
#define PF_ACCOUNTS "exo_accounts"
#define PF_GENERIC_MAP "exo_generic"
#define PF_BOUNCES "exo-null"		/* the service that bounces take, which have no sender */

/* Parameters that are looked at, each by its number in value[]. */
enum pf_param {
	PF_COMMANDS, PF_COMPATIBILITY, PF_DEBUG_PEERS, PF_TRANSPORT, PF_ENVIRONMENT, PF_OWNER, PF_VERSION,
	PF_INSTANCE, PF_NOTIFY, PF_QUEUE, PF_RELAYHOST, PF_SENDERS, PF_SENDER_RELAYS, PF_CACHE, PF_SOFT_BOUNCE, PF_FILTER,
	PF_PASSWORDS, PF_SECURITY, PF_TLS_SECURITY, PF_CA_FILE, PF_CA_PATH, PF_POLICY, PF_LEVEL, PF_SYSLOG,
	PF_HOSTNAME, PF_ORIGIN, PF_GENERIC, PF_TRANSPORT_MAPS,
	PF_SENDMAIL, PF_SUBMIT, PF_N
};

struct pf {
	struct su_job job;
	const struct call *c;
	char *dir;		/* of main.cf and master.cf */
	char *stage;		/* folder with copies of them that are changed and looked at; NULL: dir itself is */
	char *postconf, *commands;
	char *value[PF_N];	/* never NULL once looked at */
	char *maps;		/* what "postconf -m" says */
	char *generic;		/* smtp_generic_maps of the service, once planned; NULL: none */
	char *bounces;		/* the line of PF_BOUNCES for postconf -M, once planned; NULL: none */
	bool service, turn;	/* is there such a service, and one named PF_BOUNCES */
	bool chroot;		/* does smtp(8) live in one */
	char *socket;		/* as the plugin sees it */
	char *outside;		/* the same as seen from outside the chroot */
	const char *config;	/* tokend.yaml */
	struct conf *conf;	/* NULL: it cannot be read, which has been found */
	uid_t uid;		/* of mail_owner */
	gid_t gid;
	char *host;		/* of --relayhost, without brackets; NULL: none was given */
	uint32_t port;		/* 0: not given */
	const char *account;	/* of --account, or owned_account; NULL: none */
	char *owned_account;
	char *aside;		/* plugin of somebody else's that is to be set aside; NULL: none */
	struct su_found found;
};

/* Whether dir is a Postfix's and postconf is there. Returns an exit status; what is wrong has been said. */
int pf_open(struct pf *p, const struct call *c);
void pf_close(struct pf *p);

bool pf_read_all(struct pf *p);		/* parameters, services, maps; false: said why */
char *pf_sasl_path(const struct pf *p);	/* folders of plugins, owned; NULL: no memory */

/* Looks at everything; what there is to say is in p->found. false: it could not, which has been said. */
bool pf_look(struct pf *p);
void pf_look_daemon(struct pf *p);	/* the part of it that asks the daemon */

/* The first of the tables a parameter names: its type and, behind it, its name. Moves *list on. false: none left. */
bool pf_table(const char **list, char *type, size_t cap, char *name, size_t room);

/* Is this one of "postconf -m"? */
bool pf_has_map(const struct pf *p, const char *type);

/*
 * What the tables of a parameter say for a key, by postmap(1): the first answer, owned; NULL: none. Tables whose type
 * this Postfix does not have, and files that are not there, are passed over.
 */
char *pf_query(const struct pf *p, const char *list, const char *key);
/* What stands behind the name of a table of this type, in that of its index; "" for tables that have none. */
const char *pf_index(const char *type);
/* Is a TLS level, or a policy that begins with it, one at which the server has to prove its name? */
bool pf_proves_name(const char *policy);

/* A service of master.cf, with values of its own. */
struct pf_service { char *name, *own, *raw, *all; bool chroot; };	/* what postconf says: -P, of main.cf, with -x */
/* false: there is none of that name, it is not smtp(8), or it could not be found out. To be freed in any case. */
bool pf_service_read(const struct pf *p, const char *name, struct pf_service *s);
void pf_service_free(struct pf_service *s);
bool pf_service_own(const struct pf_service *s, const char *parameter);	/* has it a value of its own? */
/* A parameter's value in that service, expanded; owned; NULL: no memory. */
char *pf_service_value(const struct pf_service *s, const char *parameter);

/* Runs postconf, or another command of Postfix, on folder. false: it failed, and that has been said. */
bool pf_run(const struct pf *p, const char *folder, const char *command, const char *const args[], struct su_output *o);

/* Copies of main.cf and master.cf to work with; below folder. false: said why. */
bool pf_stage(struct pf *p, const char *folder);

/*
 * The changes that set XOAUTH2 up. What cannot be changed safely is in p->found. false: it could not be found out,
 * which has been said.
 */
bool pf_plan(struct pf *p, struct su_set *out);
bool pf_plan_passwords(struct pf *p, struct su_set *out);	/* postfix_map.c */
bool pf_plan_daemon(struct pf *p, const char *name, struct su_set *out);	/* postfix_conf.c */
bool pf_plan_generic(struct pf *p, struct su_set *out);	/* before the service is: postfix_generic.c */

/* The mailbox that the password map has for the relay; owned, NULL: none. */
char *pf_mapped_user(struct pf *p);
/* What stands for the password there, if that is a path: sasl-xoauth2 has its token files so. Owned, NULL: none. */
char *pf_mapped_path(struct pf *p);

/* Another line of a password map that has such a path: its key, owned. NULL: none. */
char *pf_other_path(struct pf *p);

/*
 * Of the plugin sasl-xoauth2, whose token file this is: its client, and changes that give the daemon its
 * secret or its refresh token. What cannot be taken over is found. false: no memory.
 */
bool pf_take_over(struct pf *p, const char *token_file, struct su_client *k, struct su_set *out);

extern const struct su_server pf_server;
struct su_asker pf_asker(const struct pf *p);

int pf_enable(struct pf *p);		/* exit statuses */
int pf_disable(struct pf *p);
int pf_status(struct pf *p);

#endif
