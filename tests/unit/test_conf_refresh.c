/*
 * The refresh_token grant in a configuration: presets, defaults, what is warned of, and the file that is looked at.
 */
#include "config.h"

#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/test_conf_util.h"

/* A person's login is for one mailbox. */
#undef ACCOUNT
#define ACCOUNT "accounts:\n  scanner@contoso.com:\n    client: c\n"
#define REFRESH "    grant: refresh_token\n"
#define NONE "    client_auth: none\n"
#define CLOUD(c) HEAD PROVIDER "    cloud: " c "\n" TENANT ID SECRET REFRESH
#define SMTP(host) "https://" host "/SMTP.Send offline_access"

static const struct {
	const char *name, *text, *endpoint, *scope;
	enum oauth_auth auth;
} rows[] = {
	{ "outlook.com", HEAD "    provider: outlook.com\n" ID,
	    "https://login.microsoftonline.com/consumers/oauth2/v2.0/token", SMTP("outlook.office.com"),
	    OAUTH_AUTH_NONE },
	{ "outlook.com with a secret", HEAD "    provider: outlook.com\n" ID SECRET,
	    "https://login.microsoftonline.com/consumers/oauth2/v2.0/token", SMTP("outlook.office.com"),
	    OAUTH_AUTH_SECRET_POST },
	{ "gmail", HEAD "    provider: gmail\n    client_id: a.apps.googleusercontent.com\n" SECRET,
	    "https://oauth2.googleapis.com/token", "https://mail.google.com/", OAUTH_AUTH_SECRET_POST },
	{ "Exchange Online", CLIENT REFRESH, "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token",
	    SMTP("outlook.office.com"), OAUTH_AUTH_SECRET_POST },
	{ "Exchange Online, public", HEAD PROVIDER TENANT ID REFRESH NONE,
	    "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token", SMTP("outlook.office.com"),
	    OAUTH_AUTH_NONE },
	{ "Exchange Online, key", HEAD PROVIDER TENANT ID "    key: /k.pem\n" REFRESH,
	    "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token", SMTP("outlook.office.com"),
	    OAUTH_AUTH_PRIVATE_KEY_JWT },
	{ "many tenants", HEAD PROVIDER "    tenant: organizations\n" ID REFRESH NONE,
	    "https://login.microsoftonline.com/organizations/oauth2/v2.0/token", SMTP("outlook.office.com"),
	    OAUTH_AUTH_NONE },
	{ "gcc-high", CLOUD("gcc-high"), "https://login.microsoftonline.us/contoso.com/oauth2/v2.0/token",
	    SMTP("outlook.office365.us"), OAUTH_AUTH_SECRET_POST },
	{ "dod", CLOUD("dod"), "https://login.microsoftonline.us/contoso.com/oauth2/v2.0/token",
	    SMTP("outlook.office365.us"), OAUTH_AUTH_SECRET_POST },
	{ "china", CLOUD("china"), "https://login.partner.microsoftonline.cn/contoso.com/oauth2/v2.0/token",
	    SMTP("partner.outlook.cn"), OAUTH_AUTH_SECRET_POST },
	{ "custom", CUSTOM "    token_endpoint: https://idp.example/token\n" REFRESH, "https://idp.example/token", NULL,
	    OAUTH_AUTH_SECRET_BASIC },
};

static struct conf *load(const char *text, struct conf_report *r)
{
	struct conf_dir d;
	struct conf *c;
	char all[1024];

	snprintf(all, sizeof all, ACCOUNT "%s", text);
	conf_dir_make(&d);
	conf_dir_write(&d, "tokend.yaml", all, strlen(all));
	if ((c = conf_dir_load(&d, 0, r)) == NULL)
		conf_show(text, r);
	conf_dir_remove(&d);
	assert_non_null(c);
	return c;
}

static void presets(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct conf_report r;
		struct conf *c = load(rows[i].text, &r);
		const struct oauth_client *k = &c->clients[0].oc;

		if (r.n != 0 || k->grant != OAUTH_GRANT_REFRESH_TOKEN ||
		    strcmp(k->token_endpoint, rows[i].endpoint) != 0 ||
		    strcmp(k->scope == NULL ? "" : k->scope, rows[i].scope == NULL ? "" : rows[i].scope) != 0 ||
		    k->ncredentials != 1 || k->credential[0].auth != rows[i].auth) {
			conf_show(rows[i].name, &r);
			fail_msg("%s: %s, %s", rows[i].name, k->token_endpoint, k->scope);
		}
		assert_string_equal(k->refresh_token_file, MX_STATEDIR "/c.refresh");
		conf_report_free(&r);
		conf_free(c);
	}
}

#define S(text) HEAD PROVIDER TENANT ID NONE REFRESH "    scope: " text "\n"
static const struct { const char *text, *part; size_t n; unsigned line; } warnings[] = {
	{ S("https://outlook.office.com/SMTP.Send offline_access"), NULL, 0, 0 },
	{ S("offline_access https://outlook.office365.com/smtp.send"), NULL, 0, 0 },
	{ S("SMTP.Send offline_access"), NULL, 0, 0 },
	{ S("https://outlook.office.com/SMTP.Send"), "without offline_access", 1, 11 },
	{ S("https://outlook.office.com/IMAP.AccessAsUser.All offline_access"), "without SMTP.Send", 1, 11 },
	{ S("https://outlook.office.com/NoSMTP.Send offline_access"), "without SMTP.Send", 1, 11 },
	{ S("https://outlook.office365.com/.default offline_access"), "is for client_credentials", 1, 11 },
	{ S("https://outlook.office365.com/.default"), "is for client_credentials", 2, 11 },
	{ CLIENT "    refresh_token_file: /a\n", "is not used", 1, 10 },
};

