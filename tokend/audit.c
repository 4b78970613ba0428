#include "config.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/text.h"
#include "tokend/audit.h"
#include "tokend/conn.h"
#include "tokend/log.h"

static struct event *teller;		/* NULL: nothing was ever left out */
static bool pending;			/* it will tell */
static uint64_t suppressed;

static void tell(struct uid_entry *u, int kind)
{
	static const char *const events[UID_LINES] = {
		"denied", "refused", "answer", "token_rejected", "turned_away"
	};
	uint64_t n = u->held[kind];

	if (n == 0)
		return;
	u->held[kind] = 0;
	if (uids_is_others(u))
		log_event(LOG_WARNING, "suppressed", "uid=others event=%s lines=%" PRIu64, events[kind], n);
	else
		log_event(LOG_WARNING, "suppressed", "uid=%lu event=%s lines=%" PRIu64, (unsigned long)u->uid,
		    events[kind], n);
}

static void tell_all(void)
{
	size_t i;
	int k;

	for (i = 0; i <= UIDS_MAX; i++)
		for (k = 0; uids_at(i) != NULL && k < UID_LINES; k++)
			tell(uids_at(i), k);
}

static void on_teller(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	pending = false;
	tell_all();
}

bool audit_may(struct server *s, struct uid_entry *u, enum uid_line kind, int priority)
{
	static const struct timeval soon = { AUDIT_TELL_MS / 1000, 0 };

	if (!log_wanted(priority))
		return false;
	if (limit_take(&u->line[kind], AUDIT_BURST, AUDIT_STEP_MS, mx_now_ms())) {
		tell(u, (int)kind);
		return true;
	}
	u->held[kind]++;
	suppressed++;
	if (teller == NULL)
		teller = event_new(s->base, -1, 0, on_teller, NULL);
	if (teller != NULL && !pending)		/* without memory the next line of its kind tells */
		pending = event_add(teller, &soon) == 0;
	return false;
}

/* Answers with a token, and errors of those who may have one, are never left out. */
static bool may(struct conn *c, const struct mx_err *err, int priority)
{
	if (err == NULL && c->verb == MX_VERB_PING)
		return audit_may(c->s, c->who, UID_PING, priority);
	if (err != NULL && err->cls == MX_DENIED)
		return audit_may(c->s, c->who, UID_DENIED, priority);
	if (err != NULL && (err->cls == MX_BAD_REQUEST || err->cls == MX_BUSY))
		return audit_may(c->s, c->who, UID_REFUSED, priority);
	return log_wanted(priority);
}

void audit_request(struct conn *c, const struct mx_err *err, uint64_t ms)
{
	char account[200], host[140], text[MX_TEXT_MAX + 40], token[CONN_LABEL_MAX + MX_TOKEN_ID_MAX + 48] = "";
	int priority = err == NULL ? LOG_INFO : err->cls == MX_DENIED ? LOG_WARNING : LOG_NOTICE;
	unsigned long uid = (unsigned long)c->peer.uid;
	const char *verb = c->verb == MX_VERB_NONE ? "none" : mx_verb_name(c->verb);

	if (!may(c, err, priority))
		return;
	mx_quote(account, sizeof account, c->account, strlen(c->account));
	mx_quote(host, sizeof host, c->host, strlen(c->host));
	if (err == NULL) {
		if (c->token_id[0] != '\0')
			snprintf(token, sizeof token, " client=%s token=%s expires_in=%u", c->client, c->token_id,
			    (unsigned)c->expires_in_s);
		log_event(priority, "answer", "verb=%s uid=%lu account=%s relay=%s mech=%s%s ms=%" PRIu64, verb, uid,
		    account, host, mx_mech_name(c->mech), token, ms);
	} else if (err->cls == MX_DENIED) {
		log_event(priority, "denied", "verb=%s uid=%lu pid=%ld account=%s relay=%s reason=%s mend=%s", verb,
		    uid, (long)c->peer.pid, account, host, c->reason,
		    mx_quote(text, sizeof text, c->mend, strlen(c->mend)));
	} else {
		log_event(priority, "refused", "verb=%s uid=%lu account=%s relay=%s class=%s code=%s ms=%" PRIu64
		    " text=%s", verb, uid, account, host, mx_class_info(err->cls)->name, err->code, ms,
		    mx_quote(text, sizeof text, err->text, strlen(err->text)));
	}
}

uint64_t audit_suppressed_total(void)
{
	return suppressed;
}

void audit_done(void)
{
	tell_all();
	if (teller != NULL)
		event_free(teller);
	teller = NULL;
	pending = false;
	suppressed = 0;
}
