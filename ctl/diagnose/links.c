/*
 * All links of the chain, in the order in which they are walked.
 */
#include "config.h"

#include "ctl/diagnose/here.h"
#include "ctl/diagnose/mta.h"
#include "ctl/diagnose/provider.h"
#include "ctl/diagnose/server.h"

const struct dg_link dg_links[] = {
	{ "configuration", "configuration", DG_HERE, dg_configuration },
	{ "account", "account", DG_HERE, dg_account },
	{ "files", "files", DG_HERE, dg_files },
	{ "clock", "clock", DG_HERE, dg_clock },
	{ "mail-server", "mail server", DG_HERE, dg_mta },
	{ "policy", "policy", DG_HERE, dg_policy },
	{ "daemon", "token daemon", DG_HERE, dg_daemon },
	{ "plugin", "plugin", DG_HERE, dg_mta_plugin },
	{ "socket", "socket", DG_HERE, dg_mta_socket },
	{ "login", "login", DG_HERE, dg_mta_login },
	{ "mechanism", "mechanism", DG_HERE, dg_mta_mechanism },
	{ "tls", "TLS", DG_HERE, dg_mta_tls },
	{ "refusals", "refused logins", DG_HERE, dg_mta_refusals },
	{ "confinement", "confinement", DG_HERE, dg_confined },
	{ "dns-provider", "DNS", DG_PROVIDER, dg_dns },
	{ "tcp-provider", "TCP", DG_PROVIDER, dg_tcp },
	{ "tls-provider", "TLS", DG_PROVIDER, dg_tls },
	{ "http-provider", "HTTP", DG_PROVIDER, dg_http },
	{ "clock-provider", "clock", DG_PROVIDER, dg_date },
	{ "token-request", "token request", DG_PROVIDER, dg_grant },
	{ "claims", "claims", DG_TOKEN, dg_token },
	{ "dns-server", "DNS", DG_SERVER, dg_server_dns },
	{ "tcp-server", "TCP", DG_SERVER, dg_server_tcp },
	{ "greeting-server", "greeting", DG_SERVER, dg_server_greeting },
	{ "ehlo-server", "EHLO", DG_SERVER, dg_server_ehlo },
	{ "starttls-server", "STARTTLS", DG_SERVER, dg_server_starttls },
	{ "certificate-server", "certificate", DG_SERVER, dg_server_certificate },
	{ "mechanism-server", "mechanism", DG_SERVER, dg_server_mechanism },
	{ "login-server", "login", DG_SERVER, dg_server_login },
	{ "sender-server", "sender", DG_SERVER, dg_server_sender },
	{ "recipient-server", "recipient", DG_SERVER, dg_server_recipient },
	{ "message-server", "message", DG_SERVER, dg_server_message },
	{ .id = NULL }
};
