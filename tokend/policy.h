/*
 * Who may ask for what. The asker hears "denied" and nothing else; the reason is for the audit line.
 */
#ifndef MX_TOKEND_POLICY_H
#define MX_TOKEND_POLICY_H

#include "common/response.h"
#include "common/wire.h"
#include "settings/conf.h"
#include "tokend/peer.h"

/* What the asker hears, an account that is not known included. */
#define MX_DENIED_TEXT "denied by the token daemon's policy; its log has the reason, in the line that begins with " \
	"\"denied\""

struct policy_verdict {
	const struct conf_account *account;	/* whose client gives the token; NULL: verb needs none */
	const char *user;		/* mailbox for user=: inside the request or the configuration */
	enum mx_mech mech;		/* SASL and RAW */
	const char *reason;		/* NULL: allowed. Else a fixed word for the log: "uid-not-listed" */
	const char *mend;		/* sentence for the log */
};

/* fd: for the peer's supplementary groups. */
void policy_judge(const struct conf *conf, int fd, const struct peer *peer, const struct mx_request *r,
    struct policy_verdict *v);

#endif
