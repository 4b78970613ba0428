#include "config.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "oauth/provider.h"

#define ENTRA(host) "https://" host "/{tenant}/oauth2/v2.0/token"
#define ENTRA_DEVICE(host) "https://" host "/{tenant}/oauth2/v2.0/devicecode"
#define ENTRA_BROWSER(host) "https://" host "/{tenant}/oauth2/v2.0/authorize"
#define SMTP(resource) resource "/SMTP.Send offline_access"

/* The names people put into relayhost, and the IMAP and POP name of the same service beside it. */
static const char *const exo_public[] = { "smtp.office365.com", "outlook.office365.com", NULL };
static const char *const exo_gcc_high[] = { "smtp.office365.us", "outlook.office365.us", NULL };
static const char *const exo_dod[] = { "outlook-dod.office365.us", "webmail.apps.mil", NULL };
static const char *const exo_china[] = { "smtp.partner.outlook.cn", "partner.outlook.cn", NULL };
static const char *const hve_relays[] = { "smtp.hve.mx.microsoft", "smtp-hve.office365.com", NULL };
static const char *const outlook_com[] = { "smtp-mail.outlook.com", NULL };
static const char *const google[] = { "smtp.gmail.com", NULL };

/* Rows of one preset stand together, the public cloud first. */
static const struct oauth_provider table[] = {
	{
	    .name = "exchange-online",
	    .cloud = OAUTH_CLOUD_PUBLIC,
	    .token_endpoint = ENTRA("login.microsoftonline.com"),
	    .device_endpoint = ENTRA_DEVICE("login.microsoftonline.com"),
	    .authorization_endpoint = ENTRA_BROWSER("login.microsoftonline.com"),
	    .scope = "https://outlook.office365.com/.default",
	    .delegated_scope = SMTP("https://outlook.office.com"),
	    .grant = OAUTH_GRANT_CLIENT_CREDENTIALS,
	    .auth = OAUTH_AUTH_SECRET_POST,
	    .relays = exo_public,
	    .min_remaining_s = 300,
	    .stale_until_s = 60,
	},
	{
	    .name = "exchange-online",
	    .cloud = OAUTH_CLOUD_GCC_HIGH,
	    .token_endpoint = ENTRA("login.microsoftonline.us"),
	    .device_endpoint = ENTRA_DEVICE("login.microsoftonline.us"),
	    .authorization_endpoint = ENTRA_BROWSER("login.microsoftonline.us"),
	    .scope = "https://outlook.office365.us/.default",
	    .delegated_scope = SMTP("https://outlook.office365.us"),
	    .grant = OAUTH_GRANT_CLIENT_CREDENTIALS,
	    .auth = OAUTH_AUTH_SECRET_POST,
	    .relays = exo_gcc_high,
	    .min_remaining_s = 300,
	    .stale_until_s = 60,
	},
	{
	    .name = "exchange-online",
	    .cloud = OAUTH_CLOUD_DOD,
	    .token_endpoint = ENTRA("login.microsoftonline.us"),
	    .device_endpoint = ENTRA_DEVICE("login.microsoftonline.us"),
	    .authorization_endpoint = ENTRA_BROWSER("login.microsoftonline.us"),
	    .scope = "https://outlook.office365.us/.default",
	    .delegated_scope = SMTP("https://outlook.office365.us"),
	    .grant = OAUTH_GRANT_CLIENT_CREDENTIALS,
	    .auth = OAUTH_AUTH_SECRET_POST,
	    .relays = exo_dod,
	    .min_remaining_s = 300,
	    .stale_until_s = 60,
	},
	{
	    .name = "exchange-online",
	    .cloud = OAUTH_CLOUD_CHINA,
	    .token_endpoint = ENTRA("login.partner.microsoftonline.cn"),
	    .device_endpoint = ENTRA_DEVICE("login.partner.microsoftonline.cn"),
	    .authorization_endpoint = ENTRA_BROWSER("login.partner.microsoftonline.cn"),
	    .scope = "https://partner.outlook.cn/.default",
	    .delegated_scope = SMTP("https://partner.outlook.cn"),
	    .grant = OAUTH_GRANT_CLIENT_CREDENTIALS,
	    .auth = OAUTH_AUTH_SECRET_POST,
	    .relays = exo_china,
	    .min_remaining_s = 300,
	    .stale_until_s = 60,
	},
	{
	    /* High Volume Email refuses a token with less than ten minutes left: 501 5.5.127. */
	    .name = "hve",
	    .cloud = OAUTH_CLOUD_PUBLIC,
	    .token_endpoint = ENTRA("login.microsoftonline.com"),
	    .device_endpoint = ENTRA_DEVICE("login.microsoftonline.com"),
	    .authorization_endpoint = ENTRA_BROWSER("login.microsoftonline.com"),
	    .scope = "https://outlook.office365.com/.default",
	    .delegated_scope = SMTP("https://outlook.office.com"),
	    .grant = OAUTH_GRANT_CLIENT_CREDENTIALS,
	    .auth = OAUTH_AUTH_SECRET_POST,
	    .relays = hve_relays,
	    .min_remaining_s = 900,
	    .stale_until_s = 0,
	},
	{
	    .name = "outlook.com",
	    .cloud = OAUTH_CLOUD_PUBLIC,
	    .token_endpoint = "https://login.microsoftonline.com/consumers/oauth2/v2.0/token",
	    .device_endpoint = "https://login.microsoftonline.com/consumers/oauth2/v2.0/devicecode",
	    .authorization_endpoint = "https://login.microsoftonline.com/consumers/oauth2/v2.0/authorize",
	    .scope = SMTP("https://outlook.office.com"),
	    .grant = OAUTH_GRANT_REFRESH_TOKEN,
	    .auth = OAUTH_AUTH_NONE,
	    .relays = outlook_com,
	    .min_remaining_s = 300,
	    .stale_until_s = 60,
	},
	{
	    /* Google has a device flow, but not for the scope of mail. */
	    .name = "gmail",
	    .cloud = OAUTH_CLOUD_PUBLIC,
	    .token_endpoint = "https://oauth2.googleapis.com/token",
	    .authorization_endpoint = "https://accounts.google.com/o/oauth2/v2/auth",
	    .scope = "https://mail.google.com/",
	    .grant = OAUTH_GRANT_REFRESH_TOKEN,
	    .auth = OAUTH_AUTH_SECRET_POST,
	    .relays = google,
	    .min_remaining_s = 300,
	    .stale_until_s = 60,
	},
	{
	    .name = "google-workspace",
	    .cloud = OAUTH_CLOUD_PUBLIC,
	    .token_endpoint = "https://oauth2.googleapis.com/token",
	    .scope = "https://mail.google.com/",
	    .grant = OAUTH_GRANT_JWT_BEARER,
	    .auth = OAUTH_AUTH_PRIVATE_KEY_JWT,
	    .relays = google,
	    .min_remaining_s = 300,
	    .stale_until_s = 60,
	},
	{
	    /* Basic: the one method RFC 6749 section 2.3.1 obliges every server to know. */
	    .name = "custom",
	    .cloud = OAUTH_CLOUD_PUBLIC,
	    .grant = OAUTH_GRANT_CLIENT_CREDENTIALS,
	    .auth = OAUTH_AUTH_SECRET_BASIC,
	    .min_remaining_s = 300,
	    .stale_until_s = 60,
	},
};

