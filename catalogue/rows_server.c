/*
 * What mail servers say, and what a token has to say for them. The fixes are lines for Exchange Online's PowerShell
 * (Connect-ExchangeOnline) where it is Exchange's side that is to be mended.
 */
#include "config.h"

#include "catalogue/rows.h"

#define WAIT "nothing needs mending here; the mail server tries again by itself"
#define USE_PLUGIN \
	"let the mail server use XOAUTH2 alone: in Postfix smtp_sasl_mechanism_filter = xoauth2; see mta-xoauth2 postfix status"
#define NEW_PRINCIPAL "New-ServicePrincipal -AppId {ps:client_id} -ObjectId {ps:oid}"
#define MAILBOX_PERMISSION "Add-MailboxPermission -Identity {ps:mailbox} -User {ps:oid} -AccessRights FullAccess"
#define SEND_AS "Add-RecipientPermission -Identity {ps:sender} -Trustee {ps:mailbox} -AccessRights SendAs"
#define CONSENT \
	"in the API permissions of application {client_id} add Office 365 Exchange Online, Application, SMTP.SendAsApp, and " \
	"grant admin consent; then mta-xoauth2 flush {sh:account}"
#define DEFAULT_SCOPE "set scope: {scope}, or remove the scope key"
#define ORDER "go through mta-xoauth2-errors(7), \"535 5.7.3\", in its order"

