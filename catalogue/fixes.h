/*
 * Fixes that several rows have in common. Private to catalogue/.
 */
#ifndef MX_CATALOGUE_FIXES_H
#define MX_CATALOGUE_FIXES_H

#define FIX_NEW_SECRET \
	"create a new client secret in Entra and store its Value (not its Secret ID) in client_secret_file"
#define FIX_CHECK_IDS \
	"compare client_id {client_id} (Application ID) and tenant {tenant} with the app's Overview page in Entra"
#define FIX_USE_GUID "set tenant to the Directory (tenant) ID from Entra's Overview page"
#define FIX_USE_DEFAULT "set scope to {scope}, or remove the scope key"
#define FIX_GRANT_CONSENT \
	"in the app's API permissions add Office 365 Exchange Online, SMTP.SendAsApp, and grant admin consent"
#define FIX_CHECK_RESOURCE \
	"check the host in scope, the cloud key, and that the tenant has an Exchange Online subscription"
#define FIX_CHECK_BODY \
	"remove extra keys from the client; if it stays, a proxy alters the request or this is our bug: report it"
#define FIX_CHECK_CLOCK "bring this host's clock right (chronyc tracking, timedatectl)"
#define FIX_CHECK_CERT \
	"upload certificate_file to this very app in Entra; its thumbprint, to compare: openssl x509 -in {sh:file} " \
	"-noout -fingerprint"
#define FIX_WAIT "nothing needs mending here; it is tried again by itself"
#define FIX_CHECK_POLICY "ask the tenant's administrator; Entra's service principal sign-in log names the policy"
#define FIX_SIGN_IN "run \"mta-xoauth2 login {sh:account}\"; the daemon needs no restart"

#endif
