/*
 * A server that refuses a token first sends a challenge, JSON with a status (RFC 7628 section
 * 3.2.2; XOAUTH2 has the same), and waits for a dummy answer before it says 535. An error from here
 * would make hosts break off instead, and the server's own words would never reach their log.
 */
#include "config.h"

#include <string.h>

#include "common/row.h"
#include "common/text.h"
#include "plugin/plugin.h"

#define ECHO_MIN 12			/* so many bytes of the token in a row are not chance */

/*
 * Where the token begins in the response. One that has no such mark counts as a whole: rather too
 * much is kept back.
 */
static const char *token_of(const struct mxp_conn *c, size_t *n)
{
	static const char mark[] = "auth=Bearer ";
	const char *t = memmem(c->mem, c->mem_len, mark, sizeof mark - 1);

	t = t != NULL ? t + sizeof mark - 1 : c->mem;
	*n = c->mem_len - (size_t)(t - c->mem);
	return t;
}

/* Does the text repeat a piece of the token? Then it must not get into a log. */
static bool echoes(const struct mxp_conn *c, const char *text, size_t n)
{
	size_t token_n, i;
	const char *token = token_of(c, &token_n);

	for (i = 0; i + ECHO_MIN <= n; i++)
		if (memmem(token, token_n, text + i, ECHO_MIN) != NULL)
			return true;
	return false;
}

/* The member key of the challenge, quoted for a log line. */
static const char *show(const struct mxp_conn *c, const char *in, size_t n, const char *key,
    char *q, size_t cap)
{
	char value[128];

	if (!mxp_json_member(in, n, key, value, sizeof value))
		return "not given";
	if (echoes(c, value, strlen(value)))
		return "withheld: it repeats the token";
	return mx_quote(q, cap, value, strlen(value));
}

void mxp_refused(const struct mxp_conn *c, const sasl_client_params_t *p, const char *in, size_t n,
    const char **out, unsigned *out_len)
{
	char status[96], scope[144];
	struct mx_err told, e;
	const char *s, *sc;

	s = show(c, in, n, "status", status, sizeof status);
	sc = show(c, in, n, "scope", scope, sizeof scope);
	if (mxp_tell_rejected(c, p, in, n, &told) == MX_OK)
		(void)mx_fail_row(&e, "token-rejected", "the mail server refused the access token (status %s, scope %s)",
		    s, sc);
	else
		(void)mx_fail(&e, MX_PROVIDER, "token-rejected", "the mail server refused the access token (status %s, "
		    "scope %s); the daemon could not be told, so the same token may come again: %s", s, sc, told.text);
	mxp_report(c, p, &e);

	/* XOAUTH2: an empty line; not NULL, which a host may take for "nothing to send". */
	*out = c->mech == MX_MECH_OAUTHBEARER ? "\001" : "";
	*out_len = c->mech == MX_MECH_OAUTHBEARER ? 1 : 0;
}
