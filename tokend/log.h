/*
 * Log lines "event key=value ...": to syslog (facility mail) or to standard error, never blocking: a line
 * that cannot be written at once is dropped and counted, and the count is told with the next one.
 * Untrusted text goes through mx_quote() at the caller. Never a secret, token or body.
 */
#ifndef MX_TOKEND_LOG_H
#define MX_TOKEND_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <syslog.h>

enum log_target { LOG_TO_STDERR, LOG_TO_SYSLOG };

/* Standard error that is the journal's (JOURNAL_STREAM) gets "<N>" priorities in front. */
void log_open(enum log_target where, const char *ident);
void log_level(int max_priority);	/* lines above it (LOG_DEBUG > LOG_INFO ...) are not written */
bool log_wanted(int priority);

/* In a child: its parent's descriptor is closed. */
void log_forked(void);

/* Lines lost since the start. */
uint64_t log_dropped_total(void);

void log_event(int priority, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
