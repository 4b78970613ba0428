/*
 * catalogue/: every row is well-formed; what providers and mail servers are known to say finds its row; hostile values and
 * random bytes do no harm.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "catalogue/catalogue.h"
#include "catalogue/refusal.h"
#include "catalogue/smtp.h"
#include "common/base64.h"
#include "common/text.h"

#define SENTENCES_MAX 290 /* cause and fix of a refusal: what fits a text beside client, error and trace id */

/* Numbers that must have a row of their own. */
static const uint32_t numbers[] = {
	28002, 28003, 50001, 50012, 50013, 50020, 50027, 50033, 50034, 50048, 50053, 50057, 50059,
	50076, 50079, 50087, 50105, 50126, 50128, 50173, 50194, 50196, 51005, 53000, 53001, 53002,
	53003, 65001, 70001, 70002, 70008, 70011, 70021, 70043, 90002, 90006, 90012, 90014, 90019,
	90024, 90033, 90038, 90055, 90061, 90090, 90093, 90094, 100007, 500011, 500014, 500021,
	500133, 501051, 530032, 530035, 650052, 650056, 650057, 700011, 700016, 700021, 700022,
	700023, 700024, 700025, 700027, 700030, 700082, 700084, 700211, 700212, 700213, 700229,
	900023, 900144, 900382, 900432, 900439, 900561, 901002, 1002012, 5002727, 5002738, 7000112,
	7000215, 7000216, 7000218, 7000222, 7000229, 7002137, 7002138, 9001023, 9002313,
};

static bool known_name(const char *s, size_t n)
{
	const char *name;

	for (size_t i = 0; (name = cat_name_at(i)) != NULL; i++)
		if (strlen(name) == n && memcmp(name, s, n) == 0)
			return true;
	return false;
}

static void check_sentence(const char *code, const char *s, size_t max)
{
	size_t n = strlen(s);

	if (n == 0 || n > max || s[n - 1] == '.' || s[n - 1] == ' ' || s[0] == ' ' || mx_has_ctl(s, n) || !mx_utf8_ok(s, n))
		fail_msg("%s: '%s' is no sentence without a full stop, of %zu bytes at most", code, s, max);
	if (strstr(s, "  ") != NULL)
		fail_msg("%s: '%s' has two blanks", code, s);
	/* Placeholders: {name}, {sh:name}, {ps:name}, {yaml:name}, of a name that is known. */
	for (const char *p = s; (p = strchr(p, '{')) != NULL; p++) {
		const char *end = strchr(p, '}'), *name = p + 1;

		if (end == NULL)
			fail_msg("%s: '%s' has a brace too many", code, s);
		for (const char *const *l = (const char *const[]){ "sh:", "ps:", "yaml:", "in:", NULL }; *l != NULL; l++)
			if (strncmp(p + 1, *l, strlen(*l)) == 0)
				name = p + 1 + strlen(*l);
		/* Within a command's own quotes nothing is put that could end them. */
		for (const char *q = p; name == p + 1 && q > s && q[-1] != ' '; q--)
			if (q[-1] == '\'' && (q - 1 == s || q[-2] == ' '))
				fail_msg("%s: '%s': write {in:...} within quotes", code, s);
		if (!known_name(name, (size_t)(end - name)))
			fail_msg("%s: '%s': there is no value %.*s", code, s, (int)(end - p + 1), p);
	}
}

static bool known_place(const char *where)
{
	const struct cat_place *p;

	for (size_t i = 0; (p = cat_place_at(i)) != NULL; i++)
		if (strcmp(p->name, where) == 0)
			return true;
	return false;
}

