/*
 * Who is to be authenticated. AUTHNAME is the account the daemon is asked for; USER, where a host
 * has one (Postfix: only with send_cyrus_sasl_authzid = yes), is the mailbox. PASS: never.
 */
#include "config.h"

#include <string.h>

#include "common/row.h"
#include "common/text.h"
#include "plugin/plugin.h"

enum found {
	HAVE,
	NONE,				/* the host has no such name */
	ASK,				/* only its user knows */
	BROKEN				/* the host's own callback failed */
};

/* The name behind a callback id. Hosts need not tell its length: Cyrus's own plugins never look. */
static enum found look_up(const sasl_client_params_t *p, unsigned long id,
    sasl_interact_t **prompt_need, const char **name)
{
	const sasl_utils_t *u = p->utils;
	const sasl_interact_t *i = prompt_need != NULL ? *prompt_need : NULL;
	sasl_callback_ft proc = NULL;
	void *context = NULL;
	int r;

	*name = NULL;
	for (; i != NULL && i->id != SASL_CB_LIST_END; i++)
		if (i->id == id) {
			*name = i->result;
			return i->result != NULL ? HAVE : NONE;
		}
	r = u->getcallback(u->conn, id, &proc, &context);
	if (r == SASL_INTERACT)
		return ASK;
	if (r != SASL_OK || proc == NULL)
		return NONE;
	if (((sasl_getsimple_t *)(void (*)(void))proc)(context, (int)id, name, NULL) != SASL_OK)
		return BROKEN;
	return *name != NULL ? HAVE : NONE;
}

static int ask_host(struct mxp_conn *c, bool account, bool user, sasl_interact_t **prompt_need)
{
	sasl_interact_t *i = c->prompts;

	memset(c->prompts, 0, sizeof c->prompts);
	if (account)
		*i++ = (sasl_interact_t){
			.id = SASL_CB_AUTHNAME, .challenge = "Authentication Name",
			.prompt = "Account that the token daemon knows (no password is needed)" };
	if (user)
		*i++ = (sasl_interact_t){
			.id = SASL_CB_USER, .challenge = "Authorization Name",
			.prompt = "Mailbox to act as, if it is another one", .defresult = "" };
	i->id = SASL_CB_LIST_END;
	c->prompted = true;
	*prompt_need = c->prompts;
	return SASL_INTERACT;
}

static int fail(const struct mxp_conn *c, const sasl_client_params_t *p, const char *code,
    const char *what, const char *name, const char *why)
{
	struct mx_err e;
	char q[128] = "";

	if (name != NULL)
		mx_quote(q, sizeof q, name, strlen(name));
	(void)mx_fail_row(&e, code, "%s%s%s %s", what, *q != '\0' ? " " : "", q, why);
	mxp_report(c, p, &e);
	return SASL_BADPARAM;	/* "invalid parameter supplied" */
}

/* What is wrong with a name; NULL: nothing. */
static const char *fault(const char *s)
{
	size_t n = strlen(s);

	if (s[strspn(s, " \t\r\n\v\f")] == '\0')
		return "is empty";
	if (n > MX_ACCOUNT_MAX)
		return "is longer than an address can be (320 bytes)";
	if (mx_has_ctl(s, n))
		return "holds control characters, which no mailbox has";
	if (!mx_utf8_ok(s, n))
		return "is not UTF-8";
	return NULL;
}

/* Lets the host have its say on the form of a name, and judges what comes of it. */
static int canon(struct mxp_conn *c, const sasl_client_params_t *p, const char *name,
    unsigned flags, sasl_out_params_t *op)
{
	const char *why, *canonical;
	int r;

	if ((why = fault(name)) != NULL)
		return fail(c, p, "bad-user", "the user name", name, why);
	r = p->canon_user(p->utils->conn, name, 0, flags, op);
	canonical = flags & SASL_CU_AUTHID ? op->authid : op->user;
	if (r != SASL_OK || canonical == NULL)
		return fail(c, p, "bad-user", "the user name", name,
		    "is refused by the mail program itself");
	if ((why = fault(canonical)) != NULL)
		return fail(c, p, "bad-user", "the mail program's form of the user name", canonical,
		    why);
	memcpy(flags & SASL_CU_AUTHID ? c->account : c->user, canonical, strlen(canonical) + 1);
	return SASL_OK;
}

int mxp_identity(struct mxp_conn *c, const sasl_client_params_t *p, sasl_interact_t **prompt_need,
    sasl_out_params_t *op)
{
	const char *account, *user;
	enum found a = look_up(p, SASL_CB_AUTHNAME, prompt_need, &account);
	enum found m = look_up(p, SASL_CB_USER, prompt_need, &user);
	int r;

	if (prompt_need != NULL && !c->prompted && (a == ASK || m == ASK))
		return ask_host(c, a == ASK, m == ASK, prompt_need);
	if (prompt_need != NULL)
		*prompt_need = NULL;		/* it is ours: nothing to free */
	if (a == BROKEN)
		return fail(c, p, "no-user", "the mail program gave no user name,", NULL,
		    "its callback failed");
	if (a != HAVE)
		return fail(c, p, "no-user", "the mail program gave no user name,", NULL,
		    "without which no token can be asked for");
	if (m == BROKEN)
		return fail(c, p, "no-user", "the mail program's callback for the mailbox failed:",
		    NULL, "nothing is sent, since it could be in the wrong name");
	if (m != HAVE || *user == '\0')
		return canon(c, p, account, SASL_CU_AUTHID | SASL_CU_AUTHZID, op);
	r = canon(c, p, account, SASL_CU_AUTHID, op);
	if (r == SASL_OK)
		r = canon(c, p, user, SASL_CU_AUTHZID, op);
	if (r == SASL_OK && strcmp(c->user, c->account) == 0)
		c->user[0] = '\0';
	return r;
}
