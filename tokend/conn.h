/*
 * One connection: one request, one answer, then it is closed (but for socketmap.c, whose connections last). It is
 * read eagerly, straight after accept, so that the usual case never visits the event loop.
 */
#ifndef MX_TOKEND_CONN_H
#define MX_TOKEND_CONN_H

#include "common/response.h"
#include "common/wire.h"
#include "engine/engine.h"
#include "tokend/peer.h"
#include "tokend/report.h"
#include "tokend/server.h"
#include "tokend/uids.h"

#define CONN_LABEL_MAX 65		/* a client's name, NUL included */

struct conn {
	struct engine_waiter waiter;	/* first member: the engine hands back this address */
	struct server *s;
	struct conn *next, **prev;
	int fd;
	bool socketmap;			/* it speaks that, and lasts: socketmap.c */
	struct peer peer;
	struct uid_entry *who;		/* what that user is counted in */
	struct event *ev;		/* NULL until it has to wait for something */
	uint64_t since_us;		/* of the accept, on mx_now_us() */
	char *in;			/* part of a request, MX_WIRE_REQUEST_MAX + 1 bytes; NULL: none */
	size_t in_len;
	struct mx_secret out;		/* rest of an answer that did not fit the socket's buffer */
	size_t out_done;
	uint64_t reload_round;		/* the reload it waits for (reload.c); 0: none */
	struct stream *stream;		/* an answer that is made in pieces; NULL: none */

	/* What was asked, for the answer and the audit line; filled by verbs.c. */
	enum mx_verb verb;
	enum mx_mech mech;
	uint32_t port, max;
	char account[MX_ACCOUNT_MAX + 1], user[MX_ACCOUNT_MAX + 1], host[MX_HOST_MAX + 1];
	char client[CONN_LABEL_MAX];
	const char *reason, *mend;	/* of a refusal */
	char token_id[MX_TOKEN_ID_MAX + 1];
	uint32_t expires_in_s;
};

/* Takes over fd, which who has been charged with (uids_open). false: no memory; both are still the caller's. */
bool conn_open(struct server *s, int fd, const struct peer *p, struct uid_entry *who, bool socketmap);

/* Ends a request: sends n bytes, closes, then logs. answer is wiped by the caller. err: NULL for success. */
void conn_answer(struct conn *c, const void *answer, size_t n, const struct mx_err *err);

/* An asker whose token is not here yet: answered by conn's waiter, or when deadline_ms is over. */
void conn_wait(struct conn *c, uint32_t deadline_ms);

/* Ends a request with "OK", LF and a report, sent as the asker takes it and as the loop has time. */
void conn_report(struct conn *c, const struct report_kind *kind);

/* The verb's error line (RAW has its own form), then conn_answer(). */
void conn_fail(struct conn *c, const struct mx_err *err);

void conn_close_all(struct server *s);

/* For socketmap.c: */
void conn_clear_request(struct conn *c);	/* nothing is asked yet; it begins now */
bool conn_wait_on(struct conn *c, short what, uint64_t ms);	/* event2's bits, 0: time alone; false: no memory */
void conn_count(struct conn *c, const struct mx_err *err);	/* a request that has been answered; NULL: success */
void conn_settle(struct conn *c, const struct mx_err *err);	/* counts it, and writes its line */
void conn_free(struct conn *c);			/* closes it without a word */

/* verbs.c: one request of len bytes (line[len] is writable). Ends in conn_answer(), conn_wait() or conn_report(). */
void verbs_handle(struct conn *c, char *line, size_t len);
/* verbs.c: the answer to SASL, RAW and TOKEN once the engine has decided. */
void verbs_token(struct conn *c, const struct engine_answer *a);

#endif
