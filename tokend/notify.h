/*
 * What systemd and a daemon say to each other: sd_notify(3) and sockets handed over (sd_listen_fds(3)).
 * A few lines each; no libsystemd.
 */
#ifndef MX_TOKEND_NOTIFY_H
#define MX_TOKEND_NOTIFY_H

/* Sends "READY=1" and the like to $NOTIFY_SOCKET; nothing when there is none. Never blocks. */
void notify(const char *state);

/* "RELOADING=1" with the monotonic time systemd wants beside it. */
void notify_reloading(void);

#define NOTIFY_FD_FIRST 3
#define NOTIFY_FD_MAX 32
/* Number of descriptors handed over from NOTIFY_FD_FIRST on; made close-on-exec; unsets the variables. */
int notify_listen_fds(void);

#endif