const struct cat_row cat_rows_server[] = {
	/* Exchange Online: the login */
	CAT_ROW("login-unsuccessful", MX_PROVIDER, "server",
	    "Exchange Online refuses the login and does not say why: application, mailbox permission or a recent change",
	    "compare the ObjectId that Exchange has with {oid}: Get-ServicePrincipal | Format-List DisplayName,AppId,ObjectId; "
	    "then " ORDER),
	CAT_ROW("smtp-auth-off-tenant", MX_PROVIDER, "server", "SMTP AUTH is switched off for the tenant",
	    "Set-CASMailbox -Identity {ps:mailbox} -SmtpClientAuthenticationDisabled $false # for this mailbox; for all: "
	    "Set-TransportConfig -SmtpClientAuthenticationDisabled $false"),
	CAT_ROW("smtp-auth-off-mailbox", MX_PROVIDER, "server", "SMTP AUTH is switched off for the mailbox",
	    "Set-CASMailbox -Identity {ps:mailbox} -SmtpClientAuthenticationDisabled $false"),
	CAT_ROW("security-defaults", MX_PROVIDER, "server", "the tenant's security defaults block SMTP AUTH for this user",
	    "in Entra, Overview, Properties, switch security defaults off and have Conditional Access in their place; then "
	    "Set-CASMailbox -Identity {ps:mailbox} -SmtpClientAuthenticationDisabled $false"),
	CAT_ROW("login-policy", MX_PROVIDER, "server",
	    "a Conditional Access or authentication policy of the tenant refuses the login",
	    "look at Entra's sign-in log for {client_id}; it names the policy. For Exchange's own: Get-AuthenticationPolicy"),
	CAT_ROW("password-login", MX_CONFIG, "server",
	    "the mail server logs in with a password (LOGIN or PLAIN), which this tenant does not take", USE_PLUGIN),
	CAT_ROW("basic-auth-retired", MX_CONFIG, "server",
	    "the mail server logs in with a password (LOGIN or PLAIN), which Exchange Online has given up", USE_PLUGIN),
	CAT_ROW("password-refused", MX_CONFIG, "server",
	    "the mail server logs in with a password (LOGIN or PLAIN), and Exchange Online does not know it", USE_PLUGIN),
	CAT_ROW("federation-unreachable", MX_CONFIG, "server",
	    "the mail server logs in with a password, which Exchange Online cannot check with the organization's own servers",
	    USE_PLUGIN),
	CAT_ROW("exchange-object-id", MX_PROVIDER, "server",
	    "Exchange has no service principal for the application, or one with another object id than the enterprise "
	    "application's",
	    "Remove-ServicePrincipal -Identity {ps:client_id} -Confirm:$false; " NEW_PRINCIPAL "; " MAILBOX_PERMISSION),
	CAT_ROW("exchange-mailbox-permission", MX_PROVIDER, "server", "the application has no permission on the mailbox",
	    MAILBOX_PERMISSION " # with App RBAC see instead: Test-ServicePrincipalAuthorization -Identity {ps:oid} -Resource "
	    "{ps:mailbox}"),
	CAT_ROW("exchange-propagation", MX_TEMP, "server", "a change at Exchange or Entra has not reached all servers yet",
	    "wait up to two hours after the last change, then: mta-xoauth2 flush {sh:account}"),

	/* High Volume Email */
	CAT_ROW("hve-token-expiring", MX_TEMP, "server", "High Volume Email wants tokens with more life left than this one has",
	    "use provider: hve, or set min_remaining: 900s for client {client}"),
	CAT_ROW("hve-token-expired", MX_TEMP, "server", "the token has run out",
	    "bring this host's clock right (timedatectl), and use provider: hve for client {client}"),
	CAT_ROW("hve-permission", MX_PROVIDER, "server", "the application lacks High Volume Email's permission",
	    "in the API permissions of application {client_id} add Office 365 Exchange Online, Application, Mail.Send, and grant "
	    "admin consent; then mta-xoauth2 flush {sh:account}"),
	CAT_ROW("hve-app-not-allowed", MX_PROVIDER, "server", "the application may not use High Volume Email",
	    "Add-HVEAppAccess -AppIds {ps:oid} # it takes about five minutes to count"),
	CAT_ROW("hve-no-account", MX_PROVIDER, "server", "the mailbox is no High Volume Email account",
	    "make it one in the Exchange admin center (Mail flow, High Volume Email), or relay through smtp.office365.com with "
	    "provider: exchange-online"),
	CAT_ROW("hve-envelope-sender", MX_PROVIDER, "server",
	    "the envelope's sender is not the High Volume Email account that has logged in",
	    "send as {mailbox}, or rewrite senders to it (Postfix: sender_canonical_maps or smtp_generic_maps)"),
	CAT_ROW("hve-header-sender", MX_PROVIDER, "server",
	    "the From: address is not the High Volume Email account that has logged in",
	    "send as {mailbox}, or rewrite From: to it (Postfix: smtp_generic_maps)"),
	CAT_ROW("hve-external-recipient", MX_PROVIDER, "server", "High Volume Email delivers within the organization alone",
	    "send mail for others through smtp.office365.com"),

	/* Gmail */
	CAT_ROW("gmail-refused", MX_PROVIDER, "server", "Gmail refuses the login: mailbox, scope and token do not fit together",
	    "check that the token is {mailbox}'s own and that its scope is https://mail.google.com/; a password cannot serve here"),
	CAT_ROW("app-password-wanted", MX_CONFIG, "server", "a password was sent where Gmail wants an app password or a token",
	    USE_PLUGIN),
	CAT_ROW("gmail-web-login", MX_PROVIDER, "server", "Gmail wants the mailbox's owner to log in by a browser first",
	    "log in to {mailbox} at https://mail.google.com/ once, and answer what Google asks"),

	/* challenges */
	CAT_ROW("token-refused", MX_PROVIDER, "server", "the mail server refuses the token: it is not valid there, or not for "
	    "this mailbox", "check that the account's user is the mailbox the token is for, then: mta-xoauth2 flush {sh:account}"),
	CAT_ROW("token-scope-refused", MX_PROVIDER, "server", "the token has not the scope that the mail server wants",
	    "set scope for client {client} to the one that the mail server names"),

	/* the login, anywhere */
	CAT_ROW("login-temporary", MX_TEMP, "server", "the mail server cannot check the login just now", WAIT),
	CAT_ROW("login-refused", MX_PROVIDER, "server", "the mail server refuses the login",
	    "see what it says, and check at the server that {mailbox} may send with a token of client {client}"),
	CAT_ROW("login-twice", MX_CONFIG, "server", "the mail server was asked to log in twice in one session",
	    "look for a proxy between this host and {relay} that logs in by itself"),
	CAT_ROW("login-cancelled", MX_CONFIG, "server", "the login was given up in the middle",
	    "see the daemon's and the mail server's log of the same second"),
	CAT_ROW("password-transition", MX_PROVIDER, "server", "the mailbox's password has to be set anew once",
	    "log in to {mailbox} with its password once by another way"),
	CAT_ROW("response-too-long-for-server", MX_CONFIG, "server", "the token is longer than the mail server takes",
	    "ask the provider for shorter tokens: fewer roles, groups or optional claims"),
	CAT_ROW("response-malformed", MX_CONFIG, "server", "the mail server cannot read the login's response",
	    "see that no proxy changes SMTP between this host and {relay}; if it is the server itself, report it to us"),
	CAT_ROW("auth-not-offered", MX_CONFIG, "server", "the mail server does not take a login here",
	    "check that {relay} is the server's submission port (587, or 465), and that TLS comes before the login"),
	CAT_ROW("mechanism-refused", MX_CONFIG, "server", "the mail server does not have the mechanism, or not for this mailbox",
	    "compare the mechanisms that its EHLO offers with the account's mechanisms key"),
	CAT_ROW("mechanism-too-weak", MX_CONFIG, "server", "the mail server wants a stronger mechanism than the one tried",
	    USE_PLUGIN),
	CAT_ROW("encryption-required", MX_CONFIG, "server", "the mail server wants TLS first",
	    "set smtp_tls_security_level = secure (Postfix), or hosts_require_tls (Exim), for {relay}"),
	CAT_ROW("not-logged-in", MX_CONFIG, "server", "the mail server wants a login, and there was none",
	    "see mta-xoauth2 postfix status, or mta-xoauth2 exim status: plugin, password map, mechanism filter and TLS are "
	    "looked at there"),

	/* the session */
	CAT_ROW("server-busy", MX_TEMP, "server", "the mail server puts us off", WAIT),
	CAT_ROW("server-unwilling", MX_PROVIDER, "server", "the mail server takes no mail from this host",
	    "see what it says; check {relay}, and that this host's address is on no block list"),
	CAT_ROW("ehlo-refused", MX_CONFIG, "server", "the mail server does not take this host's name",
	    "set myhostname or smtp_helo_name (Postfix), or primary_hostname (Exim), to a name that the DNS has"),
	CAT_ROW("starttls-refused", MX_PROVIDER, "server", "the mail server does not begin TLS",
	    "check that {relay} is the right server and port; if it lasts, ask who runs it"),
	CAT_ROW("server-out-of-step", MX_PROVIDER, "server", "the mail server's answer does not belong to what was asked",
	    "see what listens at {relay}; a filter for SMTP may be in between"),

	/* sending */
	CAT_ROW("too-many-submissions", MX_TEMP, "server", "the mailbox has more connections at once than it may have",
	    "in Postfix set TRANSPORT_destination_concurrency_limit = 2, of the transport to {relay}; in Exim max_parallel = 2 in "
	    "the transport. Exchange Online takes three for each mailbox; look for other programs that use this one"),
	CAT_ROW("mailbox-permission", MX_PROVIDER, "server",
	    "the application has no permission on the mailbox; it looks as if it would pass, and does not", MAILBOX_PERMISSION),
	CAT_ROW("send-as-denied", MX_PROVIDER, "server", "the mailbox that has logged in may not send as this sender",
	    SEND_AS " # where that is not enough, with -Trustee {ps:oid} too; or send as {mailbox}"),
	CAT_ROW("sender-not-owned", MX_PROVIDER, "server", "the mail server does not let the mailbox that has logged in send as this "
	    "sender", "allow {sender} for {mailbox} at the mail server, or send as {mailbox}"),
	CAT_ROW("relay-denied", MX_PROVIDER, "server",
	    "the mail server takes the mail for a stranger's: there was no login, or it is another kind of server",
	    "check that {relay} is the server's submission port (587, or 465) and no MX host, and that the login came before; in "
	    "Postfix: mta-xoauth2 postfix status"),
	CAT_ROW("tenant-restricted", MX_PROVIDER, "server",
	    "Exchange Online restricts what this tenant sends: too much of it looked like spam, or it is new and on trial",
	    "look at Restricted entities and at the tenant's messages in the Microsoft 365 admin center; only Microsoft's support "
	    "can lift it"),
	CAT_ROW("too-many-recipients", MX_PROVIDER, "server", "the message has more recipients than the mail server takes at once",
	    "set TRANSPORT_destination_recipient_limit = 50 for the transport to {relay} (Postfix), or max_rcpt = 50 in the "
	    "transport (Exim)"),
	CAT_ROW("message-too-large", MX_PROVIDER, "server", "the message is larger than the mail server takes",
	    "send less in one message, or raise the limit: Set-Mailbox -Identity {ps:mailbox} -MaxSendSize 100MB"),
	CAT_ROW("submission-quota", MX_TEMP, "server", "the mailbox has sent as much as it may in a day",
	    "wait until the day is over; spread the mail over several mailboxes, or use High Volume Email within the organization"),
	CAT_ROW("sender-mailbox-full", MX_PROVIDER, "server", "the mailbox that has logged in is full: what it sends is kept there",
	    "empty its Sent Items, or give them a retention policy: Get-MailboxStatistics -Identity {ps:mailbox}"),
	CAT_ROW("sender-blocked", MX_PROVIDER, "server", "the mailbox is blocked, since it has sent what looked like spam",
	    "Remove-BlockedSenderAddress -SenderAddress {ps:mailbox}, once you know what was sent"),
	CAT_ROW("sender-refused", MX_PROVIDER, "server", "the mail server refuses the sender",
	    "see what it says, and whether {mailbox} may send as {sender}"),
	CAT_ROW("recipient-unknown", MX_PROVIDER, "server", "the mail server does not know the recipient",
	    "correct {recipient}; login and sender are fine"),
	CAT_ROW("recipient-refused", MX_PROVIDER, "server", "the mail server refuses the recipient",
	    "see what it says about {recipient}; login and sender are fine"),
	CAT_ROW("message-refused", MX_PROVIDER, "server", "the mail server refuses the message itself",
	    "see what it says; login, sender and recipient are fine"),

	/* what the token says of itself */
	CAT_ROW("token-audience", MX_CONFIG, "token", "the token is for another service than the mail server", DEFAULT_SCOPE),
	CAT_ROW("token-expired", MX_CONFIG, "token", "the token has run out, or is not valid yet, by this host's clock",
	    "bring this host's clock right (timedatectl; chronyc tracking)"),
	CAT_ROW("token-tenant", MX_CONFIG, "token", "the token is of another tenant than the configuration names",
	    "set tenant to the Directory (tenant) ID from Entra's Overview page; it must be the mailbox's"),
	CAT_ROW("token-no-role", MX_PROVIDER, "token",
	    "the token has no role SMTP.SendAsApp: the permission is missing, or nobody has consented", CONSENT),
};

const size_t cat_rows_server_n = sizeof cat_rows_server / sizeof cat_rows_server[0];
