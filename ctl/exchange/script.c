/*
 * The script for the part in the cloud: the answers as variables, and the pieces that they call for.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "catalogue/quote.h"
#include "ctl/exchange/exchange.h"

/* What the modules call Microsoft's clouds. */
static const struct { const char *graph, *exchange; } environments[OAUTH_CLOUD_N] = {
	[OAUTH_CLOUD_PUBLIC] = { "Global", "O365Default" },
	[OAUTH_CLOUD_GCC_HIGH] = { "USGov", "O365USGovGCCHigh" },
	[OAUTH_CLOUD_DOD] = { "USGovDoD", "O365USGovDoD" },
	[OAUTH_CLOUD_CHINA] = { "China", "O365China" },
};

static void variable(struct mx_buf *b, const char *name, const char *value)
{
	mx_buf_addf(b, "$%s = ", name);
	cat_quote_ps(b, value, true);
	mx_buf_addc(b, '\n');
}

static void mailboxes(struct mx_buf *b, const char *list)
{
	const char *part;
	size_t n;

	mx_buf_adds(b, "$Mailboxes = @(\n");
	while ((n = xo_part(&list, &part)) > 0) {
		char *one = strndup(part, n);

		if (one == NULL) {
			b->bad = true;
			return;
		}
		mx_buf_adds(b, "    ");
		cat_quote_ps(b, one, true);
		mx_buf_adds(b, *list != '\0' ? ",\n" : "\n");
		free(one);
	}
	mx_buf_adds(b, ")\n");
}

/* The certificate without its PEM. */
static void certificate(struct mx_buf *b, const char *pem)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----", end[] = "-----END CERTIFICATE-----";
	const char *p = strstr(pem, begin), *stop = p != NULL ? strstr(p, end) : NULL;

	if (stop == NULL) {
		b->bad = true;
		return;
	}
	mx_buf_adds(b, "$Certificate = '");
	for (p += strlen(begin); p < stop; p++)
		if (strchr("\r\n \t", *p) == NULL)
			mx_buf_addc(b, *p);
	mx_buf_adds(b, "'\n");
}

static void variables(const struct xo *x, const char *pem, struct mx_buf *b)
{
	mx_buf_adds(b, "# --- what was answered --------------------------------------------------------------------------------\n"
	    "\n");
	variable(b, "Name", x->v[XO_NAME]);
	variable(b, "AppName", x->v[XO_APP]);
	variable(b, "Tenant", x->v[XO_TENANT]);
	mailboxes(b, x->v[XO_MAILBOX]);
	variable(b, "GraphEnvironment", environments[x->cloud].graph);
	variable(b, "ExchangeEnvironment", environments[x->cloud].exchange);
	if (x->v[XO_CLIENT_ID] != NULL) {
		mx_buf_adds(b, "if (-not $ClientId) { $ClientId = ");
		cat_quote_ps(b, x->v[XO_CLIENT_ID], true);
		mx_buf_adds(b, " }\n");
	}
	if (pem != NULL)
		certificate(b, pem);
}

static void entra(const struct xo *x, struct mx_buf *b)
{
	mx_buf_adds(b, x->identity ? xo_ps_identity : xo_ps_application);
	if (x->certificate)
		mx_buf_adds(b, xo_ps_certificate);
	if (x->secret)
		mx_buf_adds(b, xo_ps_secret);
	if (!x->identity)
		mx_buf_adds(b, xo_ps_principal);
	mx_buf_adds(b, xo_ps_find_role);
	mx_buf_adds(b, x->rbac ? xo_ps_no_role : xo_ps_role);
	if (!x->identity && !x->rbac)
		mx_buf_adds(b, xo_ps_list_role);
	mx_buf_adds(b, xo_ps_entra_begin);
	mx_buf_adds(b, x->identity ? "    $principal = Get-Identity\n" :
	    "    $app = Get-Application\n    $principal = Get-Principal $app\n");
	if (x->certificate)
		mx_buf_adds(b, "    Add-Certificate $app\n");
	if (x->secret)
		mx_buf_adds(b, "    Add-Secret $app\n");
	mx_buf_adds(b, "    $role = Find-Role\n");
	mx_buf_adds(b, x->rbac ? "    Assert-NoRole $principal $role\n" : "    Grant-Role $principal $role\n");
	if (!x->identity && !x->rbac)
		mx_buf_adds(b, "    Show-Role $app $role\n");
	mx_buf_adds(b, xo_ps_entra_end);
}

void xo_script(const struct xo *x, const char *pem, struct mx_buf *b)
{
	mx_buf_addf(b, "# The part in the cloud of the client \"%s\" of mta-xoauth2: %s, %s.\n", x->v[XO_NAME], x->v[XO_CREDENTIAL],
	    x->v[XO_PERMISSION]);
	mx_buf_adds(b, xo_ps_begin);
	if (x->secret)
		mx_buf_adds(b, xo_ps_begin2);
	mx_buf_adds(b, xo_ps_begin3);
	variables(x, pem, b);
	mx_buf_adds(b, xo_ps_tools);
	entra(x, b);
	mx_buf_adds(b, xo_ps_exchange);
	mx_buf_adds(b, x->rbac ? xo_ps_rbac : xo_ps_mailbox);
	mx_buf_adds(b, xo_ps_exchange_begin);
	if (!x->rbac)
		mx_buf_adds(b, "            Grant-Mailbox $service $address\n");
	mx_buf_adds(b, "            Enable-Smtp $address\n");
	mx_buf_adds(b, xo_ps_exchange_end);
	if (x->rbac)
		mx_buf_adds(b, "        Grant-Scope $service\n");
	mx_buf_adds(b, xo_ps_exchange_end2);
	mx_buf_adds(b, x->identity ? xo_ps_end_identity : xo_ps_end_id);
	mx_buf_adds(b, xo_ps_end);
}
