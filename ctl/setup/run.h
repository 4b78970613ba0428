/*
 * Programs of the mail server: no shell, a clean environment, bounded output, a limit of time. And the daemon, asked
 * as the mail server's user would ask it.
 */
#ifndef MX_CTL_SETUP_RUN_H
#define MX_CTL_SETUP_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/secret.h"
#include "common/status.h"
#include "common/wire.h"
#include "ctl/setup/found.h"

#define SU_OUTPUT_MAX ((size_t)256 * 1024)	/* bytes of standard output, and of standard error */
#define SU_RUN_S 60				/* longest time for one program */
#define SU_ARGS_MAX 40

struct su_output {
	char *out, *err;	/* owned; NUL-terminated */
	int status;		/* of its exit; 127: it was not there */
};

/*
 * Runs argv[0], a path, and waits. false: it could not be run to its end, and that has been said. o is to be freed in
 * any case.
 */
bool su_run(const char *const argv[], struct su_output *o);
void su_output_free(struct su_output *o);

/* A program of that name on the caller's PATH or where such programs are; owned, NULL: none. */
char *su_find_program(const char *name);

/* Does systemd make the daemon's socket? */
bool su_socket_unit(void);

struct su_asker {
	const char *user;	/* its name, for sentences */
	const char *root;	/* of its chroot; NULL: none */
	uid_t uid;
	gid_t gid;
	const char *socket;	/* as seen from in there */
};

struct su_question {
	enum mx_verb verb;	/* PING or SASL; what follows is of SASL */
	const char *mech;	/* NULL: XOAUTH2 */
	const char *account, *host;
	uint32_t port;		/* 0: not said */
	uint32_t max;		/* bytes of a response that the asker can send; 0: not said */
	uint64_t deadline_ms;	/* absolute, on mx_now_ms() */
	uint32_t retry_ms;	/* a daemon that is not there is waited for */
};

/*
 * Asks as that user, which takes root; anybody else asks as who he is, and in no chroot. MX_OK: *left_s is the life
 * left of the token, and payload has the response in base64; payload NULL: it is wiped unseen.
 */
enum mx_class su_ask(const struct su_asker *a, const struct su_question *q, struct mx_secret *payload, uint64_t *left_s,
    struct mx_err *e) __attribute__((warn_unused_result));

/* Is there an answer? */
void su_find_answer(struct su_found *found, const struct su_asker *a);
/* Is there a login? An exit status; either has been said. */
int su_try_login(const struct su_asker *a, const char *account, const char *host, uint32_t port);

#endif
