/*
 * Who is at the other end of a UNIX socket, by the kernel's word at the time of connect.
 */
#ifndef MX_TOKEND_PEER_H
#define MX_TOKEND_PEER_H

#include <stdbool.h>
#include <sys/types.h>

#include "settings/conf.h"

struct peer { uid_t uid; gid_t gid; pid_t pid; };	/* pid 0: unknown */

/* false: the kernel does not say (not a UNIX socket, or the peer has no identity). */
bool peer_of(int fd, struct peer *p);

/* Is the peer's group, or (SO_PEERGROUPS) one of its supplementary groups, in the list? */
bool peer_in_groups(int fd, const struct peer *p, const struct conf_names *groups);

#endif
