/*
 * oauth/identity.h and the exchange about it: requests to the byte, what is made of replies, and
 * where nothing is sent.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "oauth/exchange.h"
#include "oauth/http.h"
#include "oauth/http_wait.h"
#include "oauth/identity.h"

#define SMTP "https://outlook.office365.com"
#define GUID "31111111-2222-3333-4444-555555555555"
#define NOW 1764000000

static const char *const variables[] = { "IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IMDS_ENDPOINT",
	"IDENTITY_SERVER_THUMBPRINT", "AZURE_POD_IDENTITY_AUTHORITY_HOST" };

/* Values in the order of variables; a NULL unsets. */
static void set_env(const char *const values[5])
{
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(
		    values[i] != NULL ? setenv(variables[i], values[i], 1) : unsetenv(variables[i]),
		    0);
}

static const struct {
	const char *name;
	enum oauth_platform platform;
	const char *env[5];
	struct oauth_credential k;
	const char *url, *header, *secret_header;
} requests[] = {
	{ "IMDS", OAUTH_PLATFORM_IMDS, { 0 }, { .platform_resource = SMTP },
	    "http://169.254.169.254/metadata/identity/oauth2/"
	    "token?api-version=2018-02-01&resource=https%3A%2F%2Foutlook.office365.com",
	    "Metadata: true", "" },
	{ "client ID", OAUTH_PLATFORM_IMDS, { 0 },
	    { .platform_resource = SMTP, .identity_client_id = GUID },
	    "http://169.254.169.254/metadata/identity/oauth2/"
	    "token?api-version=2018-02-01&resource=https%3A%2F%2Foutlook.office365.com"
	    "&client_id=" GUID,
	    "Metadata: true", "" },
	{ "object ID", OAUTH_PLATFORM_IMDS, { 0 },
	    { .platform_resource = SMTP, .identity_object_id = GUID },
	    "http://169.254.169.254/metadata/identity/oauth2/"
	    "token?api-version=2018-02-01&resource=https%3A%2F%2Foutlook.office365.com"
	    "&object_id=" GUID,
	    "Metadata: true", "" },
	{ "resource ID", OAUTH_PLATFORM_IMDS, { 0 },
	    { .platform_resource = "api://AzureADTokenExchange",
		.identity_resource_id = "/subscriptions/a/b&c" },
	    "http://169.254.169.254/metadata/identity/oauth2/"
	    "token?api-version=2018-02-01&resource=api%3A%2F%2FAzureADTokenExchange"
	    "&msi_res_id=%2Fsubscriptions%2Fa%2Fb%26c",
	    "Metadata: true", "" },
	{ "another host", OAUTH_PLATFORM_IMDS, { [4] = "http://127.0.0.1:8080/" },
	    { .platform_resource = "r" },
	    "http://127.0.0.1:8080/metadata/identity/oauth2/"
	    "token?api-version=2018-02-01&resource=r",
	    "Metadata: true", "" },
	{ "App Service", OAUTH_PLATFORM_APP_SERVICE,
	    { "http://169.254.129.2:8081/msi/token/", "S3CRET-header" },
	    { .platform_resource = SMTP },
	    "http://169.254.129.2:8081/msi/token/"
	    "?api-version=2019-08-01&resource=https%3A%2F%2Foutlook.office365.com",
	    NULL, "X-IDENTITY-HEADER: S3CRET-header" },
	{ "its client ID, IMDS_ENDPOINT counts for nothing", OAUTH_PLATFORM_APP_SERVICE,
	    { "http://169.254.129.2:8081/msi/token", "x", "http://127.0.0.1:1/" },
	    { .platform_resource = "r", .identity_client_id = GUID },
	    "http://169.254.129.2:8081/msi/token?api-version=2019-08-01&resource=r&client_id=" GUID,
	    NULL, "X-IDENTITY-HEADER: x" },
	{ "its object ID", OAUTH_PLATFORM_APP_SERVICE, { "http://127.0.0.1:41741/MSI/token/", "x" },
	    { .platform_resource = "r", .identity_object_id = GUID },
	    "http://127.0.0.1:41741/MSI/token/?api-version=2019-08-01&resource=r&object_id=" GUID,
	    NULL, "X-IDENTITY-HEADER: x" },
	{ "its resource ID", OAUTH_PLATFORM_APP_SERVICE, { "http://127.0.0.1:1/", "x" },
	    { .platform_resource = "r", .identity_resource_id = "/subscriptions/a" },
	    "http://127.0.0.1:1/?api-version=2019-08-01&resource=r&mi_res_id=%2Fsubscriptions%2Fa",
	    NULL, "X-IDENTITY-HEADER: x" },
	{ "Container Apps", OAUTH_PLATFORM_APP_SERVICE, { "http://localhost:42356/msi/token", "x" },
	    { .platform_resource = "r" },
	    "http://127.0.0.1:42356/msi/token?api-version=2019-08-01&resource=r", NULL,
	    "X-IDENTITY-HEADER: x" },
	{ "a name that only begins so", OAUTH_PLATFORM_APP_SERVICE,
	    { "http://localhost.example/t", "x" }, { .platform_resource = "r" },
	    "http://localhost.example/t?api-version=2019-08-01&resource=r", NULL,
	    "X-IDENTITY-HEADER: x" },
	{ "an endpoint with a query", OAUTH_PLATFORM_APP_SERVICE,
	    { "http://127.0.0.1:1/t?a=b", "x" }, { .platform_resource = "r" },
	    "http://127.0.0.1:1/t?a=b&api-version=2019-08-01&resource=r", NULL,
	    "X-IDENTITY-HEADER: x" },
	{ "Arc", OAUTH_PLATFORM_AZURE_ARC, { 0 }, { .platform_resource = SMTP },
	    "http://127.0.0.1:40342/metadata/identity/oauth2/"
	    "token?api-version=2020-06-01&resource=https%3A%2F%2Foutlook.office365.com",
	    "Metadata: true", "" },
	{ "Arc by its variables", OAUTH_PLATFORM_AZURE_ARC,
	    { "http://localhost:40342/metadata/identity/oauth2/token", NULL,
		"http://localhost:40342" },
	    { .platform_resource = "r" },
	    "http://127.0.0.1:40342/metadata/identity/oauth2/"
	    "token?api-version=2020-06-01&resource=r",
	    "Metadata: true", "" },
	{ "Arc with one of them", OAUTH_PLATFORM_AZURE_ARC, { "http://127.0.0.1:1/" },
	    { .platform_resource = "r", .identity_resource_id = "/subscriptions/a" },
	    "http://127.0.0.1:40342/metadata/identity/oauth2/"
	    "token?api-version=2020-06-01&resource=r&msi_res_id=%2Fsubscriptions%2Fa",
	    "Metadata: true", "" },
};

