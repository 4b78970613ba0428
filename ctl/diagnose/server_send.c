/*
 * After --send: one short mail, to see what a server says to this sender, this recipient and a message of this mailbox.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/wire.h"
#include "ctl/diagnose/server.h"

#define COMMAND_MAX (MX_ACCOUNT_MAX + 64)

static const char *sender(const struct dg_walk *w)
{
	return w->call->from != NULL ? w->call->from : w->user != NULL ? w->user : w->account;
}

static bool skipped(struct dg_walk *w)
{
	if (w->call->send_to == NULL)
		dg_skip(w, "no mail is sent without --send RCPT");
	else if (!w->server->in)
		dg_skip(w, "no mail is sent without a login");
	else
		return false;
	return true;
}

static bool ascii(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s >= 0x80)
			return false;
	return true;
}

/* false: it has been said. good: the first digit of a fine reply. */
static bool tell(struct dg_walk *w, const char *line, enum cat_step step, char good, struct smtp_reply *r)
{
	const enum smtp_fault f = smtp_command(w->server->d, line, r);

	if (f != SMTP_FINE)
		dg_server_fault(w, f, line);
	else if (r->code / 100 != (unsigned)(good - '0'))
		dg_server_refused(w, step, r, NULL);
	else
		return true;
	return false;
}

static void simple(struct dg_walk *w, const char *line, enum cat_step step)
{
	struct smtp_reply *r = calloc(1, sizeof *r);
	char text[DG_REPLY_MAX];

	if (r == NULL)
		w->no_memory = true;
	else if (tell(w, line, step, '2', r))
		dg_ok(w, "%s", dg_reply(text, r));
	free(r);
}

void dg_server_sender(struct dg_walk *w)
{
	char line[COMMAND_MAX];
	const char *utf8 = "";
	size_t n;

	if (skipped(w)) {
		dg_unknown(w, "whether a message of %s is taken%s", sender(w),
		    w->call->send_to == NULL ? ": --send RCPT sends one" : "");
		return;
	}
	if ((!ascii(sender(w)) || !ascii(w->call->send_to)) &&
	    smtp_reply_offer(smtp_said(w->server->d, SMTP_READY), "SMTPUTF8", &n) != NULL)
		utf8 = " SMTPUTF8";
	(void)snprintf(line, sizeof line, "MAIL FROM:<%.*s>%s", MX_ACCOUNT_MAX, sender(w), utf8);
	simple(w, line, CAT_MAIL);
}

void dg_server_recipient(struct dg_walk *w)
{
	char line[COMMAND_MAX];

	if (skipped(w))
		return;
	(void)snprintf(line, sizeof line, "RCPT TO:<%.*s>", MX_ACCOUNT_MAX, w->call->send_to);
	simple(w, line, CAT_RCPT);
}

/* RFC 5322, with names that no locale changes. */
static void add_date(struct mx_buf *b, time_t now)
{
	static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm;

	if (gmtime_r(&now, &tm) != NULL)
		mx_buf_addf(b, "Date: %.3s, %02d %.3s %04d %02d:%02d:%02d +0000\r\n", days + 3 * tm.tm_wday, tm.tm_mday,
		    months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static bool compose(const struct dg_walk *w, struct mx_buf *b)
{
	const uint64_t now = mx_wall_ms();
	char host[256] = "localhost";

	if (gethostname(host, sizeof host - 1) == -1)
		host[0] = '\0';
	host[sizeof host - 1] = '\0';
	mx_buf_addf(b, "From: <%s>\r\nTo: <%s>\r\n", sender(w), w->call->send_to);
	mx_buf_addf(b, "Subject: Test message from %s\r\n", host);
	add_date(b, (time_t)(now / 1000));
	mx_buf_addf(b, "Message-ID: <mta-xoauth2.%llu.%ld@%s>\r\n", (unsigned long long)now, (long)getpid(), host);
	mx_buf_adds(b, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");
	/* none of these lines begins with a word of others, which may have a dot in front */
	mx_buf_addf(b, "An administrator of %s had this sent, to see whether\r\nmail of %s is taken by %s.\r\n"
	    "\r\nThe command was: mta-xoauth2 diagnose --send. Nobody needs to answer.\r\n", host, sender(w), w->relay);
	return mx_buf_str(b) != NULL;
}

static void deliver(struct dg_walk *w, struct smtp_reply *r)
{
	char message[4096], text[DG_REPLY_MAX];
	enum smtp_fault f;
	struct mx_buf b;

	mx_buf_init(&b, message, sizeof message);
	if (!compose(w, &b))
		dg_skip(w, "the names are too long for a test message");
	else if (!tell(w, "DATA", CAT_DATA, '3', r))
		return;
	else if ((f = smtp_message(w->server->d, b.p, b.len, r)) != SMTP_FINE)
		dg_server_fault(w, f, "message (it may have been taken)");
	else if (r->code / 100 != 2)
		dg_server_refused(w, CAT_DATA, r, NULL);
	else {
		dg_ok(w, "taken: %s", dg_reply(text, r));
		dg_unknown(w, "whether the message arrives; should it not, a bounce goes to %s", sender(w));
	}
}

void dg_server_message(struct dg_walk *w)
{
	struct smtp_reply *r;

	if (skipped(w))
		return;
	if ((r = calloc(1, sizeof *r)) == NULL) {
		w->no_memory = true;
		return;
	}
	deliver(w, r);
	free(r);
}
