/*
 * A mail server's challenge as the plugin reads it: whatever it says, the answer is the mechanism's, the line to the
 * host's log is one clean line, and no piece of the token is in it. Parts: mechanism, token, challenge.
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "plugin/plugin.h"
#include "tests/fuzz/fuzz.h"

#define PIECE 12		/* bytes of a token in a row that no log may have */

static char said[8192];
static unsigned lines;
static bool reachable;

/* In place of plugin/ask.c: there is no daemon here. */
enum mx_class mxp_tell_rejected(const struct mxp_conn *c, const sasl_client_params_t *p, const void *challenge, size_t n,
    struct mx_err *e)
{
	(void)c, (void)p, (void)challenge, (void)n;
	return reachable ? MX_OK : mx_fail(e, MX_TEMP, "socket-unreachable", "the socket cannot be reached");
}

__attribute__((format(printf, 3, 4)))
static void seterror(sasl_conn_t *conn, unsigned flags, const char *fmt, ...)
{
	va_list ap;
	int n;

	(void)conn, (void)flags;
	va_start(ap, fmt);
	n = vsnprintf(said, sizeof said, fmt, ap);
	va_end(ap);
	FUZZ_CHECK(n > 0 && (size_t)n < sizeof said);
	lines++;
}

/*
 * Whatever of the token stands in the line has to be in the plugin's own words too, which a challenge that says nothing
 * brings. Real tokens alone: no blank or quote in them can run into what stands around a value.
 */
static void check_line(const struct mxp_conn *c, const sasl_client_params_t *p, const char *token, size_t n)
{
	static char with[sizeof said];
	const char *out;
	unsigned out_n;

	FUZZ_CHECK(lines == 1 && fuzz_is_clean(said, strlen(said)) && strlen(said) < MXP_LINE_MAX);
	if (!mx_is_b64token(token, n) || strstr(said, "\\x") != NULL)
		return;
	memcpy(with, said, sizeof with);
	mxp_refused(c, p, "{}", 2, &out, &out_n);
	for (size_t i = 0; i + PIECE <= n; i++)
		FUZZ_CHECK(memmem(with, strlen(with), token + i, PIECE) == NULL ||
		    memmem(said, strlen(said), token + i, PIECE) != NULL);
}

static void check_members(const char *in, size_t n)
{
	static const char *const keys[] = { "status", "scope", "" };
	char one[128], small[8];

	for (size_t i = 0; i < 3; i++) {
		bool found = mxp_json_member(in, n, keys[i], one, sizeof one);

		FUZZ_CHECK(mxp_json_member(in, n, keys[i], small, sizeof small) == found);
		if (found)
			FUZZ_CHECK(memchr(one, '\0', sizeof one) != NULL && strncmp(one, small, sizeof small - 1) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fuzz_in in = { data, n }, mech = fuzz_part(&in), token = fuzz_part(&in);
	struct mxp_conn c = { .mech = mech.n % 2 == 0 ? MX_MECH_XOAUTH2 : MX_MECH_OAUTHBEARER, .account = "a@contoso.com" };
	sasl_utils_t utils = { .seterror = seterror };
	sasl_client_params_t p = { .utils = &utils, .serverFQDN = "smtp.example.com" };
	char *challenge = fuzz_copy(in);
	const char *out = NULL;
	unsigned out_n = 77;
	size_t cap = token.n + 64;

	c.mem = malloc(cap);
	FUZZ_CHECK(c.mem != NULL);
	c.mem_len = (size_t)snprintf(c.mem, cap, "user=a@contoso.com\001auth=Bearer ");
	memcpy(c.mem + c.mem_len, token.p, token.n);
	c.mem_len += token.n;
	lines = 0;
	reachable = mech.n % 4 < 2;
	mxp_refused(&c, &p, challenge, in.n, &out, &out_n);
	FUZZ_CHECK(out != NULL && out_n == (c.mech == MX_MECH_OAUTHBEARER ? 1u : 0u));
	FUZZ_CHECK(out_n == 0 || *out == '\001');
	check_line(&c, &p, c.mem + c.mem_len - token.n, token.n);
	check_members(challenge, in.n);
	free(c.mem);
	free(challenge);
	return 0;
}