#define ROWS (sizeof table / sizeof table[0])

const struct oauth_provider *oauth_provider_find(const char *name, enum oauth_cloud cloud)
{
	for (size_t i = 0; i < ROWS; i++)
		if (table[i].cloud == cloud && strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

const char *oauth_provider_name(unsigned i)
{
	for (size_t row = 0; row < ROWS; row++)
		if ((row == 0 || strcmp(table[row].name, table[row - 1].name) != 0) && i-- == 0)
			return table[row].name;
	return NULL;
}

const char *oauth_cloud_name(unsigned i)
{
	static const char *const names[OAUTH_CLOUD_N] = {
		[OAUTH_CLOUD_PUBLIC] = "public", [OAUTH_CLOUD_GCC_HIGH] = "gcc-high",
		[OAUTH_CLOUD_DOD] = "dod", [OAUTH_CLOUD_CHINA] = "china",
	};

	return i < OAUTH_CLOUD_N ? names[i] : NULL;
}

#define BIT(cloud) (1u << OAUTH_CLOUD_##cloud)

unsigned oauth_clouds_of_login(const char *host, size_t n)
{
	static const struct { const char *host; unsigned clouds; } all[] = {
		{ "login.microsoftonline.com", BIT(PUBLIC) },
		{ "login.microsoft.com", BIT(PUBLIC) },
		{ "login.windows.net", BIT(PUBLIC) },
		{ "login.microsoftonline.us", BIT(GCC_HIGH) | BIT(DOD) },
		{ "login.partner.microsoftonline.cn", BIT(CHINA) },
		{ "login.chinacloudapi.cn", BIT(CHINA) },
	};

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (strlen(all[i].host) == n && strncasecmp(all[i].host, host, n) == 0)
			return all[i].clouds;
	return 0;
}

unsigned oauth_clouds_of_mail(const char *host, size_t n)
{
	static const struct { const char *end; unsigned clouds; } all[] = {	/* the first that fits counts */
		{ "outlook-dod.office365.us", BIT(DOD) },
		{ "office365.us", BIT(GCC_HIGH) | BIT(DOD) },
		{ "apps.mil", BIT(DOD) },
		{ "outlook.cn", BIT(CHINA) },
		{ "office365.com", BIT(PUBLIC) },
		{ "office.com", BIT(PUBLIC) },
		{ "outlook.com", BIT(PUBLIC) },
		{ "mx.microsoft", BIT(PUBLIC) },
	};

	if (n > 0 && host[n - 1] == '.')
		n--;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		const size_t k = strlen(all[i].end);

		if (n >= k && strncasecmp(host + n - k, all[i].end, k) == 0 && (n == k || host[n - k - 1] == '.'))
			return all[i].clouds;
	}
	return 0;
}
