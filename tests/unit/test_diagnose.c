/* ctl/diagnose/: the walk and its report, next hops, denials in logs. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "catalogue/catalogue.h"
#include "ctl/diagnose/here_confined.h"
#include "ctl/diagnose/mta.h"
#include "ctl/diagnose/walk.h"

#define SECRET "eyJ0eXAi.a-token-that-nobody-may-see"

/* --- the walk ------------------------------------------------------------------------------------------------- */

static int reached;

static void fine(struct dg_walk *w)
{
	reached++;
	dg_ok(w, "all %s", "well");
	dg_broken(w, "sasl-off", "said too late");
}

static void noted(struct dg_walk *w)
{
	reached++;
	dg_note(w, "odd");
	dg_unknown(w, "what %d is", 1);
}

static void silent(struct dg_walk *w)
{
	(void)w;
	reached++;
}

static void leaks(struct dg_walk *w)
{
	reached++;
	assert_true(mx_secret_set(&w->token, SECRET, strlen(SECRET)));
	dg_evidence(w, "the server said: %s and %s again", SECRET, SECRET);
	dg_value(w, "mailbox", SECRET);
	dg_ok(w, "token %s", SECRET);
}

static void breaks(struct dg_walk *w)
{
	reached++;
	dg_value(w, "user", "nobody");
	dg_value(w, "user", "it's me");
	dg_value(w, "account", "app@example.test");
	dg_broken(w, "uid-not-listed", "saw \"%s\"\n", "this");
}

static void breaks_with_error(struct dg_walk *w)
{
	struct mx_err e;

	reached++;
	(void)mx_fail(&e, MX_TEMP, "no-such-code-anywhere", "it does not work");
	dg_broken_err(w, &e);
}

static void claims(struct dg_walk *w)
{
	reached++;
	dg_claim(w, "aud", DG_STRING, "https://outlook.office365.com");
	dg_claim(w, "exp", DG_NUMBER, "1893456000");
	dg_claim(w, "roles", DG_LIST, " SMTP.SendAsApp  Mail.Send ");
	dg_claim(w, "scp", DG_LIST, "");
	dg_skip(w, "opaque");
}

/* Walks, and gives what was printed; owned. */
static char *walk(const struct dg_link *links, bool json, int want)
{
	const struct call c = { .json = json };
	struct dg_walk w = { .call = &c, .account = "app@example.test" };
	FILE *f = tmpfile();
	int saved = dup(1), r;
	char *text;
	size_t n;

	assert_non_null(f);
	(void)fflush(stdout);
	assert_int_not_equal(dup2(fileno(f), 1), -1);
	reached = 0;
	r = dg_run(&w, links);
	(void)fflush(stdout);
	assert_int_not_equal(dup2(saved, 1), -1);
	close(saved);
	dg_free(&w);
	assert_int_equal(r, want);
	assert_non_null(text = calloc(1, 65536));
	rewind(f);
	n = fread(text, 1, 65535, f);
	text[n] = '\0';
	(void)fclose(f);
	return text;
}

static void has(const char *text, const char *what)
{
	if (strstr(text, what) == NULL)
		fail_msg("no \"%s\" in:\n%s", what, text);
}

static void test_healthy(void **state)
{
	static const struct dg_link links[] = {
		{ "one", "first", DG_HERE, fine }, { "two", "second", DG_HERE, noted }, { "three", "third", DG_SERVER, silent },
		{ .id = NULL }
	};
	char *text;

	(void)state;
	text = walk(links, false, CTL_FINE);
	assert_int_equal(reached, 3);
	assert_string_equal(text, "account app@example.test\n\non this host\n"
	    "  ok      first           all well\n"
	    "  note    second          odd\n\nto the mail server\n"
	    "  skip    third           not looked at\n\n"
	    "cannot be told from here:\n  - what 1 is\n\n"
	    "healthy: nothing is broken for app@example.test (not looked at: 1 of 3)\n");
	free(text);
	text = walk(links, true, CTL_FINE);
	assert_string_equal(text, "{\"format\":1,\n\"account\":\"app@example.test\",\n\"verdict\":\"healthy\",\n\"code\":null,\n"
	    "\"class\":null,\n\"cause\":null,\n\"fix\":null,\n\"exit\":0,\n\"links\":[\n"
	    "{\"id\":\"one\",\"part\":\"here\",\"mark\":\"ok\",\"text\":\"all well\"},\n"
	    "{\"id\":\"two\",\"part\":\"here\",\"mark\":\"note\",\"text\":\"odd\"},\n"
	    "{\"id\":\"three\",\"part\":\"server\",\"mark\":\"skip\",\"text\":\"not looked at\"}],\n\"claims\":{},\n"
	    "\"evidence\":[],\n\"unknown\":[\n\"what 1 is\"]\n}\n");
	free(text);
}