static void test_requests(void **state)
{
	struct oauth_request r;
	struct mx_err e;

	(void)state;
	for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
		set_env(requests[i].env);
		if (oauth_identity_request("c", &requests[i].k, requests[i].platform, &r, &e) !=
		    MX_OK)
			fail_msg("%s: %s", requests[i].name, e.text);
		if (strcmp(r.url, requests[i].url) != 0)
			fail_msg("%s: %s", requests[i].name, r.url);
		assert_true(r.get && r.local && r.body.len == 0 && r.authorization.len == 0);
		assert_int_equal(r.repeat, OAUTH_REPEAT_SAME);
		if (requests[i].header != NULL)
			assert_string_equal(r.header, requests[i].header);
		else
			assert_null(r.header);
		assert_int_equal(r.secret_header.len, strlen(requests[i].secret_header));
		if (r.secret_header.len > 0) {
			assert_string_equal(r.secret_header.p, requests[i].secret_header);
			/* so that a reply is searched for it */
			assert_string_equal(r.secret.p, requests[i].env[1]);
		}
		oauth_request_free(&r);
	}
}

static const char long_text[5000] = { [0 ... 4998] = 'x' };

static const struct {
	const char *name;
	enum oauth_platform platform;
	const char *env[5];
	struct oauth_credential k;
	const char *code, *part;
} refused[] = {
	{ "no endpoint", OAUTH_PLATFORM_APP_SERVICE, { NULL, "x" }, { 0 }, "identity-environment",
	    "IDENTITY_ENDPOINT is not set" },
	{ "no header", OAUTH_PLATFORM_APP_SERVICE, { "http://127.0.0.1/", "" }, { 0 },
	    "identity-environment", "IDENTITY_HEADER is not set" },
	{ "a header of two lines", OAUTH_PLATFORM_APP_SERVICE,
	    { "http://127.0.0.1/", "SECRET\r\nX: y" }, { 0 }, "identity-environment",
	    "IDENTITY_HEADER" },
	{ "a header without end", OAUTH_PLATFORM_APP_SERVICE, { "http://127.0.0.1/", long_text },
	    { 0 }, "identity-environment", "IDENTITY_HEADER" },
	{ "Service Fabric", OAUTH_PLATFORM_APP_SERVICE, { "https://127.0.0.1/", "x", NULL, "AB" },
	    { 0 }, "identity-unsupported", "Service Fabric" },
	{ "a blank in the endpoint", OAUTH_PLATFORM_APP_SERVICE, { "http://127.0.0.1/ x", "x" },
	    { 0 }, "identity-environment", "correct IDENTITY_ENDPOINT" },
	{ "a line end in the host", OAUTH_PLATFORM_IMDS, { [4] = "http://127.0.0.1\r\n" }, { 0 },
	    "identity-environment", "AZURE_POD_IDENTITY_AUTHORITY_HOST" },
	{ "Arc by client ID", OAUTH_PLATFORM_AZURE_ARC, { 0 }, { .identity_client_id = GUID },
	    "identity-unsupported", "Azure Arc" },
	{ "Arc by object ID", OAUTH_PLATFORM_AZURE_ARC, { 0 }, { .identity_object_id = GUID },
	    "identity-unsupported", "Azure Arc" },
};

