/*
 * Replies of a mail server (RFC 5321 section 4.2), read as the bytes come. Pure functions; what a server may say is
 * bounded, whatever it sends.
 */
#ifndef MX_SMTP_REPLY_H
#define MX_SMTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#define SMTP_LINE_MAX 2048	/* bytes of one line with its end; RFC 5321 has 512 */
#define SMTP_LINES_MAX 512	/* of one reply */
#define SMTP_TEXT_MAX 4096	/* bytes of a reply's text that are kept, NUL included */

struct smtp_reply {
	unsigned code;			/* 0: no line is there yet */
	bool whole;			/* its last line is there */
	bool cut;			/* there was more text than is kept */
	char text[SMTP_TEXT_MAX];	/* lines without code, a line feed between them; clean UTF-8 */
	size_t n;			/* bytes of text */
	const char *broken;		/* what is wrong with it, as a clause: "a line is too long"; NULL: nothing */
	/* private */
	unsigned lines;
	char line[SMTP_LINE_MAX];
	size_t have;
};

void smtp_reply_clear(struct smtp_reply *r);

/*
 * Takes what belongs to this reply from n bytes of p and returns how many that were: fewer than n once r->whole or
 * r->broken is set. Lines may end in LF alone.
 */
size_t smtp_reply_take(struct smtp_reply *r, const char *p, size_t n);

/*
 * The parameters of an EHLO keyword ("AUTH", "STARTTLS"), up to the end of its line: *len bytes. "" without any; NULL:
 * not offered. The first line is the server's name and does not count.
 */
const char *smtp_reply_offer(const struct smtp_reply *r, const char *keyword, size_t *len);

/* Is word one of the words of list (len bytes), without regard to case? */
bool smtp_reply_has_word(const char *list, size_t len, const char *word);

#endif
