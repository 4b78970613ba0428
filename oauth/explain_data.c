#include "config.h"

#include "oauth/explain_data.h"

/*
 * One row per number of Microsoft's (https://login.microsoftonline.com/error?code=N shows its own
 * text) or per "error" string. A sentence names what is wrong in the administrator's terms; the
 * fix names the key of tokend.yaml, or the page or command at the provider. Cause and fix together
 * stay below 290 bytes (tests/unit/test_oauth_explain.c), so that the next step is never cut off a
 * log line.
 */
#define A(n, code_, cause_, fix_) \
	{ .aadsts = (n), .code = (code_), .cause = (cause_), .fix = (fix_) }
#define E(error_, code_, cause_, fix_) \
	{ .error = (error_), .code = (code_), .cause = (cause_), .fix = (fix_) }

#define D(error_, said_, code_, cause_, fix_) \
	{ .error = (error_), .said = (said_), .code = (code_), .cause = (cause_), .fix = (fix_) }

#define NEW_SECRET \
	"create a new client secret in Entra and store its Value (not its Secret ID) in " \
	"client_secret_file"
#define CHECK_IDS \
	"compare client_id (Application ID) and tenant with the app's Overview page in Entra"
#define USE_GUID "set tenant to the Directory (tenant) ID from Entra's Overview page"
#define USE_DEFAULT "set scope to https://outlook.office365.com/.default, or remove the scope key"
#define GRANT_CONSENT \
	"in the app's API permissions add Office 365 Exchange Online, SMTP.SendAsApp, and grant " \
	"admin consent"
#define CHECK_RESOURCE \
	"check the host in scope, the cloud key, and that the tenant has an Exchange Online " \
	"subscription"
#define CHECK_BODY \
	"remove extra keys from the client; if it stays, a proxy alters the request or this is " \
	"our bug: report it"
#define CHECK_CLOCK "bring this host's clock right (chronyc tracking, timedatectl)"
#define CHECK_CERT \
	"upload certificate_file to this very app in Entra; its thumbprint, to compare: openssl x509 -in FILE " \
	"-noout -fingerprint"
#define CHECK_CLOUD "set cloud to the one the tenant lives in (public, gcc-high, dod or china)"
#define CHECK_FEDERATION \
	"compare issuer, subject and audience of the federated credential letter by letter with " \
	"the assertion's"
#define WAIT "nothing needs mending here; it is tried again by itself"
#define CHECK_POLICY \
	"ask the tenant's administrator; Entra's service principal sign-in log names the policy"
#define CHECK_ENABLED \
	"in Entra's Enterprise applications open the app and set Enabled for users to sign in to " \
	"Yes"
#define DELEGATE \
	"a super admin adds client ID {client_id} with scope https://mail.google.com/ at admin.google.com, Security, " \
	"API controls, Domain-wide delegation; it can take a day to count"
#define CHECK_MAILBOX \
	"check the name that was asked for, or the account's user key: it must be a user's own address; groups and " \
	"gmail.com addresses cannot be had this way"
#define SIGN_IN_AGAIN "run \"mta-xoauth2 login ACCOUNT\"; the daemon needs no restart"

