/*
 * What clients prove themselves with, as configurations say it: secrets, certificates, assertions of others, identities.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "settings/check.h"
#include "settings/keys.h"
#include "tests/unit/test_conf_util.h"


/* Secrets are judged at the line of their key. */
static void secrets(void **state)
{
	static const struct {
		const char *content;
		size_t n;
		mode_t mode;
		char severity;
		const char *part;
	} row[] = {
		{ "abc8Q~0123456789012345678901234567890123", 40, 0644, 'e', "every" },
		{ "", 0, 0600, 'e', "empty" },
		{ "11111111-2222-3333-4444-555555555555\n", 37, 0600, 'e', "ID, not its value" },
		{ "two\nlines\n", 10, 0600, 'e', "line" },
		{ " abc8Q~012345678901234567890123456789012", 40, 0600, 'w', "blank" },
		{ "short", 5, 0600, 'w', "fewer" },
	};
	char text[512], path[128];
	struct conf_report r;
	struct conf_dir d;
	struct conf *c;

	(void)state;
	conf_dir_make(&d);
	snprintf(path, sizeof path, "%s/s", d.path);
	snprintf(text, sizeof text, "%s    client_secret_file: %s\n",
	    ACCOUNT HEAD PROVIDER TENANT ID, path);
	conf_dir_write(&d, "tokend.yaml", text, strlen(text));
	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
		conf_dir_write(&d, "s", row[i].content, row[i].n);
		assert_int_equal(chmod(path, row[i].mode), 0);
		c = conf_dir_load(&d, CONF_CHECK_SECRETS, &r);
		if (!conf_says(&r, row[i].severity, row[i].part) ||
		    (c == NULL) != (row[i].severity == 'e') || r.c[0].at.line != 9 ||
		    r.c[0].at.column != 25) {
			conf_show(row[i].content, &r);
			fail_msg("row %zu", i);
		}
		conf_free(c);
		conf_report_free(&r);
		assert_int_equal(unlink(path), 0);
	}
	assert_non_null(c = conf_dir_load(&d, 0, &r));	/* without the flag nobody looks */
	conf_free(c);
	conf_report_free(&r);
	conf_dir_remove(&d);
}

#define NOW_AND_THEN \
	"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lzc3VlciIsInN1YiI6InN5c3RlbTpzZXJ2aWNlYWNjb3VudDptYWls" \
	"Om10YSIsImF1ZCI6WyJhcGk6Ly9BenVyZUFEVG9rZW5FeGNoYW5nZSJdLCJleHAiOjE2MDAwMDAwMDB9.c2lnbmF0dXJl"

/* A federated token is judged at the line of its key; what it says of itself is shown, its signature never. */
static void federated(void **state)
{
	static const struct {
		const char *content;
		mode_t mode;
		unsigned flags;
		char severity;
		const char *part;
	} row[] = {
		{ "", 0600, 0, 'e', "empty" },
		{ " \n", 0600, 0, 'e', "empty" },
		{ "two tokens\n", 0600, 0, 'e', "nothing else" },
		{ "opaque\n", 0600, 0, 0, NULL },
		{ "opaque\n", 0644, 0, 0, NULL },
		{ "opaque\n", 0644, CONF_BY_HAND, 'w', "every user of this host may read" },
		{ NOW_AND_THEN "\n", 0600, 0, 'w',
		    "iss https://issuer, sub system:serviceaccount:mail:mta, aud api://AzureADTokenExchange" },
	};
	char text[512], path[128], link[128];
	struct conf_report r;
	struct conf_dir d;
	struct conf *c;

	(void)state;
	conf_dir_make(&d);
	snprintf(path, sizeof path, "%s/s", d.path);
	snprintf(link, sizeof link, "%s/link", d.path);
	/* a user that has no name is nobody whose rights are judged */
	snprintf(text, sizeof text, "%s    assertion_file: %s\nuser: 0\n", ACCOUNT HEAD PROVIDER TENANT ID, link);
	conf_dir_write(&d, "tokend.yaml", text, strlen(text));
	assert_int_equal(symlink("s", link), 0);
	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
		conf_dir_write(&d, "s", row[i].content, strlen(row[i].content));
		assert_int_equal(chmod(path, row[i].mode), 0);
		c = conf_dir_load(&d, CONF_CHECK_SECRETS | row[i].flags, &r);
		if ((c == NULL) != (row[i].severity == 'e') || (row[i].part == NULL ? r.n != 0 : r.n != 1 ||
		    !conf_says(&r, row[i].severity, row[i].part) || r.c[0].at.line != 9)) {
			conf_show(row[i].content, &r);
			fail_msg("row %zu", i);
		}
		assert_false(r.n > 0 && strstr(r.c[0].text, "c2lnbmF0") != NULL);
		conf_free(c);
		conf_report_free(&r);
		assert_int_equal(unlink(path), 0);
	}
	assert_null(conf_dir_load(&d, CONF_CHECK_SECRETS, &r));
	assert_true(conf_says(&r, 'e', "does not exist"));
	conf_report_free(&r);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_null(conf_dir_load(&d, CONF_CHECK_SECRETS, &r));
	assert_true(conf_says(&r, 'e', "not a regular file"));
	conf_report_free(&r);
	conf_dir_remove(&d);
}

