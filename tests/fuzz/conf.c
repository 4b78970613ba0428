/*
 * A configuration: read whole or refused with a complaint that names the place; what it holds keeps its promises.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "settings/conf.h"
#include "tests/fuzz/fuzz.h"

static void check_report(const struct conf_report *r, bool loaded)
{
	char line[2048];

	FUZZ_CHECK(loaded == (r->errors == 0));
	FUZZ_CHECK(r->n <= CONF_COMPLAINTS_MAX + 1 && r->n <= r->errors + r->warnings + 1);
	for (size_t i = 0; i < r->n; i++) {
		const struct conf_complaint *c = &r->c[i];

		FUZZ_CHECK((c->severity == 'e' || c->severity == 'w') && c->text[0] != '\0');
		FUZZ_CHECK(fuzz_is_clean(c->text, strlen(c->text)));
		conf_complaint_str(line, sizeof line, c);
		FUZZ_CHECK(fuzz_is_clean(line, strlen(line)));
	}
}

static void check_client(const struct conf *c, const struct conf_client *k)
{
	FUZZ_CHECK(conf_client_find(c, k->oc.name) == k && fuzz_is_clean(k->oc.name, strlen(k->oc.name)));
	FUZZ_CHECK(k->oc.ncredentials <= CONF_CREDENTIALS_MAX);
	FUZZ_CHECK(k->oc.grant == OAUTH_GRANT_MANAGED_IDENTITY || (k->oc.token_endpoint != NULL &&
	    strncmp(k->oc.token_endpoint, "https://", 8) == 0 &&
	    fuzz_is_clean(k->oc.token_endpoint, strlen(k->oc.token_endpoint))));
	FUZZ_CHECK(k->backoff_min_ms > 0 && k->backoff_min_ms <= k->backoff_max_ms);
}

static void check_account(const struct conf *c, const struct conf_account *a)
{
	const struct conf_account *found = conf_account_find(c, a->pattern, strlen(a->pattern));

	FUZZ_CHECK(a->client != NULL && a->client >= c->clients && a->client < c->clients + c->nclients);
	FUZZ_CHECK(a->xoauth2 || a->oauthbearer);
	FUZZ_CHECK(found != NULL);
	for (size_t i = 0; i < a->nrelays; i++)
		if (a->relays[i][0] != '*')
			FUZZ_CHECK(conf_relay_allowed(a, a->relays[i], strlen(a->relays[i])));
	/* 65534 is everybody whom a user namespace hides. */
	FUZZ_CHECK(!conf_uid_listed(&a->allow_users, 65534) && !conf_uid_listed(&a->allow_token_users, 65534));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *path;
	struct conf_report r;
	struct conf *c;

	if (n > 1 << 16)
		return 0;
	path = fuzz_file("tokend.yaml", (struct fuzz_in){ data, n });
	c = conf_load(path, 0, &r);
	check_report(&r, c != NULL);
	if (c != NULL) {
		FUZZ_CHECK(c->request_timeout_ms > 0 && c->deadline_ms > 0 && c->max_connections > 0);
		FUZZ_CHECK(!conf_uid_listed(&c->admin_users, 65534));
		for (size_t i = 0; i < c->nclients; i++)
			check_client(c, &c->clients[i]);
		for (size_t i = 0; i < c->naccounts; i++)
			check_account(c, &c->accounts[i]);
	}
	conf_report_free(&r);
	conf_free(c);
	return 0;
}
