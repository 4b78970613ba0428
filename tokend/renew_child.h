/*
 * The child of a renewal, and the one message it leaves. Private to tokend/renew*.c.
 */
#ifndef MX_TOKEND_RENEW_CHILD_H
#define MX_TOKEND_RENEW_CHILD_H

#include <stdbool.h>
#include <stdint.h>

#include "oauth/client.h"
#include "oauth/reply.h"

/* One packet: this, and the bytes of the access token. The secrets in it mean nothing to the other side. */
struct renew_word {
	bool ok;
	bool replaced;			/* the token's file is another one, as files says (watch_look_grant()) */
	uint64_t files;
	struct oauth_token token;
	struct oauth_failure failure;	/* unless ok */
};

/* In the child, all signals blocked: renews, tells fd, ends. */
_Noreturn void renew_child(int fd, const struct oauth_client *c, const struct oauth_credential *k);

/* In the daemon. false: nothing yet (errno EAGAIN), or there will be nothing. The word is wiped by who asked. */
bool renew_hear(int fd, struct renew_word *w, struct mx_secret *access_token);

#endif