static const char *const variables[] = { "AZURE_FEDERATED_TOKEN_FILE", "AZURE_CLIENT_ID", "AZURE_TENANT_ID",
	"AZURE_AUTHORITY_HOST" };
static const char *const values[] = { "/nowhere/token", "61111111-2222-3333-4444-555555555555", "fabrikam.com",
	"https://login.windows.net/" };

static void set_variables(void)
{
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(setenv(variables[i], values[i], 1), 0);
}

/* What is not written comes from the environment; what is missing there is named; without the key nobody looks. */
static void workload(void **state)
{
	static const char yes[] = ACCOUNT HEAD PROVIDER "    workload_identity: yes\n";
	struct conf_report r;
	struct conf_dir d;
	struct conf *c;

	(void)state;
	set_variables();
	c = conf_good(yes);
	assert_string_equal(c->clients[0].oc.client_id, values[1]);
	assert_string_equal(c->clients[0].oc.token_endpoint,
	    "https://login.windows.net/fabrikam.com/oauth2/v2.0/token");
	assert_int_equal(c->clients[0].oc.ncredentials, 1);
	assert_string_equal(c->clients[0].oc.credential[0].assertion_file, values[0]);
	conf_free(c);
	c = conf_good(ACCOUNT HEAD PROVIDER TENANT ID
	    "    cloud: public\n    workload_identity: yes\n    assertion_file: /mine\n");
	assert_string_equal(c->clients[0].oc.client_id, "11111111-2222-3333-4444-555555555555");
	assert_string_equal(c->clients[0].oc.token_endpoint,
	    "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token");
	assert_string_equal(c->clients[0].oc.credential[0].assertion_file, "/mine");
	conf_free(c);
	c = conf_good(ACCOUNT HEAD PROVIDER "    workload_identity: yes\n    credentials:\n      - client_secret_file: "
	    "/a\n"
	    "      - assertion_file: /b\n");
	assert_int_equal(c->clients[0].oc.ncredentials, 2);
	assert_string_equal(c->clients[0].oc.credential[1].assertion_file, "/b");
	conf_free(c);
	c = conf_good(ACCOUNT CLIENT);
	assert_string_equal(c->clients[0].oc.client_id, "11111111-2222-3333-4444-555555555555");
	assert_null(c->clients[0].oc.credential[0].assertion_file);
	conf_free(c);

	conf_dir_make(&d);
	conf_dir_write(&d, "tokend.yaml", yes, strlen(yes));
	/* A host of another cloud: scope and relays would still be the public one's. */
	assert_int_equal(setenv(variables[3], "https://login.microsoftonline.us", 1), 0);
	assert_null(conf_dir_load(&d, 0, &r));
	assert_true(conf_says(&r, 'e', "AZURE_AUTHORITY_HOST") && conf_says(&r, 'e', "\"cloud: gcc-high\""));
	conf_report_free(&r);
	for (size_t i = 0; i < 4; i++) {
		set_variables();
		assert_int_equal(i % 2 == 0 ? unsetenv(variables[i]) : setenv(variables[i], "", 1), 0);
		assert_null(conf_dir_load(&d, 0, &r));
		if (r.n != 1 || !conf_says(&r, 'e', variables[i]) || r.c[0].at.line != 7)
			fail_msg("%s", variables[i]);
		conf_report_free(&r);
		c = conf_dir_load(&d, CONF_CHECK_SECRETS | CONF_BY_HAND, &r);
		if (c == NULL || r.n != 1 || !conf_says(&r, 'w', "cannot be checked here") ||
		    !conf_says(&r, 'w', variables[i]))
			fail_msg("%s, by hand", variables[i]);
		conf_free(c);
		conf_report_free(&r);
	}
	/* values are judged as if they were written, and never shown where a key's are not */
	set_variables();
	assert_int_equal(setenv("AZURE_AUTHORITY_HOST", "http://login.microsoftonline.com", 1), 0);
	assert_null(conf_dir_load(&d, 0, &r));
	assert_true(conf_says(&r, 'e', "https://"));
	conf_report_free(&r);
	set_variables();
	assert_int_equal(setenv("AZURE_TENANT_ID", "a/b", 1), 0);
	assert_null(conf_dir_load(&d, 0, &r));
	assert_true(conf_says(&r, 'e', "GUID"));
	conf_report_free(&r);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(unsetenv(variables[i]), 0);
	conf_dir_remove(&d);
}

