/*
 * What has been met, by its hash: a report asks for each word whether it is known.
 */
#ifndef MX_CTL_REPORT_SET_H
#define MX_CTL_REPORT_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rp_set {
	uint64_t *slot;
	size_t n, cap;
};

bool rp_set_add(struct rp_set *set, uint64_t h, bool *is_new);	/* false: no memory */
bool rp_set_has(const struct rp_set *set, uint64_t h);
void rp_set_free(struct rp_set *set);				/* wipes, too */

#endif
