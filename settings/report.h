/*
 * Complaints about a configuration: collected, capped, owned by the caller's report.
 */
#ifndef MX_SETTINGS_REPORT_H
#define MX_SETTINGS_REPORT_H

#include "settings/conf.h"

/* Text is cut at CF_TEXT bytes and control bytes become '?'. at may have line 0. */
#define CF_TEXT 640
void cf_error(struct conf_report *r, const struct conf_where *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same of a scope; preset, a literal, is what to write in its place. */
void cf_error_scope(struct conf_report *r, const struct conf_where *at, const char *preset, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void cf_warn(struct conf_report *r, const struct conf_where *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Would a further error be dropped? Then a costly hint is not worth computing. */
bool cf_report_full(const struct conf_report *r);

/* Appends "... and N more" when complaints were dropped. file: the main file's name. */
void cf_report_end(struct conf_report *r, const char *file);

/* " (already at line 7)" or " (already at FILE:7)" for a second place of one thing. Returns out. */
const char *cf_first_place(char *out, size_t cap, const struct conf_where *first,
    const struct conf_where *now);

#endif
