/*
 * Outcomes that cross module and process borders: a closed class, a stable code, one sentence.
 *
 * The class is what a caller acts on, the code is what a script or a manual page refers to, the
 * sentence is what an administrator reads. All three travel unchanged over the wire (doc/protocol.md).
 */
#ifndef MX_COMMON_STATUS_H
#define MX_COMMON_STATUS_H

#include <stddef.h>

enum mx_class {
	MX_OK = 0,
	MX_TEMP,		/* try again later: nothing needs mending here */
	MX_PROVIDER,		/* the identity provider refuses, permanently until somebody mends it */
	MX_CONFIG,		/* this host's configuration is wrong or lacks something */
	MX_DENIED,		/* the asker may not; deliberately says nothing more */
	MX_BUSY,		/* a limit of the daemon is reached */
	MX_BAD_REQUEST,		/* the request or the reply breaks the protocol */
	MX_CLASS_N
};

#define MX_CODE_MAX 48		/* bytes, NUL included */
#define MX_TEXT_MAX 512		/* bytes, NUL included */

/* Never holds a secret. text: one English sentence: subject, cause, next step; no control bytes. */
struct mx_err {
	enum mx_class cls;
	char code[MX_CODE_MAX];
	char text[MX_TEXT_MAX];
};

/* The one table from class to the outside world's codes. */
struct mx_class_info {
	const char *name;	/* on the wire */
	int sasl;		/* Cyrus SASL result of the plugin (sasl.h; asserted in plugin/) */
	int exit_code;		/* of the admin tool (mta-xoauth2(8)) */
	const char *exim;	/* what the Exim recipe does with it */
};

/* cls out of range is answered as MX_TEMP's row. Never NULL. */
const struct mx_class_info *mx_class_info(enum mx_class cls);

/* Class of a wire name of n bytes; MX_CLASS_N if there is none such. */
enum mx_class mx_class_by_name(const char *name, size_t n);

/*
 * Fills *e (may be NULL) and returns cls. Control bytes and bytes that are not UTF-8 in the
 * expanded text become '?'; a text that is too long is cut at a character and ends in "...".
 */
enum mx_class mx_fail(struct mx_err *e, enum mx_class cls, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