/* The environment that a platform needs: an error of the daemon's, a warning of whoever looks from elsewhere. */
static void platform(void **state)
{
	static const char text[] = ACCOUNT HEAD PROVIDER "    grant: managed_identity\n    managed_identity: "
	    "app-service\n";
	static const char arc[] = ACCOUNT HEAD PROVIDER "    grant: managed_identity\n"
	    "    identity_client_id: 61111111-2222-3333-4444-555555555555\n";
	struct conf_report r;
	struct conf_dir d;
	struct conf *c;

	(void)state;
	conf_dir_make(&d);
	conf_dir_write(&d, "tokend.yaml", text, strlen(text));
	assert_null(conf_dir_load(&d, CONF_CHECK_SECRETS, &r));
	assert_true(conf_says(&r, 'e', "IDENTITY_ENDPOINT is not set") && r.c[0].at.line == 8);
	conf_report_free(&r);
	assert_non_null(c = conf_dir_load(&d, CONF_CHECK_SECRETS | CONF_BY_HAND, &r));
	assert_true(conf_says(&r, 'w', "IDENTITY_ENDPOINT is not set"));
	conf_free(c);
	conf_report_free(&r);
	assert_int_equal(setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:1/", 1), 0);
	assert_null(conf_dir_load(&d, CONF_CHECK_SECRETS, &r));
	assert_true(conf_says(&r, 'e', "IDENTITY_HEADER is not set"));
	conf_report_free(&r);
	assert_int_equal(setenv("IDENTITY_HEADER", "x", 1), 0);
	assert_non_null(c = conf_dir_load(&d, CONF_CHECK_SECRETS, &r));
	assert_int_equal(r.n, 0);
	conf_free(c);
	assert_int_equal(unsetenv("IDENTITY_HEADER"), 0);
	/* found out by "auto": the same as written */
	conf_dir_write(&d, "tokend.yaml", arc, strlen(arc));
	assert_int_equal(setenv("IMDS_ENDPOINT", "http://127.0.0.1:1/", 1), 0);
	assert_null(conf_dir_load(&d, CONF_CHECK_SECRETS, &r));
	assert_true(conf_says(&r, 'e', "Azure Arc cannot choose"));
	conf_report_free(&r);
	assert_int_equal(unsetenv("IMDS_ENDPOINT"), 0);
	assert_int_equal(unsetenv("IDENTITY_ENDPOINT"), 0);
	conf_dir_remove(&d);
}

/* Root may read what the daemon's account may not: that is said all the same. */
static void other_user(void **state)
{
	static const char content[] = "abc8Q~0123456789012345678901234567890123\n";
	char text[512], path[128];
	struct conf_report r;
	struct conf_dir d;
	struct conf *c;

	(void)state;
	if (geteuid() != 0)
		skip();
	conf_dir_make(&d);
	snprintf(path, sizeof path, "%s/s", d.path);
	snprintf(text, sizeof text, "%s    client_secret_file: %s\nuser: daemon\n",
	    ACCOUNT HEAD PROVIDER TENANT ID, path);
	conf_dir_write(&d, "tokend.yaml", text, strlen(text));
	conf_dir_write(&d, "s", content, sizeof content - 1);
	assert_int_equal(chmod(path, 0600), 0);
	assert_non_null(c = conf_dir_load(&d, CONF_CHECK_SECRETS, &r));
	assert_int_equal(r.n, 1);
	assert_true(
	    conf_says(&r, 'w', "user \"daemon\", whom the daemon runs as, may not pass through"));
	assert_int_equal(r.c[0].at.line, 9);
	conf_free(c);
	conf_report_free(&r);
	assert_int_equal(chmod(d.path, 0711), 0);
	assert_non_null(c = conf_dir_load(&d, CONF_CHECK_SECRETS, &r));
	assert_true(conf_says(&r, 'w', "may not read"));
	conf_free(c);
	conf_report_free(&r);
	assert_int_equal(chown(path, (uid_t)-1, 1), 0);
	assert_int_equal(chmod(path, 0640), 0);
	assert_non_null(c = conf_dir_load(&d, CONF_CHECK_SECRETS, &r));
	conf_free(c);
	conf_report_free(&r);
	conf_dir_remove(&d);
}

/* A secret that ends within 30 days; the day after, nothing is said yet. */
static void ends_soon(void **state)
{
	static const struct { int days; bool said; } rows[] = { { 2, true }, { 29, true }, { 32, false } };
	char text[512], date[16];
	struct conf_report r;
	struct conf_dir d;
	struct tm tm;
	time_t at;

	(void)state;
	conf_dir_make(&d);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct conf *c;

		at = time(NULL) + rows[i].days * 86400;
		assert_non_null(gmtime_r(&at, &tm));
		assert_true(strftime(date, sizeof date, "%Y-%m-%d", &tm) > 0);
		snprintf(text, sizeof text, ACCOUNT CLIENT "    secret_expires: %s\n", date);
		conf_dir_write(&d, "tokend.yaml", text, strlen(text));
		c = conf_dir_load(&d, 0, &r);
		assert_non_null(c);
		assert_int_equal(r.n, rows[i].said);
		assert_int_equal(conf_says(&r, 'w', "the secret ends in "), rows[i].said);
		conf_free(c);
		conf_report_free(&r);
	}
	conf_dir_remove(&d);
}

