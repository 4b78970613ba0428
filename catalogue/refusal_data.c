#include "config.h"

#include "catalogue/fixes.h"
#include "catalogue/refusal_data.h"

/*
 * One row per number of Microsoft's (https://login.microsoftonline.com/error?code=N shows its own text) or per "error"
 * string. NULL: what the code's own row says. A sentence names what is wrong in the administrator's terms; the fix names
 * the key of tokend.yaml, or the page or command at the provider.
 */
#define A(n, code_, cause_, fix_) { .aadsts = (n), .code = (code_), .cause = (cause_), .fix = (fix_) }
#define E(error_, code_, cause_, fix_) { .error = (error_), .code = (code_), .cause = (cause_), .fix = (fix_) }
#define D(error_, said_, code_, cause_, fix_) \
	{ .error = (error_), .said = (said_), .code = (code_), .cause = (cause_), .fix = (fix_) }

const struct cat_refusal cat_refusals[] = {
	/* the client's credential */
	A(7000215, "client-secret-rejected", NULL, NULL),
	A(7000222, "client-secret-expired", NULL, NULL),
	A(7000218, "client-secret-missing", NULL, NULL),
	A(7000216, "client-secret-missing", NULL, NULL),
	A(70002, "client-secret-rejected", "the client's credential does not fit", NULL),
	A(700025, "public-client", NULL, NULL),
	A(7000229, "no-service-principal", NULL, NULL),

	/* application and tenant */
	A(700016, "client-unknown", NULL, NULL),
	A(700011, "client-unknown", "the tenant's directory does not know this client_id", NULL),
	A(70001, "client-disabled", "the application is switched off or unknown in this tenant", NULL),
	A(7000112, "client-disabled", NULL, NULL),
	A(90002, "tenant-unknown",
	    "there is no such tenant in this cloud",
	    "check tenant (best its GUID) and, for a government or China tenant, cloud"),
	A(900023, "tenant-malformed", NULL, NULL),
	A(50059, "tenant-missing", NULL, NULL),
	A(90019, "tenant-missing", "no tenant can be told from the request", NULL),
	A(50128, "tenant-missing", "the tenant's domain name is not a known one", NULL),
	A(50194, "tenant-common", "the application belongs to one tenant and was asked for through \"common\"", NULL),
	A(9001023, "tenant-common", NULL, NULL),

	/* scope and resource */
	A(70011, "scope-rejected", "the scope is not one that can be asked for", FIX_USE_DEFAULT),
	A(1002012, "scope-rejected",
	    "the scope names a permission, and an app-only request must name a resource",
	    "set scope to {scope} and grant SMTP.SendAsApp as an app permission"),
	A(28002, "scope-rejected", "the scope has a value that is not valid", FIX_USE_DEFAULT),
	A(28003, "scope-rejected", "the scope is empty", FIX_USE_DEFAULT),
	A(700022, "scope-rejected", "the scope names more than one resource", FIX_USE_DEFAULT),
	A(700023, "scope-rejected",
	    "the scope names no resource, or the assertion is for another audience",
	    FIX_USE_DEFAULT "; with a key, remove assertion_audience too"),
	A(500011, "resource-unknown", NULL, NULL),
	A(50001, "resource-unknown", "the service that the scope names is unknown or off in this tenant", NULL),
	A(500014, "resource-disabled", NULL, NULL),
	A(650052, "resource-unsubscribed", NULL, NULL),
	A(650057, "permission-missing", NULL, NULL),
	A(901002, "resource-parameter", NULL, NULL),

	/* consent and policies */
	A(65001, "consent-missing", "nobody has consented to this application", NULL),
	A(650056, "consent-missing", "the app lists no permission for this service, or consent is missing", NULL),
	A(90094, "consent-missing", NULL, NULL),
	A(90093, "consent-missing", "the permissions asked for lie beyond the consent given", NULL),
	A(501051, "role-missing", NULL, NULL),
	A(53003, "policy-blocked",
	    "a Conditional Access policy blocks this application from here",
	    "allow this host's outgoing address; Entra's service principal sign-in log names the policy"),
	A(530032, "policy-blocked", "a security policy of the tenant blocks the request", FIX_CHECK_POLICY),
	A(530035, "policy-blocked", "the tenant's security defaults block the request", FIX_CHECK_POLICY),
	A(500021, "policy-blocked",
	    "a proxy between here and Entra restricts the tenants that may be used (tenant restrictions)",
	    "have tenant {tenant} allowed there, or name another way in proxy"),

	/* how the request is written */
	A(90014, "request-malformed", "a parameter that must be there is missing", FIX_CHECK_BODY),
	A(900144, "request-malformed", "the request's body lacks a parameter", FIX_CHECK_BODY),
	A(9002313, "request-malformed", "the request could not be read", FIX_CHECK_BODY),
	A(900561, "request-malformed",
	    "the endpoint was asked with another method than POST",
	    "check token_endpoint, and that no proxy rewrites the request"),

	/* certificates and assertions */
	A(50012, "assertion-rejected", NULL, NULL),
	A(50048, "assertion-rejected",
	    "issuer and subject of the client assertion differ",
	    "set client_id to the Application ID; both are taken from it"),
	A(50013, "assertion-rejected", "the assertion is invalid or out of its time", FIX_CHECK_CLOCK),
	A(5002738, "assertion-rejected",
	    "the assertion's algorithm is not accepted", "set assertion_algorithm to PS256, or remove it"),
	A(500133, "assertion-expired", "the assertion is out of its time", NULL),
	A(50027, "assertion-rejected",
	    "the client assertion is not a valid JWT for this endpoint",
	    "with a key of Microsoft's clients certificate_file is needed; check tenant, client_id and this host's clock too"),
	A(5002727, "assertion-rejected",
	    "the client assertion's type is not accepted", "use the plain JWT type for this provider"),
	A(700024, "assertion-expired", NULL, NULL),
	A(700027, "certificate-unknown", NULL, NULL),
	A(700030, "certificate-unknown", "the certificate's subject is not accepted for this app", NULL),
	A(700021, "assertion-rejected", "client_id and the assertion name different clients", FIX_CHECK_IDS),
	A(70021, "federation-mismatch", NULL, NULL),
	A(700211, "federation-mismatch", "no federated credential has the assertion's issuer", NULL),
	A(700212, "federation-mismatch",
	    "no federated credential has the assertion's audience",
	    "request the assertion for api://AzureADTokenExchange (or its name in your cloud)"),
	A(700213, "federation-mismatch", "no federated credential has the assertion's subject", NULL),
	A(7002137, "federation-mismatch", "a federated credential fits the assertion but for a detail of spelling", NULL),
	A(7002138, "federation-mismatch", "a federated credential fits the assertion but for upper and lower case", NULL),
	A(700229, "federation-mismatch",
	    "the assertion is not an application's token",
	    "use a token of a managed identity or an application as the assertion"),

	/* clouds and regions */
	A(900382, "wrong-cloud", "confidential clients do not work across clouds", NULL),
	A(900432, "wrong-cloud", "confidential clients do not work across clouds", NULL),
	A(900439, "wrong-cloud", NULL, NULL),
	A(90038, "wrong-cloud", NULL, NULL),
	A(51005, "wrong-cloud", "the provider points to another address, which is not followed", NULL),
	A(100007, "wrong-region", NULL, NULL),

	/* passing troubles */
	A(90033, "provider-unavailable", "the provider has a passing failure", NULL),
	A(90006, "provider-unavailable", "an external service of the provider fails", NULL),
	A(90024, "provider-unavailable", "the provider is short of resources", NULL),
	A(90090, "provider-unavailable", "the provider cannot reach a service it needs", NULL),
	A(90012, "provider-unavailable", "the provider took too long", NULL),
	A(50033, "provider-unavailable", "the provider has a passing sign-in failure", NULL),
	A(50087, "provider-unavailable", "a passing failure while keys were exchanged", NULL),
	A(90061, "issuer-unreachable", NULL, NULL),
	A(50196, "provider-throttled",
	    "the same request was sent too often", "wait five minutes; look for other programs that use this client_id"),
	A(90055, "provider-throttled", "the tenant sends too many requests", NULL),

	/* flows with a user */
	A(50034, "user-unknown", "the user does not exist in this tenant", "check the mailbox name and tenant"),
	A(50126, "password-rejected", NULL, NULL),
	A(50076, "user-needed", NULL, NULL),
	A(50079, "user-needed", "the user has to enrol for multi-factor authentication", NULL),
	A(50105, "role-missing",
	    "the user is not assigned to the application, which demands it",
	    "in Entra's Enterprise applications open {client_id} and add the user, or set Assignment required to No"),
	A(50020, "user-unknown",
	    "the user belongs to another organization, or is a private account",
	    "sign in with a user of this tenant, or correct tenant"),
	A(50057, "policy-blocked", "the user's account is switched off", "switch it on in Entra's Users page"),
	A(50053, "policy-blocked",
	    "the user's account is locked after too many wrong sign-ins", "wait, or have an administrator unlock it"),
	A(53000, "policy-blocked", "a policy demands a device that is compliant", FIX_CHECK_POLICY),
	A(53001, "policy-blocked", "a policy demands a device that has joined the domain", FIX_CHECK_POLICY),
	A(53002, "policy-blocked", "a policy demands an approved application", FIX_CHECK_POLICY),
	A(700082, "refresh-token-expired", "the refresh token was not used for too long", NULL),
	A(70008, "refresh-token-expired", NULL, NULL),
	A(700084, "refresh-token-expired", "the refresh token has reached its fixed end", NULL),
	A(70043, "refresh-token-expired", "a sign-in frequency policy ended the refresh token", NULL),
	A(50173, "refresh-token-revoked", NULL, NULL),

	/* Google, of service accounts: known by their words, since the errors are the same for all */
	D("unauthorized_client", "Client is unauthorized to retrieve access tokens", "delegation-missing", NULL, NULL),
	D("access_denied", "Requested client not authorized", "delegation-missing", NULL, NULL),
	D("invalid_grant", "Invalid JWT Signature", "key-rejected", NULL, NULL),
	D("invalid_grant", "Token must be a short-lived token", "assertion-expired",
	    "the assertion is not valid at Google's time", NULL),
	D("invalid_grant", "Invalid email or User ID", "mailbox-unknown", NULL, NULL),
	D("invalid_grant", "account not found", "mailbox-unknown",
	    "Google does not know this mailbox, or the service account itself", NULL),

	/* RFC 6749 section 5.2, and what providers add to it; behind those that are known by their words */
	E("invalid_client", "client-rejected", NULL, NULL),
	E("unauthorized_client", "client-unauthorized", NULL, NULL),
	E("invalid_scope", "scope-rejected", NULL, NULL),
	E("invalid_request", "request-malformed", NULL, NULL),
	E("invalid_tenant", "tenant-unknown", NULL, NULL),
	E("invalid_grant", "grant-rejected", NULL, NULL),
	E("unsupported_grant_type", "grant-unsupported", NULL, NULL),
	E("invalid_resource", "resource-unknown", "the provider does not know the resource asked for", NULL),
	E("invalid_target", "resource-unknown",
	    "the provider does not accept the resource asked for", "correct the resource key (RFC 8707), or remove it"),
	E("interaction_required", "policy-blocked", "a policy demands a person's sign-in", FIX_CHECK_POLICY),
	E("access_denied", "policy-blocked", NULL, NULL),
	E("temporarily_unavailable", "provider-unavailable", "the provider is overloaded or under repair", NULL),
	E("server_error", "provider-unavailable", NULL, NULL),
	E("slow_down", "provider-throttled", NULL, NULL),
	E("disabled_client", "client-disabled",
	    "the client was disabled at the provider",
	    "enable it in the provider's console (Google: IAM & Admin, Service Accounts)"),
	E("deleted_client", "client-unknown",
	    "the client was deleted at the provider",
	    "register a new client, and set client_id and its credential (Google: a new service account's file)"),
	E("org_internal", "client-unauthorized",
	    "the client is open to its own organization only",
	    "use an account of that organization, or publish the client"),
	E("admin_policy_enforced", "policy-blocked",
	    "the Workspace administrator does not allow this scope",
	    "mark the client as trusted in the Workspace admin console, API controls"),
	E("invalid_account", "user-unknown", NULL, NULL),

	/* last: everything else */
	E(NULL, "provider-refused", NULL, NULL),
};

const size_t cat_refusals_n = sizeof cat_refusals / sizeof cat_refusals[0];
