/*
 * A dialog with a mail server, as a client that will log in has it: connected, TLS verified, greeted. libcurl makes
 * the connection; what comes behind is spoken here. Nothing is sent over a connection whose certificate was not
 * verified but EHLO and STARTTLS. Blocking, each step with a limit of its own.
 */
#ifndef MX_SMTP_DIALOG_H
#define MX_SMTP_DIALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/response.h"
#include "common/secret.h"
#include "smtp/reply.h"

struct smtp_dialog;		/* opaque */

/* Strings outlive the dialog. */
struct smtp_to {
	const char *host;	/* name or address, without brackets */
	uint32_t port;
	bool wrapped;		/* TLS from the first byte on (RFC 8314), as on port 465 */
	const char *ca_file, *ca_path;	/* both NULL: the system's */
	uint32_t step_ms;	/* longest time for one step */
};

enum smtp_stage {
	SMTP_RESOLVED,		/* there are addresses */
	SMTP_CONNECTED,		/* TCP */
	SMTP_GREETED,		/* 220 */
	SMTP_HELLO,		/* the first EHLO answered; when wrapped: the only one */
	SMTP_STARTED,		/* STARTTLS answered with 220; when wrapped: as SMTP_CONNECTED */
	SMTP_SECURE,		/* handshake done, certificate good */
	SMTP_READY		/* EHLO within TLS answered */
};

enum smtp_fault {
	SMTP_FINE,
	SMTP_FAULT_REPLY,	/* the server said no: smtp_said() */
	SMTP_FAULT_DNS, SMTP_FAULT_REFUSED, SMTP_FAULT_UNREACHABLE, SMTP_FAULT_TIMEOUT, SMTP_FAULT_LOST,
	SMTP_FAULT_NOT_SMTP,	/* what came is no reply */
	SMTP_FAULT_NO_STARTTLS,	/* not offered */
	SMTP_FAULT_CA,		/* the certificate's CA is not trusted */
	SMTP_FAULT_EXPIRED, SMTP_FAULT_NOT_YET, SMTP_FAULT_NAME, SMTP_FAULT_CERT,
	SMTP_FAULT_TLS_VERSION, SMTP_FAULT_TLS, SMTP_FAULT_NOT_TLS, SMTP_FAULT_CA_FILE,
	SMTP_FAULT_MEMORY, SMTP_FAULT_OTHER
};

/* What the server showed of itself, as far as it got; "" where nothing is known. Clean text. */
struct smtp_seen {
	char tried[200];	/* addresses, ", " between them */
	char address[64];	/* the one that is connected to */
	char subject[200];	/* of its certificate: the names that it is good for, else its subject */
	char issuer[200];
	char until[32];		/* YYYY-MM-DD: the last day of the certificate that was refused, else of the server's */
	char detail[256];	/* more on a fault, in the library's words as a rule */
};

/* NULL: no memory. oauth_http_global_init() comes first. */
struct smtp_dialog *smtp_open(const struct smtp_to *to);
void smtp_close(struct smtp_dialog *d);	/* says QUIT where that can be understood; NULL is fine */

/* Goes on until that stage is behind. Once it has failed, it stays so. */
enum smtp_fault smtp_reach(struct smtp_dialog *d, enum smtp_stage stage) __attribute__((warn_unused_result));

const struct smtp_seen *smtp_seen(const struct smtp_dialog *d);
/* The reply that a stage (SMTP_GREETED, _HELLO, _STARTED, _READY) is about. */
const struct smtp_reply *smtp_said(const struct smtp_dialog *d, enum smtp_stage stage);

/*
 * After SMTP_READY: a command without its line end, and the reply. SMTP_FINE: a whole reply is there, whatever it
 * says. Any other fault is the end of the dialog.
 */
enum smtp_fault smtp_command(struct smtp_dialog *d, const char *line, struct smtp_reply *r)
    __attribute__((warn_unused_result));

/* After a 354: text with CRLF, whose lines do not begin with dots; the final dot is added. */
enum smtp_fault smtp_message(struct smtp_dialog *d, const char *text, size_t n, struct smtp_reply *r)
    __attribute__((warn_unused_result));

struct smtp_login {
	bool inlined;		/* the response went with the command (at most 512 bytes, RFC 4954 section 4) */
	bool prompted;		/* the 334 before the response had a text, which some clients do not take */
	bool challenged;	/* a 334 came behind the response: a refusal, in its own words */
	char challenge[512];	/* its text, decoded; clean, cut; kept back where it repeats the response */
	struct smtp_reply reply;	/* the last one; its text is kept back where it repeats the response */
};

/*
 * Logs in, once: b64 is the initial response in base64; apart: it never goes with the command, though it would fit.
 * A challenge gets the mechanism's dummy answer, a second one is cancelled. As smtp_command().
 */
enum smtp_fault smtp_auth(struct smtp_dialog *d, enum mx_mech mech, const struct mx_secret *b64, bool apart,
    struct smtp_login *l) __attribute__((warn_unused_result));

#endif
