/*
 * One authentication, as Cyrus drives it: new, one or two steps (more while the host answers
 * prompts), dispose.
 */
#include "config.h"

#include <string.h>

#include "common/buf.h"
#include "common/row.h"
#include "plugin/plugin.h"

static int fail(const struct mxp_conn *c, const sasl_client_params_t *p, int result,
    const char *code, const char *text)
{
	struct mx_err e;

	(void)mx_fail_row(&e, code, "%s", text);
	mxp_report(c, p, &e);
	return result;
}

int mxp_new(void *glob, sasl_client_params_t *p, void **conn)
{
	static const struct mxp_conn nobody;	/* for what fails before there is a connection */
	struct mxp_conn *c;

	/* The claimed SSF (see init.c) is for ranking only: there is no security layer here. */
	if (p->props.min_ssf > p->external_ssf)
		return fail(&nobody, p, SASL_TOOWEAK, "no-security-layer",
		    "the mail program demands a SASL security layer, which a bearer token cannot give");
	if ((c = p->utils->malloc(sizeof *c)) == NULL)
		return fail(&nobody, p, SASL_NOMEM, "no-memory", "out of memory");
	*c = (struct mxp_conn){ .mech = *(const enum mx_mech *)glob };
	mxp_settings(c, p->utils);
	*conn = c;
	return SASL_OK;
}

/* in: what the server said before it got anything; an empty "334 " at most. */
static int first(struct mxp_conn *c, sasl_client_params_t *p, unsigned in_len,
    sasl_interact_t **prompt_need, const char **out, unsigned *out_len, sasl_out_params_t *op)
{
	int r;

	if (in_len > 0) {
		c->step = MXP_DONE;
		return fail(c, p, SASL_BADPROT, "server-first",
		    "the mail server spoke before it got the response, which the mechanism does not provide for");
	}
	r = mxp_identity(c, p, prompt_need, op);
	if (r == SASL_INTERACT)
		return r;
	if (r == SASL_OK)
		r = mxp_fetch(c, p);
	c->step = r == SASL_OK ? MXP_SENT : MXP_DONE;
	if (r != SASL_OK)
		return r;
	op->mech_ssf = 0;
	op->maxoutbuf = 0;
	op->encode_context = op->decode_context = NULL;
	op->encode = NULL;
	op->decode = NULL;
	op->param_version = 0;
	*out = c->mem;
	*out_len = (unsigned)c->mem_len;
	/* Not OK, and no doneflag: the server may have a challenge, which must get through. */
	return SASL_CONTINUE;
}

/* The server answered. With nothing: it is content (mbsync asks once more after success). */
static int second(struct mxp_conn *c, sasl_client_params_t *p, const char *in, unsigned in_len,
    const char **out, unsigned *out_len, sasl_out_params_t *op)
{
	if (in_len > 0)
		mxp_refused(c, p, in, in_len, out, out_len);
	mxp_forget(c, p->utils);
	c->step = MXP_DONE;
	op->doneflag = 1;
	return SASL_OK;
}

int mxp_step(void *conn, sasl_client_params_t *p, const char *in, unsigned in_len,
    sasl_interact_t **prompt_need, const char **out, unsigned *out_len, sasl_out_params_t *op)
{
	struct mxp_conn *c = conn;

	*out = NULL;
	*out_len = 0;
	if (c == NULL)
		return SASL_BADPARAM;
	if (in == NULL)
		in_len = 0;
	switch (c->step) {
	case MXP_FIRST:
		return first(c, p, in_len, prompt_need, out, out_len, op);
	case MXP_SENT:
		return second(c, p, in, in_len, out, out_len, op);
	default:
		return fail(c, p, SASL_BADPROT, "out-of-step",
		    "the mail program asks for a step beyond the end of the exchange");
	}
}

void mxp_dispose(void *conn, const sasl_utils_t *utils)
{
	struct mxp_conn *c = conn;

	if (c == NULL)
		return;
	mxp_forget(c, utils);
	mx_wipe(c, sizeof *c);
	utils->free(c);
}