static void test_refused(void **state)
{
	struct oauth_request r;
	struct mx_err e;

	(void)state;
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		struct oauth_credential k = refused[i].k;

		k.platform_resource = "r";
		set_env(refused[i].env);
		if (oauth_identity_request("c", &k, refused[i].platform, &r, &e) != MX_CONFIG ||
		    strcmp(e.code, refused[i].code) != 0 ||
		    strstr(e.text, refused[i].part) == NULL || strstr(e.text, "SECRET") != NULL)
			fail_msg("%s: %s: %s", refused[i].name, e.code, e.text);
		assert_null(r.url);
	}
}

static void test_detection(void **state)
{
	static const struct {
		const char *env[5];
		enum oauth_platform want;
	} row[] = {
		{ { "a", "b" }, OAUTH_PLATFORM_APP_SERVICE },
		{ { "a", "b", "c" }, OAUTH_PLATFORM_APP_SERVICE },
		{ { "a", NULL, "c" }, OAUTH_PLATFORM_AZURE_ARC },
		{ { "a", "", "c" }, OAUTH_PLATFORM_AZURE_ARC },
		{ { "a" }, OAUTH_PLATFORM_IMDS },
		{ { NULL, "b" }, OAUTH_PLATFORM_IMDS },
		{ { NULL, NULL, "c" }, OAUTH_PLATFORM_IMDS },
		{ { 0 }, OAUTH_PLATFORM_IMDS },
	};

	(void)state;
	if (access("/opt/azcmagent/bin/himds", F_OK) == 0)
		skip();
	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
		set_env(row[i].env);
		assert_int_equal(oauth_identity_platform(OAUTH_PLATFORM_AUTO), row[i].want);
		assert_int_equal(oauth_identity_platform(OAUTH_PLATFORM_IMDS), OAUTH_PLATFORM_IMDS);
	}
	assert_string_equal(oauth_platform_name(OAUTH_PLATFORM_AZURE_ARC - 1), "azure-arc");
	assert_string_equal(oauth_platform_name(OAUTH_PLATFORM_AUTO - 1), "auto");
	assert_null(oauth_platform_name(OAUTH_PLATFORM_AUTO));
}