static void test_rows(void **state)
{
	const struct cat_row *r;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; (r = cat_at(i)) != NULL; i++, n++) {
		if (r->code[strspn(r->code, "abcdefghijklmnopqrstuvwxyz0123456789-")] != '\0' || r->code[0] == '\0' ||
		    strlen(r->code) >= MX_CODE_MAX)
			fail_msg("code '%s'", r->code);
		if (r->cls <= MX_OK || r->cls >= MX_CLASS_N || r->also >= MX_CLASS_N || r->also == r->cls)
			fail_msg("%s: its class", r->code);
		if (!known_place(r->where))
			fail_msg("%s: there is no place '%s'", r->code, r->where);
		check_sentence(r->code, r->cause, CAT_CAUSE_MAX);
		check_sentence(r->code, r->fix, CAT_FIX_MAX);
		assert_ptr_equal(cat_find(r->code), r);		/* no code twice */
		assert_ptr_equal(cat_get(r->code), r);
	}
	assert_true(n > 150);
	for (size_t i = 0; i < mx_rows_n; i++)		/* plugin and client have nothing to fill them with */
		assert_null(strchr(mx_rows[i].fix, '{'));
	assert_null(cat_find("no-such-code"));
	assert_null(cat_find(""));
	assert_string_equal(cat_get("no-such-code")->code, "");
}

static void test_refusals(void **state)
{
	struct cat_refusal r, other;

	(void)state;
	for (size_t i = 0; cat_refusal_at(i, &r); i++) {
		assert_non_null(cat_find(r.code));
		assert_string_equal(cat_find(r.code)->where, "provider");
		check_sentence(r.code, r.cause, CAT_CAUSE_MAX);
		check_sentence(r.code, r.fix, CAT_FIX_MAX);
		if (strlen(r.cause) + strlen(r.fix) + 2 > SENTENCES_MAX)
			fail_msg("%s: '%s; %s' is too long", r.code, r.cause, r.fix);
		for (size_t k = 0; k < i; k++) {
			assert_true(cat_refusal_at(k, &other));
			if (r.aadsts != 0 ? r.aadsts == other.aadsts :
			    other.aadsts == 0 && other.error != NULL && r.error != NULL && strcmp(r.error, other.error) == 0 &&
			    (other.said == NULL || (r.said != NULL && strcmp(r.said, other.said) == 0)))
				fail_msg("rows %zu and %zu are for the same thing (%s)", k, i, r.code);
		}
	}
}

/* As Google writes them. */
static const struct { const char *error, *said, *code; } google[] = {
	{ "unauthorized_client", "Client is unauthorized to retrieve access tokens using this method, or client not "
	    "authorized for any of the scopes requested.", "delegation-missing" },
	{ "unauthorized_client", "something else", "client-unauthorized" },
	{ "access_denied", "Requested client not authorized.", "delegation-missing" },
	{ "access_denied", NULL, "policy-blocked" },
	{ "invalid_grant", "Invalid JWT Signature.", "key-rejected" },
	{ "invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
	    "Check your iat and exp values in the JWT claim.", "assertion-expired" },
	{ "invalid_grant", "Invalid email or User ID", "mailbox-unknown" },
	{ "invalid_grant", "Invalid grant: account not found", "mailbox-unknown" },
	{ "invalid_grant", "Bad Request", "grant-rejected" },
	{ "invalid_request", "Invalid JWT Signature.", "request-malformed" },
	{ "disabled_client", "The OAuth client was disabled.", "client-disabled" },
	{ "deleted_client", "The OAuth client was deleted.", "client-unknown" },
};

static void test_lookup(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		if (cat_refusal_find("invalid_request", numbers[i], NULL).aadsts != numbers[i])
			fail_msg("AADSTS%u has no row", (unsigned)numbers[i]);
	assert_string_equal(
	    cat_refusal_find("invalid_client", 7000215, NULL).code, "client-secret-rejected");
	assert_string_equal(cat_refusal_find("invalid_client", 1, NULL).code, "client-rejected");
	assert_string_equal(cat_refusal_find("invalid_scope", 0, NULL).code, "scope-rejected");
	for (size_t i = 0; i < sizeof google / sizeof google[0]; i++)
		assert_string_equal(cat_refusal_find(google[i].error, 0, google[i].said).code, google[i].code);
	assert_string_equal(cat_refusal_find("no_such", 0, NULL).code, "provider-refused");
	assert_string_equal(cat_refusal_find(NULL, 0, NULL).code, "provider-refused");
	assert_string_equal(cat_refusal_find("", 4711, NULL).code, "provider-refused");
}


