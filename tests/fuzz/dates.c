/*
 * Retry-After and the dates of headers. Parts: Retry-After, Date, this host's clock.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "oauth/retryafter.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fuzz_in in = { data, n }, value = fuzz_part(&in), date = fuzz_part(&in);
	char *v = fuzz_str(value), *d = fuzz_str(date);
	int64_t now = (int64_t)fuzz_number(fuzz_part(&in), (uint64_t)1 << 40), moment = oauth_http_moment(v);
	int32_t got = oauth_retry_after(v, date.n > 0 ? d : NULL, now);
	const char *digits = v + strspn(v, " \t");
	uint64_t s = 0;

	FUZZ_CHECK(moment >= -1 && oauth_http_moment(NULL) == -1);
	FUZZ_CHECK(got >= -1 && got <= OAUTH_RETRY_AFTER_MAX_S);
	FUZZ_CHECK(oauth_retry_after(NULL, d, now) == -1);
	if (*digits != '\0' && digits[strspn(digits, "0123456789")] == '\0') {
		for (; *digits != '\0' && s <= OAUTH_RETRY_AFTER_MAX_S; digits++)
			s = s * 10 + (uint64_t)(*digits - '0');
		FUZZ_CHECK(got == (int32_t)(s > OAUTH_RETRY_AFTER_MAX_S ? OAUTH_RETRY_AFTER_MAX_S : s));
	} else if (got >= 0 && moment >= 0 && oauth_http_moment(d) < 0) {
		FUZZ_CHECK(moment >= now ? got <= moment - now : got == 0);
	}
	free(v);
	free(d);
	return 0;
}
