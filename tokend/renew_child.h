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

/*
 * In the daemon, before there is a child: what the child cannot do for itself goes into the pair for it, an assertion
 * that has been signed. Keys in devices are used by one process alone: neither the connection to a TPM nor the memory
 * of a PIN that was refused outlives fork(). fd: the daemon's end. false: *f says why there is to be none.
 */
bool renew_prepare(int fd, const struct oauth_client *c, const struct oauth_credential *k, struct oauth_failure *f);

/* Says that to the daemon itself, in the place of a child. fd: the child's end. false: errno. */
bool renew_tell(int fd, const struct oauth_failure *f);

/* In the child, all signals blocked: renews, tells fd, ends. */
_Noreturn void renew_child(int fd, const struct oauth_client *c, const struct oauth_credential *k);

/* In the daemon. false: nothing yet (errno EAGAIN), or there will be nothing. The word is wiped by who asked. */
bool renew_hear(int fd, struct renew_word *w, struct mx_secret *access_token);

#endif
