#include "config.h"

#include <ctype.h>
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/fakesasl.h"

static struct fakesasl *now;		/* sasl_malloc_t has no context */

struct head { size_t n; max_align_t align; };

static void *fs_malloc(size_t n)
{
	struct head *h;

	if (now->fail_malloc > 0 && --now->fail_malloc == 0)
		return NULL;
	h = malloc(sizeof *h + n);
	assert_non_null(h);
	h->n = n;
	memset(h + 1, 0x5a, n);
	now->live++;
	return h + 1;
}

static void fs_free(void *p)
{
	struct head *h = (struct head *)p - 1;

	if (p == NULL)
		return;
	if (now->needle != NULL && memmem(p, h->n, now->needle, strlen(now->needle)) != NULL)
		now->dirty = true;
	now->live--;
	free(h);
}

static int fs_getopt(void *context, const char *plugin, const char *option, const char **result,
    unsigned *len)
{
	struct fakesasl *fs = context;

	(void)plugin;
	*result = strcmp(option, "mta_xoauth2_socket") == 0 ? fs->opt_socket :
	    strcmp(option, "mta_xoauth2_timeout") == 0 ? fs->opt_timeout : NULL;
	if (len != NULL)
		*len = *result != NULL ? (unsigned)strlen(*result) : 0;
	return *result != NULL ? SASL_OK : SASL_FAIL;
}

/* Like Cyrus: %s alone is understood. */
static void format(char *line, size_t cap, const char *fmt, va_list ap)
{
	size_t n = 0;

	for (; *fmt != '\0' && n + 1 < cap; fmt++)
		if (fmt[0] == '%' && fmt[1] == 's') {
			const char *s = va_arg(ap, const char *);

			n += (size_t)snprintf(line + n, cap - n, "%s", s);
			fmt++;
		} else {
			assert_int_not_equal(fmt[0], '%');
			line[n++] = *fmt;
		}
	assert_true(n < cap);
	line[n] = '\0';
}

static void fs_seterror(sasl_conn_t *conn, unsigned flags, const char *fmt, ...)
{
	struct fakesasl *fs = (struct fakesasl *)(void *)conn;
	va_list ap;

	assert_int_equal(flags, 0);	/* NOLOG would keep it from the mail log */
	assert_true(fs->nerrors < FS_LINES);
	va_start(ap, fmt);
	format(fs->errors[fs->nerrors++], sizeof fs->errors[0], fmt, ap);
	va_end(ap);
}

static void fs_log(sasl_conn_t *conn, int level, const char *fmt, ...)
{
	struct fakesasl *fs = (struct fakesasl *)(void *)conn;
	va_list ap;

	assert_true(fs->nlogs < FS_LINES);
	fs->log_level = level;
	va_start(ap, fmt);
	format(fs->logs[fs->nlogs++], sizeof fs->logs[0], fmt, ap);
	va_end(ap);
}

/* A host's answer; like many, it does not touch len. */
static int simple(void *context, int id, const char **result, unsigned *len)
{
	struct fakesasl *fs = context;

	(void)len;
	if ((id == SASL_CB_AUTHNAME ? fs->authname_how : fs->user_how) == FS_FAIL)
		return SASL_FAIL;
	*result = id == SASL_CB_AUTHNAME ? fs->authname : fs->user;
	return SASL_OK;
}

static int fs_getcallback(sasl_conn_t *conn, unsigned long id, sasl_callback_ft *proc,
    void **context)
{
	struct fakesasl *fs = (struct fakesasl *)(void *)conn;
	enum fs_how how = FS_NONE;

	*proc = NULL;
	*context = NULL;
	if (id == SASL_CB_AUTHNAME)
		how = fs->authname_how;
	else if (id == SASL_CB_USER)
		how = fs->user_how;
	else if (id == SASL_CB_PASS)
		fs->passwords++;
	if (how == FS_NONE)
		return SASL_FAIL;
	if (how == FS_PROMPT)
		return SASL_INTERACT;
	*proc = (sasl_callback_ft)(void (*)(void))simple;
	*context = fs;
	return SASL_OK;
}

static int fs_canon(sasl_conn_t *conn, const char *in, unsigned len, unsigned flags,
    sasl_out_params_t *op)
{
	struct fakesasl *fs = (struct fakesasl *)(void *)conn;
	char room[sizeof fs->authid];
	size_t n = len != 0 ? len : strlen(in);

	if (fs->canon_result != SASL_OK)
		return fs->canon_result;
	assert_true(n < sizeof room);
	while (n > 0 && isspace((unsigned char)*in))
		in++, n--;
	while (n > 0 && isspace((unsigned char)in[n - 1]))
		n--;
	snprintf(room, sizeof room, "%.*s", (int)n, in);
	if (fs->canon_as != NULL)
		snprintf(room, sizeof room, "%s", fs->canon_as);
	if (flags & SASL_CU_AUTHID) {
		strcpy(fs->authid, room);	/* ok: of the same size */
		op->authid = fs->authid;
		op->alen = (unsigned)strlen(room);
	}
	if (flags & SASL_CU_AUTHZID) {
		strcpy(fs->authzid, room);	/* ok: of the same size */
		op->user = fs->authzid;
		op->ulen = (unsigned)strlen(room);
	}
	return SASL_OK;
}