/* As mail servers write them; the same must be found with other cases and line ends. */
static const struct { enum cat_step step; unsigned reply; const char *text, *code; } said[] = {
	{ CAT_AUTH, 535, "5.7.3 Authentication unsuccessful [SN2PR00CA0018.namprd00.prod.outlook.com]", "login-unsuccessful" },
	{ CAT_AUTH, 535, "535 5.7.3 Authentication unsuccessful", "login-unsuccessful" },
	{ CAT_AUTH, 535, "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit "
	    "https://aka.ms/smtp_auth_disabled for more information. [FR2P281CA0022.DEUP281.PROD.OUTLOOK.COM]",
	    "smtp-auth-off-tenant" },
	{ CAT_AUTH, 535, "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox. Visit "
	    "https://aka.ms/smtp_auth_disabled for more information. [X]", "smtp-auth-off-mailbox" },
	{ CAT_AUTH, 535, "535-5.7.139 Authentication unsuccessful, SmtpClientAuthentication is\r\n535 5.7.139 disabled for the "
	    "Tenant. Visit https://aka.ms/smtp_auth_disabled", "smtp-auth-off-tenant" },
	{ CAT_AUTH, 535, "5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy. "
	    "Contact your administrator. [X]", "security-defaults" },
	{ CAT_AUTH, 535, "5.7.139 Authentication unsuccessful, the request did not meet the criteria to be authenticated "
	    "successfully. Contact your administrator. [X]", "login-policy" },
	{ CAT_AUTH, 535, "5.7.139 Authentication unsuccessful, basic authentication is disabled. [X]", "password-login" },
	{ CAT_AUTH, 535, "5.7.139 Authentication unsuccessful, the user credentials were incorrect. [X]", "password-refused" },
	{ CAT_AUTH, 535, "5.7.139 Authentication unsuccessful, federated STS service was unreachable [X]",
	    "federation-unreachable" },
	{ CAT_AUTH, 535, "5.7.139 Authentication unsuccessful, STS URL does not support HTTPS [X]", "federation-unreachable" },
	{ CAT_AUTH, 535, "5.7.139 Authentication unsuccessful, something new [X]", "login-unsuccessful" },
	{ CAT_AUTH, 550, "5.7.30 Basic authentication is not supported for Client Submission. [X]", "basic-auth-retired" },
	{ CAT_MAIL, 550, "5.7.30 Basic authentication is not supported for Client Submission. [X]", "basic-auth-retired" },
	{ CAT_MAIL, 530, "5.7.57 Client not authenticated to send mail. [X]", "not-logged-in" },
	{ CAT_MAIL, 530, "5.7.57 SMTP; Client was not authenticated to send anonymous mail during MAIL FROM [X]", "not-logged-in" },
	{ CAT_RCPT, 550, "5.7.57 Client not authenticated to send mail.", "not-logged-in" },
	{ CAT_MAIL, 530, "5.7.0 Authentication Required. For more information, go to", "not-logged-in" },
	{ CAT_MAIL, 530, "5.7.0 Must issue a STARTTLS command first. a1 - gsmtp", "encryption-required" },
	{ CAT_DATA, 430, "4.2.0 STOREDRV; mailbox logon failure; failure message: Cannot open mailbox "
	    "/o=ExchangeLabs/cn=X, MapiExceptionLogonFailed [X]", "mailbox-permission" },
	{ CAT_DATA, 550, "5.7.60 SMTP; Client does not have permissions to send as this sender [X]", "send-as-denied" },
	{ CAT_MAIL, 550, "5.7.60 SMTP; Client does not have permissions to send as this sender [X]", "send-as-denied" },
	{ CAT_DATA, 554, "5.2.252 SendAsDenied; app@contoso.com not allowed to send as other@contoso.com; STOREDRV.Submission",
	    "send-as-denied" },
	{ CAT_DATA, 554, "5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; Failed to process "
	    "message", "send-as-denied" },
	{ CAT_DATA, 432, "4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded [Hostname=X]", "too-many-submissions" },
	{ CAT_AUTH, 432, "4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more "
	    "information.", "too-many-submissions" },
	{ CAT_CONNECT, 421, "4.3.2 The maximum number of concurrent connections has exceeded a limit, closing transmission channel",
	    "server-busy" },
	{ CAT_DATA, 554, "5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message due to a "
	    "permanent exception with message The message can't be submitted because the sender's submission quota was exceeded.",
	    "submission-quota" },
	{ CAT_DATA, 554, "5.2.2 mailbox full; STOREDRV.Submission.Exception: QuotaExceeded", "sender-mailbox-full" },
	{ CAT_DATA, 550, "5.1.8 Access denied, bad outbound sender AS(42004)", "sender-blocked" },
	{ CAT_AUTH, 451, "4.7.0 Temporary server error. Please try again later. PRX4", "login-temporary" },
	{ CAT_DATA, 451, "4.7.0 Temporary server error. Please try again later. PRX4", "server-busy" },
	{ CAT_MAIL, 421, "4.4.1 Connection timed out", "server-busy" },
	{ CAT_AUTH, 421, "4.3.2 Service not active", "server-busy" },

	{ CAT_MAIL, 553, "5.7.1 <a@example.com>: Sender address rejected: not owned by user b@example.com", "sender-not-owned" },
	{ CAT_RCPT, 550, "5.7.54 SMTP; Unable to relay recipient in non-accepted domain", "relay-denied" },
	{ CAT_RCPT, 550, "5.7.64 TenantAttribution; Relay Access Denied [X]", "relay-denied" },
	{ CAT_RCPT, 554, "5.7.1 <x@example.com>: Relay access denied", "relay-denied" },
	{ CAT_DATA, 550, "5.7.705 Access denied, tenant has exceeded threshold.", "tenant-restricted" },
	{ CAT_DATA, 550, "5.7.708 Access denied, traffic not accepted from this IP.", "tenant-restricted" },
	{ CAT_RCPT, 452, "4.5.3 Too many recipients (AS780090) [X]", "too-many-recipients" },
	{ CAT_DATA, 550, "5.5.3 RESOLVER.ADR.RecipLimit; too many recipients", "too-many-recipients" },
	{ CAT_MAIL, 552, "5.3.4 Message size exceeds fixed maximum message size", "message-too-large" },
	{ CAT_DATA, 552, "5.2.3 Your message exceeded Google's message size limits", "message-too-large" },

	/* High Volume Email */
	{ CAT_AUTH, 501, "5.5.127 Invalid XOAUTH2 auth data - Token will expire soon [X]", "hve-token-expiring" },
	{ CAT_AUTH, 535, "5.7.142 Token will expire soon", "hve-token-expiring" },
	{ CAT_AUTH, 535, "5.7.143 Token has expired", "hve-token-expired" },
	{ CAT_AUTH, 535, "5.7.144 Authentication unsuccessful, bad API permissions", "hve-permission" },
	{ CAT_AUTH, 501, "5.5.121 Invalid XOAUTH2 auth data", "response-malformed" },
	{ CAT_AUTH, 501, "5.5.126 Invalid XOAUTH2 auth data", "response-malformed" },
	{ CAT_MAIL, 550, "5.7.240 App is not allowed", "hve-app-not-allowed" },
	{ CAT_AUTH, 550, "5.7.240 App is not allowed", "hve-app-not-allowed" },
	{ CAT_MAIL, 550, "5.7.62 MAIL FROM differs from the authenticated account", "hve-envelope-sender" },
	{ CAT_DATA, 550, "5.6.241 From differs", "hve-header-sender" },
	{ CAT_MAIL, 550, "5.2.240 Not an HVE account", "hve-no-account" },
	{ CAT_RCPT, 550, "5.5.105 External recipients are not allowed", "hve-external-recipient" },

	/* Gmail */
	{ CAT_AUTH, 535, "535-5.7.8 Username and Password not accepted. For more information, go to\n535 5.7.8  "
	    "https://support.google.com/mail/?p=BadCredentials a640c23a62f3a-a123 - gsmtp", "gmail-refused" },
	{ CAT_AUTH, 534, "534-5.7.9 Application-specific password required. For more information, go to\r\n534 5.7.9  "
	    "https://support.google.com/mail/?p=InvalidSecondFactor x - gsmtp", "app-password-wanted" },
	{ CAT_AUTH, 534, "534-5.7.14 <https://accounts.google.com/signin/continue?x> Please log in via\n534-5.7.14 your web browser "
	    "and then try again.", "gmail-web-login" },
	{ CAT_RCPT, 550, "550-5.4.5 Daily user sending limit exceeded. For more information on Gmail\n550 5.4.5 sending limits go to",
	    "submission-quota" },
	{ CAT_RCPT, 550, "550-5.1.1 The email account that you tried to reach does not exist. Please try", "recipient-unknown" },
	{ CAT_AUTH, 454, "4.7.0 Too many login attempts, please try again later. - gsmtp", "login-temporary" },
	{ CAT_AUTH, 504, "5.7.4 Unrecognized Authentication Type [X]", "mechanism-refused" },

	/* challenges, decoded and not */
	{ CAT_AUTH, 334, "{\"status\":\"401\",\"schemes\":\"Bearer\",\"scope\":\"https://mail.google.com/\"}", "token-refused" },
	{ CAT_AUTH, 334, "eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIG1hYyIsInNjb3BlIjoiaHR0cHM6Ly9tYWlsLmdvb2dsZS5jb20vIn0=",
	    "token-refused" },
	{ CAT_AUTH, 334, "334 eyJzdGF0dXMiOiI0MDAiLCJzY2hlbWVzIjoiQmVhcmVyIiwic2NvcGUiOiJodHRwczovL21haWwuZ29vZ2xlLmNvbS8ifQ==",
	    "response-malformed" },
	{ CAT_AUTH, 334, "{\"status\":\"invalid_token\",\"scope\":\"example_scope\"}", "token-refused" },
	{ CAT_AUTH, 334, "{ \"status\" : \"invalid_scope\" }", "token-scope-refused" },
	{ CAT_AUTH, 334, "", "server-out-of-step" },

	/* anybody */
	{ CAT_AUTH, 500, "5.5.6 Authentication Exchange line is too long", "response-too-long-for-server" },
	{ CAT_AUTH, 501, "5.5.4 Line too long", "response-too-long-for-server" },
	{ CAT_AUTH, 501, "5.5.2 Cannot decode", "response-malformed" },
	{ CAT_AUTH, 501, "5.7.0 Authentication aborted", "login-cancelled" },
	{ CAT_AUTH, 504, "5.5.4 Unrecognized authentication type", "mechanism-refused" },
	{ CAT_AUTH, 503, "5.5.1 Already authenticated", "login-twice" },
	{ CAT_AUTH, 503, "5.5.1 Error: authentication not enabled", "auth-not-offered" },
	{ CAT_AUTH, 502, "5.5.2 Error: command not recognized", "auth-not-offered" },
	{ CAT_AUTH, 500, "unrecognized command", "auth-not-offered" },
	{ CAT_AUTH, 538, "5.7.11 Encryption required for requested authentication mechanism", "encryption-required" },
	{ CAT_AUTH, 534, "5.7.9 Authentication mechanism is too weak", "mechanism-too-weak" },
	{ CAT_AUTH, 432, "4.7.12 A password transition is needed", "password-transition" },
	{ CAT_AUTH, 454, "4.7.0 Temporary authentication failure", "login-temporary" },
	{ CAT_AUTH, 535, "5.7.8 Error: authentication failed: Invalid token", "login-refused" },
	{ CAT_RCPT, 550, "5.1.1 <x@example.com>: Recipient address rejected: User unknown", "recipient-unknown" },
	{ CAT_STARTTLS, 454, "4.7.0 TLS not available due to local problem", "starttls-refused" },
	{ CAT_EHLO, 550, "5.7.1 Helo command rejected: Host not found", "ehlo-refused" },

	/* what nobody knows: the catch-all of its step and class */
	{ CAT_CONNECT, 554, "no", "server-unwilling" },
	{ CAT_CONNECT, 421, NULL, "server-busy" },
	{ CAT_EHLO, 502, "", "ehlo-refused" },
	{ CAT_EHLO, 451, "", "server-busy" },
	{ CAT_STARTTLS, 502, "", "starttls-refused" },
	{ CAT_AUTH, 599, "", "login-refused" },
	{ CAT_AUTH, 499, "", "login-temporary" },
	{ CAT_MAIL, 599, "", "sender-refused" },
	{ CAT_RCPT, 599, "", "recipient-refused" },
	{ CAT_DATA, 599, "", "message-refused" },
	{ CAT_DATA, 452, "", "server-busy" },
	{ CAT_MAIL, 250, "fine", "server-out-of-step" },
	{ CAT_AUTH, 0, "", "server-out-of-step" },
	{ CAT_AUTH, 4294967295u, "", "server-out-of-step" },
	{ CAT_END, 599, "", "message-refused" },
};

