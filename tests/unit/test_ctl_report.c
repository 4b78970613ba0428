/*
 * Masks of a report: what is shown of words, text, addresses, and what is known by its value.
 */
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

#include "ctl/report/mask.h"
#include "ctl/report/report.h"

/* What was written since the last time. */
static void expect(struct rp *r, char **text, size_t *n, const char *want, const char *in)
{
	static size_t from;

	if (in == NULL) {
		from = 0;
		return;
	}
	fflush(r->out);
	if (strcmp(*text + from, want) != 0)
		fail_msg("of \"%s\": \"%s\" instead of \"%s\"", in, *text + from, want);
	from = *n;
}

static void shown(struct rp *r, char **text, size_t *n)
{
	FILE *f = open_memstream(text, n);

	assert_non_null(f);
	assert_true(rp_begin(r, f));
	expect(r, text, n, NULL, NULL);
}

static void finish(struct rp *r, char **text)	/* closing moves it */
{
	FILE *f = r->out;

	rp_end(r);
	fclose(f);
	free(*text);
}

static void text_is(void **state)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "", "" },
		{ "No mail waits for 3 s; it is 12:30.", "No mail waits for 3 s; it is 12:30." },
		{ "AADSTS7000215: Invalid client secret", "AADSTS7000215: Invalid client secret" },
		{ "535 5.7.3 Authentication unsuccessful", "535 5.7.3 Authentication unsuccessful" },
		{ "MapiExceptionLogonFailed SendAsDenied XOAUTH2 TLSv1.3", "MapiExceptionLogonFailed SendAsDenied XOAUTH2 TLSv1.3" },
		{ "2026-11-30T20:25:57Z 1500ms 2h", "2026-11-30T20:25:57Z 1500ms 2h" },
		{ "smtp.office365.com:587 [smtp.office365.com]:587", "smtp.office365.com:587 [smtp.office365.com]:587" },
		{ "/etc/mta-xoauth2/tokend.yaml", "/etc/mta-xoauth2/tokend.yaml" },
		{ "hash:/etc/postfix/exo_accounts", "hash:/etc/postfix/exo_accounts" },
		{ "/etc/mta-xoauth2/Kx8Q7abz.secret", "/etc/mta-xoauth2/[masked:1]" },
		{ "<scan@contoso.com>, <SCAN@contoso.com>, ops@contoso.com", "<[user:1]@contoso.com>, <[user:1]@contoso.com>, [user:2]@contoso.com" },
		{ "\"John Doe\"@example.org", "[user:1]@example.org" },
		{ "user=scan@contoso.com bounce=scan@contoso.com", "user=[user:1]@contoso.com [user:2]@contoso.com" },
		{ "to=<john> sasl_username=john orig_to=john", "to=<[user:1]> sasl_username=[user:1] orig_to=[user:1]" },
		{ "account=\"a@b.example\" account=\"\"", "account=\"[user:1]@b.example\" account=\"\"" },
		{ "11111111-2222-3333-4444-555555555555 11111111-2222-3333-4444-555555555556", "[id:1] [id:2]" },
		{ "52.98.1.2 127.0.0.1 10.0.0.1", "[ip:1] 127.0.0.1 [ip:2]" },
		{ "Kx8Q~abc dXNlcj1h eyJ0eXAi.eyJhIjox.c2ln", "[masked:1] [secret:1] [secret:2]" },
		{ "67b9fe43a975a633 67b9fe43a975a633", "[masked:1] [masked:1]" },
		{ "6b657940686f7374 key%40host", "[masked:1] [masked:2]" },
		{ "auth=Bearer harmless x", "auth=Bearer [secret:1] x" },
		{ "Authorization: Bearer harmless", "Authorization: Bearer [secret:1]" },
		{ "password=plain x", "password=[secret:1] x" },
		{ "password: plain x", "password: [secret:1] x" },
		{ "smtp_password = plain x", "smtp_password = [secret:1] x" },
		{ "client_secret=\"two words\" x", "client_secret=\"[secret:1]\" x" },
		{ "https://joe:pw@proxy.example:3128/a/Kx8Q7abz?code=x", "https://[secret:1]@proxy.example:3128/a/[masked:1]?[secret:2]" },
		{ "client \\x22contoso\\x22: refused", "client \\x22contoso\\x22: refused" },
		{ "a\tb\001c \377", "a [masked:1] [masked:2]" },
		{ "a-b-c-d-e-f", "[masked:1]" },
		{ "abcdefghijklmnopqrstuvwxyz", "[masked:1]" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char *text = NULL;
		struct rp r;
		size_t n;

		shown(&r, &text, &n);
		rp_text(&r, rows[i].in, strlen(rows[i].in));
		expect(&r, &text, &n, rows[i].out, rows[i].in);
		finish(&r, &text);
	}
}

