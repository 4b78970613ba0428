/*
 * What the daemon knows of a client beside the engine: which of its credentials works and when they end, and who
 * watches its files.
 */
#ifndef MX_TOKEND_SIDE_H
#define MX_TOKEND_SIDE_H

#include <stddef.h>
#include <stdint.h>

struct engine_client;
struct side_end;
struct watch;

struct side {
	struct watch *watch;		/* NULL: its files are not looked at */
	size_t credential;		/* the one that worked last; those before it were refused */
	uint64_t again_ms;		/* mx_boot_ms(): those are tried again then ... */
	uint64_t files;			/* ... or when its client's files are others than these (watch_look()) */
	uint64_t failed;		/* times that a credential was refused, or could not be used */
	/* of each credential (expiry.c); NULL: nothing is known beside the configuration */
	struct side_end *ends;
};

struct side *side_find(struct engine_client *c);	/* NULL: there is nothing to know yet */
struct side *side_make(struct engine_client *c);	/* NULL: no memory */
void side_free(struct engine_client *c);		/* its watch has been dropped before */

#endif