/* What makes a managed identity another one. */
static void fingerprint_identity(void **state)
{
#define MI ACCOUNT HEAD PROVIDER "    grant: managed_identity\n"
	static const char *const row[] = {
		MI, MI "    managed_identity: imds\n", MI "    managed_identity: app-service\n",
		MI "    cloud: china\n",
		MI "    identity_client_id: 61111111-2222-3333-4444-555555555555\n",
		MI "    identity_client_id: 71111111-2222-3333-4444-555555555555\n",
		MI "    identity_object_id: 61111111-2222-3333-4444-555555555555\n",
		MI "    identity_resource_id: /subscriptions/61111111-2222-3333-4444-555555555555\n",
	};
	uint64_t seen[sizeof row / sizeof row[0]];
	struct conf *c;

	(void)state;
	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
		c = conf_good(row[i]);
		seen[i] = c->clients[0].fingerprint;
		conf_free(c);
		for (size_t k = 0; k < i; k++)
			if (seen[k] == seen[i])
				fail_msg("%s and %s", row[k], row[i]);
	}
}

/* Every day that can be written, against the C library's calendar; and what is none. */
static void dates(void **state)
{
	static const char *const none[] = {
		"", "2026", "2026-1-1", "2026-01-1 ", "2026-00-10", "2026-13-10", "2026-04-31", "2100-02-29",
		"1999-12-31", "2106-01-01", "2026/01/01", "2026-01-0x", "-026-01-01", "2026-01-011", "x2026-01-0",
	};
	uint32_t got = 0, day, first = 946684800;
	char text[40];

	(void)state;
	for (day = 0; day < 38716; day++) {
		time_t t = (time_t)first + (time_t)day * 86400;
		struct tm tm;

		assert_non_null(gmtime_r(&t, &tm));
		assert_int_equal(strftime(text, sizeof text, "%Y-%m-%d", &tm), 10);
		if (!cf_date(text, 10, &got) || got != (uint32_t)t)
			fail_msg("%s: %u", text, got);
	}
	assert_string_equal(text, "2105-12-31");
	for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
		if (cf_date(none[i], strlen(none[i]), &got))
			fail_msg("%s is taken for a date", none[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets),
		cmocka_unit_test(federated),
		cmocka_unit_test(workload),
		cmocka_unit_test(platform),
		cmocka_unit_test(other_user),
		cmocka_unit_test(ends_soon),
		cmocka_unit_test(dates),
		cmocka_unit_test(fingerprint_identity),
	};

	return cmocka_run_group_tests_name("conf_credentials", tests, NULL, NULL);
}
