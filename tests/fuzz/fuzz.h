/*
 * What the fuzz targets share. An input is any bytes; where a target needs several of them, they are parts with a
 * line "%%" between, so that seeds can be read and written by hand. For tests only.
 */
#ifndef MX_TESTS_FUZZ_H
#define MX_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"

/* What libFuzzer and replay.c call. The first one may be left out. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Set by the first one of a target whose inputs cost milliseconds: replay.c makes fewer variants of each. */
extern bool fuzz_costly;

/* Holds, or the process ends with the condition on standard error: also in builds without assert(). */
#define FUZZ_CHECK(cond) do { if (!(cond)) fuzz_broken(#cond, __FILE__, __LINE__); } while (0)
_Noreturn void fuzz_broken(const char *cond, const char *file, int line);

struct fuzz_in { const uint8_t *p; size_t n; };

/* Takes the next part off *in. At the end: an empty one. */
struct fuzz_in fuzz_part(struct fuzz_in *in);

/* The decimal number at the beginning of a part, at most max. */
uint64_t fuzz_number(struct fuzz_in part, uint64_t max);

/* The caller's copy, of exactly so many bytes, so that a sanitizer sees what reads behind it. */
void *fuzz_copy(struct fuzz_in part);
char *fuzz_str(struct fuzz_in part);	/* up to its first NUL, with one behind it */

/* Valid UTF-8 without control bytes: what may reach a log or a terminal. */
bool fuzz_is_clean(const void *s, size_t n);

/* What every struct mx_err promises: the class that was returned, a code, one clean sentence. */
void fuzz_check_err(const struct mx_err *e, enum mx_class cls);

/* Writes a part to a file NAME of this process' own, mode 0600, and returns its path. Removed at the end. */
const char *fuzz_file(const char *name, struct fuzz_in part);
const char *fuzz_dir(void);

#endif
