/*
 * What diagnose finds on the way to the identity provider, and in a token's claims, beside what rows_server.c has.
 */
#include "config.h"

#include "catalogue/rows.h"

#define API_PERMISSIONS \
	"in the API permissions of application {client_id} choose Office 365 Exchange Online (under APIs my organization " \
	"uses), Application permissions, SMTP.SendAsApp, and grant admin consent"

const struct cat_row cat_rows_token[] = {
	CAT_ROW("tls-intercepted", MX_TEMP, "way",
	    "something between this host and the provider breaks TLS open: its certificate is issued by {issuer}, which is none "
	    "of the provider's CAs",
	    "have the provider's host exempted from TLS inspection, or, if you trust that CA with the client's secret, name it "
	    "in ca_file of client {client}"),
	CAT_ROW("captive-portal", MX_TEMP, "way",
	    "a web page answers in place of the identity provider: a captive portal, or the page of a proxy or a filter",
	    "log in to that network, or have {host} let through; the whole page: curl -i -X POST https://{host}/"),
	CAT_ROW("federated-token-stale", MX_CONFIG, "file",
	    "the assertion in {file} has run out: what should renew it does so no more",
	    "mend what writes {sh:file}: in Kubernetes the projected volume of the pod, else the service that fetches it"),
	CAT_ROW("token-client", MX_CONFIG, "token", "the token is another application's than client_id names",
	    "look for a proxy or an assertion_file of another application; client {client} has client_id {client_id}"),
	CAT_ROW("token-other-role", MX_PROVIDER, "token",
	    "the token has roles, but not SMTP.SendAsApp: that permission was not added, or nobody has consented to it",
	    API_PERMISSIONS),
	CAT_ROW("token-delegated", MX_PROVIDER, "token",
	    "the token has a delegated permission (scp), and the application logs in as itself, which takes an application "
	    "permission (roles)", API_PERMISSIONS),
	CAT_ROW("token-no-scope", MX_PROVIDER, "token", "the token lacks the delegated permission SMTP.Send",
	    "set scope: https://outlook.office.com/SMTP.Send offline_access for client {client}, then: "
	    "mta-xoauth2 login {sh:account}"),
	CAT_ROW("token-other-user", MX_PROVIDER, "token", "the token is of another person than the mailbox that logs in",
	    "log in as {mailbox}: mta-xoauth2 login {sh:account}"),
	CAT_ROW("token-stale", MX_PROVIDER, "token",
	    "the daemon's token is older than a change at the provider: a new one has other permissions",
	    "have the daemon get a new one: mta-xoauth2 flush {sh:account}"),
};

const size_t cat_rows_token_n = sizeof cat_rows_token / sizeof cat_rows_token[0];
