#include "config.h"

#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/text.h"
#include "oauth/http-private.h"
#include "oauth/refusal.h"
#include "oauth/retryafter.h"

static bool since(CURL *easy, CURLINFO what, uint32_t *ms)
{
	curl_off_t us = 0;

	if (curl_easy_getinfo(easy, what, &us) != CURLE_OK || us <= 0)
		return false;
	*ms = (uint32_t)((us + 999) / 1000);
	return true;
}

static void header(CURL *easy, const char *name, char *out, size_t cap)
{
	struct curl_header *h;

	if (curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK)
		oauth_text_copy(out, cap, h->value, strlen(h->value));
}

/* A form that comes back may hold what was sent, in a coding that nobody has looked for. */
static size_t before_form(const char *s, size_t n)
{
	static const char *const names[] = { "client_secret", "client_assertion", "assertion=", "refresh_token", "_token" };
	const char *at;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if ((at = memmem(s, n, names[i], strlen(names[i]))) != NULL)
			n = (size_t)(at - s);
	return n;
}

/* Runs of blanks and line ends become one blank. */
static void start_of(struct oauth_seen *s, const char *body, size_t n)
{
	struct mx_buf b;
	size_t i = 0;

	while (i < n && strchr(" \t\r\n", body[i]) != NULL && body[i] != '\0')
		i++;
	if (i == n || body[i] == '{')
		return;
	mx_buf_init(&b, s->start, sizeof s->start - 1);
	n = before_form(body, n);
	for (; i < n && b.len < b.cap; i++) {
		const bool blank = body[i] != '\0' && strchr(" \t\r\n", body[i]) != NULL;

		if (blank && b.len > 0 && b.p[b.len - 1] == ' ')
			continue;
		mx_buf_addc(&b, blank ? ' ' : body[i]);
	}
	s->start[b.len] = '\0';
	mx_clean(s->start, b.len);
}

/* Without what stands before an "@": that is for the proxy alone. */
static void proxy_name(const struct oauth_fetch *f, char *out, size_t cap)
{
	const char *p = f->x.c->proxy, *at;
	size_t n;

	if (!oauth_http_proxied(f))
		return;
	if ((at = strstr(p, "://")) != NULL)
		p = at + 3;
	n = strcspn(p, "/?#");
	if ((at = memrchr(p, '@', n)) != NULL) {
		n -= (size_t)(at + 1 - p);
		p = at + 1;
	}
	oauth_text_copy(out, cap, p, n);
}

void oauth_http_seen(const struct oauth_fetch *f, bool platform)
{
	struct oauth_seen *s = f->x.want.seen, was = *s;
	char *text = NULL, date[64] = "";
	long n = 0;

	*s = (struct oauth_seen){ .sent = f->easy != NULL, .platform = platform };
	oauth_text_copy(s->host, sizeof s->host, f->host, strlen(f->host));
	if (f->easy == NULL)
		return;
	memcpy(s->subject, was.subject, sizeof s->subject);	/* of the handshake, which has told it */
	memcpy(s->issuer, was.issuer, sizeof s->issuer);
	oauth_text_copy(s->tried, sizeof s->tried, f->tried, strlen(f->tried));
	if (!platform)
		proxy_name(f, s->proxy, sizeof s->proxy);
	s->resolved = since(f->easy, CURLINFO_NAMELOOKUP_TIME_T, &s->resolved_ms);
	s->connected = since(f->easy, CURLINFO_CONNECT_TIME_T, &s->connected_ms);
	s->secured = since(f->easy, CURLINFO_APPCONNECT_TIME_T, &s->secured_ms);
	s->answered = f->begun && since(f->easy, CURLINFO_STARTTRANSFER_TIME_T, &s->answered_ms);
	if (curl_easy_getinfo(f->easy, CURLINFO_PRIMARY_IP, &text) == CURLE_OK && text != NULL)
		oauth_text_copy(s->address, sizeof s->address, text, strlen(text));
	if (curl_easy_getinfo(f->easy, CURLINFO_HTTP_CONNECTCODE, &n) == CURLE_OK)
		s->proxy_status = n;
	if (!s->answered || curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &n) != CURLE_OK)
		return;
	s->status = n;
	s->at = (int64_t)(mx_wall_ms() / 1000);
	header(f->easy, "Content-Type", s->type, sizeof s->type);
	s->type[strcspn(s->type, ";")] = '\0';
	header(f->easy, "Server", s->server, sizeof s->server);
	header(f->easy, "Date", date, sizeof date);
	s->date = oauth_http_moment(date) > 0 ? oauth_http_moment(date) : 0;
	start_of(s, f->body.p != NULL ? (const char *)f->body.p : "", f->body.len);
}
