#include "config.h"

#include <dlfcn.h>
#include <limits.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/realhost.h"

char rh_lines[RH_LINES][2048];
unsigned rh_nlines;
bool rh_dirty;

static char plugin_dir[64], link_name[128], search[PATH_MAX];

/* Memory that is looked through when it comes back is defined from the start. */
static void *host_malloc(size_t n)
{
	return calloc(1, n);
}

static void *host_realloc(void *old, size_t n)
{
	size_t had = old != NULL ? malloc_usable_size(old) : 0, has;
	char *p = realloc(old, n);

	if (p != NULL && (has = malloc_usable_size(p)) > had)
		memset(p + had, 0, has - had);
	return p;
}

static void host_free(void *p)
{
	if (p != NULL && memmem(p, malloc_usable_size(p), RH_NEEDLE, sizeof RH_NEEDLE - 1) != NULL)
		rh_dirty = true;
	free(p);
}

static int host_log(void *context, int level, const char *text)
{
	(void)context;
	/* what Postfix writes to the mail log */
	if (level <= SASL_LOG_WARN && rh_nlines < RH_LINES)
		snprintf(rh_lines[rh_nlines++], sizeof rh_lines[0], "%s", text);
	return SASL_OK;
}

static int host_path(void *context, const char **path)
{
	(void)context;
	*path = search;
	return SASL_OK;
}

static int host_name(void *context, int id, const char **result, unsigned *len)
{
	(void)id;
	*result = context;
	if (len != NULL)
		*len = (unsigned)strlen(context);
	return SASL_OK;
}

static int host_password(sasl_conn_t *conn, void *context, int id, sasl_secret_t **secret)
{
	(void)conn, (void)context, (void)id, (void)secret;
	fail_msg("the password was asked for");
	return SASL_FAIL;
}

#define PROC(f) ((int (*)(void))(void (*)(void))(f))

static const sasl_callback_t global[] = {
	{ SASL_CB_GETPATH, PROC(host_path), NULL }, { SASL_CB_LOG, PROC(host_log), NULL },
	{ SASL_CB_LIST_END, NULL, NULL }
};
char rh_app[] = "app@contoso.com";
static char shared[] = "shared@contoso.com";
const sasl_callback_t rh_postfix[] = {
	{ SASL_CB_AUTHNAME, PROC(host_name), rh_app }, { SASL_CB_PASS, PROC(host_password), NULL },
	{ SASL_CB_LIST_END, NULL, NULL }
};
const sasl_callback_t rh_with_user[] = {
	{ SASL_CB_AUTHNAME, PROC(host_name), rh_app }, { SASL_CB_USER, PROC(host_name), shared },
	{ SASL_CB_PASS, PROC(host_password), NULL }, { SASL_CB_LIST_END, NULL, NULL }
};
const sasl_callback_t rh_mbsync[] = {
	{ SASL_CB_USER, NULL, NULL }, { SASL_CB_AUTHNAME, NULL, NULL },
	{ SASL_CB_PASS, NULL, NULL },
	{ SASL_CB_LIST_END, NULL, NULL }
};

void rh_init(bool with_system_plugins)
{
	Dl_info where;
	char *slash;
	size_t n;

	n = (size_t)snprintf(search, sizeof search, "%s", plugin_dir);
	if (with_system_plugins) {
		assert_int_not_equal(dladdr((void *)(uintptr_t)sasl_client_init, &where), 0);
		snprintf(search + n, sizeof search - n, ":%s", where.dli_fname);
		slash = strrchr(search, '/');
		assert_non_null(slash);
		snprintf(slash, sizeof search - (size_t)(slash - search), "/sasl2");
	}
	rh_nlines = 0;
	rh_dirty = false;
	assert_int_equal(sasl_client_init(global), SASL_OK);
}

sasl_conn_t *rh_connect(const sasl_callback_t *callbacks, unsigned flags)
{
	sasl_security_properties_t props = { .min_ssf = 0, .max_ssf = 0, .security_flags = flags };
	sasl_conn_t *c = NULL;

	assert_int_equal(sasl_client_new("smtp", "smtp.example.com", NULL, NULL, callbacks, 0, &c),
	    SASL_OK);
	assert_int_equal(sasl_setprop(c, SASL_SEC_PROPS, &props), SASL_OK);
	return c;
}

int rh_open(void)
{
	const char *build = getenv("MX_BUILD");
	char module[PATH_MAX], from[PATH_MAX];

	snprintf(plugin_dir, sizeof plugin_dir, "/tmp/mxhostXXXXXX");
	snprintf(from, sizeof from, "%s/.libs/libmta-xoauth2.so", build != NULL ? build : ".");
	if (mkdtemp(plugin_dir) == NULL || realpath(from, module) == NULL) {
		perror(from);
		return -1;
	}
	snprintf(link_name, sizeof link_name, "%s/libmta-xoauth2.so", plugin_dir);
	if (symlink(module, link_name) == -1) {
		perror(link_name);
		return -1;
	}
	sasl_set_alloc(host_malloc, calloc, host_realloc, host_free);
	return 0;
}

void rh_close(void)
{
	unlink(link_name);
	rmdir(plugin_dir);
}
