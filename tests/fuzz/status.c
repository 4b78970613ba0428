/*
 * The answer to STATUS as the tool shows it: the table has no control characters, the JSON is JSON.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/status.h"
#include "oauth/json.h"
#include "tests/fuzz/fuzz.h"

/* What show() prints, from standard output. */
static char *printed(void (*show)(const struct answer *a, const struct status_sum *s), const struct answer *a,
    const struct status_sum *s, size_t *n)
{
	FILE *was = stdout;
	char *text = NULL;

	stdout = open_memstream(&text, n);
	FUZZ_CHECK(stdout != NULL);
	show(a, s);
	FUZZ_CHECK(fclose(stdout) == 0);
	stdout = was;
	return text;
}

static void check_table(const struct answer *a, const struct status_sum *s)
{
	size_t n, from = 0;
	char *t = printed(status_table, a, s, &n);

	for (size_t i = 0; i < n; i++)
		if (t[i] == '\n') {
			FUZZ_CHECK(fuzz_is_clean(t + from, i - from));
			from = i + 1;
		}
	FUZZ_CHECK(from == n);
	free(t);
}

static void check_json(const struct answer *a, const struct status_sum *s)
{
	size_t n;
	char *t = printed(status_json, a, s, &n);
	struct json_object *o;

	FUZZ_CHECK(oauth_json_parse(t, n, &o) == OAUTH_JSON_FINE && o != NULL);
	oauth_json_drop(o);
	free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fuzz_in in = { data, n };
	struct answer a = { .buf = fuzz_copy(in), .n = n, .spoke = true };
	struct status_sum s;
	struct status_line l;
	const char *p = a.buf, *end = a.buf + n;
	char text[64], time[40];
	size_t lines = 0, clients = 0;
	bool whole;

	a.more = a.buf;
	while (status_line(&p, end, &l)) {
		lines++;
		clients += l.kind == STATUS_CLIENT;
		FUZZ_CHECK(p > a.buf && p <= end);
		for (size_t i = 0; i < STATUS_KEYS_MAX; i++)
			FUZZ_CHECK(l.v[i].s == NULL || (l.v[i].s >= a.buf && l.v[i].s + l.v[i].n <= end));
		if (l.kind == STATUS_CLIENT) {
			FUZZ_CHECK(status_ending(text, &l) == text && fuzz_is_clean(text, strlen(text)));
			FUZZ_CHECK(status_health_name(status_health(&l)) != NULL);
		}
		(void)status_duration(time, &l.v[0]);
	}
	FUZZ_CHECK(lines <= n);
	whole = status_sum(&a, &s);
	FUZZ_CHECK(s.clients == clients && s.worst >= s.worst_of_clients);
	if (whole) {		/* else nothing is shown (ctl/status.c) */
		check_table(&a, &s);
		check_json(&a, &s);
	}
	free(a.buf);
	return 0;
}
