#include "config.h"

#include <string.h>

#include "common/wire.h"
#include "settings/account.h"
#include "settings/build.h"

#define NOBODY 65534u	/* see names.c */

const struct conf_account *conf_account_find(const struct conf *c, const char *name, size_t n)
{
	char key[MX_ACCOUNT_MAX + 2];
	char *at;
	uint32_t i;

	if (n > MX_ACCOUNT_MAX)
		return NULL;
	if (n == 0)		/* the empty sender of a bounce */
		return cf_map_get(&c->own->exact, "*", 1, &i) ? &c->accounts[i] : NULL;
	n = cf_account_key(key, name, n);
	if (cf_map_get(&c->own->exact, key, n, &i))
		return &c->accounts[i];
	if ((at = memrchr(key, '@', n)) != NULL) {
		cf_lower(key, n);
		if (cf_map_get(&c->own->exact, key, n, &i) ||
		    cf_map_get(&c->own->folded, key, n, &i))
			return &c->accounts[i];
		if (at > key) {
			at[-1] = '*';
			if (cf_map_get(&c->own->exact, at - 1, n - (size_t)(at - 1 - key), &i))
				return &c->accounts[i];
		}
	}
	return cf_map_get(&c->own->exact, "*", 1, &i) ? &c->accounts[i] : NULL;
}

const struct conf_client *conf_client_find(const struct conf *c, const char *name)
{
	size_t lo = 0, hi = c->nclients;

	while (lo < hi) {
		const size_t mid = (lo + hi) / 2;
		const int d = strcmp(name, c->clients[mid].oc.name);

		if (d == 0)
			return &c->clients[mid];
		if (d < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

static bool relay_matches(const char *pattern, const char *host, size_t n)
{
	const size_t k = strlen(pattern);

	if (pattern[0] != '*')
		return k == n && memcmp(pattern, host, n) == 0;
	return k == 1 || (n > k - 1 && memcmp(host + n - (k - 1), pattern + 1, k - 1) == 0);
}

bool conf_relay_allowed(const struct conf_account *a, const char *host, size_t n)
{
	char lower[MX_HOST_MAX];

	if (a->nrelays == 0)
		return true;
	if (n == 0 || n > MX_HOST_MAX)
		return false;
	n = cf_host_key(lower, host, n);
	for (size_t i = 0; i < a->nrelays; i++)
		if (relay_matches(a->relays[i], lower, n))
			return true;
	return false;
}

static bool listed(const struct conf_names *l, uint32_t id)
{
	if (id == NOBODY || id == UINT32_MAX)
		return false;
	for (size_t i = 0; i < l->n; i++)
		if (l->id[i] == id)
			return true;
	return false;
}

bool conf_uid_listed(const struct conf_names *l, uid_t uid)
{
	return l->n == 0 ? uid == 0 : listed(l, uid);
}

bool conf_gid_listed(const struct conf_names *l, gid_t gid)
{
	return listed(l, gid);
}