const sasl_client_plug_t *fs_plug(const char *mech)
{
	static sasl_client_plug_t *list;
	static int count;
	const char *build = getenv("MX_BUILD");
	sasl_client_plug_init_t *init;
	static struct fakesasl nobody;
	char path[1024];
	int i, version = 0;
	void *handle;

	if (list == NULL) {
		snprintf(path, sizeof path, "%s/.libs/libmta-xoauth2.so",
		    build != NULL ? build : ".");
		handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		if (handle == NULL)
			fail_msg("%s", dlerror());
		*(void **)(void *)&init = dlsym(handle, "sasl_client_plug_init");
		assert_non_null(init);
		assert_int_equal(init(&nobody.utils, SASL_CLIENT_PLUG_VERSION - 1, &version, &list,
		    &count), SASL_BADVERS);
		assert_int_equal(init(&nobody.utils, SASL_CLIENT_PLUG_VERSION, &version, &list,
		    &count), SASL_OK);
		assert_int_equal(version, SASL_CLIENT_PLUG_VERSION);
		assert_int_equal(count, 2);
	}
	for (i = 0; i < count; i++)
		if (strcmp(list[i].mech_name, mech) == 0)
			return &list[i];
	fail_msg("no mechanism %s", mech);
	return NULL;
}

void fs_init(struct fakesasl *fs, const char *socket)
{
	memset(fs, 0, sizeof *fs);
	fs->authname_how = FS_CALLBACK;
	fs->authname = "app@contoso.com";
	fs->opt_socket = socket;
	fs->utils = (sasl_utils_t){ .version = SASL_UTILS_VERSION,
		.conn = (sasl_conn_t *)(void *)fs,
		.getopt_context = fs, .getopt = fs_getopt, .malloc = fs_malloc, .free = fs_free,
		.getcallback = fs_getcallback, .log = fs_log, .seterror = fs_seterror };
	fs->params = (sasl_client_params_t){ .service = "smtp", .servicelen = 4,
		.serverFQDN = "smtp.example.com",
		.slen = 16, .utils = &fs->utils, .canon_user = fs_canon };
	now = fs;
}

static void answer_prompts(struct fakesasl *fs)
{
	sasl_interact_t *i;
	size_t n;

	assert_non_null(fs->prompt_need);
	for (i = fs->prompt_need; i->id != SASL_CB_LIST_END; i++) {
		n = strlen(fs->prompted);
		assert_true(n + 1 < sizeof fs->prompted);
		fs->prompted[n] = '?';
		if (i->id == SASL_CB_AUTHNAME || i->id == SASL_CB_USER)
			fs->prompted[n] = i->id == SASL_CB_AUTHNAME ? 'A' : 'U';
		assert_non_null(i->prompt);
		assert_non_null(i->challenge);
		assert_null(i->result);
		i->result = i->id == SASL_CB_AUTHNAME ? fs->authname : fs->user;
		i->len = i->result != NULL ? (unsigned)strlen(i->result) : 0;
	}
}

int fs_step(struct fakesasl *fs, const char *in, unsigned len)
{
	int r;

	now = fs;
	fs->out = "unset";
	fs->out_len = 12345;
	for (;;) {
		r = fs->plug->mech_step(fs->conn, &fs->params, in, len,
		    fs->no_prompts ? NULL : &fs->prompt_need, &fs->out,
		    &fs->out_len, &fs->op);
		if (r != SASL_INTERACT)
			return r;
		assert_true(++fs->interactions < 5);
		answer_prompts(fs);
		if (fs->loses_prompts)
			fs->prompt_need = NULL;
	}
}

int fs_start(struct fakesasl *fs, const char *mech)
{
	int r;

	now = fs;
	fs->plug = fs_plug(mech);
	r = fs->plug->mech_new(fs->plug->glob_context, &fs->params, &fs->conn);
	return r == SASL_OK ? fs_step(fs, NULL, 0) : r;
}

void fs_end(struct fakesasl *fs)
{
	now = fs;
	fs->plug->mech_dispose(fs->conn, &fs->utils);
	fs->conn = NULL;
	assert_int_equal(fs->live, 0);
	assert_false(fs->dirty);
	assert_int_equal(fs->passwords, 0);
}
