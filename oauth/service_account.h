/*
 * Google's key file of a service account: the JSON that its console makes, with the private key in it.
 */
#ifndef MX_OAUTH_SERVICE_ACCOUNT_H
#define MX_OAUTH_SERVICE_ACCOUNT_H

#include "common/secret.h"
#include "common/status.h"
#include "oauth/client.h"

struct oauth_service_account {
	char email[256];		/* client_email */
	/* the numeric one, which domain-wide delegation is entered for; "": not there */
	char client_id[64];
	char key_id[128];		/* private_key_id */
	char token_uri[512];
	struct mx_secret private_key;	/* PKCS#8, PEM */
};

/*
 * Reads path ("credential:NAME" too), judged as a key file is, and compares it with c: token_uri must be on the host of
 * c's token endpoint, since nobody but that host is ever sent an assertion; c's client_id, if there is one, must be
 * the account's address or number. MX_CONFIG: service-account-missing, -unreadable, -world-readable, -malformed,
 * -wrong-kind (another JSON of Google's), -foreign (token_uri), -mismatch (client_id). MX_TEMP: no-memory,
 * service-account-unreadable. *a is inert on failure. The text names the path and the mend, never content.
 */
enum mx_class oauth_service_account_read(const struct oauth_client *c, const char *path,
    struct oauth_service_account *a, struct mx_err *e) __attribute__((warn_unused_result));

/* Reads it and signs with its key, as a request would: for the time when a configuration is read. */
enum mx_class oauth_service_account_try(const struct oauth_client *c, const char *path, struct mx_err *e)
    __attribute__((warn_unused_result));

void oauth_service_account_free(struct oauth_service_account *a);

struct oauth_key;

/* The key of a, opened; *k as a credential by which it signs, valid as long as a and path. */
enum mx_class oauth_service_account_key(const struct oauth_service_account *a, const char *path,
    struct oauth_credential *k, struct oauth_key **key, struct mx_err *e) __attribute__((warn_unused_result));

#endif
