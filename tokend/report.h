/*
 * STATUS and METRICS: what the daemon says of itself. No secrets; addresses never become labels. Written in
 * pieces, so that 100,000 clients stop neither the loop nor fill the memory: whoever wants the text asks for a piece
 * in each turn of the loop.
 */
#ifndef MX_TOKEND_REPORT_H
#define MX_TOKEND_REPORT_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

struct server;

#define REPORT_PIECE 65536	/* bytes of the buffer that a piece needs */
#define REPORT_LINE 8192	/* what one step of a part may write, at most */
#define REPORT_STEPS 256	/* of a piece: about half a millisecond */

/* A report has parts, each with lines: one, or one for each of something. */
struct report_kind {
	size_t nparts;
	size_t (*count)(const struct server *s, size_t part);
	/* Line i of a part, i < count(): at most REPORT_LINE bytes, or nothing. */
	void (*write)(struct server *s, size_t part, size_t i, struct mx_buf *b);
};

extern const struct report_kind report_status;	/* status.c: TAB-separated lines (doc/protocol.md) */
extern const struct report_kind report_metrics;	/* metrics.c: Prometheus text format 0.0.4 */

struct report {
	struct server *s;
	const struct report_kind *kind;
	uint64_t epoch;			/* of the clients at the beginning */
	size_t part, i;			/* what comes next */
};

/* CHANGED: a reload has exchanged the clients meanwhile; what was written so far is all there will be. */
enum report_step { REPORT_MORE, REPORT_END, REPORT_CHANGED };

void report_begin(struct report *r, struct server *s, const struct report_kind *kind);

/* Appends whole lines to b, which has room for REPORT_LINE at least. */
enum report_step report_next(struct report *r, struct mx_buf *b);

#endif
