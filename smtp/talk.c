/*
 * What is said once the server is known: commands, a login, a message; and what it answers.
 */
#include "config.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "common/base64.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/text.h"
#include "smtp/dialog-private.h"

#define COMMAND_MAX 512		/* bytes of a line with its end: RFC 5321 section 4.5.3.1.4 */
#define ECHO_MIN 12		/* so many bytes of the response in a row are not chance */

/* false: the time is over. */
static bool wait_for(struct smtp_dialog *d, short what, uint64_t end)
{
	curl_socket_t fd = CURL_SOCKET_BAD;
	struct pollfd p = { .events = what };
	const uint64_t now = mx_now_ms();

	if (now >= end || curl_easy_getinfo(d->easy, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK || fd == CURL_SOCKET_BAD)
		return false;
	p.fd = fd;
	(void)poll(&p, 1, (int)(end - now));	/* EINTR, timeout: the clock tells */
	return true;
}

static enum smtp_fault failed(struct smtp_dialog *d, enum smtp_fault fault)
{
	d->fault = fault;
	d->spoke = false;
	return fault;
}

static enum smtp_fault put(struct smtp_dialog *d, const void *p, size_t n, uint64_t end)
{
	size_t sent = 0, now;
	CURLcode r;

	while (sent < n) {
		now = 0;
		r = curl_easy_send(d->easy, (const char *)p + sent, n - sent, &now);
		sent += now;
		if (r == CURLE_AGAIN) {
			if (!wait_for(d, POLLOUT, end))
				return failed(d, SMTP_FAULT_TIMEOUT);
		} else if (r != CURLE_OK) {
			return failed(d, SMTP_FAULT_LOST);
		}
	}
	return SMTP_FINE;
}

static enum smtp_fault get(struct smtp_dialog *d, struct smtp_reply *r, uint64_t end)
{
	size_t used;
	CURLcode c;

	smtp_reply_clear(r);
	for (;;) {
		used = smtp_reply_take(r, d->rest, d->nrest);
		memmove(d->rest, d->rest + used, d->nrest - used);
		d->nrest -= used;
		if (r->broken != NULL) {
			(void)snprintf(d->seen.detail, sizeof d->seen.detail, "%s", r->broken);
			return failed(d, SMTP_FAULT_NOT_SMTP);
		}
		if (r->whole)
			return SMTP_FINE;
		c = curl_easy_recv(d->easy, d->rest, sizeof d->rest, &d->nrest);
		if (c == CURLE_AGAIN) {
			d->nrest = 0;
			if (!wait_for(d, POLLIN, end))
				return failed(d, SMTP_FAULT_TIMEOUT);
		} else if (c != CURLE_OK || d->nrest == 0) {
			d->nrest = 0;
			return failed(d, SMTP_FAULT_LOST);
		}
	}
}

enum smtp_fault smtp_command(struct smtp_dialog *d, const char *line, struct smtp_reply *r)
{
	const uint64_t end = mx_now_ms() + d->to.step_ms;
	char out[COMMAND_MAX * 2];
	enum smtp_fault f;
	struct mx_buf b;

	mx_buf_init(&b, out, sizeof out);
	mx_buf_addf(&b, "%s\r\n", line);
	if (d->fault != SMTP_FINE || !d->secure || b.bad)
		return failed(d, SMTP_FAULT_OTHER);
	f = put(d, b.p, b.len, end);
	return f == SMTP_FINE ? get(d, r, end) : f;
}

enum smtp_fault smtp_message(struct smtp_dialog *d, const char *text, size_t n, struct smtp_reply *r)
{
	const uint64_t end = mx_now_ms() + d->to.step_ms;
	enum smtp_fault f;

	if (d->fault != SMTP_FINE || !d->secure)
		return failed(d, SMTP_FAULT_OTHER);
	if ((f = put(d, text, n, end)) != SMTP_FINE || (f = put(d, ".\r\n", 3, end)) != SMTP_FINE)
		return f;
	return get(d, r, end);
}

static bool repeats(const void *secret, size_t m, const char *text, size_t n)
{
	for (size_t i = 0; i + ECHO_MIN <= n; i++)
		if (memmem(secret, m, text + i, ECHO_MIN) != NULL)
			return true;
	return false;
}

/*
 * A server, or what stands before it, may repeat what it got: in base64, or decoded. Everything behind the user's name
 * counts as the secret; the mechanisms' own words are no secret, and shorter.
 */
static void hide(const struct mx_secret *b64, const struct mx_secret *raw, char *text, size_t *n)
{
	static const char mark[] = "auth=Bearer ", hidden[] = "(not shown: it repeats the token)";
	const unsigned char *token = raw->len > 0 ? memmem(raw->p, raw->len, mark, sizeof mark - 1) : NULL;

	if (repeats(b64->p, b64->len, text, *n) ||
	    (token != NULL && repeats(token + sizeof mark - 1, raw->len - (size_t)(token - raw->p) - sizeof mark + 1,
	    text, *n))) {
		mx_wipe(text, *n);
		memcpy(text, hidden, sizeof hidden);
		*n = sizeof hidden - 1;
	}
}

static void keep_challenge(struct smtp_login *l, const struct smtp_reply *r, const struct mx_secret *b64,
    const struct mx_secret *raw)
{
	char text[SMTP_TEXT_MAX];
	ssize_t n = mx_b64_decode(text, sizeof text, r->text, r->n);
	size_t len;

	if (n <= 0) {
		n = (ssize_t)r->n;
		memcpy(text, r->text, r->n);
	}
	len = (size_t)n;
	hide(b64, raw, text, &len);
	if (len >= sizeof l->challenge)
		len = sizeof l->challenge - 1;
	memcpy(l->challenge, text, len);
	l->challenge[len] = '\0';
	mx_clean(l->challenge, len);
	mx_wipe(text, sizeof text);
}

static enum smtp_fault say(struct smtp_dialog *d, const char *line, struct smtp_reply *r)
{
	enum smtp_fault f = put(d, line, strlen(line), mx_now_ms() + d->to.step_ms);

	return f == SMTP_FINE ? get(d, r, mx_now_ms() + d->to.step_ms) : f;
}

/* The command, and the response with it or behind it. */
static enum smtp_fault respond(struct smtp_dialog *d, enum mx_mech mech, const struct mx_secret *b64,
    struct mx_secret *line, bool apart, struct smtp_login *l)
{
	const uint64_t end = mx_now_ms() + d->to.step_ms;
	enum smtp_fault f;
	struct mx_buf b;

	mx_buf_init(&b, line->p, line->cap);
	mx_buf_addf(&b, "AUTH %s ", mx_mech_name(mech));
	l->inlined = !apart && b.len + b64->len + 2 <= COMMAND_MAX;
	if (!l->inlined) {
		mx_buf_init(&b, line->p, line->cap);
		mx_buf_addf(&b, "AUTH %s\r\n", mx_mech_name(mech));
		if ((f = put(d, b.p, b.len, end)) != SMTP_FINE || (f = get(d, &l->reply, end)) != SMTP_FINE ||
		    l->reply.code != 334)
			return f;
		l->prompted = l->reply.n > 0;
		b.len = 0;
	}
	mx_buf_add(&b, b64->p, b64->len);
	mx_buf_adds(&b, "\r\n");
	if (b.bad)
		return failed(d, SMTP_FAULT_MEMORY);
	f = put(d, b.p, b.len, end);
	mx_buf_wipe(&b);
	return f == SMTP_FINE ? get(d, &l->reply, mx_now_ms() + d->to.step_ms) : f;
}

enum smtp_fault smtp_auth(struct smtp_dialog *d, enum mx_mech mech, const struct mx_secret *b64, bool apart,
    struct smtp_login *l)
{
	struct mx_secret raw = { 0 }, line = { 0 };
	enum smtp_fault f;
	ssize_t n;

	memset(l, 0, sizeof *l);
	if (d->fault != SMTP_FINE || !d->secure)
		return failed(d, SMTP_FAULT_OTHER);
	if (b64->len == 0 || !mx_secret_alloc(&raw, b64->len) || !mx_secret_alloc(&line, b64->len + COMMAND_MAX)) {
		f = failed(d, SMTP_FAULT_MEMORY);
		goto out;
	}
	n = mx_b64_decode(raw.p, raw.cap, (const char *)b64->p, b64->len);
	raw.len = n > 0 ? (size_t)n : 0;
	if ((f = respond(d, mech, b64, &line, apart, l)) != SMTP_FINE)
		goto out;
	if (l->reply.code == 334) {
		l->challenged = true;
		keep_challenge(l, &l->reply, b64, &raw);
		/* RFC 7628 section 3.2.3 has a dummy of one byte; XOAUTH2 an empty line. */
		f = say(d, mech == MX_MECH_OAUTHBEARER ? "AQ==\r\n" : "\r\n", &l->reply);
		if (f == SMTP_FINE && l->reply.code == 334)
			f = say(d, "*\r\n", &l->reply);
	}
out:
	hide(b64, &raw, l->reply.text, &l->reply.n);
	mx_secret_free(&raw);
	mx_secret_free(&line);
	return f;
}