static void expect(enum cat_step step, unsigned reply, const char *text, const char *code)
{
	const char *got = cat_smtp(step, reply, text)->code;

	if (strcmp(got, code) != 0)
		fail_msg("%d, %u '%s': %s instead of %s", (int)step, reply, text, got, code);
}

static void test_smtp(void **state)
{
	char text[1024];

	(void)state;
	for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
		expect(said[i].step, said[i].reply, said[i].text, said[i].code);
		if (said[i].text == NULL || said[i].reply == 334)
			continue;
		/* in capitals; with a line end behind; with a line broken at each blank */
		assert_true(snprintf(text, sizeof text, "%s\r\n", said[i].text) > 0);
		for (char *p = text; *p != '\0'; p++)
			if (*p >= 'a' && *p <= 'z')
				*p = (char)(*p - 'a' + 'A');
		expect(said[i].step, said[i].reply, text, said[i].code);
		for (char *p = text; (p = strchr(p, ' ')) != NULL; p++)
			if (p - text > 12) {
				*p = '\n';
				expect(said[i].step, said[i].reply, text, said[i].code);
				*p = ' ';
			}
	}
}

static void test_smtp_rows(void **state)
{
	const struct cat_smtp *r;
	const struct cat_check *c;
	size_t i, n = 0;

	(void)state;
	for (i = 0; (r = cat_smtp_at(i)) != NULL; i++) {
		if (cat_find(r->code) == NULL)
			fail_msg("%s has no row", r->code);
		assert_true(r->steps != 0 && r->steps < 1u << CAT_END && strlen(r->reply) == 3);
		assert_int_equal(strspn(r->reply, "0123456789x"), 3);
		for (const char *p = r->words != NULL ? r->words : ""; *p != '\0'; p++)
			if (*p >= 'A' && *p <= 'Z')
				fail_msg("'%s' is not in lower case", r->words);
		/* No row behind one that takes all of it. */
		for (size_t k = 0; k < i; k++) {
			const struct cat_smtp *o = cat_smtp_at(k);

			if ((r->steps & ~o->steps) == 0 && o->enhanced == NULL && o->words == NULL &&
			    (strcmp(o->reply, r->reply) == 0 || strcmp(o->reply, "xxx") == 0 ||
			    (o->reply[1] == 'x' && o->reply[0] == r->reply[0])))
				fail_msg("row %zu (%s) is never reached, because of %zu", i, r->code, k);
		}
	}
	for (i = 0; (c = cat_check_at(i)) != NULL; i++, n++)
		if (cat_find(c->code) == NULL)
			fail_msg("%s has no row", c->code);
	assert_int_equal(n, 8);
	/* Each step has catch-alls of its own. */
	for (int s = 0; s < CAT_END; s++)
		for (unsigned reply = 400; reply <= 500; reply += 100)
			assert_string_not_equal(cat_smtp((enum cat_step)s, reply == 400 ? 460 : 560, "?")->code,
			    "server-out-of-step");
}

