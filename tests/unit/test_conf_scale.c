/*
 * A hundred thousand clients and accounts: loads, finds them; says how long that took, as a
 * diagnostic.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "oauth/key.h"
#include "settings/build.h"
#include "tests/unit/test_conf_util.h"

#ifdef MX_SANITIZED
#define MANY 5000
#else
#define MANY 100000
#endif

static double seconds(clockid_t clock)
{
	struct timespec ts;

	assert_int_equal(clock_gettime(clock, &ts), 0);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void write_many(const struct conf_dir *d)
{
	const size_t cap = (size_t)MANY * 400;
	char *text = malloc(cap);
	size_t n = 0;

	assert_non_null(text);
	n += (size_t)snprintf(text + n, cap - n, "clients:\n");
	for (unsigned i = 0; i < MANY; i++)
		n += (size_t)snprintf(text + n, cap - n,
		    "  client-%u:\n    provider: exchange-online\n"
		    "    tenant: tenant%u.onmicrosoft.com\n    client_id: "
		    "11111111-2222-3333-4444-%012u\n"
		    "    client_secret_file: /etc/mta-xoauth2/secrets/client-%u.secret\n",
		    i, i, i, i);
	n += (size_t)snprintf(text + n, cap - n, "accounts:\n");
	for (unsigned i = 0; i < MANY; i++)
		n += (size_t)snprintf(text + n, cap - n,
		    "  \"*@domain%u.example.com\":\n    client: client-%u\n"
		    "    allow_users: [root, daemon]\n",
		    i, i);
	assert_true(n < cap);
	conf_dir_write(d, "tokend.yaml", text, n);
	printf("# %u clients, %u accounts, %zu bytes\n", MANY, MANY, n);
	free(text);
}

static void scale(void **state)
{
	double wall, cpu, one;
	struct conf_report r;
	struct conf_dir d;
	struct conf *c;
	char name[64];

	(void)state;
	conf_dir_make(&d);
	write_many(&d);
	wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	c = conf_dir_load(&d, 0, &r);
	printf("# loaded in %.2f s (%.2f s of processor time)\n", seconds(CLOCK_MONOTONIC) - wall,
	    seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu);
	if (c == NULL)
		conf_show("scale", &r);
	assert_non_null(c);
	assert_int_equal(r.n, 0);
	assert_int_equal(c->nclients, MANY);
	assert_int_equal(c->naccounts, MANY);
	printf("# %zu bytes for each client with its account\n",
	    (c->own->mem.total + c->own->exact.cap * sizeof *c->own->exact.slot +
	    MANY * (sizeof *c->clients + sizeof *c->accounts)) / MANY);
	one = seconds(CLOCK_PROCESS_CPUTIME_ID);
	for (unsigned i = 0; i < MANY; i++) {
		const size_t n =
		    (size_t)snprintf(name, sizeof name, "Anna@Domain%u.example.com", i);
		const struct conf_account *a = conf_account_find(c, name, n);

		assert_non_null(a);
		snprintf(name, sizeof name, "client-%u", i);
		assert_string_equal(a->client->oc.name, name);
		assert_ptr_equal(conf_client_find(c, name), a->client);
	}
	printf("# %.2f us for each account and client found\n",
	    (seconds(CLOCK_PROCESS_CPUTIME_ID) - one) * 1e6 / MANY);
	conf_free(c);
	conf_report_free(&r);
	conf_dir_remove(&d);
}

/* By the linker in the place of oauth/key.c's. */
static unsigned opened;
static bool pin_refused;
enum mx_class __real_oauth_key_open(const struct oauth_credential *c, uint64_t now_s, struct oauth_key **k,
    struct mx_err *e);
enum mx_class __wrap_oauth_key_open(const struct oauth_credential *c, uint64_t now_s, struct oauth_key **k,
    struct mx_err *e);

