#include "config.h"

#include <string.h>

#include "catalogue/catalogue.h"
#include "catalogue/refusal.h"
#include "common/buf.h"
#include "common/text.h"
#include "oauth/refusal.h"

/* Cause and fix, and a semicolon between: what fits a text beside client, error and trace id. */
#define SENTENCES_MAX 290
#define LOOKUP_URL "https://login.microsoftonline.com/error?code="

void oauth_text_copy(char *out, size_t cap, const char *s, size_t n)
{
	size_t line = 0;

	if (cap < 4)
		return;
	while (line < n && s[line] != '\r' && s[line] != '\n' && s[line] != '\0')
		line++;
	if (line < cap) {
		memcpy(out, s, line);
		out[line] = '\0';
	} else {
		line = cap - 4;
		while (line > 0 && ((unsigned char)s[line] & 0xc0) == 0x80)
			line--;
		memcpy(out, s, line);
		memcpy(out + line, "...", 4);
	}
	mx_clean(out, strlen(out));
}

void oauth_id_copy(char *out, size_t cap, const char *s, size_t n)
{
	out[0] = '\0';
	if (n == 0 || n >= cap)
		return;
	for (size_t i = 0; i < n; i++)
		if (!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'z') ||
		    (s[i] >= 'A' && s[i] <= 'Z') || s[i] == '-'))
			return;
	memcpy(out, s, n);
	out[n] = '\0';
}

static const char *after(const char *s, size_t n, const char *label, size_t *left)
{
	const char *p = memmem(s, n, label, strlen(label));

	if (p == NULL)
		return NULL;
	p += strlen(label);
	*left = n - (size_t)(p - s);
	return p;
}

static uint32_t aadsts_number(const char *s, size_t n)
{
	const char *p;
	size_t left, digits = 0;
	uint64_t v;

	if ((p = after(s, n, "AADSTS", &left)) == NULL)
		return 0;
	while (digits < left && p[digits] >= '0' && p[digits] <= '9')
		digits++;
	return mx_parse_uint(p, digits, 1, UINT32_MAX, &v) ? (uint32_t)v : 0;
}

static void take_id(char *out, size_t cap, const char *s, size_t n, const char *label)
{
	const char *p;
	size_t left, len = 0;

	if (out[0] != '\0' || (p = after(s, n, label, &left)) == NULL)
		return;
	while (len < left && p[len] != ' ' && p[len] != '\r' && p[len] != '\n')
		len++;
	oauth_id_copy(out, cap, p, len);
}

void oauth_refusal_describe(struct oauth_failure *f, const char *s, size_t n)
{
	const char *p;
	size_t left, len = 0;

	if (f->aadsts == 0)
		f->aadsts = aadsts_number(s, n);
	take_id(f->trace_id, sizeof f->trace_id, s, n, "Trace ID: ");
	take_id(f->correlation_id, sizeof f->correlation_id, s, n, "Correlation ID: ");
	if (f->timestamp[0] == '\0' && (p = after(s, n, "Timestamp: ", &left)) != NULL) {
		while (len < left && len < sizeof f->timestamp - 1 &&
		    strchr("0123456789-: TZ.+", p[len]) != NULL)
			len++;
		oauth_text_copy(f->timestamp, sizeof f->timestamp, p, len);
	}
	if ((p = memmem(s, n, " Trace ID: ", 11)) != NULL)
		n = (size_t)(p - s);
	oauth_text_copy(f->description, sizeof f->description, s, n);
}

/* Statuses of trouble that passes, whoever of the way's front ends has it. */
static bool passes(long status)
{
	return status == 408 || status == 425 || status == 429 || status >= 500;
}

/*
 * Microsoft asks programs not to branch on its numbers, so they have no say here. What heals by
 * itself is known by status (408, 425, 429, 5xx) or by RFC 6749 section 4.1.2.1's two names.
 */
bool oauth_is_permanent(long http_status, const char *error)
{
	static const char *const passing[] = {
		"temporarily_unavailable", "server_error", "slow_down", "authorization_pending",
	};

	if (http_status == 0 || http_status == 408 || http_status == 425 || http_status == 429 ||
	    http_status >= 500)
		return false;
	for (size_t i = 0; error != NULL && i < sizeof passing / sizeof passing[0]; i++)
		if (strcmp(error, passing[i]) == 0)
			return false;
	return true;
}

bool oauth_tenant_of(const char *endpoint, char *out, size_t cap)
{
	const char *p = endpoint != NULL ? strstr(endpoint, "://") : NULL;
	size_t n;

	if (p == NULL || (p = strchr(p + 3, '/')) == NULL)
		return false;
	n = strcspn(++p, "/?#");
	if (n == 0 || n >= cap || strncmp(p + n, "/oauth2/", 8) != 0)
		return false;
	memcpy(out, p, n);
	out[n] = '\0';
	return true;
}

/* The next step with the real values in it, where they leave room for the rest. */
static void write_fix(char *out, size_t cap, const struct cat_refusal *r, const struct oauth_http_reply *h)
{
	char tenant[128];
	struct cat_value v[] = {
		{ "client_id", h->client_id },
		{ "tenant", oauth_tenant_of(h->token_endpoint, tenant, sizeof tenant) ? tenant : NULL },
	};
	struct mx_buf b;

	mx_buf_init(&b, out, cap);
	if (cat_fill(&b, r->fix, v, 2) && strlen(r->cause) + 2 + b.len <= SENTENCES_MAX && mx_buf_str(&b) != NULL)
		return;
	mx_buf_init(&b, out, cap);
	if (!cat_fill(&b, r->fix, NULL, 0) || mx_buf_str(&b) == NULL)
		out[0] = '\0';
}