/* It ends there; the last value counts; the row's words. */
static void test_broken(void **state)
{
	static const struct dg_link links[] = {
		{ "one", "first", DG_HERE, fine }, { "two", "second", DG_TOKEN, breaks }, { "three", "third", DG_SERVER, noted },
		{ .id = NULL }
	};
	char *text;

	(void)state;
	text = walk(links, false, CTL_CONFIG);
	assert_int_equal(reached, 2);
	has(text, "\nthe token\n  broken  second          saw \"this\"\\x0a\n\ncause:\n");
	has(text, "user it's me have tokens\n  [uid-not-listed]\n\nfix:\n");
	has(text, "allow_users: LIST");
	has(text, "evidence:\n  - saw \"this\"");
	assert_null(strstr(text, "healthy"));
	free(text);
	text = walk(links, true, CTL_CONFIG);
	has(text, "\"verdict\":\"broken\",\n\"code\":\"uid-not-listed\",\n\"class\":\"config\"");
	has(text, "\"exit\":3");
	free(text);
}

static void test_error_without_row(void **state)
{
	static const struct dg_link links[] = { { "one", "first", DG_PROVIDER, breaks_with_error }, { .id = NULL } };
	char *text;

	(void)state;
	assert_null(cat_find("no-such-code-anywhere"));
	text = walk(links, false, CTL_TEMP);
	has(text, "cause:\n  it does not work\n  [no-such-code-anywhere]\n");
	assert_null(strstr(text, "fix:"));
	free(text);
}

static void test_no_secret_is_printed(void **state)
{
	static const struct dg_link links[] = {
		{ "one", "first", DG_HERE, leaks }, { "two", "second", DG_HERE, breaks }, { .id = NULL }
	};

	(void)state;
	for (int json = 0; json < 2; json++) {
		char *text = walk(links, json, CTL_CONFIG);

		assert_null(strstr(text, SECRET));
		has(text, "the server said: *** and *** again");
		has(text, "token ***");
		free(text);
	}
}

static void test_claims(void **state)
{
	static const struct dg_link links[] = { { "one", "first", DG_TOKEN, claims }, { .id = NULL } };
	char *text;

	(void)state;
	text = walk(links, true, CTL_FINE);
	has(text, "\"claims\":{\"aud\":\"https://outlook.office365.com\",\"exp\":1893456000,"
	    "\"roles\":[\"SMTP.SendAsApp\",\"Mail.Send\"],\"scp\":[]}");
	free(text);
	text = walk(links, false, CTL_FINE);
	has(text, "claims:\n  aud       https://outlook.office365.com\n  exp       1893456000\n");
	free(text);
}

static void test_exit(void **state)
{
	static const struct { const char *where; enum mx_class cls; const char *code; int exit; } rows[] = {
		{ "mta", MX_CONFIG, "sasl-off", CTL_FOUND }, { "here", MX_CONFIG, "configuration-wrong", CTL_CONFIG },
		{ "client", MX_TEMP, "socket-unreachable", CTL_UNREACHABLE },
		{ "here", MX_TEMP, "daemon-not-running", CTL_UNREACHABLE },
		{ "client", MX_CONFIG, "socket-forbidden", CTL_UNREACHABLE },
		{ "provider", MX_PROVIDER, "unknown-tenant", 5 }, { "way", MX_TEMP, "dns-failed", CTL_TEMP },
		{ "server", MX_PROVIDER, "smtp-auth-off-tenant", CTL_SERVER }, { "server", MX_CONFIG, "password-login", CTL_SERVER },
		{ "server", MX_TEMP, "too-many-messages", CTL_TEMP }, { "daemon", MX_DENIED, "denied", CTL_CONFIG },
		{ "", MX_BUSY, "x", CTL_TEMP },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (dg_exit(rows[i].where, rows[i].cls, rows[i].code) != rows[i].exit)
			fail_msg("%s %s: %d", rows[i].where, rows[i].code, dg_exit(rows[i].where, rows[i].cls, rows[i].code));
}

/* Ids and names are for tables and programs: none twice, none too wide. */
static void test_links(void **state)
{
	const struct dg_link *l, *k;
	enum dg_part part = DG_HERE;

	(void)state;
	for (l = dg_links; l->id != NULL; l++) {
		assert_true(strspn(l->id, "abcdefghijklmnopqrstuvwxyz-") == strlen(l->id));
		assert_true(strlen(l->name) <= 15);
		assert_true(l->part >= part);
		part = l->part;
		for (k = dg_links; k < l; k++)
			assert_string_not_equal(k->id, l->id);
	}
	assert_true(l > dg_links + 10);
}

/* --- next hops ------------------------------------------------------------------------------------------------ */

static void test_hop(void **state)
{
	static const struct { const char *in, *host; uint32_t port; } rows[] = {
		{ "[smtp.office365.com]:587", "smtp.office365.com", 587 }, { "[mx.example.com]", "mx.example.com", 25 },
		{ "example.com", "example.com", 25 }, { "example.com:submission", "example.com", 587 },
		{ "[a.example]:smtps, [b.example]:587", "a.example", 465 }, { " \tmx:25", "mx", 25 },
		{ "mx.example.com::587", "mx.example.com", 587 }, { "[2001:db8::1]:465", "2001:db8::1", 465 },
		{ "mx.example.com:0", "mx.example.com", 25 }, { "", NULL, 0 }, { "[]:25", NULL, 0 },
	};
	uint32_t port;
	char *host;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const bool ok = dg_hop(rows[i].in, &host, &port);

		if (ok != (rows[i].host != NULL) || (ok && (strcmp(host, rows[i].host) != 0 || port != rows[i].port)))
			fail_msg("\"%s\": %d", rows[i].in, (int)ok);
		free(host);
	}
}

