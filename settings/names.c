#include "config.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "settings/account.h"
#include "settings/build.h"

#define NOBODY 65534u	/* also what an unmapped id looks like from within a user namespace */

/* getpwnam and getgrnam say "no such name" in several ways. */
static bool means_absent(int err)
{
	return err == 0 || err == ENOENT || err == ESRCH || err == EBADF || err == EPERM;
}

static uint32_t ask(struct build *b, bool group, const char *name, const struct conf_where *at)
{
	const char *what = group ? "group" : "user";
	uint32_t id = UINT32_MAX;
	char q[96];
	int err;

	errno = 0;
	if (group) {
		const struct group *gr = getgrnam(name);

		err = errno;
		if (gr != NULL)
			id = gr->gr_gid;
	} else {
		const struct passwd *pw = getpwnam(name);

		err = errno;
		if (pw != NULL)
			id = pw->pw_uid;
	}
	if (id != UINT32_MAX)
		return id;
	(void)mx_quote(q, sizeof q, name, strlen(name));
	if (means_absent(err))
		cf_warn(b->r, at,
		    "there is no %s %s on this host; it is looked up again at reload%s", what, q,
		    strchr(name, ' ') == NULL ? ""
					      : " (several names are written as a list: [a, b])");
	else
		cf_warn(b->r, at, "%s %s cannot be looked up (%s); it is tried again at reload",
		    what, q, strerror(err));
	return id;
}

/*
 * Id of a name or of decimal digits; UINT32_MAX: unknown. Each name is asked for, and warned about,
 * once.
 */
static uint32_t id_of(struct build *b, bool group, const char *s, size_t n,
    const struct conf_where *at)
{
	struct cf_map *known = group ? &b->groups : &b->users;
	const char *name;
	uint64_t number;
	uint32_t id;

	if (cf_map_get(known, s, n, &id))
		return id;
	if ((name = cf_intern(b->mem, s, n)) == NULL) {
		(void)cf_oom(b);
		return UINT32_MAX;
	}
	if (mx_parse_uint(s, n, 0, UINT32_MAX - 1, &number))
		id = (uint32_t)number;
	else
		id = ask(b, group, name, at);
	if (id == NOBODY)
		cf_warn(b->r, at,
		    "\"%s\" is %cid 65534, which never matches: every unmapped id looks like it",
		    name, group ? 'g' : 'u');
	if (!cf_map_put(known, name, id))
		(void)cf_oom(b);
	return id;
}

void cf_name_known(struct build *b, bool group, const char *s, size_t n,
    const struct conf_where *at)
{
	(void)id_of(b, group, s, n, at);
}

void cf_list_add(struct build *b, const struct conf_key *k, const char *s, size_t n,
    const struct conf_where *at)
{
	uint32_t id = 0;
	char q[96], host[256];
	const char *bad;

	if (k->max != 0 && n > k->max) {
		cf_error(b->r, at, "\"%s\": the value is too long: %zu bytes, at most %u", k->name,
		    n, k->max);
		return;
	}
	if (k->bad != NULL && (bad = k->bad(s, n)) != NULL) {
		cf_error(b->r, at, "\"%s\": %s %s", k->name, mx_quote(q, sizeof q, s, n), bad);
		return;
	}
	if ((k->flags & CONF_K_HOSTS) != 0) {
		n = cf_host_key(host, s, n);
		s = host;
	}
	if (k->type != CONF_T_STRINGS)
		id = id_of(b, k->type == CONF_T_GROUPS, s, n, at);
	if (!cf_grow(&b->item.name, b->item.n, &b->cap_item_name, sizeof *b->item.name) ||
	    !cf_grow(&b->item.id, b->item.n, &b->cap_item_id, sizeof *b->item.id) ||
	    (b->item.name[b->item.n] = cf_intern(b->mem, s, n)) == NULL) {
		(void)cf_oom(b);
		return;
	}
	b->item.id[b->item.n++] = id;
}

/* The list being read as one text: its kind, then each item on a line. false: no memory. */
static bool list_text(struct build *b, const struct conf_key *k, size_t *len)
{
	size_t n = 1;

	for (size_t i = 0; i < b->item.n; i++)
		n += strlen(b->item.name[i]) + 1;
	if (n > b->cap_text) {
		char *p = realloc(b->text, n * 2);

		if (p == NULL)
			return false;
		b->text = p, b->cap_text = n * 2;
	}
	b->text[0] = k->type == CONF_T_USERS ? 'u' : k->type == CONF_T_GROUPS ? 'g' : 's';
	*len = 1;
	for (size_t i = 0; i < b->item.n; i++) {
		const size_t item = strlen(b->item.name[i]);

		memcpy(b->text + *len, b->item.name[i], item);
		b->text[*len + item] = '\n';
		*len += item + 1;
	}
	return true;
}

/* A copy of the list that lives with the configuration. */
static bool list_copy(struct build *b, bool ids, struct conf_names *to)
{
	const size_t n = b->item.n;

	*to = (struct conf_names){ .n = n };
	if ((to->name = cf_alloc(b->mem, n * sizeof *to->name)) == NULL)
		return false;
	memcpy(to->name, b->item.name, n * sizeof *to->name);
	if (!ids)
		return true;
	if ((to->id = cf_alloc(b->mem, n * sizeof *to->id)) == NULL)
		return false;
	memcpy(to->id, b->item.id, n * sizeof *to->id);
	return true;
}

/* Equal lists are kept once: accounts mostly name the same users. */
void cf_list_end(struct build *b, const struct conf_key *k, struct cf_value *v)
{
	const char *key;
	uint32_t i;
	size_t n;

	if (b->item.n == 0)
		return;
	if (!list_text(b, k, &n))
		goto oom;
	if (!cf_map_get(&b->lists, b->text, n, &i)) {
		i = (uint32_t)b->nlists;
		if (!cf_grow(&b->list, b->nlists, &b->cap_lists, sizeof *b->list) ||
		    !list_copy(b, k->type != CONF_T_STRINGS, &b->list[i]) ||
		    (key = cf_strdup(b->mem, b->text, n)) == NULL || !cf_map_put(&b->lists, key, i))
			goto oom;
		b->nlists++;
	}
	v->list = b->list[i];
	b->item.n = 0;
	return;
oom:
	(void)cf_oom(b);
	b->item.n = 0;
}
