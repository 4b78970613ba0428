/*
 * Asking the daemon, and saying why there is no answer.
 */
#ifndef MX_CTL_ASK_H
#define MX_CTL_ASK_H

#include <stdbool.h>
#include <stddef.h>

#include "common/client.h"
#include "common/secret.h"
#include "common/wire.h"
#include "ctl/verb.h"

struct answer {
	char *buf;		/* owned */
	const char *more;	/* behind the first line, in buf; whole lines */
	size_t n;
	bool spoke;		/* a daemon is there: what failed, if anything, failed in it */
	struct mx_err err;
};

/* Path and deadline from options and environment. CTL_USAGE: what is wrong has been said. */
int ask_endpoint(const struct call *c, struct mx_endpoint *ep);

/* Sends a verb, account NULL: without one. Not MX_OK: a->err says why. To be freed either way. */
enum mx_class ask(const struct mx_endpoint *ep, enum mx_verb v, const char *account,
    struct answer *a)
    __attribute__((warn_unused_result));
void answer_free(struct answer *a);

/*
 * An access token (token.c). MX_OK: reply points into *s, which is the caller's to free either way. *spoke as in
 * struct answer.
 */
enum mx_class token_ask(const struct mx_endpoint *ep, const char *account, struct mx_secret *s, struct mx_reply *reply,
    struct mx_err *e, bool *spoke) __attribute__((warn_unused_result));

/* The exit status that an error means; spoke as in struct answer. */
int ask_exit(const struct mx_err *e, bool spoke);

/* Says on standard error what failed, and what a refused user can do. Returns the exit status. */
int ask_failed(const struct call *c, const struct mx_err *e, bool spoke);

/* What a refused asker can do, into out, or "" for any other error. Returns out. */
const char *ask_advice(char *out, size_t cap, const struct call *c, const struct mx_err *e);

/* The answer is not whole, or not what this verb's looks like: makes it a failure that says so. */
enum mx_class ask_cut_off(struct answer *a);

#endif
