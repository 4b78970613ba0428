/*
 * Everything that is printed goes through here: what others wrote (the daemon, file names) never
 * reaches a terminal as control characters, and a write that fails is not taken for success.
 */
#ifndef MX_CTL_OUT_H
#define MX_CTL_OUT_H

#include <stddef.h>
#include <stdio.h>

struct verb;

/*
 * Writes n bytes of s. Control characters (C0, DEL, C1), invisible ones, those that turn the
 * direction of writing or end a line, and bytes that are not UTF-8 come out as \xNN. Returns the
 * columns taken, one for each character that is shown.
 */
size_t out_text(FILE *f, const char *s, size_t n);

/* The same, counted but not written. */
size_t out_width(const char *s, size_t n);

/* As a JSON string (RFC 8259) with its quotes; such characters as \uNNNN, other bytes as U+FFFD. */
void out_json(FILE *f, const char *s, size_t n);

/* "mta-xoauth2: TEXT" as one line on standard error. */
void out_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same for a wrong command line, with where to read on; v may be NULL. Returns CTL_USAGE. */
int out_usage(const struct verb *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Flushes standard output. Returns status, or CTL_TEMP after having said that this failed. */
int out_end(int status);

/* Says that errno value sys met the output. Returns CTL_TEMP. */
int out_failed(int sys);

#endif