static const char *fill(const char *text, const char *name, const char *value)
{
	static char out[512];
	struct cat_value v = { name, value };
	struct mx_buf b;

	mx_buf_init(&b, out, sizeof out);
	assert_true(cat_fill(&b, text, &v, 1));
	return mx_buf_str(&b);
}

static void test_fill(void **state)
{
	static const struct { const char *text, *value, *want; } rows[] = {
		{ "id {client_id}.", "1-2", "id 1-2." },
		{ "{client_id}{client_id}", "x", "xx" },
		{ "id {client_id}", NULL, "id CLIENT_ID" },
		{ "id {client_id}", "", "id CLIENT_ID" },
		{ "{tenant}: {client_id}", "x", "TENANT: x" },
		{ "{sh:tenant}", "x", "TENANT" },
		{ "a { b } {} {Client} ${x", "x", "a { b } {} {Client} ${x" },
		{ "{client_id", "x", "{client_id" },
		{ "{client_id}", "{client_id}", "{client_id}" },	/* values are not looked at again */
		{ "{client_id}", "a\nb\x1b[31m\xE2\x80\xAE", "a?b?[31m???" },
		{ "{sh:client_id}", "app@contoso.com", "app@contoso.com" },
		{ "{sh:client_id}", "/etc/x/y.secret", "/etc/x/y.secret" },
		{ "{sh:client_id}", "a b", "'a b'" },
		{ "{sh:client_id}", "o'b$(reboot)`x`", "'o'\\''b$(reboot)`x`'" },
		{ "{sh:client_id}", "x;y", "'x;y'" },
		{ "{sh:client_id}", "~root", "'~root'" },
		{ "{sh:client_id}", "-rf", "CLIENT_ID" },
		{ "{sh:client_id}", "a\nreboot", "CLIENT_ID" },
		{ "{sh:client_id}", "a\xE2\x80\xAE" "b", "CLIENT_ID" },
		{ "{sh:client_id}", "\xff", "CLIENT_ID" },
		{ "{ps:client_id}", "app@contoso.com", "app@contoso.com" },
		{ "{ps:client_id}", "o'brien@contoso.com", "'o''brien@contoso.com'" },
		{ "{ps:client_id}", "o\xE2\x80\x99" "b; x", "'o\xE2\x80\x99\xE2\x80\x99" "b; x'" },
		{ "{ps:client_id}", "\xE2\x80\x9B", "'\xE2\x80\x9B\xE2\x80\x9B'" },
		{ "{ps:client_id}", "$env:X", "'$env:X'" },
		{ "{ps:client_id}", "@args", "'@args'" },
		{ "{ps:client_id}", "a,b", "'a,b'" },
		{ "{ps:client_id}", "-Confirm", "CLIENT_ID" },
		{ "'[{in:client_id}]:587'", "smtp.office365.com", "'[smtp.office365.com]:587'" },
		{ "'{in:client_id} rw,'", "/run/x.sock", "'/run/x.sock rw,'" },
		{ "'{in:client_id}'", "x'; reboot; '", "'CLIENT_ID'" },
		{ "'{in:client_id}'", "$(reboot)", "'CLIENT_ID'" },
		{ "'{in:client_id}'", "a b", "'CLIENT_ID'" },
		{ "'{in:client_id}'", "-x", "'CLIENT_ID'" },
		{ "{yaml:client_id}", "app@contoso.com", "app@contoso.com" },
		{ "{yaml:client_id}", "*@contoso.com", "'*@contoso.com'" },
		{ "{yaml:client_id}", "a: 'b' # c", "'a: ''b'' # c'" },
	};
	char big[4096], small[8];
	struct mx_buf b;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *got = fill(rows[i].text, "client_id", rows[i].value);

		if (got == NULL || strcmp(got, rows[i].want) != 0)
			fail_msg("'%s' with '%s': '%s' instead of '%s'", rows[i].text,
			    rows[i].value != NULL ? rows[i].value : "(none)", got, rows[i].want);
	}
	memset(big, 'v', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	assert_string_equal(fill("{client_id}", "client_id", big), "CLIENT_ID");
	assert_string_equal(fill("{client_id}", NULL, "x"), "CLIENT_ID");
	big[600] = '\0';
	mx_buf_init(&b, small, sizeof small);
	assert_false(cat_fill(&b, "{client_id}", &(struct cat_value){ "client_id", "eight888" }, 1) && mx_buf_str(&b) != NULL);
	mx_buf_init(&b, small, sizeof small);
	assert_false(cat_fill(&b, "{sh:client_id}", &(struct cat_value){ "client_id", big }, 1));
	mx_buf_init(&b, small, sizeof small);
	assert_true(cat_fill(&b, "", NULL, 0));
	assert_string_equal(mx_buf_str(&b), "");
}

