/*
 * The client plugin's own pieces. One struct mxp_conn is one authentication: made by mech_new,
 * freed by mech_dispose, never shared. The plugin keeps nothing else: no writable static data, no
 * descriptor, no thread, so that a host may fork between any two calls.
 *
 * Functions that return an int return a SASL result (sasl.h). One that fails has told the host why,
 * in one line (mxp_report); its caller passes the result on and says nothing.
 */
#ifndef MX_PLUGIN_PLUGIN_H
#define MX_PLUGIN_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "common/response.h"
#include "common/status.h"
#include "common/wire.h"

#define MXP_LINE_MAX 1536		/* bytes of a line to the host, NUL included */

enum mxp_step {
	MXP_FIRST = 0,		/* nothing sent yet; stays so while the host answers prompts */
	MXP_SENT,		/* the response is with the host */
	MXP_DONE		/* finished or failed: no further step */
};

struct mxp_conn {
	enum mx_mech mech;
	enum mxp_step step;
	bool prompted;			/* the host was asked once; it is not asked again */
	uint32_t timeout_ms;		/* for one exchange with the daemon, 1000 to 600000 */
	char socket[sizeof ((struct sockaddr_un *)0)->sun_path];
	char account[MX_ACCOUNT_MAX + 1];	/* "" until the host has named it */
	char user[MX_ACCOUNT_MAX + 1];	/* the mailbox, where it is not the account; else "" */
	char token_id[MX_TOKEN_ID_MAX + 1];	/* of the token in the response; "" before */
	sasl_interact_t prompts[3];	/* what *prompt_need points to; strings are static */
	char *mem;		/* reply, then response; utils->malloc, wiped by mxp_forget */
	size_t mem_len;			/* bytes of the response in mem; 0: none */
};

/* mech.c: the functions of sasl_client_plug_t; glob is a const enum mx_mech. */
int mxp_new(void *glob, sasl_client_params_t *p, void **conn);
int mxp_step(void *conn, sasl_client_params_t *p, const char *in, unsigned in_len,
    sasl_interact_t **prompt_need, const char **out, unsigned *out_len, sasl_out_params_t *op);
void mxp_dispose(void *conn, const sasl_utils_t *utils);	/* NULL is fine */

/*
 * settings.c: fills c->socket and c->timeout_ms from environment, SASL options and defaults. Never
 * fails: a value that is no good is named in a warning to the host, and the default is used.
 */
void mxp_settings(struct mxp_conn *c, const sasl_utils_t *utils);

/*
 * identity.c: asks the host for AUTHNAME and, where it has one, USER; judges them and hands them to
 * canon_user. SASL_INTERACT: *prompt_need points into c and lives until mech_dispose; the host
 * answers and calls again.
 */
int mxp_identity(struct mxp_conn *c, const sasl_client_params_t *p, sasl_interact_t **prompt_need,
    sasl_out_params_t *op);

/* ask.c: fetches the response into c->mem, with its token id. Takes at most c->timeout_ms. */
int mxp_fetch(struct mxp_conn *c, const sasl_client_params_t *p);

/*
 * ask.c: tells the daemon that the server refused the token of this connection. challenge: decoded,
 * any bytes; one that is longer than the wire's 4096 is left out. Best effort, at most a second.
 */
enum mx_class mxp_tell_rejected(const struct mxp_conn *c, const sasl_client_params_t *p,
    const void *challenge, size_t n, struct mx_err *e);

/* ask.c: wipes and frees the response. Any number of times. */
void mxp_forget(struct mxp_conn *c, const sasl_utils_t *utils);

/*
 * challenge.c: a non-empty challenge is the server's way to refuse a token. Tells the daemon, tells
 * the host what the server said, and sets the answer that the mechanism demands.
 */
void mxp_refused(const struct mxp_conn *c, const sasl_client_params_t *p, const char *in, size_t n,
    const char **out, unsigned *out_len);

/*
 * json.c: the member key of the object s (n bytes) into out, NUL-terminated, cut to cap - 1 bytes:
 * a string (escapes resolved, \uXXXX as '?') or a bare number or word. false: there is none, or s
 * is not an object. The result may hold any byte: quote it before showing it.
 */
bool mxp_json_member(const char *s, size_t n, const char *key, char *out, size_t cap);

/* report.c: one line to the host's log: account and relay where known, the sentence, the code. */
void mxp_report(const struct mxp_conn *c, const sasl_client_params_t *p, const struct mx_err *e);

/* report.c: the name of the server the host talks to; "" when the host did not say. Never NULL. */
const char *mxp_relay(const sasl_client_params_t *p);

#endif
