#include "config.h"

#include <sys/socket.h>
#include <unistd.h>

#include "tokend/peer.h"

#define GROUPS_MAX 256

bool peer_of(int fd, struct peer *p)
{
#if HAVE_DECL_SO_PEERCRED
	struct ucred u;
	socklen_t n = sizeof u;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &n) == -1 || n != sizeof u)
		return false;
	*p = (struct peer){ u.uid, u.gid, u.pid };
	return u.uid != (uid_t)-1;
#elif defined(HAVE_GETPEEREID)
	p->pid = 0;
	return getpeereid(fd, &p->uid, &p->gid) == 0;
#else
#error "no way to learn who is at the other end of a UNIX socket"
#endif
}

bool peer_in_groups(int fd, const struct peer *p, const struct conf_names *groups)
{
	if (groups->n == 0)
		return false;
	if (conf_gid_listed(groups, p->gid))
		return true;
#if HAVE_DECL_SO_PEERGROUPS
	gid_t g[GROUPS_MAX];
	socklen_t n = sizeof g;
	size_t i;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, g, &n) == 0)
		for (i = 0; i < n / sizeof g[0]; i++)
			if (conf_gid_listed(groups, g[i]))
				return true;
#else
	(void)fd;
#endif
	return false;
}