/* Every fix with a hostile value for each name: nothing of it gets out of its quotes, or into a line of its own. */
static void test_fill_rows(void **state)
{
	static const char hostile[] = "x'\"`$(id);|&\\ {tenant}";
	struct cat_value v[64];
	const struct cat_row *r;
	const char *name;
	char out[8192];
	size_t n = 0;
	struct mx_buf b;

	(void)state;
	for (; (name = cat_name_at(n)) != NULL; n++) {
		assert_true(n < sizeof v / sizeof v[0]);
		v[n] = (struct cat_value){ name, hostile };
	}
	for (size_t i = 0; (r = cat_at(i)) != NULL; i++) {
		mx_buf_init(&b, out, sizeof out);
		assert_true(cat_fill(&b, r->fix, v, n));
		assert_non_null(mx_buf_str(&b));
		assert_false(mx_has_ctl(out, b.len));
		if (strstr(r->fix, "{sh:") != NULL && strstr(out, "'x'\\''\"`$(id);|&\\ {tenant}'") == NULL)
			fail_msg("%s: '%s'", r->code, out);
		if (strstr(r->fix, "{ps:") != NULL && strstr(out, "'x''\"`$(id);|&\\ {tenant}'") == NULL)
			fail_msg("%s: '%s'", r->code, out);
	}
}