enum mx_class oauth_refusal(const char *client, const struct oauth_http_reply *h, struct oauth_failure *f)
{
	struct cat_refusal r = cat_refusal_find(f->error, f->aadsts, f->description);
	bool known = (f->aadsts != 0 && r.aadsts == f->aadsts) || r.said != NULL;
	char number[24] = "", lookup[80] = "", trace[56] = "", fix[MX_TEXT_MAX];
	struct mx_buf b;

	/* The catch-all: what the status says is better. */
	if (r.aadsts == 0 && r.error == NULL) {
		if (f->http_status == 429)
			r = cat_refusal_find("slow_down", 0, NULL);
		else if (passes(f->http_status))
			r = cat_refusal_find("server_error", 0, NULL);
		else if (f->http_status == 401)
			r = cat_refusal_find("invalid_client", 0, NULL);
	}
	if (f->aadsts != 0) {
		mx_buf_init(&b, number, sizeof number);
		mx_buf_addf(&b, " AADSTS%u", (unsigned)f->aadsts);
		(void)mx_buf_str(&b);
	}
	if (f->aadsts != 0 && !known) {
		mx_buf_init(&b, lookup, sizeof lookup);
		mx_buf_addf(&b, ", see " LOOKUP_URL "%u", (unsigned)f->aadsts);
		(void)mx_buf_str(&b);
	}
	if (f->trace_id[0] != '\0') {
		mx_buf_init(&b, trace, sizeof trace);
		mx_buf_addf(&b, " (trace %s)", f->trace_id);
		(void)mx_buf_str(&b);
	}
	f->permanent = oauth_is_permanent(f->http_status, f->error);
	f->credential = f->permanent && (strcmp(f->error, "invalid_client") == 0 ||
	    strcmp(r.code, "key-rejected") == 0);
	write_fix(fix, sizeof fix, &r, h);
	/* Foreign text comes last: it may be cut, the next step may not. */
	return mx_fail(&f->err, f->permanent ? MX_PROVIDER : MX_TEMP, r.code,
	    "client \"%.64s\": HTTP %ld%s%.40s%s: %s; %s%s%s%s%s%s", client, f->http_status,
	    f->error[0] == '\0' ? "" : " ", f->error, number, r.cause, fix, lookup, trace,
	    known || f->description[0] == '\0' ? "" : " [provider: ",
	    known ? "" : f->description, known || f->description[0] == '\0' ? "" : "]");
}

/* The host of a URL, for texts; of a relative one "the same host". */
static void host_of(char *out, size_t cap, const char *url)
{
	const char *p = url == NULL ? NULL : strstr(url, "://"), *at;
	size_t n;

	if (p == NULL) {
		oauth_text_copy(out, cap, "the same host", 13);
		return;
	}
	p += 3;
	n = strcspn(p, "/?#\\");
	if ((at = memrchr(p, '@', n)) != NULL) {	/* never show what stands in front of it */
		n -= (size_t)(at + 1 - p);
		p = at + 1;
	}
	oauth_text_copy(out, cap, p, n);
}

bool oauth_refusal_transport(const char *client, const struct oauth_http_reply *h,
    struct oauth_failure *f)
{
	char host[80];

	f->permanent = true;
	if (h->status == 407) {
		mx_fail(&f->err, MX_CONFIG, "proxy-auth", "client \"%.64s\": HTTP 407: %s; %s", client,
		    cat_get("proxy-auth")->cause, cat_get("proxy-auth")->fix);
		return true;
	}
	if (h->status >= 300 && h->status < 400) {
		host_of(host, sizeof host, h->location);
		mx_fail(&f->err, MX_CONFIG, "redirect-refused",
		    "client \"%.64s\": HTTP %ld: the token endpoint points to %s; redirects are never followed, since the "
		    "secret would go along: %s", client, h->status, host, cat_get("redirect-refused")->fix);
		return true;
	}
	return false;
}

enum mx_class oauth_refusal_not_json(const char *client, const struct oauth_http_reply *h,
    struct oauth_failure *f)
{
	char type[48] = "no content type";
	const struct cat_row *row = cat_get("reply-not-json");

	if (passes(h->status))		/* the usual form of an outage: a page of some front end */
		return oauth_refusal(client, h, f);
	f->permanent = h->status >= 400 && oauth_is_permanent(h->status, NULL);
	if (h->content_encoding != NULL) {
		oauth_text_copy(type, sizeof type, h->content_encoding,
		    strlen(h->content_encoding));
		return mx_fail(&f->err, f->permanent ? MX_CONFIG : MX_TEMP, "reply-not-json",
		    "client \"%.64s\": HTTP %ld with a body in %s coding, which was not asked for: %s; %s", client, h->status,
		    type, row->cause, row->fix);
	}
	if (h->content_type != NULL && h->content_type[0] != '\0')
		oauth_text_copy(type, sizeof type, h->content_type, strcspn(h->content_type, ";"));
	return mx_fail(&f->err, f->permanent ? MX_CONFIG : MX_TEMP, "reply-not-json",
	    "client \"%.64s\": HTTP %ld with %s (%s) instead of JSON: %s; %s", client, h->status,
	    h->body_len == 0 ? "an empty body" : "a body", type, row->cause, row->fix);
}

enum mx_class oauth_refusal_bad(const char *client, struct oauth_failure *f, bool held,
    const char *code, const char *what)
{
	f->permanent = f->http_status >= 400 ? oauth_is_permanent(f->http_status, NULL) : held;
	return mx_fail(&f->err, f->permanent ? MX_PROVIDER : MX_TEMP, code,
	    "client \"%.64s\": HTTP %ld, but %s; %s", client, f->http_status, what, cat_get(code)->fix);
}
