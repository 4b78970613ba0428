/*
 * The store of one refresh token: a file that holds it and nothing else, which is only ever replaced as a whole, by
 * one process at a time. A provider that rotates refresh tokens takes each of them once; to send one twice may end the
 * grant, and to lose the newest one does. So the lock is held from before the token is read until its successor is
 * stored, and room for that is claimed before anything is sent.
 *
 * Beside PATH stand PATH.lock, which stays, and between prepare and replace PATH.new.
 */
#ifndef MX_OAUTH_REFRESH_FILE_H
#define MX_OAUTH_REFRESH_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/secret.h"
#include "common/status.h"

#define OAUTH_REFRESH_MAX 16384		/* bytes of a refresh token */

struct oauth_refresh_lock;		/* of one process; gone with it */

/* A refresh token as RFC 6749 appendix A.17 writes it (1*VSCHAR), at most OAUTH_REFRESH_MAX bytes? */
bool oauth_refresh_ok(const void *p, size_t n);

/*
 * Takes the lock of path, without waiting, and removes what a process that was killed has left. By root it is made
 * for the folder's owner. path is copied. *l: the caller's (oauth_refresh_unlock()), NULL on failure. MX_TEMP:
 * refresh-token-busy (another process renews it now), refresh-token-unwritable, no-memory. MX_CONFIG:
 * refresh-token-missing (there is not even its folder), refresh-token-lock (PATH.lock is something else).
 */
enum mx_class oauth_refresh_lock(const char *path, struct oauth_refresh_lock **l, struct mx_err *e)
    __attribute__((warn_unused_result));

/*
 * The token as it is now, without the newline that may stand behind it. MX_CONFIG: refresh-token-missing,
 * refresh-token-symlink, refresh-token-not-a-file, refresh-token-linked (it has a second name), refresh-token-foreign
 * (neither root's nor this user's; as root, nor the folder's owner's), refresh-token-exposed (group or others may do
 * something), refresh-token-empty, refresh-token-too-long, refresh-token-malformed, refresh-token-unreadable. MX_TEMP:
 * refresh-token-unreadable, no-memory. *out is inert on failure.
 */
enum mx_class oauth_refresh_read(struct oauth_refresh_lock *l, struct mx_secret *out, struct mx_err *e)
    __attribute__((warn_unused_result));

/* The same without a lock, for who only judges. */
enum mx_class oauth_refresh_peek(const char *path, struct mx_secret *out, struct mx_err *e)
    __attribute__((warn_unused_result));

/*
 * Claims room for a successor, on the disk. MX_TEMP refresh-token-unwritable: it could not be stored, so nothing must
 * be sent.
 */
enum mx_class oauth_refresh_prepare(struct oauth_refresh_lock *l, struct mx_err *e)
    __attribute__((warn_unused_result));

/*
 * Puts a new token in the place of the old one, on the disk when it returns; prepares by itself if need be. uid, gid:
 * its owner, -1: this process's. MX_TEMP refresh-token-unwritable: the old one is untouched, or the new one is there
 * but perhaps not on the disk; may be tried again with the same token. MX_CONFIG refresh-token-malformed.
 */
enum mx_class oauth_refresh_replace(struct oauth_refresh_lock *l, const struct mx_secret *token, uid_t uid, gid_t gid,
    struct mx_err *e) __attribute__((warn_unused_result));

/* Gives up the lock, and what was prepared and not used. NULL is fine. */
void oauth_refresh_unlock(struct oauth_refresh_lock *l);

#endif
