#include "config.h"

#include <string.h>
#include <strings.h>

#include "oauth/device.h"

void oauth_device_free(struct oauth_device *d)
{
	mx_secret_free(&d->device_code);
	*d = (struct oauth_device){ 0 };
}

void oauth_poll_begin(struct oauth_poll *p, const struct oauth_device *d, uint64_t now)
{
	*p = (struct oauth_poll){ .interval_s = d->interval_s, .end_ms = now + d->expires_in_s * UINT64_C(1000) };
}

/* At the end the provider says by itself that it is the end: the last question may be late by that much. */
static enum oauth_poll_next in(const struct oauth_poll *p, uint64_t pause_s, uint64_t now, uint64_t *due)
{
	if (now >= p->end_ms)
		return OAUTH_POLL_EXPIRED;
	*due = now + pause_s * 1000;
	if (*due > p->end_ms)
		*due = p->end_ms;
	return OAUTH_POLL_AGAIN;
}

uint64_t oauth_poll_first(const struct oauth_poll *p, uint64_t now)
{
	uint64_t due = now;

	(void)in(p, p->interval_s, now, &due);
	return due;
}

/* Section 3.5: "an exponential backoff algorithm"; never more often than the interval allows. */
static uint64_t backoff(const struct oauth_poll *p, int32_t retry_after_s)
{
	uint64_t s = (uint64_t)p->interval_s << (p->lost < 8 ? p->lost : 8);

	if (s > OAUTH_DEVICE_BACKOFF_MAX_S)
		s = OAUTH_DEVICE_BACKOFF_MAX_S;
	if (retry_after_s > 0 && (uint64_t)retry_after_s > s)
		s = (uint64_t)retry_after_s;
	return s > p->interval_s ? s : p->interval_s;
}

enum oauth_poll_next oauth_poll_after(struct oauth_poll *p, const struct oauth_failure *f, uint64_t now, uint64_t *due)
{
	if (strcmp(f->error, "authorization_pending") == 0) {
		p->lost = 0;
		return in(p, p->interval_s, now, due);
	}
	if (strcmp(f->error, "slow_down") == 0) {
		p->lost = 0;
		p->interval_s += OAUTH_DEVICE_SLOWER_S;
		if (p->interval_s > OAUTH_DEVICE_INTERVAL_MAX_S)
			p->interval_s = OAUTH_DEVICE_INTERVAL_MAX_S;
		return in(p, p->interval_s, now, due);
	}
	if (strcmp(f->error, "expired_token") == 0)
		return OAUTH_POLL_EXPIRED;
	if (f->err.cls != MX_TEMP)
		return OAUTH_POLL_OVER;
	p->lost++;
	return in(p, backoff(p, f->retry_after_s), now, due);
}

static bool silent(const char *s, size_t n)
{
	static const char *const words[] = { "offline_access", "openid", "profile", "email" };

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strlen(words[i]) == n && strncasecmp(words[i], s, n) == 0)
			return true;
	return false;
}

/* Is b the end of a, behind a '/'? */
static bool tail(const char *a, size_t na, const char *b, size_t nb)
{
	return nb > 0 && na > nb && a[na - nb - 1] == '/' && strncasecmp(a + na - nb, b, nb) == 0;
}

static bool same(const char *a, size_t na, const char *b, size_t nb)
{
	return (na == nb && strncasecmp(a, b, na) == 0) || tail(a, na, b, nb) || tail(b, nb, a, na);
}

static bool has(const char *list, const char *s, size_t n)
{
	size_t k;

	for (; *(list += strspn(list, " ")) != '\0'; list += k)
		if (same(list, k = strcspn(list, " "), s, n))
			return true;
	return false;
}

const char *oauth_scope_lacks(const char *wanted, const char *granted, size_t *n)
{
	if (wanted == NULL || granted[0] == '\0')
		return NULL;
	for (; *(wanted += strspn(wanted, " ")) != '\0'; wanted += *n) {
		*n = strcspn(wanted, " ");
		if (!silent(wanted, *n) && !has(granted, wanted, *n))
			return wanted;
	}
	return NULL;
}
