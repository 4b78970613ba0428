#include "config.h"

#include <inttypes.h>
#include <stdio.h>

#include "tokend/histogram.h"

#define S 1000000u

const struct histogram_bounds histogram_answer = { 13, {
	100, 250, 1000, 5000, 25000, 100000, 250000, S / 2, S, 5 * S / 2, 5 * S, 10 * S, 30 * S } };
const struct histogram_bounds histogram_fetch = { 11, {
	25000, 50000, 100000, 250000, S / 2, S, 5 * S / 2, 5 * S, 10 * S, 30 * S, 60 * S } };

void histogram_add(struct histogram *h, const struct histogram_bounds *b, uint64_t us)
{
	size_t i = 0;

	while (i < b->n && us > b->us[i])
		i++;
	h->in[i]++;
	h->sum_us += us;
}

/* Seconds without zeros at the end: 0.00025, 2.5, 10. Never by way of a double: no rounding, no locale. */
static const char *seconds(char out[static 32], uint64_t us)
{
	int n = snprintf(out, 32, "%" PRIu64 ".%06" PRIu64, us / S, us % S);

	while (n > 0 && out[n - 1] == '0')
		out[--n] = '\0';
	if (n > 0 && out[n - 1] == '.')
		out[n - 1] = '\0';
	return out;
}

void histogram_print(struct mx_buf *out, const char *name, const char *labels, const struct histogram *h,
    const struct histogram_bounds *b)
{
	const char *comma = *labels != '\0' ? "," : "", *open = *labels != '\0' ? "{" : "";
	const char *close = *labels != '\0' ? "}" : "";
	uint64_t all = 0;
	char text[32];
	size_t i;

	for (i = 0; i < b->n; i++) {
		all += h->in[i];
		mx_buf_addf(out, "%s_bucket{%s%sle=\"%s\"} %" PRIu64 "\n", name, labels, comma, seconds(text, b->us[i]),
		    all);
	}
	all += h->in[b->n];
	mx_buf_addf(out, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", name, labels, comma, all);
	mx_buf_addf(out, "%s_sum%s%s%s %s\n", name, open, labels, close, seconds(text, h->sum_us));
	mx_buf_addf(out, "%s_count%s%s%s %" PRIu64 "\n", name, open, labels, close, all);
}
