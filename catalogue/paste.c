#include "config.h"

#include <string.h>

#include "catalogue/paste.h"

/* The new secret goes from az to the file: it is never seen on a screen, in a history or in an argument. */
#define RESET \
	"s=$(az ad app credential reset --id {sh:client_id} --append --query password --output tsv) && " \
	"printf %s \"$s\" | install -o {sh:user} -m 600 /dev/stdin {sh:file}; unset s\n" \
	"mta-xoauth2 flush {sh:account}"
#define RELOAD "mta-xoauth2 reload"
#define TENANT \
	"az account show --query tenantId --output tsv # the right one; the configuration has tenant {tenant}\n" RELOAD
#define FLUSH "mta-xoauth2 flush {sh:account}"
/* {set}: where the parameter counts, which diagnose knows */
#define SET(what) "postconf -c {sh:instance} {set}" what " && postfix -c {sh:instance} reload"
#define FILTER SET("smtp_sasl_mechanism_filter=xoauth2")

static const struct cat_paste rows[] = {
	{ "client-secret-rejected", RESET },
	{ "client-secret-expired", RESET },
	{ "client-secret-missing", RESET },
	{ "secret-is-guid", RESET },
	{ "secret-malformed", RESET },
	{ "secret-empty", RESET },
	{ "client-unknown", "az login --tenant {sh:tenant} && az ad app show --id {sh:client_id} --query '[appId,displayName]'" },
	{ "no-service-principal", "New-MgServicePrincipal -AppId {ps:client_id}" },
	{ "tenant-unknown", TENANT },
	{ "tenant-malformed", TENANT },
	{ "tenant-missing", TENANT },
	{ "tenant-common", TENANT },
	{ "scope-rejected", RELOAD },
	{ "resource-unknown", "scope: {scope}\n" RELOAD },
	{ "token-audience", RELOAD },
	{ "wrong-cloud", RELOAD },
	{ "certificate-unknown",
	    "az ad app credential reset --id {sh:client_id} --cert @{sh:file} --append\n"
	    "# the thumbprint that Entra must then show, SHA-1: {thumbprint}" },
	{ "key-certificate-mismatch",
	    "openssl pkey -in {sh:file} -pubout\n"
	    "openssl x509 -in {sh:certificate} -noout -pubkey\n"
	    "# both must print the same" },
	{ "federation-mismatch",
	    "Issuer: {issuer}\n"
	    "Subject identifier: {subject}\n"
	    "Audience: {audience}\n"
	    "# as they must stand in Entra: App registrations, {client_id}, Certificates & secrets, Federated credentials" },
	{ "tls-intercepted", "ca_file: /PATH/OF/THAT/CA.pem\n" RELOAD },
	{ "consent-missing", "az ad app permission admin-consent --id {sh:client_id}\n" FLUSH },
	{ "token-no-role", "az ad app permission admin-consent --id {sh:client_id}\n" FLUSH },
	{ "token-other-role", FLUSH },
	{ "token-delegated", FLUSH },
	{ "token-stale", FLUSH },
	{ "password-login", FILTER },
	{ "basic-auth-retired", FILTER },
	{ "password-refused", FILTER },
	{ "federation-unreachable", FILTER },
	{ "server-cert-untrusted", SET("smtp_tls_CAfile=/PATH/OF/THAT/CA.pem") },
};

const char *cat_paste_find(const char *code)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (strcmp(rows[i].code, code) == 0)
			return rows[i].lines;
	return NULL;
}

const struct cat_paste *cat_paste_at(size_t i)
{
	return i < sizeof rows / sizeof rows[0] ? &rows[i] : NULL;
}
