#include "config.h"

#include <string.h>

#include "oauth/explain.h"
#include "oauth/explain_data.h"

static bool says(const struct oauth_hint *h, const char *description)
{
	return h->said == NULL || (description != NULL && strstr(description, h->said) != NULL);
}

const struct oauth_hint *oauth_explain(const char *error, uint32_t aadsts, const char *description)
{
	if (aadsts != 0)
		for (size_t i = 0; i < oauth_hints_n; i++)
			if (oauth_hints[i].aadsts == aadsts)
				return &oauth_hints[i];
	if (error != NULL && error[0] != '\0')
		for (size_t i = 0; i < oauth_hints_n; i++)
			if (oauth_hints[i].aadsts == 0 && oauth_hints[i].error != NULL &&
			    strcmp(oauth_hints[i].error, error) == 0 && says(&oauth_hints[i], description))
				return &oauth_hints[i];
	return &oauth_hints[oauth_hints_n - 1];
}

const struct oauth_hint *oauth_hint_at(size_t i)
{
	return i < oauth_hints_n ? &oauth_hints[i] : NULL;
}

/*
 * Microsoft asks programs not to branch on its numbers, so they have no say here. What heals by
 * itself is known by status (408, 425, 429, 5xx) or by RFC 6749 section 4.1.2.1's two names.
 */
bool oauth_is_permanent(long http_status, const char *error)
{
	static const char *const passing[] = {
		"temporarily_unavailable", "server_error", "slow_down", "authorization_pending",
	};

	if (http_status == 0 || http_status == 408 || http_status == 425 || http_status == 429 ||
	    http_status >= 500)
		return false;
	for (size_t i = 0; error != NULL && i < sizeof passing / sizeof passing[0]; i++)
		if (strcmp(error, passing[i]) == 0)
			return false;
	return true;
}