/* --- logs ----------------------------------------------------------------------------------------------------- */

static void test_denied(void **state)
{
	static const char *const words[] = { "tokend.sock", "mta-xoauth2", NULL };
	static const struct { const char *line; bool found, selinux; const char *profile; uint64_t when; } rows[] = {
		{ "[ 1234.567890] audit: type=1400 audit(1700000000.123:45): apparmor=\"DENIED\" operation=\"connect\" "
		    "profile=\"/usr/lib/postfix/sbin/smtp\" name=\"/run/mta-xoauth2/tokend.sock\" pid=1 comm=\"smtp\"", true, false,
		    "/usr/lib/postfix/sbin/smtp", 1700000000 },
		{ "type=AVC msg=audit(1700000001.5:46): avc:  denied  { write } for  pid=2 comm=\"smtp\" name=\"tokend.sock\" "
		    "scontext=system_u:system_r:postfix_smtp_t:s0 tcontext=x", true, true, "postfix_smtp_t", 1700000001 },
		{ "avc: denied { connectto } path=/run/mta-xoauth2/tokend.sock", true, true, "", 0 },
		{ "audit(1700000000.123:45): apparmor=\"ALLOWED\" name=\"/run/mta-xoauth2/tokend.sock\"", false, false, "", 0 },
		{ "audit(1700000000.123:45): apparmor=\"DENIED\" name=\"/etc/shadow\"", false, false, "", 0 },
		{ "avc:  denied  { write } for comm=\"smtp\" name=\"tokend.sock\" scontext=u:r:t:s0 permissive=1", false, true, "", 0 },
		{ "avc:  denied  { write } for comm=\"smtp\" name=\"tokend.sock\" scontext=u:r:t:s0 permissive=0", true, true, "t", 0 },
		{ "type=AVC msg=audit(x): avc:  denied  { } mta-xoauth2 scontext=a:b", true, true, "", 0 },
		{ "apparmor=\"DENIED\" tokend.sock profile=\"", true, false, "", 0 },
		{ "", false, false, "", 0 },
	};
	struct dg_denial d;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const size_t n = strlen(rows[i].line);
		const bool found = dg_denied(rows[i].line, n, words, &d);

		if (found != rows[i].found || (found && (d.selinux != rows[i].selinux || strcmp(d.profile, rows[i].profile) != 0 ||
		    d.when != rows[i].when)))
			fail_msg("%s: %d %s %llu", rows[i].line, (int)found, d.profile, (unsigned long long)d.when);
		for (size_t k = 0; k <= n; k++) {	/* any prefix, in memory of its own */
			char *copy = malloc(k + 1);

			assert_non_null(copy);
			memcpy(copy, rows[i].line, k);
			(void)dg_denied(copy, k, words, &d);
			free(copy);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_healthy), cmocka_unit_test(test_broken), cmocka_unit_test(test_error_without_row),
		cmocka_unit_test(test_no_secret_is_printed), cmocka_unit_test(test_claims), cmocka_unit_test(test_exit),
		cmocka_unit_test(test_links), cmocka_unit_test(test_hop), cmocka_unit_test(test_denied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
