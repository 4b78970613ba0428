/*
 * What identity providers say. Cause and fix are one sentence each of a refusal's text, and together short enough that the next
 * step is never cut off a log line (tests/unit/test_catalogue.c). What Microsoft's numbers and Google's words tell more
 * exactly stands in refusal_data.c.
 */
#include "config.h"

#include "catalogue/fixes.h"
#include "catalogue/rows.h"

#define REFUSED(code, cause, fix) CAT_ROW2(code, MX_PROVIDER, MX_TEMP, "provider", cause, fix)
#define PASSES(code, cause, fix) CAT_ROW2(code, MX_TEMP, MX_PROVIDER, "provider", cause, fix)

const struct cat_row cat_rows_provider[] = {
	/* the client and its credential */
	REFUSED("client-secret-rejected", "the secret is not one of this application's", FIX_NEW_SECRET),
	REFUSED("client-secret-expired", "the secret has run out", FIX_NEW_SECRET),
	REFUSED("client-secret-missing", "no credential arrived with the request",
	    "set client_secret_file for this client; if it is set, a proxy strips the request's body"),
	REFUSED("client-rejected", "client_id or its credential was not accepted",
	    "check client_id, client_auth and the content of client_secret_file"),
	REFUSED("client-unauthorized", "this client may not ask for tokens in this way",
	    "allow the grant for the client at the provider; Google: domain-wide delegation with this scope"),
	REFUSED("client-unknown", "there is no application with this client_id in this tenant", FIX_CHECK_IDS),
	REFUSED("client-disabled", "the application is switched off in this tenant",
	    "in Entra's Enterprise applications open {client_id} and set Enabled for users to sign in to Yes"),
	REFUSED("no-service-principal", "the app has no service principal in this tenant",
	    "run: az ad sp create --id {sh:client_id}"),
	REFUSED("public-client", "the app is registered as a public client, which may not have a secret",
	    "in the app's Authentication page use the Web platform and turn public client flows off"),

	/* tenant, cloud, scope */
	REFUSED("tenant-unknown", "the provider does not know this tenant", FIX_USE_GUID),
	REFUSED("tenant-malformed", "tenant is neither a GUID nor a domain name", FIX_USE_GUID),
	REFUSED("tenant-missing", "the request does not say which tenant it is for", FIX_USE_GUID),
	REFUSED("tenant-common", "this grant does not work through \"common\" or \"consumers\"", FIX_USE_GUID),
	REFUSED("wrong-cloud", "the tenant lives in another cloud",
	    "set cloud to the one the tenant lives in (public, gcc-high, dod or china)"),
	REFUSED("wrong-region", "the regional endpoint does not serve this kind of client",
	    "use the global host in token_endpoint, or remove that key"),
	REFUSED("scope-rejected", "the provider does not grant this scope",
	    "correct the scope key, or remove it to use the preset's"),
	REFUSED("resource-unknown", "the tenant does not have the service that the scope names", FIX_CHECK_RESOURCE),
	REFUSED("resource-disabled", "the service that the scope names is switched off in this tenant",
	    "renew the subscription, or enable Office 365 Exchange Online under Enterprise applications"),
	REFUSED("resource-unsubscribed", "the organization has no subscription for this service",
	    "assign an Exchange Online plan to the tenant"),
	REFUSED("resource-parameter", "this endpoint does not take the resource parameter",
	    "remove the resource key and use scope"),

	/* consent and policies */
	REFUSED("permission-missing", "the app's permissions do not list the service that is asked for", FIX_GRANT_CONSENT),
	REFUSED("consent-missing", "an administrator has to consent to this application", FIX_GRANT_CONSENT),
	REFUSED("role-missing", "the service demands an assigned role, and the app has none", FIX_GRANT_CONSENT),
	REFUSED("policy-blocked", "the provider denies access by policy",
	    "ask the administrator of the provider which policy applies to this client (Google: API controls)"),

	/* the request */
	REFUSED("request-malformed", "the provider could not make sense of the request",
	    "check token_endpoint, tenant, scope and client_auth"),
	REFUSED("grant-unsupported", "the provider does not know this grant",
	    "allow client_credentials at the provider, or choose another grant"),
	REFUSED("grant-rejected", "what the request is based on is invalid, expired or revoked",
	    "authorize the account again; for signed requests check key and clock"),
	REFUSED("provider-refused", "the provider refuses the request",
	    "check token_endpoint, client_id, client_auth and scope against the provider's documentation"),
	PASSES("provider-throttled", "the provider wants fewer requests", FIX_WAIT),
	PASSES("provider-unavailable", "the provider failed", FIX_WAIT),

	/* assertions and keys */
	REFUSED("assertion-rejected", "the certificate or its signature was not accepted", FIX_CHECK_CERT),
	REFUSED("assertion-expired", "the assertion is not valid at the provider's time", FIX_CHECK_CLOCK),
	REFUSED("certificate-unknown", "the provider does not know the key that signed the assertion", FIX_CHECK_CERT),
	REFUSED("federation-mismatch", "no federated credential of the app fits the assertion",
	    "compare issuer, subject and audience of the federated credential letter by letter with the assertion's"),
	REFUSED("issuer-unreachable", "the provider cannot fetch the external issuer's keys",
	    "make the issuer's metadata and keys reachable from the internet"),
	REFUSED("delegation-missing", "the service account has no domain-wide delegation for this scope",
	    "a super admin adds client ID {client_id} with scope https://mail.google.com/ at admin.google.com, Security, "
	    "API controls, Domain-wide delegation; it can take a day to count"),
	REFUSED("key-rejected", "the key that signed is not one of this service account's: it was deleted, or replaced",
	    "make a new JSON key for the account in the Google Cloud console and store it in service_account_file"),

	/* mailboxes and people */
	REFUSED("mailbox-unknown", "this mailbox is no user's of the Workspace domain",
	    "check the name that was asked for, or the account's user key: it must be a user's own address; groups and "
	    "gmail.com addresses cannot be had this way"),
	REFUSED("user-unknown", "the provider does not know the account",
	    "check the mailbox name; it must belong to the organization"),
	REFUSED("user-needed", "the tenant wants multi-factor authentication of a person",
	    "use grant client_credentials, which needs none"),
	REFUSED("password-rejected", "user name or password is wrong",
	    "use grant client_credentials or the device flow; no password is needed"),
	REFUSED("refresh-token-expired", "the refresh token has run out", FIX_SIGN_IN),
	REFUSED("refresh-token-revoked", "the refresh token was revoked, as after a change of password", FIX_SIGN_IN),
	CAT_ROW("refresh-token-refused", MX_PROVIDER, "provider",
	    "the identity provider takes this refresh token no more: it has run out, was revoked, or was used before, as one from "
	    "a backup is", FIX_SIGN_IN),

	/* mta-xoauth2 login */
	CAT_ROW("consent-declined", MX_PROVIDER, "login", "the mailbox's owner did not agree; nothing is stored",
	    "log in again, and agree: mta-xoauth2 login {sh:account}"),
	CAT_ROW("authorization-refused", MX_PROVIDER, "login", "the provider does not even ask the mailbox's owner",
	    "check client_id, scope and the application's redirect address"),
	CAT_ROW("no-loopback", MX_TEMP, "login", "no port of 127.0.0.1 is free for the browser to come back to",
	    "log in without --browser"),
	CAT_ROW("interrupted", MX_TEMP, "login", "a signal came during a request; nothing is stored", "log in again"),
};

const size_t cat_rows_provider_n = sizeof cat_rows_provider / sizeof cat_rows_provider[0];
