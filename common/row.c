#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/row.h"

#define DAEMON "is mta-xoauth2-tokend running? (systemctl status mta-xoauth2-tokend)"
#define PASSWORD_MAP "put the mailbox in front of the colon in the password map"

const struct cat_row mx_rows[] = {
	/* the way to the daemon */
	CAT_ROW("socket-unreachable", MX_TEMP, "client", "the token daemon's socket cannot be reached",
	    DAEMON " and, for a chrooted mail server, does it listen inside the chroot?"),
	CAT_ROW("socket-forbidden", MX_CONFIG, "client", "the token daemon's socket may not be used",
	    "its mode must be 0666 and its directories searchable, and no AppArmor or SELinux rule in the way"),
	CAT_ROW("socket-path-too-long", MX_CONFIG, "client", "the path is longer than a socket's path can be",
	    "choose a shorter one"),
	CAT_ROW("daemon-timeout", MX_TEMP, "client", "the token daemon did not answer in time", DAEMON),
	CAT_ROW("daemon-no-answer", MX_TEMP, "client", "the token daemon closed the connection without an answer",
	    "its log says why"),
	CAT_ROW("reply-too-long", MX_BAD_REQUEST, "client", "the answer is longer than the protocol allows",
	    "is another program listening there?"),
	CAT_ROW("malformed-reply", MX_BAD_REQUEST, "client",
	    "what answered on the token daemon's socket does not speak its protocol",
	    "is another program listening there?"),

	/* the mail program */
	CAT_ROW("no-user", MX_BAD_REQUEST, "client", "the mail program gave no user name", PASSWORD_MAP),
	CAT_ROW("no-security-layer", MX_BAD_REQUEST, "client",
	    "the mail program demands a SASL security layer, which a bearer token cannot give",
	    "use TLS and set the minimum SSF to 0"),
	CAT_ROW("server-first", MX_BAD_REQUEST, "client",
	    "the mail server spoke before it got the response, which the mechanism does not provide for",
	    "nothing was sent; see what listens there, and for a filter in between"),
	CAT_ROW("out-of-step", MX_BAD_REQUEST, "client",
	    "the mail program asks for a step beyond the end of the exchange", "report it to the mail program's authors"),
	CAT_ROW("token-rejected", MX_PROVIDER, "client",
	    "the mail server refused the access token with a challenge",
	    "the daemon was told and drops this token; should this go on, look at the account's permissions at the mail server"),

	/* requests and responses: the daemon says these too */
	CAT_ROW("bad-user", MX_BAD_REQUEST, "client",
	    "the mailbox is empty, too long, or has characters that no mailbox has",
	    "correct it where the mail program has it (Postfix: its password map), or in the account's user key"),
	CAT_ROW("bad-host", MX_BAD_REQUEST, "client",
	    "the mail server's name is too long, or has characters that no name has", "correct the relay's name"),
	CAT_ROW("bad-request", MX_BAD_REQUEST, "client", "the request is not as the protocol wants it",
	    "the text names the key; see the protocol page for the form"),
	CAT_ROW("unknown-version", MX_BAD_REQUEST, "daemon", "the line does not begin with TOKEND/1",
	    "use a client that fits this daemon"),
	CAT_ROW("unknown-verb", MX_BAD_REQUEST, "daemon", "this daemon does not know the verb",
	    "update the daemon; it is older than its client"),
	CAT_ROW("bad-token", MX_PROVIDER, "daemon", "the token has characters that no token may have (RFC 6750)",
	    "check token_endpoint, and that no proxy changes its replies"),
	CAT_ROW("response-too-long", MX_CONFIG, "daemon", "the token is too long for the mail server, or for the asker",
	    "ask the provider for shorter tokens: fewer roles, groups or optional claims"),
	CAT_ROW2("no-memory", MX_TEMP, MX_BUSY, "client", "out of memory", "nothing was sent; see what uses it"),
};

const size_t mx_rows_n = sizeof mx_rows / sizeof mx_rows[0];

enum mx_class mx_fail_row(struct mx_err *e, const char *code, const char *fmt, ...)
{
	const struct cat_row *r = NULL;
	char text[MX_TEXT_MAX];
	size_t room, k;
	va_list ap;
	int n;

	for (size_t i = 0; i < mx_rows_n && r == NULL; i++)
		if (strcmp(mx_rows[i].code, code) == 0)
			r = &mx_rows[i];
	room = sizeof text - (r != NULL ? strlen(r->fix) + 2 : 0);
	va_start(ap, fmt);
	n = vsnprintf(text, room, fmt, ap);
	va_end(ap);
	if (n < 0) {
		text[0] = '\0';
	} else if ((size_t)n >= room) {		/* the next step is not what is cut off */
		for (k = room - 4; k > 0 && ((unsigned char)text[k] & 0xc0) == 0x80; k--)
			;
		memcpy(text + k, "...", 4);
	}
	return mx_fail(e, r != NULL ? r->cls : MX_TEMP, code, "%s%s%s", text, r != NULL ? "; " : "",
	    r != NULL ? r->fix : "");
}
