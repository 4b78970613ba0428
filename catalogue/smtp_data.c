#include "config.h"

#include "catalogue/smtp_data.h"

#define CONNECT (1u << CAT_CONNECT)
#define EHLO (1u << CAT_EHLO)
#define TLS (1u << CAT_STARTTLS)
#define AUTH (1u << CAT_AUTH)
#define MAIL (1u << CAT_MAIL)
#define RCPT (1u << CAT_RCPT)
#define DATA (1u << CAT_DATA)
#define SEND (MAIL | RCPT | DATA)
#define ANY ((1u << CAT_END) - 1)

const struct cat_smtp cat_smtp_rows[] = {
	/* Exchange Online: the login */
	{ AUTH, "535", NULL, "smtpclientauthentication is disabled for the tenant", "smtp-auth-off-tenant" },
	{ AUTH, "535", NULL, "smtpclientauthentication is disabled for the mailbox", "smtp-auth-off-mailbox" },
	{ AUTH, "535", NULL, "smtpclientauthentication is disabled", "smtp-auth-off-mailbox" },
	{ AUTH, "5xx", NULL, "security defaults policy", "security-defaults" },
	{ AUTH, "5xx", NULL, "did not meet the criteria to be authenticated", "login-policy" },
	{ AUTH | MAIL, "5xx", NULL, "basic authentication is disabled", "password-login" },
	{ AUTH | MAIL, "5xx", "5.7.30", NULL, "basic-auth-retired" },
	{ AUTH | MAIL, "5xx", NULL, "basic authentication is not supported", "basic-auth-retired" },
	{ AUTH, "5xx", NULL, "user credentials were incorrect", "password-refused" },
	{ AUTH, "5xx", NULL, "sts service was unreachable|sts url does not support https|federated sts",
	    "federation-unreachable" },

	/* High Volume Email */
	{ AUTH, "5xx", "5.5.127 5.7.142", NULL, "hve-token-expiring" },
	{ AUTH, "5xx", NULL, "token will expire soon", "hve-token-expiring" },
	{ AUTH, "5xx", "5.7.143", NULL, "hve-token-expired" },
	{ AUTH, "5xx", "5.7.144", NULL, "hve-permission" },
	{ AUTH, "501", "5.5.121 5.5.122 5.5.123 5.5.124 5.5.125 5.5.126", NULL, "response-malformed" },
	{ AUTH | SEND, "5xx", "5.7.240", NULL, "hve-app-not-allowed" },
	{ SEND, "5xx", "5.7.62", NULL, "hve-envelope-sender" },
	{ SEND, "5xx", "5.6.241", NULL, "hve-header-sender" },
	{ AUTH | SEND, "5xx", "5.2.240", NULL, "hve-no-account" },
	{ SEND, "5xx", "5.5.105", NULL, "hve-external-recipient" },

	{ AUTH, "535", "5.7.3", NULL, "login-unsuccessful" },
	{ AUTH, "535", NULL, "authentication unsuccessful", "login-unsuccessful" },

	/* Gmail: the login */
	{ AUTH, "535", NULL, "username and password not accepted|badcredentials", "gmail-refused" },
	{ AUTH, "534", NULL, "application-specific password required|invalidsecondfactor", "app-password-wanted" },
	{ AUTH, "534", NULL, "log in via your web browser|webloginrequired", "gmail-web-login" },

	/* challenges: JSON of XOAUTH2 and of RFC 7628 */
	{ AUTH, "334", NULL, "\"invalid_scope\"|\"insufficient_scope\"", "token-scope-refused" },
	{ AUTH, "334", NULL, "\"status\":\"400\"|\"status\": \"400\"|\"invalid_request\"", "response-malformed" },
	{ AUTH, "334", NULL, "\"status\"", "token-refused" },

	/* RFC 4954 and RFC 3463, whoever says it */
	{ AUTH, "432", "4.3.2", NULL, "too-many-submissions" },
	{ AUTH, "432", NULL, NULL, "password-transition" },
	{ AUTH, "454", NULL, "tls not available", "starttls-refused" },
	{ AUTH, "454", NULL, NULL, "login-temporary" },
	{ AUTH, "500", "5.5.6", NULL, "response-too-long-for-server" },
	{ AUTH, "50x", NULL, "too long|line length|exceeds maximum", "response-too-long-for-server" },
	{ AUTH, "503", NULL, "already authenticated|already logged", "login-twice" },
	{ AUTH, "50x", "5.5.1", NULL, "auth-not-offered" },
	{ AUTH, "500", NULL, NULL, "auth-not-offered" },
	{ AUTH, "502", NULL, NULL, "auth-not-offered" },
	{ AUTH, "503", NULL, NULL, "auth-not-offered" },
	{ AUTH, "504", NULL, NULL, "mechanism-refused" },
	{ AUTH, "5xx", "5.5.4", NULL, "mechanism-refused" },
	{ AUTH, "501", "5.7.0", NULL, "login-cancelled" },
	{ AUTH, "501", NULL, NULL, "response-malformed" },
	{ AUTH | MAIL, "5xx", NULL, "must issue a starttls|starttls first|encryption required|encryption needed",
	    "encryption-required" },
	{ AUTH, "538", NULL, NULL, "encryption-required" },
	{ AUTH, "5xx", "5.7.11", NULL, "encryption-required" },
	{ AUTH, "534", NULL, NULL, "mechanism-too-weak" },
	{ AUTH, "5xx", "5.7.9", NULL, "mechanism-too-weak" },
	{ AUTH | SEND, "5xx", "5.7.57", NULL, "not-logged-in" },
	{ SEND, "5xx", NULL, "client not authenticated|client was not authenticated|authentication required|"
	    "authentication is required|must authenticate", "not-logged-in" },
	{ SEND, "530", NULL, NULL, "not-logged-in" },

	/* Exchange Online and Gmail: sending */
	{ ANY, "4xx", NULL, "concurrent connections limit exceeded|sender thread limit exceeded|too many connections|"
	    "too many concurrent", "too-many-submissions" },
	{ SEND, "432", NULL, NULL, "too-many-submissions" },
	{ SEND, "xxx", NULL, "mailbox logon failure|mapiexceptionlogonfailed|mailboxlogonfailure", "mailbox-permission" },
	{ SEND, "5xx", "5.7.60 5.2.252", NULL, "send-as-denied" },
	{ SEND, "5xx", NULL, "send as this sender|sendasdenied|not allowed to send as", "send-as-denied" },
	{ SEND, "5xx", NULL, "submissionquotaexceeded", "submission-quota" },
	{ SEND, "5xx", NULL, "mailbox full|quotaexceeded|mailbox is full", "sender-mailbox-full" },
	{ SEND, "5xx", "5.1.8", NULL, "sender-blocked" },
	{ SEND, "5xx", NULL, "bad outbound sender", "sender-blocked" },
	{ SEND, "5xx", NULL, "daily user sending limit exceeded|daily sending quota exceeded|sending limit",
	    "submission-quota" },
	{ SEND, "5xx", "5.4.5", NULL, "submission-quota" },
	{ SEND, "5xx", NULL, "not owned by user|sender address rejected", "sender-not-owned" },
	{ SEND, "5xx", "5.7.54 5.7.64", NULL, "relay-denied" },
	{ SEND, "5xx", NULL, "unable to relay|relay access denied|relaying denied|relay not permitted", "relay-denied" },
	{ SEND, "5xx", "5.7.705 5.7.708 5.7.750", NULL, "tenant-restricted" },
	{ RCPT | DATA, "xxx", "4.5.3 5.5.3", NULL, "too-many-recipients" },
	{ RCPT | DATA, "xxx", NULL, "too many recipients", "too-many-recipients" },
	{ MAIL | DATA, "5xx", "5.3.4 5.2.3", NULL, "message-too-large" },
	{ MAIL | DATA, "552", NULL, "size", "message-too-large" },
	{ RCPT | DATA, "5xx", "5.1.1 5.1.10 5.1.2", NULL, "recipient-unknown" },
	{ RCPT, "5xx", NULL, "user unknown|no such user|does not exist|recipient not found", "recipient-unknown" },

	/* the catch-alls: by step and class */
	{ CONNECT, "4xx", NULL, NULL, "server-busy" },
	{ CONNECT, "5xx", NULL, NULL, "server-unwilling" },
	{ EHLO, "5xx", NULL, NULL, "ehlo-refused" },
	{ TLS, "4xx", NULL, NULL, "starttls-refused" },
	{ TLS, "5xx", NULL, NULL, "starttls-refused" },
	{ AUTH, "421", NULL, NULL, "server-busy" },
	{ AUTH, "4xx", NULL, NULL, "login-temporary" },
	{ AUTH, "5xx", NULL, NULL, "login-refused" },
	{ SEND | EHLO, "4xx", NULL, NULL, "server-busy" },
	{ MAIL, "5xx", NULL, NULL, "sender-refused" },
	{ RCPT, "5xx", NULL, NULL, "recipient-refused" },
	{ DATA, "5xx", NULL, NULL, "message-refused" },
	{ ANY, "xxx", NULL, NULL, "server-out-of-step" },
};

const size_t cat_smtp_rows_n = sizeof cat_smtp_rows / sizeof cat_smtp_rows[0];

const struct cat_check cat_checks[] = {
	{ "the token is for Exchange: aud is https://outlook.office365.com or a name of your cloud", "token-audience" },
	{ "the token has not run out, and this host's clock is right: exp, nbf", "token-expired" },
	{ "the token is of the mailbox's tenant: tid", "token-tenant" },
	{ "the token has the permission: roles has SMTP.SendAsApp; without roles it is fine only with App RBAC",
	    "token-no-role" },
	{ "Exchange knows the application by the object id of the enterprise application: oid", "exchange-object-id" },
	{ "the application may use the mailbox: FullAccess, or the scope of App RBAC", "exchange-mailbox-permission" },
	{ "the mailbox and the tenant allow SMTP AUTH", "smtp-auth-off-mailbox" },
	{ "nothing of this was changed within the last two hours: else wait", "exchange-propagation" },
};

const size_t cat_checks_n = sizeof cat_checks / sizeof cat_checks[0];
