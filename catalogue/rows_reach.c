/*
 * Why a mail server cannot be reached, or not safely: what "mta-xoauth2 diagnose" says before anybody logs in.
 */
#include "config.h"

#include "catalogue/rows.h"

#define LOOK "openssl s_client -starttls smtp -connect {sh:relay}:{port} -servername {sh:relay} -showcerts"
#define TRUST \
	"if that CA is yours, add its certificate to what the mail server trusts (Postfix: smtp_tls_CAfile; Exim: " \
	"tls_verify_certificates); if not, somebody reads along, and the filter between this host and {relay} must let " \
	"SMTP's TLS through untouched"

const struct cat_row cat_rows_reach[] = {
	CAT_ROW("server-name-unknown", MX_TEMP, "server", "the mail server's name cannot be resolved",
	    "check the spelling of {relay}, and this host's resolver: getent hosts {sh:relay}"),
	CAT_ROW("server-refuses-connection", MX_TEMP, "server", "nothing listens there, or a firewall turns the connection away",
	    "check the port (587 as a rule; this was {port}) and the firewalls: nc -vz {sh:relay} {port}"),
	CAT_ROW("server-unreachable", MX_TEMP, "server", "this host has no way to the mail server",
	    "check this host's network and routes: ip route get, for the address that is shown"),
	CAT_ROW("server-silent", MX_TEMP, "server",
	    "the mail server does not answer; a firewall may swallow outgoing mail, as many providers' do",
	    "open TCP port {port} to {relay} in the firewall: nc -vz {sh:relay} {port}"),
	CAT_ROW("server-hung-up", MX_TEMP, "server", "the mail server, or something in between, closed the connection",
	    "try again; if it stays, look for a filter between this host and {relay}, and at the server's log"),
	CAT_ROW("server-not-smtp", MX_CONFIG, "server", "what listens there is no mail server, or does not keep to SMTP",
	    "check name and port ({relay}, {port}); port 465 begins with TLS, 587 does not"),
	CAT_ROW("starttls-missing", MX_CONFIG, "server",
	    "the mail server offers no STARTTLS, or something in between has taken it away; no token goes out without TLS",
	    "look for a filter that inspects SMTP between this host and {relay} (some firewalls do by default); else check "
	    "that {port} is the submission port"),
	CAT_ROW("server-cert-untrusted", MX_CONFIG, "server", "the mail server's certificate comes from a CA that is not trusted",
	    TRUST),
	CAT_ROW("server-cert-expired", MX_CONFIG, "server", "the mail server's certificate has expired",
	    "check this host's clock (timedatectl); if that is right, who runs {relay} must renew the certificate"),
	CAT_ROW("server-cert-not-yet", MX_CONFIG, "server", "the mail server's certificate is not valid yet",
	    "bring this host's clock right: timedatectl"),
	CAT_ROW("server-cert-name", MX_CONFIG, "server", "the mail server's certificate is for another name than {relay}",
	    "name the server as its certificate does (it is shown) in Postfix's relayhost or Exim's smarthost; if it should be "
	    "{relay}, look who answers there: " LOOK),
	CAT_ROW("server-cert-refused", MX_CONFIG, "server", "the mail server's certificate cannot be accepted",
	    "look at it: " LOOK),
	CAT_ROW("server-tls-version", MX_CONFIG, "server", "the mail server does not offer TLS 1.2 or newer",
	    "who runs {relay} must upgrade it, or the filter in between"),
	CAT_ROW("server-tls-failed", MX_CONFIG, "server", "TLS did not come about", "look at it: " LOOK),
	CAT_ROW("server-not-tls", MX_CONFIG, "server", "what answers does not speak TLS",
	    "check the port ({port}): 465 begins with TLS, 587 with STARTTLS"),
	CAT_ROW("server-ca-unusable", MX_CONFIG, "server", "the trusted CA certificates cannot be read",
	    "name a readable file of PEM certificates (Postfix: smtp_tls_CAfile, or --ca-file)"),
	CAT_ROW("mechanism-not-offered", MX_CONFIG, "server",
	    "the mail server offers neither XOAUTH2 nor OAUTHBEARER, or none that this account may use",
	    "check that {relay} is the server that takes OAuth logins, and the account's mechanisms key; a server of your own "
	    "has to have XOAUTH2 among its mechanisms"),
};

const size_t cat_rows_reach_n = sizeof cat_rows_reach / sizeof cat_rows_reach[0];