/* --- replies ------------------------------------------------------------------------- */

#define T "\"access_token\":\"abc.DEF-1_~+/==\""

static const struct {
	const char *name, *body;
	uint32_t expires;
} good[] = {
	{ "IMDS",
	    "{" T ",\"refresh_token\":\"\",\"expires_in\":\"3599\",\"expires_on\":\"1764003599\","
		  "\"not_before\":\"1763999700\","
	    "\"resource\":\"" SMTP "\",\"token_type\":\"Bearer\"}",
	    3599 },
	{ "a kept token",
	    "{" T ",\"expires_in\":\"86399\",\"expires_on\":\"1764000500\",\"token_type\":"
		  "\"Bearer\"}",
	    500 },
	{ "App Service",
	    "{" T ",\"expires_on\":\"1764086400\",\"resource\":\"r\",\"token_type\":\"Bearer\","
		  "\"client_id\":\"" GUID "\"}",
	    86400 },
	{ "a number", "{" T ",\"expires_on\":1764000060}", 60 },
	{ "no token_type", "{" T ",\"expires_in\":\"10\"}", 10 },
	{ "relative", "{" T ",\"expires_on\":\"3600\"}", 3600 },
	{ "the last relative one is too long", "{" T ",\"expires_on\":\"978307199\"}",
	    OAUTH_LIFETIME_MAX_S },
	{ "a date", "{" T ",\"expires_on\":\"2025-11-24T17:00:00Z\"}", 3600 },
	{ "a date with a fraction", "{" T ",\"expires_on\":\"2025-11-24T17:00:00.1234567+00:00\"}",
	    3600 },
	{ "expires_in empty", "{" T ",\"expires_in\":\"\",\"expires_on\":\"1764000061\"}", 61 },
	{ "an end that is past is our clock's fault",
	    "{" T ",\"expires_in\":\"3599\",\"expires_on\":\"1763000000\"}", 3599 },
	{ "an end that is none", "{" T ",\"expires_in\":3599,\"expires_on\":\"tomorrow\"}", 3599 },
	{ "a date of another form",
	    "{" T ",\"expires_in\":3599,\"expires_on\":\"11/24/2025 5:00:00 PM +00:00\"}", 3599 },
	{ "a date elsewhere",
	    "{" T ",\"expires_in\":3599,\"expires_on\":\"2025-11-24T16:01:00+09:00\"}", 3599 },
};