/* Whatever way a secret turns up, no six bytes in a row of it are shown. */
static void known_by_value(void **state)
{
	static const char *const secret = "orange/hammer window";
	static const char *const forms[] = {
		"orange/hammer", "window", "xxorangexx", "range/", "ORANGE/HAMMER",
		"b3JhbmdlL2hhbW1lciB3aW5kb3c=", "b3JhbmdlL2hh", "YiNvcmFuZ2UvaGFtbWVy", "YXhvcmFuZ2UvaGFtbWVyIHdpbmRvdw==",
		"6f72616e67652f68616d6d6572", "6F72616E67652F68616D", "orange%2fhammer%20window", "orange%2Fhammer",
	};

	(void)state;
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		char *text = NULL;
		struct rp r;
		size_t n;

		shown(&r, &text, &n);
		rp_known(&r, secret, strlen(secret));
		rp_known_done(&r);
		rp_text(&r, forms[i], strlen(forms[i]));
		expect(&r, &text, &n, "[secret:1]", forms[i]);
		rp_show(&r, forms[i], strlen(forms[i]));
		expect(&r, &text, &n, "[secret:1]", forms[i]);
		rp_texts(&r, "Another window-less word");
		fflush(r.out);
		assert_null(strstr(text, "window"));
		assert_non_null(strstr(text, "Another"));
		finish(&r, &text);
	}
}

static void names_and_people(void **state)
{
	char *text = NULL;
	struct rp r;
	size_t n;

	(void)state;
	shown(&r, &text, &n);
	rp_name(&r, "Kx8Q", 4);
	rp_local(&r, "Scanner", 7);
	rp_local(&r, "relay", 5);
	rp_texts(&r, "client Kx8Q of scanner relay /var/spool/scanner scanner@a.example Kx8Q/scanner@a.example");
	expect(&r, &text, &n, "client Kx8Q of [user:1] relay /var/spool/[user:1] [user:1]@a.example Kx8Q/[user:1]@a.example", "names");
	rp_address(&r, "*@contoso.com", 13);
	expect(&r, &text, &n, "*@contoso.com", "pattern");
	rp_address(&r, "*", 1);
	expect(&r, &text, &n, "*", "any");
	rp_id(&r, "contoso.com", 11);
	expect(&r, &text, &n, "[id:1]", "tenant");
	r.plain_ids = true;
	rp_id(&r, "contoso.com", 11);
	expect(&r, &text, &n, "contoso.com", "tenant, plain");
	rp_id(&r, "con toso", 8);
	expect(&r, &text, &n, "[id:2]", "no identifier");
	finish(&r, &text);
}

static void collect(void *arg, const struct rp_item *i)
{
	FILE *f = arg;

	fprintf(f, "%u%c%.*s=%.*s;", i->depth, "KCAEV"[i->kind], (int)i->name_n, i->name != NULL ? i->name : "", (int)i->value_n,
	    i->value != NULL ? i->value : "");
}

