/*
 * Times counted in buckets, as Prometheus's histograms are. Bounds are fixed at build time.
 */
#ifndef MX_TOKEND_HISTOGRAM_H
#define MX_TOKEND_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

#define HISTOGRAM_BOUNDS_MAX 16

/* Upper bounds in microseconds, rising; a time that equals one is within it. */
struct histogram_bounds { size_t n; uint32_t us[HISTOGRAM_BOUNDS_MAX]; };
extern const struct histogram_bounds histogram_answer;	/* from a cached token to a deadline */
extern const struct histogram_bounds histogram_fetch;	/* token requests */

struct histogram {			/* all zero: empty */
	uint64_t in[HISTOGRAM_BOUNDS_MAX + 1];	/* each time once; the last: above all bounds */
	uint64_t sum_us;
};

void histogram_add(struct histogram *h, const struct histogram_bounds *b, uint64_t us);

/*
 * The samples of one series of family NAME: NAME_bucket{labels,le="..."} cumulative up to +Inf, NAME_sum, NAME_count.
 * labels: key="value" pairs without braces, "" for none.
 */
void histogram_print(struct mx_buf *out, const char *name, const char *labels, const struct histogram *h,
    const struct histogram_bounds *b);

#endif