static const struct {
	const char *name;
	enum oauth_platform platform;
	long status;
	const char *body;
	enum mx_class cls;
	const char *code, *part;
} bad[] = {
	{ "no such identity", OAUTH_PLATFORM_IMDS, 400,
	    "{\"error\":\"invalid_request\",\"error_description\":\"Identity not found\"}",
	    MX_PROVIDER, "identity-not-found", "assign it" },
	{ "several", OAUTH_PLATFORM_IMDS, 400,
	    "{\"error\":\"invalid_request\",\"error_description\":\"Multiple user assigned "
	    "identities "
	    "exist, please specify the clientId / resourceId of the identity in the token "
	    "request\"}",
	    MX_PROVIDER, "identity-ambiguous", "identity_client_id" },
	{ "wrong resource", OAUTH_PLATFORM_IMDS, 400,
	    "{\"error\":\"invalid_resource\",\"error_description\":\"AADSTS500011: The resource "
	    "principal named https://x was not found in the tenant\"}",
	    MX_PROVIDER, "identity-resource", "https://outlook" },
	{ "another 400", OAUTH_PLATFORM_IMDS, 400,
	    "{\"error\":\"bad_request_102\",\"error_description\":\"Required metadata header not "
	    "specified\"}",
	    MX_PROVIDER, "identity-refused", "Required metadata header" },
	{ "403", OAUTH_PLATFORM_IMDS, 403, "", MX_PROVIDER, "identity-refused", "HTTP 403" },
	{ "404", OAUTH_PLATFORM_IMDS, 404, "", MX_TEMP, "identity-failing", "HTTP 404" },
	{ "408", OAUTH_PLATFORM_IMDS, 408, "", MX_TEMP, "identity-failing", "" },
	{ "410", OAUTH_PLATFORM_IMDS, 410, "{\"error\":\"x\"}", MX_TEMP, "identity-updating",
	    "70 s" },
	{ "429", OAUTH_PLATFORM_IMDS, 429, "{\"error\":\"too many\"}", MX_TEMP,
	    "identity-throttled", "" },
	{ "500", OAUTH_PLATFORM_IMDS, 500,
	    "{\"error\":\"unknown\",\"error_description\":\"Failed to retrieve token\"}", MX_TEMP,
	    "identity-failing", "Failed to retrieve token" },
	{ "503, a page", OAUTH_PLATFORM_IMDS, 503, "<html>", MX_TEMP, "identity-failing", "" },
	{ "App Service, wrong resource", OAUTH_PLATFORM_APP_SERVICE, 500,
	    "{\"statusCode\":500,\"message\":\"An unexpected error occured "
	    "while fetching the AAD Token.\",\"correlationId\":\"x\"}",
	    MX_TEMP, "identity-failing", "check scope" },
	{ "App Service, no identity", OAUTH_PLATFORM_APP_SERVICE, 400,
	    "{\"statusCode\":400,\"message\":\"No User Assigned or Delegated "
	    "Managed Identity found for specified ClientId/ResourceId/PrincipalId.\"}",
	    MX_PROVIDER, "identity-not-found", "No User" },
	{ "Azure's other form", OAUTH_PLATFORM_APP_SERVICE, 400,
	    "{\"error\":{\"code\":\"invalid_request\",\"message\":\"Identity not "
	    "found\"}}",
	    MX_PROVIDER, "identity-not-found", "invalid_request" },
	{ "App Service, 401", OAUTH_PLATFORM_APP_SERVICE, 401, "", MX_PROVIDER, "identity-refused",
	    "App Service" },
	{ "moved", OAUTH_PLATFORM_IMDS, 302, "", MX_PROVIDER, "identity-refused", "HTTP 302" },
	{ "no token", OAUTH_PLATFORM_IMDS, 200, "{}", MX_PROVIDER, "identity-reply",
	    "see what listens" },
	{ "no life", OAUTH_PLATFORM_IMDS, 200, "{" T "}", MX_PROVIDER, "identity-reply", "" },
	{ "no life left", OAUTH_PLATFORM_IMDS, 200, "{" T ",\"expires_on\":\"1763000000\"}",
	    MX_PROVIDER, "identity-reply", "" },
	{ "another type", OAUTH_PLATFORM_IMDS, 200,
	    "{" T ",\"token_type\":\"pop\",\"expires_in\":9}", MX_PROVIDER, "identity-reply", "" },
	{ "a page", OAUTH_PLATFORM_IMDS, 200, "<html>", MX_TEMP, "identity-reply", "" },
	{ "half of it", OAUTH_PLATFORM_IMDS, 200, "{" T, MX_TEMP, "identity-reply", "" },
};

static struct oauth_http_reply reply_of(long status, const char *body)
{
	return (struct oauth_http_reply){ .status = status,
		.retry_after_s = status == 429 ? 7 : -1,
		.body = body,
		.body_len = strlen(body) };
}

