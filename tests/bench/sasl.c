/*
 * The host: callbacks as smtp(8) has them, for account and password.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "tests/bench/bench.h"

#define RELAY "smtp.example.com"

static const char *plugins;
static const char *account = "bench@example.com";
static char why[512];
static union { sasl_secret_t s; char room[sizeof(sasl_secret_t) + 16]; } password;

static int get_path(void *context, const char **path)
{
	(void)context;
	*path = plugins;
	return SASL_OK;
}

static int get_name(void *context, int id, const char **result, unsigned *len)
{
	(void)context, (void)id;
	*result = account;
	if (len != NULL)
		*len = (unsigned)strlen(account);
	return SASL_OK;
}

static int get_secret(sasl_conn_t *conn, void *context, int id, sasl_secret_t **secret)
{
	(void)conn, (void)context, (void)id;
	password.s.len = 8;
	memcpy(password.s.data, "password", 9);
	*secret = &password.s;
	return SASL_OK;
}

static int quiet(void *context, int level, const char *message)
{
	(void)context, (void)level, (void)message;
	return SASL_OK;
}

#define PROC(f) ((int (*)(void))(void (*)(void))(f))

static const sasl_callback_t global[] = {
	{ SASL_CB_GETPATH, PROC(get_path), NULL }, { SASL_CB_LOG, PROC(quiet), NULL },
	{ SASL_CB_LIST_END, NULL, NULL }
};

static const sasl_callback_t callbacks[] = {
	{ SASL_CB_AUTHNAME, PROC(get_name), NULL }, { SASL_CB_PASS, PROC(get_secret), NULL },
	{ SASL_CB_LIST_END, NULL, NULL }
};

void sasl_begin(const char *dir)
{
	int r;

	plugins = dir;
	if ((r = sasl_client_init(global)) != SASL_OK)
		die("sasl_client_init: %s", sasl_errstring(r, NULL, NULL));
}

void sasl_end(void)
{
	sasl_client_done();
}

void sasl_account(const char *name)
{
	account = name;
}

unsigned sasl_first(const char *mechanism)
{
	sasl_conn_t *c;
	const char *out = NULL, *chosen;
	unsigned n = 0;
	int r = sasl_client_new("smtp", RELAY, NULL, NULL, callbacks, 0, &c);

	if (r != SASL_OK)
		die("sasl_client_new: %s", sasl_errstring(r, NULL, NULL));
	r = sasl_client_start(c, mechanism, NULL, &out, &n, &chosen);
	if (r != SASL_CONTINUE && r != SASL_OK) {
		snprintf(why, sizeof why, "%s", sasl_errdetail(c));
		n = 0;
	}
	sasl_dispose(&c);
	return n;
}

const char *sasl_why(void)
{
	return why;
}
