/*
 * Which token went to whom for which mail server within the last minute, so that a report of a refusal that names the
 * server alone ("server HOST[ADDRESS] said: 535 ...") finds the tokens it can be about. A table of fixed size; who asks
 * for very many tokens within a minute overwrites the oldest. No clock of its own, and nothing of the loop.
 */
#ifndef MX_TOKEND_FEEDBACK_H
#define MX_TOKEND_FEEDBACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/wire.h"

#define FEEDBACK_AGE_MS 60000	/* what was handed out longer ago is not meant */
#define FEEDBACK_CLIENT_MAX 65	/* a client's name, NUL included */

struct handout {
	uint64_t at_ms;			/* 0: none */
	uint64_t relay;			/* hash of its name; of no meaning without one */
	bool any_relay;			/* the asker named none */
	uid_t uid;
	const void *account;		/* without a relay: its account, as long as the epoch is this one */
	uint64_t epoch;
	char client[FEEDBACK_CLIENT_MAX], token_id[MX_TOKEN_ID_MAX + 1];
	char mailbox[MX_ACCOUNT_MAX + 1];	/* what was logged in to: some clients have a token for each */
};

/* Notes one; the same token again is made younger. relay: n bytes, NULL: the asker named none. now_ms: mx_now_ms(). */
void feedback_note(uid_t uid, const char *relay, size_t n, const char *client, const char *mailbox,
    const char *token_id, const void *account, uint64_t epoch, uint64_t now_ms);

/* Calls fn for each that uid had for relay, or without naming one, and that is young enough. Returns how many. */
size_t feedback_each(uid_t uid, const char *relay, size_t n, uint64_t now_ms,
    void (*fn)(void *arg, const struct handout *h), void *arg);

/*
 * The server's name in a delivery status of Postfix that says 535, and what the server said from there on; both inside
 * text. false: it is about something else.
 */
bool feedback_parse(const char *text, size_t n, struct mx_span *relay, struct mx_span *said);

void feedback_reset(void);		/* forgets all */

#endif
