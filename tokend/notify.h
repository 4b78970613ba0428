/*
 * What systemd and a daemon say to each other: sd_notify(3) and sockets handed over (sd_listen_fds(3)).
 * A few lines each; no libsystemd.
 */
#ifndef MX_TOKEND_NOTIFY_H
#define MX_TOKEND_NOTIFY_H

#include <stdbool.h>

/* Sends "READY=1" and the like to $NOTIFY_SOCKET; nothing when there is none. Never blocks. */
void notify(const char *state);
void notify_with_fd(const char *state, int fd);	/* "FDSTORE=1..." and the descriptor it is about */
bool notify_manager(void);		/* is there somebody who listens? */

/* "RELOADING=1" with the monotonic time systemd wants beside it. */
void notify_reloading(void);

#define NOTIFY_FD_FIRST 3
#define NOTIFY_FD_MAX 32
/* Number of descriptors handed over from NOTIFY_FD_FIRST on; made close-on-exec; unsets the variables. */
int notify_listen_fds(void);
const char *notify_fd_name(int i);	/* of the i-th of them, from 0; "": it has none */

#endif
