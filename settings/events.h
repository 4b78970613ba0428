/*
 * YAML as a stream of events with places. events.c alone knows libyaml. What this project does not
 * use of YAML (aliases, anchors, tags, several documents, values over several lines) is an error
 * here already.
 */
#ifndef MX_SETTINGS_EVENTS_H
#define MX_SETTINGS_EVENTS_H

#include "settings/report.h"

enum cf_kind {
	CF_SCALAR, CF_LIST, CF_MAP,
	CF_END,			/* of the innermost list or mapping */
	CF_EOF,
	CF_BROKEN		/* complained of; nothing follows */
};

struct cf_event {
	enum cf_kind kind;
	struct conf_where at;
	const char *s;		/* of a scalar: n bytes and a NUL, until the next event */
	size_t n;
	bool null;		/* nothing there, or null, or ~ */
	bool merge;		/* the key << */
	bool bad;		/* complained of already: not to be used */
};

struct cf_events;

/* text (n bytes) and file outlive it. NULL: no memory. */
struct cf_events *cf_events_open(const char *file, const char *text, size_t n,
    struct conf_report *r);
void cf_events_close(struct cf_events *y);

enum cf_kind cf_next(struct cf_events *y, struct cf_event *e);

/* Passes over the value that e begins. false: the stream broke. */
bool cf_skip(struct cf_events *y, const struct cf_event *e);

#endif
