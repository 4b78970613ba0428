/* What a delivery status says of a refused login, and which tokens that can be about. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tokend/feedback.h"

static void statuses(void **state)
{
	static const struct { const char *text, *relay, *said; } rows[] = {	/* relay NULL: nothing to learn */
		{ "server smtp.office365.com[52.98.0.1] said: 535 5.7.3 Authentication unsuccessful",
		    "smtp.office365.com", "535 5.7.3 Authentication unsuccessful" },
		{ "4.7.3 SASL authentication failed; server localhost[127.0.0.1]:587 said: 535 no",
		    "localhost", "535 no" },
		{ "server a(b) said: 535", "a", "535" },
		{ "server a said: 535", "a", "535" },
		{ "server ::1[::1]:25 said: 535-x", "::1", "535-x" },
		/* The server's own words cannot name another server. */
		{ "server a[1] said: 535 server b[2] said: 535 x", "a", "535 server b[2] said: 535 x" },
		{ "server a[1] said: 454 server b[2] said: 535 x", NULL, NULL },
		{ "server a[1] refused to talk to me: server b[2] said: 535", NULL, NULL },
		{ "server a[1] said: 5350 x", NULL, NULL },
		{ "server a[1] said: 534 5.7.8 x", NULL, NULL },
		{ "server a[1] said: 53", NULL, NULL },
		{ "server a[1]  said: 535", NULL, NULL },
		{ "server [1] said: 535", NULL, NULL },
		{ "server ", NULL, NULL }, { "server", NULL, NULL }, { "", NULL, NULL }, { "said: 535", NULL, NULL },
		{ "2.0.0 Ok: queued as 12345", NULL, NULL },
	};
	char name[MX_HOST_MAX + 64];
	struct mx_span relay, said;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		size_t n = strlen(rows[i].text);
		char *copy = malloc(n > 0 ? n : 1);	/* no NUL: a step beyond shows */
		bool ok;

		assert_non_null(copy);
		memcpy(copy, rows[i].text, n);
		ok = feedback_parse(copy, n, &relay, &said);
		if (ok != (rows[i].relay != NULL) || (ok && (relay.n != strlen(rows[i].relay) ||
		    memcmp(relay.s, rows[i].relay, relay.n) != 0 || said.n != strlen(rows[i].said) ||
		    memcmp(said.s, rows[i].said, said.n) != 0)))
			fail_msg("%s", rows[i].text);
		free(copy);
	}
	for (i = MX_HOST_MAX; i <= MX_HOST_MAX + 1; i++) {
		int n = snprintf(name, sizeof name, "server %0*d[1] said: 535", (int)i, 7);

		assert_int_equal(feedback_parse(name, (size_t)n, &relay, &said), i == MX_HOST_MAX);
	}
}

static char found[4096];

static void note(void *arg, const struct handout *h)
{
	(void)arg;
	snprintf(found + strlen(found), sizeof found - strlen(found), "%s/%s ", h->client, h->token_id);
}

static const char *meant(uid_t uid, const char *relay, uint64_t now)
{
	found[0] = '\0';
	(void)feedback_each(uid, relay, strlen(relay), now, note, NULL);
	return found;
}

#define NOTE(uid, relay, client, id, now) feedback_note(uid, relay, strlen(relay), client, "m@x.test", id, NULL, 0, now)

static void of_whom_for_what(void **state)
{
	(void)state;
	feedback_reset();
	NOTE(100, "smtp.office365.com", "contoso", "T1", 1000);
	NOTE(100, "smtp.gmail.com", "google", "G1", 1000);
	NOTE(200, "smtp.office365.com", "contoso", "T2", 1000);
	assert_string_equal(meant(100, "SMTP.Office365.com.", 2000), "contoso/T1 ");
	assert_string_equal(meant(200, "smtp.office365.com", 2000), "contoso/T2 ");
	assert_string_equal(meant(300, "smtp.office365.com", 2000), "");
	assert_string_equal(meant(100, "office365.com", 2000), "");
	feedback_note(100, NULL, 0, "any", "m@x.test", "A1", NULL, 7, 1000);	/* named no server: it can be any */
	assert_string_equal(meant(100, "elsewhere.example", 2000), "any/A1 ");
	assert_string_equal(meant(200, "elsewhere.example", 2000), "");
}

static void a_minute(void **state)
{
	(void)state;
	feedback_reset();
	NOTE(100, "a", "c", "T1", 1000);
	assert_string_equal(meant(100, "a", 1000 + FEEDBACK_AGE_MS - 1), "c/T1 ");
	assert_string_equal(meant(100, "a", 1000 + FEEDBACK_AGE_MS), "");
	NOTE(100, "a", "c", "T1", 50000);	/* again: younger, and there once */
	assert_string_equal(meant(100, "a", 50000 + FEEDBACK_AGE_MS - 1), "c/T1 ");
}

static void no_more_than_fits(void **state)
{
	char id[16];
	unsigned i;
	size_t n;

	(void)state;
	feedback_reset();
	for (i = 0; i < 100000; i++) {
		snprintf(id, sizeof id, "T%u", i);
		NOTE(100, "a", "a-client-with-a-name-of-64-characters-abcdefghijklmnopqrstuvwxyz", id, 1000 + i / 100);
	}
	n = feedback_each(100, "a", 1, 3000, note, NULL);
	assert_in_range(n, 500, 512);
	found[0] = '\0';
	NOTE(100, "a", "last", "L", 3000);
	assert_int_equal(feedback_each(100, "a", 1, 3000, note, NULL), n + (n < 512));	/* in place of an older one */
	feedback_reset();
	NOTE(100, "a", "a-client-with-a-name-of-64-characters-abcdefghijklmnopqrstuvwxyz", "T", 1);
	assert_string_equal(meant(100, "a", 1), "a-client-with-a-name-of-64-characters-abcdefghijklmnopqrstuvwxyz/T ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statuses), cmocka_unit_test(of_whom_for_what), cmocka_unit_test(a_minute),
		cmocka_unit_test(no_more_than_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
