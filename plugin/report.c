/*
 * What the host is told. In Postfix such a line becomes "warning: SASL authentication failure: ..."
 * in the mail log, inside a chroot too; it is all an administrator gets to see from here.
 */
#include "config.h"

#include <string.h>

#include "common/buf.h"
#include "common/text.h"
#include "plugin/plugin.h"

const char *mxp_relay(const sasl_client_params_t *p)
{
	return p->serverFQDN != NULL ? p->serverFQDN : "";
}

/*
 * "mta-xoauth2: ACCOUNT at RELAY: SENTENCE [CODE]". The daemon's sentences name the account
 * themselves: what the sentence has is not said twice.
 */
void mxp_report(const struct mxp_conn *c, const sasl_client_params_t *p, const struct mx_err *e)
{
	const sasl_utils_t *u = p->utils;
	const char *relay = mxp_relay(p);
	bool account = c->account[0] != '\0' && !strstr(e->text, c->account);
	bool host = *relay != '\0' && strlen(relay) <= MX_HOST_MAX && !strstr(e->text, relay);
	char line[MXP_LINE_MAX];
	struct mx_buf b;

	mx_buf_init(&b, line, sizeof line);
	mx_buf_adds(&b, "mta-xoauth2: ");
	if (account)
		mx_buf_addf(&b, "%s%s", c->account, host ? " at " : ": ");
	if (host)
		mx_buf_addf(&b, "%s: ", relay);
	mx_buf_adds(&b, e->text);
	if (e->code[0] != '\0')
		mx_buf_addf(&b, " [%s]", e->code);
	if (mx_buf_str(&b) == NULL) {	/* cannot be: the ceilings of the parts add up to less */
		u->seterror(u->conn, 0, "mta-xoauth2: %s", e->text);
		return;
	}
	mx_clean(line, b.len);			/* the relay's name is the host's word */
	u->seterror(u->conn, 0, "%s", line);
}

_Static_assert(MXP_LINE_MAX > 32 + MX_ACCOUNT_MAX + MX_HOST_MAX + MX_TEXT_MAX + MX_CODE_MAX,
    "a line must hold its parts");