static void test_replies(void **state)
{
	const struct oauth_credential k = { .platform_resource = SMTP };
	struct oauth_http_reply h;
	struct oauth_failure f;
	struct oauth_token t;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		h = reply_of(200, good[i].body);
		if (oauth_reply_parse_platform("c", &h, NOW, &t, &f) != MX_OK ||
		    t.expires_in_s != good[i].expires)
			fail_msg("%s: %u %s", good[i].name, (unsigned)t.expires_in_s, f.err.text);
		assert_string_equal(t.access_token.p, "abc.DEF-1_~+/==");
		mx_secret_free(&t.access_token);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		h = reply_of(bad[i].status, bad[i].body);
		assert_int_not_equal(oauth_reply_parse_platform("c", &h, NOW, &t, &f), MX_OK);
		oauth_identity_refused("c", &k, bad[i].platform, &f);
		if (f.err.cls != bad[i].cls || strcmp(f.err.code, bad[i].code) != 0 ||
		    strstr(f.err.text, bad[i].part) == NULL ||
		    f.permanent != (bad[i].cls != MX_TEMP) || f.credential != f.permanent ||
		    strstr(f.err.text, "abc.DEF") != NULL ||
		    strstr(f.err.text, "token_endpoint") != NULL ||
		    f.retry_after_s != h.retry_after_s)
			fail_msg("%s: class %d %s: %s", bad[i].name, (int)f.err.cls, f.err.code,
			    f.err.text);
		assert_null(t.access_token.p);
	}
}

/* --- the whole way ------------------------------------------------------------------- */

static const char token_reply[] = "{" T ",\"expires_in\":\"3599\",\"token_type\":\"Bearer\"}";

static void test_direct(void **state)
{
	const struct oauth_credential k = { .auth = OAUTH_AUTH_FEDERATED,
		.platform = OAUTH_PLATFORM_AUTO,
		.platform_resource = SMTP };
	const struct oauth_client c = { .name = "c",
		.grant = OAUTH_GRANT_MANAGED_IDENTITY,
		.credential = &k,
		.ncredentials = 1 };
	struct oauth_http_reply h = reply_of(200, token_reply);
	struct oauth_exchange x;
	struct oauth_failure f;
	struct oauth_token t;

	(void)state;
	set_env((const char *const[5]){ 0 });
	assert_true(oauth_exchange_begin(&x, &c, &k, NULL, &f));
	assert_true(x.req.local && x.platform != OAUTH_PLATFORM_AUTO);
	assert_true(oauth_exchange_again(&x));
	assert_int_equal(oauth_exchange_reply(&x, &h, &t, &f), OAUTH_GOT);
	assert_int_equal(t.expires_in_s, 3599);
	mx_secret_free(&t.access_token);
	/* a challenge is Azure Arc's alone */
	h = reply_of(401, "");
	h.www_authenticate = "Basic realm=" OAUTH_ARC_TOKENS "/a.key";
	x.platform = OAUTH_PLATFORM_IMDS;
	assert_int_equal(oauth_exchange_reply(&x, &h, &t, &f), OAUTH_REFUSED);
	assert_string_equal(f.err.code, "identity-refused");
	/* and one is enough */
	x.platform = OAUTH_PLATFORM_AZURE_ARC;
	x.step = OAUTH_STEP_CHALLENGED;
	assert_int_equal(oauth_exchange_reply(&x, &h, &t, &f), OAUTH_REFUSED);
	assert_string_equal(f.err.code, "identity-refused");
	/* nor is one answered that leads elsewhere */
	x.step = OAUTH_STEP_PLATFORM;
	h.www_authenticate = "Basic realm=/etc/shadow";
	assert_int_equal(oauth_exchange_reply(&x, &h, &t, &f), OAUTH_REFUSED);
	assert_string_equal(f.err.code, "identity-challenge");
	assert_int_equal(x.step, OAUTH_STEP_PLATFORM);
	assert_true(f.permanent && f.credential && x.req.authorization.len == 0);
	oauth_exchange_free(&x);
}

