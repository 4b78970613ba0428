/*
 * Listening sockets: handed over by systemd and used as they are, or made here.
 */
#ifndef MX_TOKEND_LISTEN_H
#define MX_TOKEND_LISTEN_H

#include "common/status.h"
#include "settings/conf.h"

struct event;
struct server;

struct listener {
	struct listener *next;
	int fd;
	char *path;
	bool inherited;			/* systemd's: never removed here */
	enum conf_protocol protocol;	/* of the entry that has its path */
	unsigned long long dev, ino;	/* of our own socket file: only that one is removed */
	struct event *ev;
	struct server *server;		/* once it is watched (accept.h) */
};

/*
 * Takes the n descriptors from NOTIFY_FD_FIRST on, but for kept tokens (cache.h). Those that are no listening
 * UNIX stream sockets are an error.
 */
enum mx_class listen_inherit(struct listener **list, int n, struct mx_err *e);

/*
 * Makes the socket of l unless the list has its path already: in a temporary name with mode, owner and group,
 * then renamed over a stale one, so that there is no moment with a wrong one. A socket somebody answers on is
 * refused (MX_CONFIG socket-in-use). As root, missing directories are made (0755).
 * user: the account the daemon will run as, owner where l names none.
 */
enum mx_class listen_make(struct listener **list, const struct conf_listen *l, const char *user,
    struct mx_err *e);

bool listen_has(const struct listener *list, const char *path);

/* Gives each socket the protocol of its entry in c; one without an entry speaks the daemon's own. */
void listen_protocols(struct listener *list, const struct conf *c);

/* Is this socket of the configuration to be there? The default one is not made beside sockets handed over. */
bool listen_wanted(const struct listener *list, const struct conf_listen *l);

/* Closes and removes what is ours. */
void listen_close(struct listener *l);
void listen_close_all(struct listener **list);

#endif
