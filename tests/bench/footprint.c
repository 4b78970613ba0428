/*
 * footprint: what a host holds before and after libsasl2 is initialized; where an account is given, after one
 * authentication was begun as well, in vain where no plugin is there. "rss_kb N" twice, "response BYTES", and
 * "map PATH" for every file mapped at the end.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "tests/bench/bench.h"

static void copy_rss(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	char line[512];
	unsigned long kb;

	if (f == NULL)
		die("/proc/self/smaps_rollup cannot be read");
	while (fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "Rss: %lu kB", &kb) == 1)
			printf("rss_kb %lu\n", kb);
	fclose(f);
}

static void copy_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[4096 + 128], last[sizeof line] = "", *path;

	if (f == NULL)
		die("/proc/self/maps cannot be read");
	while (fgets(line, sizeof line, f) != NULL) {
		path = strchr(line, '/');
		if (path == NULL || strcmp(path, last) == 0)
			continue;
		memcpy(last, path, strlen(path) + 1);
		printf("map %s", path);
	}
	fclose(f);
}

int cmd_footprint(int argc, char **argv)
{
	unsigned response = 0;

	/* What the report itself needs is there in every process alike before it is taken. */
	setvbuf(stdout, NULL, _IOFBF, 65536);
	copy_rss();
	sasl_begin(argv[0]);
	if (argc > 1) {
		sasl_account(argv[1]);
		response = sasl_first("XOAUTH2");
	}
	copy_rss();
	printf("response %u\n", response);
	copy_maps();
	return 0;
}