/* Bytes of chance, from a generator of our own, so that a failure comes again. */
static uint32_t chance(uint32_t *x)
{
	*x = *x * 1664525u + 1013904223u;
	return *x >> 8;
}

static void test_chance(void **state)
{
	static const char pieces[] = "535-5.7.8 {sh:x}\r\n{client_id}5.7.139 334 eyJ\"status\"'|\t\xE2\x80\x99\xff{:";
	char text[6000], out[700];
	uint32_t x = 20261130;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t n = chance(&x) % (round % 100 == 0 ? sizeof text : 80);
		struct cat_value v = { "client_id", text };
		struct mx_buf b;
		const char *s;

		for (size_t i = 0; i < n; i++)
			text[i] = chance(&x) % 3 == 0 ? (char)(1 + chance(&x) % 255) : pieces[chance(&x) % (sizeof pieces - 1)];
		text[n < sizeof text ? n : sizeof text - 1] = '\0';
		assert_non_null(cat_find(cat_smtp((enum cat_step)(chance(&x) % 9), chance(&x) % 1000, text)->code));
		mx_buf_init(&b, out, sizeof out);
		(void)cat_fill(&b, text, &v, 1);
		mx_buf_init(&b, out, sizeof out);
		(void)cat_fill(&b, "{client_id}", &v, 1);
		if ((s = mx_buf_str(&b)) != NULL)
			assert_false(mx_has_ctl(s, strlen(s)));
		mx_buf_init(&b, out, sizeof out);
		(void)cat_fill(&b, "{sh:client_id}{ps:client_id}{yaml:client_id}", &v, 1);
		if ((s = mx_buf_str(&b)) != NULL)
			assert_false(mx_has_ctl(s, strlen(s)));
		assert_non_null(cat_refusal_find(text, chance(&x), text).code);
	}
}

