/*
 * A configuration in a directory of its own, for the tests of settings/.
 */
#ifndef MX_TESTS_UNIT_TEST_CONF_UTIL_H
#define MX_TESTS_UNIT_TEST_CONF_UTIL_H

#include "settings/conf.h"

/*
 * Accounts (3 lines) and a client (6 lines) that are fine, so that what a test adds stands from
 * line 10.
 */
#define ACCOUNT "accounts:\n  \"*@contoso.com\":\n    client: c\n"
#define HEAD "clients:\n  c:\n"
#define PROVIDER "    provider: exchange-online\n"
#define TENANT "    tenant: contoso.com\n"
#define ID "    client_id: 11111111-2222-3333-4444-555555555555\n"
#define SECRET "    client_secret_file: /nowhere/secret\n"
#define CLIENT HEAD PROVIDER TENANT ID SECRET
#define CUSTOM HEAD "    provider: custom\n    client_id: relay\n" SECRET

struct conf_dir { char path[64]; };	/* "/tmp/...": the directory; files are below it */

void conf_dir_make(struct conf_dir *d);
void conf_dir_remove(struct conf_dir *d);		/* with everything in it */
/* Writes n bytes to DIR/name, making conf.d when name is below it. */
void conf_dir_write(const struct conf_dir *d, const char *name, const char *text, size_t n);
struct conf *conf_dir_load(const struct conf_dir *d, unsigned flags, struct conf_report *r);

/*
 * Loads text alone as DIR/tokend.yaml; fails the test, showing the report, when there is an error.
 */
struct conf *conf_good(const char *text);
/* Prints every complaint to stderr. */
void conf_show(const char *what, const struct conf_report *r);
/* Is there a complaint of this severity whose text holds part? */
bool conf_says(const struct conf_report *r, char severity, const char *part);

#endif
