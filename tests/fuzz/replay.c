/*
 * Runs a fuzz target over its corpus without libFuzzer, with any compiler: each input as it is, then cut off and changed
 * in places that depend on the input alone, so that every run does the same. Prints TAP.
 *
 *	fuzz_NAME		the folder corpus/NAME of these sources
 *	fuzz_NAME FILE ...	these inputs, as they are
 */
#include "config.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MAX ((size_t)1 << 20)
#define CUTS 40u			/* of each input; shorter ones are cut everywhere */
#define CHANGES 80u
#define COSTLY 10u		/* a costly target has a tenth of them */

#pragma weak LLVMFuzzerInitialize

static void run(const uint8_t *p, size_t n)
{
	uint8_t *exact = malloc(n > 0 ? n : 1);

	FUZZ_CHECK(exact != NULL);
	memcpy(exact, p, n);
	(void)LLVMFuzzerTestOneInput(exact, n);
	free(exact);
}

static uint64_t next(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

static void vary(uint8_t *p, size_t n)
{
	uint64_t state = mx_fnv(MX_FNV_BASIS, p, n);
	size_t step = n / (CUTS / (fuzz_costly ? COSTLY : 1)) + 1;
	unsigned changes = CHANGES / (fuzz_costly ? COSTLY : 1);

	for (size_t cut = 0; cut < n; cut += step)
		run(p, cut);
	for (unsigned i = 0; n > 0 && i < changes; i++) {
		size_t at = next(&state) % n;
		uint8_t was = p[at];

		p[at] = (uint8_t)(i % 2 == 0 ? was ^ 1u << next(&state) % 8 : next(&state));
		run(p, n);
		p[at] = was;
	}
}

static void file(const char *path, bool varied)
{
	uint8_t *p = malloc(INPUT_MAX);
	FILE *f = fopen(path, "r");
	size_t n;

	if (f == NULL || p == NULL) {
		perror(path);
		exit(99);
	}
	n = fread(p, 1, INPUT_MAX, f);
	FUZZ_CHECK(n < INPUT_MAX && ferror(f) == 0);
	fclose(f);
	run(p, n);
	if (varied)
		vary(p, n);
	free(p);
}

static int visible(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

int main(int argc, char **argv)
{
	const char *src = getenv("MX_SRC"), *name = strrchr(argv[0], '/');
	struct dirent **e;
	char path[1024];
	int n;

	name = strstr(name != NULL ? name : argv[0], "fuzz_");
	FUZZ_CHECK(name != NULL);
	if (LLVMFuzzerInitialize != NULL)
		(void)LLVMFuzzerInitialize(&argc, &argv);
	if (argc > 1) {
		for (int i = 1; i < argc; i++)
			file(argv[i], false);
		return 0;
	}
	snprintf(path, sizeof path, "%s/tests/fuzz/corpus/%s", src != NULL ? src : ".", name + 5);
	n = scandir(path, &e, visible, alphasort);
	if (n <= 0) {
		fprintf(stderr, "%s has no inputs; MX_SRC is where the sources are\n", path);
		return 99;
	}
	printf("1..%d\n", n);
	for (int i = 0; i < n; i++) {
		char input[2048];

		snprintf(input, sizeof input, "%s/%s", path, e[i]->d_name);
		fprintf(stderr, "%s\n", input);		/* whose fault it is, should it be the last line */
		file(input, true);
		printf("ok %d - %s\n", i + 1, e[i]->d_name);
		fflush(stdout);
		free(e[i]);
	}
	free(e);
	return 0;
}