static void test_fail_row(void **state)
{
	char big[2000];
	struct mx_err e;

	(void)state;
	assert_int_equal(mx_fail_row(&e, "socket-forbidden", "the socket %s", "/x"), MX_CONFIG);
	assert_string_equal(e.code, "socket-forbidden");
	assert_non_null(strstr(e.text, "the socket /x; its mode must be 0666"));
	/* What is too long is cut at a character, and never the next step. */
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	for (size_t i = 0; i < 2; i++) {
		big[0] = 'x';
		for (size_t k = i; k + 2 < sizeof big; k += 2)
			memcpy(big + k, "\xC3\xBC", 2);
		assert_int_equal(mx_fail_row(&e, "socket-forbidden", "%.1900s", big), MX_CONFIG);
		assert_true(strlen(e.text) >= MX_TEXT_MAX - 3);
		assert_non_null(strstr(e.text, "\xC3\xBC...; its mode must be 0666"));
		assert_null(strchr(e.text, '?'));
		assert_string_equal(e.text + strlen(e.text) - 7, "the way");
	}
	assert_int_equal(mx_fail_row(&e, "no-such-code", "text"), MX_TEMP);
	assert_string_equal(e.text, "text");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_lookup),
		cmocka_unit_test(test_smtp),
		cmocka_unit_test(test_smtp_rows),
		cmocka_unit_test(test_fill),
		cmocka_unit_test(test_fill_rows),
		cmocka_unit_test(test_chance),
		cmocka_unit_test(test_fail_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