static void test_as_assertion(void **state)
{
	const struct oauth_credential k = { .auth = OAUTH_AUTH_FEDERATED,
		.platform = OAUTH_PLATFORM_IMDS,
		.platform_resource = "api://AzureADTokenExchange" };
	const struct oauth_client c = { .name = "c",
		.grant = OAUTH_GRANT_CLIENT_CREDENTIALS,
		.token_endpoint = "https://e.example/t",
		.client_id = GUID,
		.scope = SMTP "/.default",
		.credential = &k,
		.ncredentials = 1 };
	struct oauth_http_reply h = reply_of(200, token_reply);
	struct oauth_exchange x;
	struct oauth_failure f;
	struct oauth_token t;

	(void)state;
	set_env((const char *const[5]){ 0 });
	assert_true(oauth_exchange_begin(&x, &c, &k, NULL, &f));
	assert_int_equal(oauth_exchange_reply(&x, &h, &t, &f), OAUTH_MORE);
	assert_null(t.access_token.p);
	assert_string_equal(x.req.url, "https://e.example/t");
	assert_true(!x.req.get && !x.req.local && x.req.header == NULL &&
	    x.req.secret_header.len == 0 && x.req.authorization.len == 0);
	assert_string_equal(x.req.body.p,
	    "grant_type=client_credentials&client_id=" GUID "&client_assertion_type=urn%3Aietf%"
							    "3Aparams"
	    "%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=abc.DEF-1_%7E%2B%2F%3D%"
	    "3D&scope=https%3A%2F%2F"
	    "outlook.office365.com%2F.default");
	assert_int_equal(x.req.repeat, OAUTH_REPEAT_SAME);
	assert_true(oauth_exchange_again(&x));
	h = reply_of(
	    200, "{\"access_token\":\"second\",\"token_type\":\"Bearer\",\"expires_in\":60}");
	assert_int_equal(oauth_exchange_reply(&x, &h, &t, &f), OAUTH_GOT);
	assert_string_equal(t.access_token.p, "second");
	mx_secret_free(&t.access_token);
	oauth_exchange_free(&x);
}

/* --- where it may go ----------------------------------------------------------------- */

/*
 * Link-local ones that are let through are for a network of the test's own
 * (tests/e2e/test_identity.py). The port is one where nobody listens: what is let through comes
 * back as unreachable, what is not as a mistake.
 */
static void test_addresses(void **state)
{
	static const struct {
		const char *host;
		bool may;
	} row[] = {
		{ "http://127.0.0.1:1", true },
		{ "http://127.255.0.9:1", true },
		{ "http://[::1]:1", true },
		{ "HTTP://127.0.0.1:1", true },
		{ "http://128.0.0.1:1", false },
		{ "http://169.253.1.1:1", false },
		{ "http://169.255.1.1:1", false },
		{ "http://10.0.0.1:1", false },
		{ "http://0.0.0.0:1", false },
		{ "http://[::2]:1", false },
		{ "http://[::]:1", false },
		{ "http://[fec0::1]:1", false },
		{ "http://[::ffff:10.0.0.1]:1", false },
		{ "http://metadata:1", false },
		{ "http://127.0.0.1.example:1", false },
		{ "http://u@127.0.0.1:1", false },
		{ "http://127.0.0.1@10.0.0.1:1", false },
		{ "https://127.0.0.1:1", false },
		{ "ftp://127.0.0.1:1", false },
		{ "127.0.0.1:1", false },
		{ "http://", false },
		{ "file:///etc", false },
	};
	const struct oauth_credential k = { .auth = OAUTH_AUTH_FEDERATED,
		.platform = OAUTH_PLATFORM_IMDS,
		.platform_resource = "r" };
	const struct oauth_client c = { .name = "c",
		.grant = OAUTH_GRANT_MANAGED_IDENTITY,
		.credential = &k,
		.ncredentials = 1,
		.timeout_ms = 3000,
		.proxy = "http://127.0.0.1:2" };
	const char *env[5] = { 0 };
	struct oauth_failure f;
	struct oauth_token t;

	(void)state;
	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
		env[4] = row[i].host;
		set_env(env);
		if (oauth_http_wait("test", &c, &k, NULL, &t, &f) == MX_OK ||
		    f.permanent == row[i].may ||
		    strcmp(f.err.code,
			row[i].may ? "identity-unreachable" : "identity-environment") != 0)
			fail_msg("%s: %s: %s", row[i].host, f.err.code, f.err.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_detection),
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_direct),
		cmocka_unit_test(test_as_assertion),
		cmocka_unit_test(test_addresses),
	};

	if (!oauth_http_global_init())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
