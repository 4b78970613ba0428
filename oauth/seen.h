/*
 * What was seen on the way to a reply, stage by stage: for whoever wants to say how far a request came, and what it
 * met. No secret is in it. Plain bytes: it may be handed from one process to another.
 */
#ifndef MX_OAUTH_SEEN_H
#define MX_OAUTH_SEEN_H

#include <stdbool.h>
#include <stdint.h>

#define OAUTH_SEEN_START 81		/* bytes of a body that is not JSON, NUL included */

/* Texts are sanitized and may be cut; "" and 0: not seen. Of the last request, where a token takes several. */
struct oauth_seen {
	bool sent;			/* a request was made; else there was no way to make one */
	bool platform;			/* it went to what knows the machine's managed identity, and not to the provider */
	char host[280];			/* "host:port" of the endpoint */
	char proxy[128];		/* "host:port" of what is asked in its place; "": nothing is */
	char address[64];		/* the peer's, which may be the proxy */
	char tried[160];		/* all that were tried */
	bool resolved, connected, secured, answered;
	uint32_t resolved_ms, connected_ms, secured_ms, answered_ms;	/* since the start */
	char subject[128], issuer[128];	/* of the certificate that was shown, be it good or not; RFC 4514 */
	long proxy_status;		/* what the proxy said to CONNECT */
	long status;
	char type[64], server[64];	/* Content-Type without parameters; Server */
	char start[OAUTH_SEEN_START];	/* how the body begins, where it is not JSON: printable characters of it */
	int64_t date;			/* Date of the reply, seconds since the epoch */
	int64_t at;			/* this host's time then */
};

#endif
