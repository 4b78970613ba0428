#include "config.h"

#include <stddef.h>
#include <string.h>

#include <curl/curl.h>

#include "oauth/retryafter.h"

#define DIGITS "0123456789"

int64_t oauth_http_moment(const char *s)
{
	int64_t moment;

	/* They begin with the day's name; curl_getdate() takes many things more, years before 1970 too. */
	if (s == NULL || strspn(s, "MTWFSmtwfs") == 0)
		return -1;
	moment = (int64_t)curl_getdate(s, NULL);
	return moment < 0 ? -1 : moment;
}

static int32_t capped(int64_t s)
{
	return s < 0 ? 0 : s > OAUTH_RETRY_AFTER_MAX_S ? OAUTH_RETRY_AFTER_MAX_S : (int32_t)s;
}

int32_t oauth_retry_after(const char *value, const char *date, int64_t now_s)
{
	int64_t then, now, s = 0;

	if (value == NULL)
		return -1;
	value += strspn(value, " \t");
	if (value[0] >= '0' && value[0] <= '9') {
		size_t n = strspn(value, DIGITS);

		if (value[n + strspn(value + n, " \t")] != '\0')
			return -1;
		for (size_t i = 0; i < n && s <= OAUTH_RETRY_AFTER_MAX_S; i++)
			s = s * 10 + (value[i] - '0');
		return capped(s);
	}
	if ((then = oauth_http_moment(value)) < 0)
		return -1;
	/* The sender's clock against itself: ours may be an hour wrong. */
	if ((now = oauth_http_moment(date)) < 0)
		now = now_s;
	return capped(then - now);
}
