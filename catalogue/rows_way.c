/*
 * The way to the identity provider, what answers there, and the platform of a managed identity.
 */
#include "config.h"

#include "catalogue/rows.h"

#define UNLESS_IT_LASTS "nothing needs mending here unless it lasts"
#define S_CLIENT "openssl s_client -connect {sh:endpoint}"
#define CHECK_REPLY "check token_endpoint, and that no proxy changes the reply"

const struct cat_row cat_rows_way[] = {
	CAT_ROW("endpoint-not-https", MX_CONFIG, "way", "the token endpoint is not an https URL",
	    "write token_endpoint with https://; the secret is never sent without TLS"),
	CAT_ROW("endpoint-malformed", MX_CONFIG, "way", "the token endpoint is not a valid URL",
	    "correct token_endpoint (https://HOST/PATH, no user name)"),
	CAT_ROW("dns-failed", MX_TEMP, "way", "the name cannot be resolved",
	    "check token_endpoint's spelling and this host's resolver (getent hosts {sh:host})"),
	CAT_ROW("connect-refused", MX_TEMP, "way", "the connection was refused",
	    "check host and port in token_endpoint, and the firewall"),
	CAT_ROW("connect-timeout", MX_TEMP, "way", "no connection came about in time",
	    "check the firewall (outgoing TCP), or set proxy if this host needs one"),
	CAT_ROW("network-unreachable", MX_TEMP, "way", "there is no way to the host",
	    "check this host's network, its routes and its firewall"),
	CAT_ROW("connection-lost", MX_TEMP, "way", "the connection broke before the answer was complete",
	    UNLESS_IT_LASTS "; then look for a filter in between"),
	CAT_ROW("provider-timeout", MX_TEMP, "way", "the provider took the request and did not answer in time",
	    UNLESS_IT_LASTS "; it is tried again by itself"),
	CAT_ROW("tls-untrusted-ca", MX_TEMP, "way", "its certificate comes from a CA that is not trusted",
	    "name that CA in ca_file if it is yours (a TLS-inspecting proxy?); verification cannot be switched off"),
	CAT_ROW("tls-cert-expired", MX_TEMP, "way", "its certificate has expired",
	    "check this host's clock; else the server's owner must renew it"),
	CAT_ROW("tls-name-mismatch", MX_TEMP, "way", "its certificate is for another name",
	    "write the name that the certificate has into token_endpoint, or look for an interceptor"),
	CAT_ROW("tls-cert-refused", MX_TEMP, "way", "its certificate cannot be accepted", "look at it with " S_CLIENT),
	CAT_ROW("tls-version", MX_TEMP, "way", "it does not offer TLS 1.2 or newer",
	    "the server, or a proxy in between, must be upgraded"),
	CAT_ROW("tls-timeout", MX_TEMP, "way", "it took the connection and did not finish the TLS handshake in time",
	    "look for a filter in between, or one that drops large packets (MTU); try " S_CLIENT),
	CAT_ROW("tls-handshake-failed", MX_TEMP, "way", "the TLS handshake failed",
	    "look at it with " S_CLIENT ", and for a filter in between"),
	CAT_ROW("ca-file-unusable", MX_CONFIG, "way", "the CA certificates cannot be used",
	    "ca_file must name a readable file of PEM certificates"),
	CAT_ROW("proxy-failed", MX_TEMP, "way", "the proxy did not connect us",
	    "check the proxy key, the proxy's rules for this host, or name the host in no_proxy"),
	CAT_ROW("proxy-auth", MX_CONFIG, "way", "the proxy wants a user name and password",
	    "write them as USER:PASSWORD into a file and name that in proxy_credentials_file"),
	CAT_ROW("proxy-credentials-malformed", MX_CONFIG, "way", "proxy_credentials_file does not hold USER:PASSWORD",
	    "write it so, in one line"),
	CAT_ROW("redirect-refused", MX_CONFIG, "way",
	    "the token endpoint points elsewhere; that is never followed, since the secret would go along",
	    "correct token_endpoint, tenant or cloud, or look for a captive portal"),
	CAT_ROW("transfer-failed", MX_TEMP, "way", "the request failed",
	    "see what the library says and try the endpoint with curl -v from this host"),

	/* what came back */
	CAT_ROW("reply-not-http", MX_TEMP, "way", "what answered does not speak HTTP", "check host and port in token_endpoint"),
	CAT_ROW2("reply-too-large", MX_TEMP, MX_PROVIDER, "way", "the reply exceeds 1 MiB",
	    "this is no token endpoint's answer; check token_endpoint and proxy"),
	CAT_ROW2("reply-not-json", MX_CONFIG, MX_TEMP, "way",
	    "this answer did not come from the identity provider's token endpoint",
	    "check token_endpoint, proxy, and what filters web traffic here"),
	CAT_ROW2("reply-malformed", MX_TEMP, MX_PROVIDER, "way", "the reply's JSON is broken", CHECK_REPLY),
	CAT_ROW2("reply-truncated", MX_TEMP, MX_PROVIDER, "way", "the reply's JSON ends too early", CHECK_REPLY),
	CAT_ROW2("reply-no-token", MX_PROVIDER, MX_TEMP, "way", "the reply has no access_token", CHECK_REPLY),
	CAT_ROW2("reply-token-type", MX_PROVIDER, MX_TEMP, "way", "the token is not of type Bearer", CHECK_REPLY),
	CAT_ROW2("reply-token-malformed", MX_PROVIDER, MX_TEMP, "way", "the token has characters that no token may have",
	    CHECK_REPLY),
	CAT_ROW2("reply-token-too-long", MX_PROVIDER, MX_TEMP, "way", "the token is longer than 8800 bytes", CHECK_REPLY),
	CAT_ROW2("reply-lifetime", MX_PROVIDER, MX_TEMP, "way", "expires_in makes no sense", CHECK_REPLY),
	CAT_ROW2("reply-no-device-code", MX_PROVIDER, MX_TEMP, "way",
	    "the answer to login lacks the code or the address, or neither can be shown",
	    "check device_authorization_endpoint, and that no proxy changes the reply"),

	/* managed identities */
	CAT_ROW("identity-environment", MX_CONFIG, "platform",
	    "a variable of the platform is not set or cannot be used, or leads away from this machine",
	    "start the daemon with the environment that the platform gives (the text names the variable)"),
	CAT_ROW("identity-unsupported", MX_CONFIG, "platform", "this kind of managed identity cannot be used",
	    "Service Fabric: use a certificate; Azure Arc: remove identity_client_id and identity_object_id"),
	CAT_ROW("identity-challenge", MX_CONFIG, "platform", "the key file that Azure Arc names cannot be used",
	    "put the daemon's user into the group himds (usermod -aG himds mta-xoauth2) and restart it"),
	CAT_ROW("identity-unreachable", MX_TEMP, "platform",
	    "nobody answers where the platform should be: this machine is not what managed_identity says, or a firewall is in "
	    "between", "check managed_identity"),
	CAT_ROW("identity-updating", MX_TEMP, "platform", "the platform is being updated, which takes up to 70 s",
	    "nothing needs mending here; it is tried again by itself"),
	CAT_ROW("identity-throttled", MX_TEMP, "platform", "the platform is asked too often",
	    "see what else on this machine asks for tokens; it is tried again by itself"),
	CAT_ROW("identity-failing", MX_TEMP, "platform", "the platform cannot answer just now",
	    "it is tried again by itself; if it lasts, check scope, and that an identity is assigned to this machine or app"),
	CAT_ROW("identity-not-found", MX_PROVIDER, "platform", "the machine has no such managed identity",
	    "assign it to this machine or app in Azure, or correct identity_client_id, identity_object_id or "
	    "identity_resource_id"),
	CAT_ROW("identity-ambiguous", MX_PROVIDER, "platform", "the machine has several user-assigned identities",
	    "choose one with identity_client_id, identity_object_id or identity_resource_id"),
	CAT_ROW("identity-resource", MX_PROVIDER, "platform", "the platform gives no token for that resource",
	    "correct scope or cloud"),
	CAT_ROW("identity-refused", MX_PROVIDER, "platform", "the platform refuses",
	    "see what it says, and check managed_identity and the keys that choose an identity"),
	CAT_ROW2("identity-reply", MX_PROVIDER, MX_TEMP, "platform", "this is no identity service's answer",
	    "see what listens at that address, and check managed_identity"),
};

const size_t cat_rows_way_n = sizeof cat_rows_way / sizeof cat_rows_way[0];