const struct oauth_hint oauth_hints[] = {
	/* the client's credential */
	A(7000215, "client-secret-rejected", "the secret is not one of this application's",
	    NEW_SECRET),
	A(7000222, "client-secret-expired", "the secret has run out", NEW_SECRET),
	A(7000218, "client-secret-missing", "no credential arrived with the request",
	    "set client_secret_file for this client; if it is set, a proxy strips the request's "
	    "body"),
	A(70002, "client-secret-rejected", "the client's credential does not fit", NEW_SECRET),
	A(700025, "public-client",
	    "the app is registered as a public client, which may not have a secret",
	    "in the app's Authentication page use the Web platform and turn public client flows "
	    "off"),
	A(7000229, "no-service-principal", "the app has no service principal in this tenant",
	    "run: az ad sp create --id CLIENT_ID"),

	/* application and tenant */
	A(700016, "client-unknown", "there is no application with this client_id in this tenant",
	    CHECK_IDS),
	A(700011, "client-unknown", "the tenant's directory does not know this client_id",
	    CHECK_IDS),
	A(70001, "client-disabled", "the application is switched off or unknown in this tenant",
	    CHECK_ENABLED),
	A(7000112, "client-disabled", "the application is switched off in this tenant",
	    CHECK_ENABLED),
	A(90002, "tenant-unknown", "there is no such tenant in this cloud",
	    "check tenant (best its GUID) and, for a government or China tenant, cloud"),
	A(900023, "tenant-malformed", "tenant is neither a GUID nor a domain name", USE_GUID),
	A(50059, "tenant-missing", "the request does not say which tenant it is for", USE_GUID),
	A(90019, "tenant-missing", "no tenant can be told from the request", USE_GUID),
	A(50128, "tenant-missing", "the tenant's domain name is not a known one", USE_GUID),
	A(50194, "tenant-common",
	    "the application belongs to one tenant and was asked for through \"common\"", USE_GUID),
	A(9001023, "tenant-common", "this grant does not work through \"common\" or \"consumers\"",
	    USE_GUID),

	/* scope and resource */
	A(70011, "scope-rejected", "the scope is not one that can be asked for", USE_DEFAULT),
	A(1002012, "scope-rejected",
	    "the scope names a permission, and an app-only request must name a resource",
	    "set scope to https://outlook.office365.com/.default and grant SMTP.SendAsApp as an "
	    "app permission"),
	A(28002, "scope-rejected", "the scope has a value that is not valid", USE_DEFAULT),
	A(28003, "scope-rejected", "the scope is empty", USE_DEFAULT),
	A(700022, "scope-rejected", "the scope names more than one resource", USE_DEFAULT),
	A(700023, "scope-rejected", "the scope names no resource, or the assertion is for another audience",
	    USE_DEFAULT "; with a key, remove assertion_audience too"),
	A(500011, "resource-unknown", "the tenant does not have the service that the scope names",
	    CHECK_RESOURCE),
	A(50001, "resource-unknown",
	    "the service that the scope names is unknown or off in this tenant", CHECK_RESOURCE),
	A(500014, "resource-disabled",
	    "the service that the scope names is switched off in this tenant",
	    "renew the subscription, or enable Office 365 Exchange Online under Enterprise "
	    "applications"),
	A(650052, "resource-unsubscribed", "the organization has no subscription for this service",
	    "assign an Exchange Online plan to the tenant"),
	A(650057, "permission-missing",
	    "the app's permissions do not list the service that is asked for", GRANT_CONSENT),
	A(901002, "resource-parameter", "this endpoint does not take the resource parameter",
	    "remove the resource key and use scope"),

	/* consent and policies */
	A(65001, "consent-missing", "nobody has consented to this application", GRANT_CONSENT),
	A(650056, "consent-missing",
	    "the app lists no permission for this service, or consent is missing", GRANT_CONSENT),
	A(90094, "consent-missing", "an administrator has to consent to this application",
	    GRANT_CONSENT),
	A(90093, "consent-missing", "the permissions asked for lie beyond the consent given",
	    GRANT_CONSENT),
	A(501051, "role-missing", "the service demands an assigned role, and the app has none",
	    GRANT_CONSENT),
	A(53003, "policy-blocked", "a Conditional Access policy blocks this application from here",
	    "allow this host's outgoing address; Entra's service principal sign-in log names the "
	    "policy"),
	A(530032, "policy-blocked", "a security policy of the tenant blocks the request",
	    CHECK_POLICY),
	A(530035, "policy-blocked", "the tenant's security defaults block the request",
	    CHECK_POLICY),

	/* how the request is written */
	A(90014, "request-malformed", "a parameter that must be there is missing", CHECK_BODY),
	A(900144, "request-malformed", "the request's body lacks a parameter", CHECK_BODY),
	A(9002313, "request-malformed", "the request could not be read", CHECK_BODY),
	A(900561, "request-malformed", "the endpoint was asked with another method than POST",
	    "check token_endpoint, and that no proxy rewrites the request"),

	/* certificates and assertions */
	A(50012, "assertion-rejected", "the certificate or its signature was not accepted",
	    CHECK_CERT),
	A(50048, "assertion-rejected", "issuer and subject of the client assertion differ",
	    "set client_id to the Application ID; both are taken from it"),
	A(50013, "assertion-rejected", "the assertion is invalid or out of its time", CHECK_CLOCK),
	A(5002738, "assertion-rejected", "the assertion's algorithm is not accepted",
	    "set assertion_algorithm to PS256, or remove it"),
	A(500133, "assertion-expired", "the assertion is out of its time", CHECK_CLOCK),
	A(50027, "assertion-rejected", "the client assertion is not a valid JWT for this endpoint",
	    "with a key of Microsoft's clients certificate_file is needed; check tenant, client_id and this host's "
	    "clock too"),
	A(5002727, "assertion-rejected", "the client assertion's type is not accepted",
	    "use the plain JWT type for this provider"),
	A(700024, "assertion-expired", "the assertion is not valid at the provider's time",
	    CHECK_CLOCK),
	A(700027, "certificate-unknown",
	    "the provider does not know the key that signed the assertion", CHECK_CERT),
	A(700030, "certificate-unknown", "the certificate's subject is not accepted for this app",
	    CHECK_CERT),
	A(700021, "assertion-rejected", "client_id and the assertion name different clients", CHECK_IDS),
	A(70021, "federation-mismatch", "no federated credential of the app fits the assertion",
	    CHECK_FEDERATION),
	A(700211, "federation-mismatch", "no federated credential has the assertion's issuer",
	    CHECK_FEDERATION),
	A(700212, "federation-mismatch", "no federated credential has the assertion's audience",
	    "request the assertion for api://AzureADTokenExchange (or its name in your cloud)"),
	A(700213, "federation-mismatch", "no federated credential has the assertion's subject",
	    CHECK_FEDERATION),
	A(7002137, "federation-mismatch",
	    "a federated credential fits the assertion but for a detail of spelling",
	    CHECK_FEDERATION),
	A(7002138, "federation-mismatch",
	    "a federated credential fits the assertion but for upper and lower case",
	    CHECK_FEDERATION),
	A(700229, "federation-mismatch", "the assertion is not an application's token",
	    "use a token of a managed identity or an application as the assertion"),

	/* clouds and regions */
	A(900382, "wrong-cloud", "confidential clients do not work across clouds", CHECK_CLOUD),
	A(900432, "wrong-cloud", "confidential clients do not work across clouds", CHECK_CLOUD),
	A(900439, "wrong-cloud", "the tenant lives in another cloud", CHECK_CLOUD),
	A(90038, "wrong-cloud", "the tenant lives in another cloud", CHECK_CLOUD),
	A(51005, "wrong-cloud", "the provider points to another address, which is not followed",
	    CHECK_CLOUD),
	A(100007, "wrong-region", "the regional endpoint does not serve this kind of client",
	    "use the global host in token_endpoint, or remove that key"),

	/* passing troubles */
	A(90033, "provider-unavailable", "the provider has a passing failure", WAIT),
	A(90006, "provider-unavailable", "an external service of the provider fails", WAIT),
	A(90024, "provider-unavailable", "the provider is short of resources", WAIT),
	A(90090, "provider-unavailable", "the provider cannot reach a service it needs", WAIT),
	A(90012, "provider-unavailable", "the provider took too long", WAIT),
	A(50033, "provider-unavailable", "the provider has a passing sign-in failure", WAIT),
	A(50087, "provider-unavailable", "a passing failure while keys were exchanged", WAIT),
	A(90061, "issuer-unreachable", "the provider cannot fetch the external issuer's keys",
	    "make the issuer's metadata and keys reachable from the internet"),
	A(50196, "provider-throttled", "the same request was sent too often",
	    "wait five minutes; look for other programs that use this client_id"),
	A(90055, "provider-throttled", "the tenant sends too many requests", WAIT),

	/* flows with a user */
	A(50034, "user-unknown", "the user does not exist in this tenant",
	    "check the mailbox name and tenant"),
	A(50126, "password-rejected", "user name or password is wrong",
	    "use grant client_credentials or the device flow; no password is needed"),
	A(50076, "user-needed", "the tenant wants multi-factor authentication of a person",
	    "use grant client_credentials, which needs none"),
	A(50079, "user-needed", "the user has to enrol for multi-factor authentication",
	    "use grant client_credentials, which needs none"),
	A(700082, "refresh-token-expired", "the refresh token was not used for too long",
	    SIGN_IN_AGAIN),
	A(70008, "refresh-token-expired", "the refresh token has run out", SIGN_IN_AGAIN),
	A(700084, "refresh-token-expired", "the refresh token has reached its fixed end",
	    SIGN_IN_AGAIN),
	A(70043, "refresh-token-expired", "a sign-in frequency policy ended the refresh token",
	    SIGN_IN_AGAIN),
	A(50173, "refresh-token-revoked",
	    "the refresh token was revoked, as after a change of password", SIGN_IN_AGAIN),

	/* Google, of service accounts: known by their words, since the errors are the same for all */
	D("unauthorized_client", "Client is unauthorized to retrieve access tokens", "delegation-missing",
	    "the service account has no domain-wide delegation for this scope", DELEGATE),
	D("access_denied", "Requested client not authorized", "delegation-missing",
	    "the service account has no domain-wide delegation for this scope", DELEGATE),
	D("invalid_grant", "Invalid JWT Signature", "key-rejected",
	    "the key that signed is not one of this service account's: it was deleted, or replaced",
	    "make a new JSON key for the account in the Google Cloud console and store it in service_account_file"),
	D("invalid_grant", "Token must be a short-lived token", "assertion-expired",
	    "the assertion is not valid at Google's time", CHECK_CLOCK),
	D("invalid_grant", "Invalid email or User ID", "mailbox-unknown",
	    "this mailbox is no user's of the Workspace domain", CHECK_MAILBOX),
	D("invalid_grant", "account not found", "mailbox-unknown",
	    "Google does not know this mailbox, or the service account itself", CHECK_MAILBOX),

	/* RFC 6749 section 5.2, and what providers add to it; behind those that are known by their words */
	E("invalid_client", "client-rejected", "client_id or its credential was not accepted",
	    "check client_id, client_auth and the content of client_secret_file"),
	E("unauthorized_client", "client-unauthorized",
	    "this client may not ask for tokens in this way",
	    "allow the grant for the client at the provider; Google: domain-wide delegation with "
	    "this scope"),
	E("invalid_scope", "scope-rejected", "the provider does not grant this scope",
	    "correct the scope key, or remove it to use the preset's"),
	E("invalid_request", "request-malformed",
	    "the provider could not make sense of the request",
	    "check token_endpoint, tenant, scope and client_auth"),
	E("invalid_tenant", "tenant-unknown", "the provider does not know this tenant", USE_GUID),
	E("invalid_grant", "grant-rejected",
	    "what the request is based on is invalid, expired or revoked",
	    "authorize the account again; for signed requests check key and clock"),
	E("unsupported_grant_type", "grant-unsupported", "the provider does not know this grant",
	    "allow client_credentials at the provider, or choose another grant"),
	E("invalid_resource", "resource-unknown",
	    "the provider does not know the resource asked for", CHECK_RESOURCE),
	E("invalid_target", "resource-unknown",
	    "the provider does not accept the resource asked for",
	    "correct the resource key (RFC 8707), or remove it"),
	E("interaction_required", "policy-blocked", "a policy demands a person's sign-in",
	    CHECK_POLICY),
	E("access_denied", "policy-blocked", "the provider denies access by policy",
	    "ask the administrator of the provider which policy applies to this client (Google: API controls)"),
	E("temporarily_unavailable", "provider-unavailable",
	    "the provider is overloaded or under repair", WAIT),
	E("server_error", "provider-unavailable", "the provider failed", WAIT),
	E("slow_down", "provider-throttled", "the provider wants fewer requests", WAIT),
	E("disabled_client", "client-disabled", "the client was disabled at the provider",
	    "enable it in the provider's console (Google: IAM & Admin, Service Accounts)"),
	E("deleted_client", "client-unknown", "the client was deleted at the provider",
	    "register a new client, and set client_id and its credential (Google: a new service account's file)"),
	E("org_internal", "client-unauthorized", "the client is open to its own organization only",
	    "use an account of that organization, or publish the client"),
	E("admin_policy_enforced", "policy-blocked",
	    "the Workspace administrator does not allow this scope",
	    "mark the client as trusted in the Workspace admin console, API controls"),
	E("invalid_account", "user-unknown", "the provider does not know the account",
	    "check the mailbox name; it must belong to the organization"),

	/* last: everything else */
	E(NULL, "provider-refused", "the provider refuses the request",
	    "check token_endpoint, client_id, client_auth and scope against the provider's "
	    "documentation"),
};

const size_t oauth_hints_n = sizeof oauth_hints / sizeof oauth_hints[0];