enum mx_class __wrap_oauth_key_open(const struct oauth_credential *c, uint64_t now_s, struct oauth_key **k,
    struct mx_err *e)
{
	opened++;
	if (pin_refused) {
		*k = NULL;
		return mx_fail(e, MX_CONFIG, "key-pin-refused", "the device refuses the PIN");
	}
	return __real_oauth_key_open(c, now_s, k, e);
}

/*
 * Many clients that prove themselves with one key: it is opened once, and each of them knows when its certificate ends.
 */
static void shared_key(void **state)
{
	const size_t cap = (size_t)MANY * 400;
	const double began = seconds(CLOCK_MONOTONIC);
	char *text = malloc(cap), command[400];
	struct conf_report r;
	struct conf_dir d;
	struct conf *c;
	size_t n = 0;

	(void)state;
	assert_non_null(text);
	conf_dir_make(&d);
	snprintf(command, sizeof command, "cd %s && umask 077 && OPENSSL_CONF=/dev/null openssl req -x509 -newkey "
	    "rsa:2048 -nodes -subj /CN=shared -days 400 -keyout k.pem -out c.pem -config /dev/stdin 2>log <<-X\n[req]\n"
	    "distinguished_name=dn\n[dn]\nX\n", d.path);
	assert_int_equal(system(command), 0);
	n += (size_t)snprintf(text + n, cap - n, "clients:\n");
	for (unsigned i = 0; i < MANY; i++)
		n += (size_t)snprintf(text + n, cap - n,
		    "  client-%u:\n    provider: exchange-online\n    tenant: tenant%u.onmicrosoft.com\n"
		    "    client_id: 11111111-2222-3333-4444-%012u\n    key: %s/k.pem\n    certificate_file: %s/c.pem\n",
		    i, i, i, d.path, d.path);
	n += (size_t)snprintf(text + n, cap - n, "accounts:\n");
	for (unsigned i = 0; i < MANY; i++)
		n += (size_t)snprintf(text + n, cap - n, "  \"*@domain%u.example.com\":\n    client: client-%u\n", i,
		    i);
	n += (size_t)snprintf(text + n, cap - n, "user: root\n");
	assert_true(n < cap);
	conf_dir_write(&d, "tokend.yaml", text, n);
	free(text);
	opened = 0;
	if ((c = conf_dir_load(&d, CONF_CHECK_SECRETS, &r)) == NULL || r.n > 0)
		conf_show("shared key", &r);
	assert_non_null(c);
	assert_int_equal(r.n, 0);
	assert_int_equal(opened, 1);
	for (unsigned i = 0; i < MANY; i++) {
		assert_true(c->clients[i].cred[0].expires != 0 && c->clients[i].cred[0].stamp != 0);
		assert_true(c->clients[i].cred[0].expires == c->clients[0].cred[0].expires);
	}
	printf("# %u clients with one key loaded in %.2f s\n", MANY, seconds(CLOCK_MONOTONIC) - began);
	conf_free(c);
	conf_report_free(&r);
	conf_dir_remove(&d);
}

/* A daemon that ended with this would be started again and again, until the device locks itself. */
static void a_pin_that_is_refused_is_a_warning(void **state)
{
	static const char text[] = ACCOUNT HEAD PROVIDER TENANT ID "    key: pkcs11:object=mail\n    "
	    "key_passphrase_file: /nowhere/pin\n"
	    "user: root\n";
	struct conf_report r;
	struct conf_dir d;
	struct conf *c;

	(void)state;
	conf_dir_make(&d);
	conf_dir_write(&d, "tokend.yaml", text, sizeof text - 1);
	pin_refused = true;
	c = conf_dir_load(&d, CONF_CHECK_SECRETS, &r);
	pin_refused = false;
	assert_non_null(c);
	assert_true(r.n == 1 && conf_says(&r, 'w', "the device refuses the PIN"));
	conf_free(c);
	conf_report_free(&r);
	conf_dir_remove(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(scale), cmocka_unit_test(shared_key),
		cmocka_unit_test(a_pin_that_is_refused_is_a_warning) };

	return cmocka_run_group_tests_name("conf_scale", tests, NULL, NULL);
}
