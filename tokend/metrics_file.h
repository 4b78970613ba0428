/*
 * METRICS as a file, for node_exporter's textfile collector: written beside its place, in pieces between other
 * work, and renamed. What fails is logged once, the old file stays, and the next try is at its time.
 */
#ifndef MX_TOKEND_METRICS_FILE_H
#define MX_TOKEND_METRICS_FILE_H

struct server;

/* By the configuration in force: writes now, and again at each interval. Nothing configured: writes no more. */
void metrics_file_start(struct server *s);
void metrics_file_stop(struct server *s);	/* the file stays as it is */

#endif