static void walked(void **state)
{
	static const struct { const char *in, *out; bool ok; } rows[] = {
		{ "", "", true },
		{ "log_level: debug\nlisten:\n  - path: /a\n", "0Klog_level=debug;0Klisten=;1E=;2Kpath=/a;", true },
		{ "clients:\n  c:\n    scope: x\n    no_proxy: [a, b]\naccounts:\n  \"*\": {client: c}\n",
		    "0Kclients=;1Cc=;2Kscope=x;2Kno_proxy=;3Vno_proxy=a;3Vno_proxy=b;0Kaccounts=;1A*=;2Kclient=c;", true },
		{ "what: {ever: 1}\n", "0Kwhat=;1Kever=1;", true },
		{ "log_level: debug\nuser: \"open\n", "0Klog_level=debug;", false },
		{ "- a\n", "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char *text = NULL;
		size_t n;
		unsigned line;
		FILE *f = open_memstream(&text, &n);

		assert_non_null(f);
		assert_int_equal(rp_conf_walk("f", rows[i].in, strlen(rows[i].in), collect, f, &line), rows[i].ok);
		fclose(f);
		assert_string_equal(text, rows[i].out);
		free(text);
	}
}

static void a_set(void **state)
{
	struct rp_set set = { 0 };
	bool is_new;

	(void)state;
	assert_false(rp_set_has(&set, 7));
	for (int round = 0; round < 2; round++)
		for (uint64_t i = 0; i < 5000; i++) {
			assert_true(rp_set_add(&set, i << 32, &is_new));
			assert_int_equal(is_new, round == 0);
		}
	assert_int_equal(set.n, 5000);
	assert_true(set.cap <= 16384);
	for (uint64_t i = 0; i < 5000; i++)
		assert_true(rp_set_has(&set, i << 32));
	assert_false(rp_set_has(&set, 5000ull << 32));
	rp_set_free(&set);
	assert_false(rp_set_has(&set, 0));
}

/* Of a hundred thousand clients with one secret, its pieces are kept once. */
static void one_secret_of_many(void **state)
{
	static const char *const secret = "orange/hammer window";
	char *text = NULL, other[32];
	struct rp r;
	size_t n, once, twice;

	(void)state;
	shown(&r, &text, &n);
	rp_known(&r, secret, strlen(secret));
	rp_known_done(&r);
	once = r.ngrams;
	for (int i = 0; i < 5000; i++)
		rp_known(&r, secret, strlen(secret));
	assert_true(r.gram_cap <= 4096);
	rp_known_done(&r);
	assert_int_equal(r.ngrams, once);
	for (int i = 0; i < 1000; i++) {		/* and of many secrets none is lost on the way */
		(void)snprintf(other, sizeof other, "%06dplum%06d", i * 7919 % 999983, i);
		rp_known(&r, other, strlen(other));
	}
	rp_known_done(&r);
	twice = r.ngrams;
	assert_true(twice > once);
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(other, sizeof other, "%06dplum%06d", i * 7919 % 999983, i);
		assert_true(rp_is_known(&r, other, strlen(other)));
	}
	assert_true(rp_is_known(&r, secret, strlen(secret)) && rp_is_known(&r, "b3JhbmdlL2hhbW1lciB3", 20));
	assert_true(rp_known_room(&r));
	finish(&r, &text);
}

/* A file is read once, whoever names it; what is beyond the limit is counted, and not kept. */
static void secret_files(void **state)
{
	char path[] = "/tmp/mx-secret-XXXXXX", *text = NULL;
	int fd = mkstemp(path);
	struct rp r;
	size_t n;

	(void)state;
	assert_true(fd != -1 && write(fd, "orange/hammer\n", 14) == 14 && close(fd) == 0);
	shown(&r, &text, &n);
	for (int i = 0; i < 3; i++)
		rp_secret_file(&r, path);
	rp_secret_file(&r, "/nonexistent/secret");
	rp_known_done(&r);
	assert_true(r.secrets == 1 && r.unread == 0 && r.beyond == 0);
	assert_true(rp_is_known(&r, "hammer", 6));
	finish(&r, &text);
	shown(&r, &text, &n);
	r.ngrams = RP_GRAMS_MAX;		/* as if there were so many */
	rp_secret_file(&r, path);
	rp_secret_file(&r, "/nonexistent/secret");
	r.ngrams = 0;
	assert_true(r.secrets == 0 && r.beyond == 1);
	finish(&r, &text);
	assert_int_equal(unlink(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_set), cmocka_unit_test(one_secret_of_many), cmocka_unit_test(secret_files), cmocka_unit_test(text_is), cmocka_unit_test(known_by_value), cmocka_unit_test(names_and_people), cmocka_unit_test(walked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
