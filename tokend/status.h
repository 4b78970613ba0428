/*
 * STATUS and METRICS: what the daemon says of itself. No secrets; addresses never become labels.
 */
#ifndef MX_TOKEND_STATUS_H
#define MX_TOKEND_STATUS_H

struct conn;

/* "OK", then lines of TAB-separated key=value, the first field naming the kind (doc/protocol.md). */
void status_answer(struct conn *c);

/* "OK", then Prometheus text format (version 0.0.4). */
void metrics_answer(struct conn *c);

#endif
