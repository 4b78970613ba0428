/*
 * The text format of Prometheus: a label reads back as what it was, a histogram's buckets never fall. Parts: a label's
 * value, times in microseconds by lines.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tokend/histogram.h"
#include "tokend/label.h"

static void check_label(const char *value)
{
	size_t cap = strlen(value) * 2 + 16, o = 0;
	char *room = malloc(cap), *back = malloc(cap);
	struct mx_buf b;

	FUZZ_CHECK(room != NULL && back != NULL);
	mx_buf_init(&b, room, cap);
	label_add(&b, "client", value);
	FUZZ_CHECK(!b.bad && b.len >= 9 && memcmp(b.p, "client=\"", 8) == 0 && b.p[b.len - 1] == '"');
	for (size_t i = 8; i < b.len - 1; i++) {
		FUZZ_CHECK(b.p[i] != '"' && b.p[i] != '\n');
		if (b.p[i] == '\\') {
			i++;
			FUZZ_CHECK(i < b.len - 1 && strchr("\\\"n", b.p[i]) != NULL);
			back[o++] = b.p[i] == 'n' ? '\n' : b.p[i];
		} else {
			back[o++] = b.p[i];
		}
	}
	back[o] = '\0';
	FUZZ_CHECK(strcmp(back, value) == 0);
	free(room);
	free(back);
}

static void check_histogram(struct fuzz_in in)
{
	static char room[8192];
	struct histogram h = { .sum_us = 0 };
	unsigned long long times = 0, last = 0, v = 0, sum = 0, buckets = 0;
	char *text = fuzz_str(in), *s = text, *end;
	struct mx_buf b;

	for (; *s != '\0' && times < 10000; s = *end != '\0' ? end + 1 : end, times++) {
		unsigned long long us = strtoull(s, &end, 10) >> 20;	/* sums of times, not of their overflow */

		histogram_add(&h, &histogram_answer, us);
		sum += us;
	}
	free(text);
	FUZZ_CHECK(h.sum_us == sum);
	mx_buf_init(&b, room, sizeof room);
	histogram_print(&b, "x", "kind=\"token\"", &h, &histogram_answer);
	FUZZ_CHECK(mx_buf_str(&b) != NULL);
	for (s = b.p; *s != '\0'; s = end + 1) {
		FUZZ_CHECK((end = strchr(s, '\n')) != NULL);
		*end = '\0';
		if (strncmp(s, "x_bucket{", 9) == 0) {
			FUZZ_CHECK(sscanf(strrchr(s, ' '), "%llu", &v) == 1 && v >= last);
			last = v;
			buckets++;
		}
	}
	FUZZ_CHECK(last == times && buckets == histogram_answer.n + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fuzz_in in = { data, n };
	char *value = fuzz_str(fuzz_part(&in));

	check_label(value);
	check_histogram(in);
	free(value);
	return 0;
}
