#include "config.h"

#include <string.h>
#include <strings.h>

#include "common/response.h"
#include "common/row.h"
#include "common/text.h"
#include "common/wire.h"

static const char *const names[] = { "", "XOAUTH2", "OAUTHBEARER" };

enum mx_mech mx_mech_by_name(const char *s, size_t n)
{
	int m;

	for (m = MX_MECH_XOAUTH2; m <= MX_MECH_OAUTHBEARER; m++)
		if (strlen(names[m]) == n && strncasecmp(names[m], s, n) == 0)
			return (enum mx_mech)m;
	return MX_MECH_NONE;
}

const char *mx_mech_name(enum mx_mech m)
{
	return names[m];
}

/* RFC 5801 section 4: in a saslname ',' is "=2C" and '=' is "=3D". */
static void add_saslname(struct mx_buf *out, const char *s)
{
	for (; *s != '\0'; s++)
		if (*s == ',')
			mx_buf_adds(out, "=2C");
		else if (*s == '=')
			mx_buf_adds(out, "=3D");
		else
			mx_buf_addc(out, *s);
}

static enum mx_class judge(const char *user, const char *host, const void *token, size_t token_len,
    struct mx_err *e)
{
	size_t n = strlen(user);

	if (n == 0 || n > MX_ACCOUNT_MAX || mx_has_ctl(user, n) || !mx_utf8_ok(user, n))
		return mx_fail_row(e, "bad-user",
		    "the mailbox is empty, too long, holds control characters or is not UTF-8");
	if (host != NULL && (*host == '\0' || strlen(host) > MX_HOST_MAX || mx_has_ctl(host, strlen(host))))
		return mx_fail_row(e, "bad-host",
		    "the mail server's name is empty, too long or holds control characters");
	if (!mx_is_b64token(token, token_len))
		return mx_fail_row(e, "bad-token",
		    "the access token holds characters that no bearer token may have (RFC 6750 section 2.1)");
	return MX_OK;
}

enum mx_class mx_response_build(struct mx_buf *out, enum mx_mech m, const char *user, const char *host,
    uint32_t port, const void *token, size_t token_len, struct mx_err *e)
{
	enum mx_class cls = judge(user, host, token, token_len, e);

	if (cls != MX_OK)
		return cls;
	if (m == MX_MECH_XOAUTH2) {
		mx_buf_adds(out, "user=");
		mx_buf_adds(out, user);
	} else {
		mx_buf_adds(out, "n,a=");
		add_saslname(out, user);
		mx_buf_addc(out, ',');
		if (host != NULL) {
			mx_buf_adds(out, "\001host=");
			mx_buf_adds(out, host);
		}
		if (port != 0)
			mx_buf_addf(out, "\001port=%u", (unsigned)port);
	}
	mx_buf_adds(out, "\001auth=Bearer ");
	mx_buf_add(out, token, token_len);
	mx_buf_adds(out, "\001\001");
	if (out->bad)
		return mx_fail_row(e, "response-too-long",
		    "the token is too long for a mail server's command line");
	return MX_OK;
}
