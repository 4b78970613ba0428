/*
 * An OAuth client that is to be written for the daemon: one implementation for all mail servers.
 */
#ifndef MX_CTL_SETUP_CLIENT_H
#define MX_CTL_SETUP_CLIENT_H

#include "ctl/setup/job.h"

#define SU_CLIENT "exo"		/* its name */

/* Values of keys of that name (settings/keys.c); owned, NULL: the key is not written. */
struct su_client {
	char *provider, *cloud, *tenant, *token_endpoint, *grant, *client_id, *client_auth, *client_secret_file;
	char *refresh_token_file, *scope, *proxy, *ca_file;
	char *user, *relay;	/* of the account */
};

void su_client_free(struct su_client *k);

/* Are --tenant, --client-id and --secret-file all there and sound, or none of them? An exit status. */
int su_judge_client(const struct call *c);
/* The client that they describe. false: no memory. */
bool su_client_given(const struct call *c, struct su_client *k);
/* The text for conf.d: the client, and an account that the mail server's user may have. Owned; NULL: no memory. */
char *su_client_text(const struct su_client *k, const char *account, const char *mail_user);

/* Nobody has an account for it yet, and there is nothing to make one of. */
void su_find_no_account(const struct su_job *j, const char *account);
/* Found and true: the name of the client is taken. */
bool su_client_taken(const struct su_job *j, const struct conf *conf, const char *account);

#endif
