/*
 * A mail server's reply: the same in one piece and byte by byte, bounded and clean; and it has a row in the catalogue.
 * Parts: step (a number), bytes.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "catalogue/catalogue.h"
#include "catalogue/smtp.h"
#include "smtp/reply.h"
#include "tests/fuzz/fuzz.h"

static void check(const struct smtp_reply *r, size_t used, size_t n)
{
	FUZZ_CHECK(used <= n && (used == n || r->whole || r->broken != NULL));
	FUZZ_CHECK(r->n < SMTP_TEXT_MAX && r->text[r->n] == '\0' && strlen(r->text) == r->n);
	FUZZ_CHECK(r->code == 0 || (r->code >= 200 && r->code <= 599));
	FUZZ_CHECK(!r->whole || (r->code != 0 && r->broken == NULL));
	for (const char *s = r->text, *lf; ; s = lf + 1) {
		lf = strchr(s, '\n');
		FUZZ_CHECK(fuzz_is_clean(s, lf != NULL ? (size_t)(lf - s) : strlen(s)));
		if (lf == NULL)
			break;
	}
}

static void offers(const struct smtp_reply *r)
{
	static const char *const keywords[] = { "AUTH", "STARTTLS", "SIZE" };
	size_t len;

	for (size_t i = 0; i < 3; i++) {
		const char *s = smtp_reply_offer(r, keywords[i], &len);

		if (s == NULL)
			continue;
		FUZZ_CHECK(s > r->text && s + len <= r->text + r->n && memchr(s, '\n', len) == NULL);
		FUZZ_CHECK(!smtp_reply_has_word(s, len, "XOAUTH2") || len >= 7);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fuzz_in in = { data, n };
	enum cat_step step = (enum cat_step)fuzz_number(fuzz_part(&in), CAT_END - 1);
	struct smtp_reply *r = malloc(sizeof *r), *slow = malloc(sizeof *slow);
	const struct cat_smtp *row;
	char *p = fuzz_copy(in);
	size_t used, i;

	FUZZ_CHECK(r != NULL && slow != NULL);
	smtp_reply_clear(r);
	used = smtp_reply_take(r, p, in.n);
	check(r, used, in.n);
	offers(r);
	smtp_reply_clear(slow);
	for (i = 0; i < used && smtp_reply_take(slow, p + i, 1) == 1; i++)
		;
	FUZZ_CHECK(i == used || r->broken != NULL);
	if (r->broken == NULL)
		FUZZ_CHECK(slow->code == r->code && slow->whole == r->whole && slow->cut == r->cut &&
		    strcmp(slow->text, r->text) == 0);
	row = cat_smtp(step, r->code, r->text);
	FUZZ_CHECK(row != NULL && (row->steps >> step & 1) == 1 && cat_find(row->code) != NULL);
	free(r);
	free(slow);
	free(p);
	return 0;
}
