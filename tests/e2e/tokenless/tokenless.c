/*
 * A stand-in for other people's Cyrus SASL plugins: XOAUTH2 with the host's password for the token. It knows nothing of a
 * daemon. Built by mxtest/tokenless.py; with TOKEN_FILES the password is the path of a JSON file that has the token, as
 * sasl-xoauth2 has it.
 */
#include <sasl/sasl.h>
#include <sasl/saslplug.h>
#include <stdio.h>
#include <string.h>

struct context { char response[16384]; int sent; };

static int mech_new(void *glob, sasl_client_params_t *params, void **context)
{
	(void)glob;
	*context = params->utils->malloc(sizeof(struct context));
	if (*context == NULL)
		return SASL_NOMEM;
	memset(*context, 0, sizeof(struct context));
	return SASL_OK;
}

/* The token, of what the host has for a password. */
static int token_of(const char *password, size_t n, char *token, size_t cap)
{
#ifdef TOKEN_FILES
	static const char key[] = "\"access_token\": \"";
	char path[1024], text[16384], *at;
	size_t got;
	FILE *f;

	if (snprintf(path, sizeof path, "%.*s", (int)n, password) >= (int)sizeof path || (f = fopen(path, "r")) == NULL)
		return SASL_FAIL;
	got = fread(text, 1, sizeof text - 1, f);
	text[got] = '\0';
	if (fclose(f) != 0 || (at = strstr(text, key)) == NULL)
		return SASL_FAIL;
	password = at + strlen(key);
	n = strcspn(password, "\"");
#endif
	return snprintf(token, cap, "%.*s", (int)n, password) < (int)cap ? SASL_OK : SASL_BUFOVER;
}

static int first(struct context *c, sasl_client_params_t *params, const char **out, unsigned *outlen, sasl_out_params_t *oparams)
{
	const sasl_utils_t *u = params->utils;
	sasl_callback_ft get_name, get_pass;
	void *name_arg, *pass_arg;
	const char *name = NULL;
	sasl_secret_t *pass = NULL;
	char token[8192];
	int r, n;

	r = u->getcallback(u->conn, SASL_CB_AUTHNAME, &get_name, &name_arg);
	if (r == SASL_OK)
		r = u->getcallback(u->conn, SASL_CB_PASS, &get_pass, &pass_arg);
	if (r == SASL_OK)
		r = ((sasl_getsimple_t *)get_name)(name_arg, SASL_CB_AUTHNAME, &name, NULL);
	if (r == SASL_OK)
		r = ((sasl_getsecret_t *)get_pass)(u->conn, pass_arg, SASL_CB_PASS, &pass);
	if (r == SASL_OK)
		r = params->canon_user(u->conn, name, 0, SASL_CU_AUTHID | SASL_CU_AUTHZID, oparams);
	if (r != SASL_OK)
		return r;
	if ((r = token_of((const char *)pass->data, pass->len, token, sizeof token)) != SASL_OK)
		return r;
	n = snprintf(c->response, sizeof c->response, "user=%s\001auth=Bearer %s\001\001", name, token);
	if (n < 0 || (size_t)n >= sizeof c->response)
		return SASL_BUFOVER;
	*out = c->response;
	*outlen = (unsigned)n;
	return SASL_CONTINUE;
}

static int mech_step(void *context, sasl_client_params_t *params, const char *in, unsigned inlen, sasl_interact_t **prompt,
    const char **out, unsigned *outlen, sasl_out_params_t *oparams)
{
	struct context *c = context;

	(void)in, (void)inlen, (void)prompt;
	if (!c->sent) {
		c->sent = 1;
		return first(c, params, out, outlen, oparams);
	}
	*out = "";
	*outlen = 0;
	oparams->doneflag = 1;
	return SASL_OK;
}

static void mech_dispose(void *context, const sasl_utils_t *utils)
{
	utils->free(context);
}

static const unsigned long prompts[] = { SASL_CB_AUTHNAME, SASL_CB_PASS, SASL_CB_LIST_END };

#ifdef TOKEN_FILES
#define CLAIMS SASL_SEC_NOPLAINTEXT	/* sasl-xoauth2 does */
#else
#define CLAIMS 0
#endif

static sasl_client_plug_t plug = {
	.mech_name = "XOAUTH2", .max_ssf = 60, .security_flags = SASL_SEC_NOANONYMOUS | SASL_SEC_PASS_CREDENTIALS | CLAIMS,
	.features = SASL_FEAT_WANT_CLIENT_FIRST | SASL_FEAT_ALLOWS_PROXY, .required_prompts = prompts,
	.mech_new = mech_new, .mech_step = mech_step, .mech_dispose = mech_dispose,
};

int sasl_client_plug_init(const sasl_utils_t *utils, int max_version, int *out_version, sasl_client_plug_t **list, int *count)
{
	(void)utils, (void)max_version;
	*out_version = SASL_CLIENT_PLUG_VERSION;
	*list = &plug;
	*count = 1;
	return SASL_OK;
}