static void warned_of(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof warnings / sizeof warnings[0]; i++) {
		struct conf_report r;
		struct conf *c = load(warnings[i].text, &r);

		if (r.warnings != warnings[i].n || (r.n > 0 &&
		    (!conf_says(&r, 'w', warnings[i].part) || r.c[0].at.line != warnings[i].line))) {
			conf_show(warnings[i].text, &r);
			fail_msg("row %zu", i);
		}
		conf_report_free(&r);
		conf_free(c);
	}
}

/* Another file is another client's token; so is another way to prove oneself. */
static void fingerprints(void **state)
{
	static const char *const texts[] = {
		S("a offline_access"), S("a offline_access") "    refresh_token_file: /a\n",
		S("a offline_access") "    refresh_token_file: /b\n",
		HEAD PROVIDER TENANT ID SECRET REFRESH "    scope: a offline_access\n",
	};
	uint64_t seen[4];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct conf_report r;
		struct conf *c = load(texts[i], &r);

		seen[i] = c->clients[0].fingerprint;
		for (size_t k = 0; k < i; k++)
			assert_true(seen[i] != seen[k]);
		conf_report_free(&r);
		conf_free(c);
	}
}

/* What a login will mend is a warning: it must not keep the daemon from starting. */
static void file(void **state)
{
	static const struct { const char *content; mode_t mode; const char *part; } files[] = {
		{ "token\n", 0600, NULL }, { NULL, 0, "mta-xoauth2 login" }, { "", 0600, "empty" },
		{ "token", 0644, "open to others" },
	};
	const struct passwd *self = getpwuid(geteuid());
	char text[512], path[128];
	struct conf_dir d;

	(void)state;
	if (self == NULL)
		skip();
	conf_dir_make(&d);
	snprintf(path, sizeof path, "%s/token", d.path);
	snprintf(text, sizeof text, ACCOUNT "%s    refresh_token_file: %s\nuser: %s\n",
	    HEAD PROVIDER TENANT ID REFRESH NONE, path, self->pw_name);
	conf_dir_write(&d, "tokend.yaml", text, strlen(text));
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		struct conf_report r;
		struct conf *c;

		(void)unlink(path);
		if (files[i].content != NULL) {
			conf_dir_write(&d, "token", files[i].content, strlen(files[i].content));
			assert_int_equal(chmod(path, files[i].mode), 0);
		}
		c = conf_dir_load(&d, CONF_CHECK_SECRETS, &r);
		if (c == NULL || r.n != (files[i].part != NULL) || (files[i].part != NULL &&
		    (!conf_says(&r, 'w', files[i].part) || r.c[0].at.line != 11))) {
			conf_show(path, &r);
			fail_msg("row %zu", i);
		}
		conf_report_free(&r);
		conf_free(c);
	}
	conf_dir_remove(&d);
}

/* Root may read what the daemon may not; another user may not even look. */
static void file_by_others(void **state)
{
	char text[512], path[128], said[128];
	struct conf_report r;
	struct conf_dir d;
	struct conf *c;

	(void)state;
	if (geteuid() != 0)
		skip();
	conf_dir_make(&d);
	assert_int_equal(chown(d.path, 1, 1), 0);		/* daemon's */
	snprintf(path, sizeof path, "%s/token", d.path);
	snprintf(text, sizeof text, ACCOUNT "%s    refresh_token_file: %s\nuser: daemon\n",
	    HEAD PROVIDER TENANT ID REFRESH NONE, path);
	conf_dir_write(&d, "tokend.yaml", text, strlen(text));
	conf_dir_write(&d, "token", "token\n", 6);
	assert_int_equal(chmod(path, 0600), 0);
	assert_non_null(c = conf_dir_load(&d, CONF_CHECK_SECRETS, &r));
	assert_true(r.n == 1 && conf_says(&r, 'w', "another user than the daemon's"));
	conf_report_free(&r);
	conf_free(c);
	assert_int_equal(chown(path, 1, 1), 0);
	assert_non_null(c = conf_dir_load(&d, CONF_CHECK_SECRETS, &r));
	assert_int_equal(r.n, 0);
	conf_report_free(&r);
	conf_free(c);
	snprintf(said, sizeof said, "the daemon's user may not write to %s, and", d.path);
	assert_int_equal(chown(d.path, 0, 0), 0);		/* the file is the daemon's, and the folder is not */
	assert_non_null(c = conf_dir_load(&d, CONF_CHECK_SECRETS, &r));
	assert_true(r.n == 1 && conf_says(&r, 'w', said));
	conf_report_free(&r);
	conf_free(c);
	assert_int_equal(chown(d.path, 1, 1), 0);
	assert_int_equal(chmod(d.path, 0755), 0);
	assert_int_equal(seteuid(65534), 0);
	c = conf_dir_load(&d, CONF_CHECK_SECRETS, &r);
	assert_int_equal(seteuid(0), 0);
	assert_non_null(c);
	assert_true(r.n == 1 && conf_says(&r, 'w', "run this as root"));
	conf_report_free(&r);
	conf_free(c);
	conf_dir_remove(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(presets), cmocka_unit_test(warned_of), cmocka_unit_test(fingerprints),
		cmocka_unit_test(file),
		cmocka_unit_test(file_by_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
