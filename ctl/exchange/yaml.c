/*
 * The daemon's file.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/exchange/exchange.h"

/* In double quotes; what needs more than \" and \\ does not come so far (xo_shows_itself). */
static void quoted(struct mx_buf *b, const char *s, size_t n)
{
	mx_buf_addc(b, '"');
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '"' || s[i] == '\\')
			mx_buf_addc(b, '\\');
		mx_buf_addc(b, s[i]);
	}
	mx_buf_addc(b, '"');
}

static void line(struct mx_buf *b, const char *key, const char *value)
{
	if (value == NULL)
		return;
	mx_buf_addf(b, "    %s: ", key);
	quoted(b, value, strlen(value));
	mx_buf_addc(b, '\n');
}

static void allow(const struct xo *x, struct mx_buf *b)
{
	const char *s = x->v[XO_USERS], *part;
	size_t n;

	if (strcmp(s, "none") == 0)
		return;
	mx_buf_adds(b, "    allow_users: [");
	for (bool first = true; (n = xo_part(&s, &part)) > 0; first = false)
		mx_buf_addf(b, "%s%.*s", first ? "" : ", ", (int)n, part);
	mx_buf_adds(b, "]\n");
}

void xo_yaml(const struct xo *x, const char *id, struct mx_buf *b)
{
	const char *s = x->v[XO_MAILBOX], *part, *name = x->v[XO_NAME];
	size_t n;

	mx_buf_addf(b, "# To change it, run \"mta-xoauth2 setup exchange --name %s\" with other options. That leaves it alone\n"
	    "# once somebody has edited it.\n"
	    "clients:\n  %s:\n    provider: exchange-online\n", name, name);
	if (x->cloud != OAUTH_CLOUD_PUBLIC)
		mx_buf_addf(b, "    cloud: %s\n", x->v[XO_CLOUD]);
	if (x->identity) {
		mx_buf_adds(b, "    grant: managed_identity\n");
		line(b, "identity_client_id", x->v[XO_CLIENT_ID]);
	} else {
		line(b, "tenant", x->v[XO_TENANT]);
		line(b, "client_id", id);
	}
	if (x->certificate) {
		line(b, "key", x->key);
		line(b, "certificate_file", x->crt);
	} else if (x->secret) {
		line(b, "client_secret_file", x->secret_file);
	}
	line(b, "proxy", x->v[XO_PROXY]);
	line(b, "ca_file", x->v[XO_CA_FILE]);
	mx_buf_adds(b, "accounts:\n");
	while ((n = xo_part(&s, &part)) > 0) {
		mx_buf_adds(b, "  ");
		quoted(b, part, n);
		mx_buf_addf(b, ":\n    client: %s\n", name);
		allow(x, b);
	}
}
