#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/text.h"
#include "settings/build.h"
#include "settings/check.h"
#include "settings/events.h"
#include "settings/suggest.h"

/* One mapping that is being read. */
struct into {
	struct build *b;
	struct cf_events *y;
	const struct conf_section *s;
	void *section;			/* its struct */
	bool limits;			/* below "limits": its keys alone */
};

static bool read_map(struct into *m);

static void unknown(const struct into *m, const struct cf_event *e)
{
	const struct conf_section *other = NULL;
	char q[96], hint[96];
	struct cf_near near;

	(void)mx_quote(q, sizeof q, e->s, e->n);
	for (size_t i = 0; i < CONF_SECTION_N && other == NULL; i++)
		if (&conf_sections[i] != m->s &&
		    conf_key_find(&conf_sections[i], e->s, e->n) != NULL)
			other = &conf_sections[i];
	if (other != NULL) {
		cf_error(m->b->r, &e->at, "key %s does not belong to %s but to %s", q,
		    m->limits ? "\"limits\"" : m->s->name, other->name);
		return;
	}
	cf_near_begin(&near, e->s, e->n);
	for (size_t i = 0; i < m->s->n; i++)
		cf_near_try(&near, m->s->key[i].name);
	for (size_t i = 0; i < CONF_SECTION_N && near.best == NULL; i++)
		for (size_t k = 0; k < conf_sections[i].n; k++)
			cf_near_try(&near, conf_sections[i].key[k].name);
	cf_error(m->b->r, &e->at, "unknown key %s in %s%s", q, m->s->name,
	    cf_near_text(hint, sizeof hint, &near));
}

/* Can it be a key at all? false: after a complaint. */
static bool is_key(const struct into *m, const struct cf_event *e)
{
	if (e->bad)
		return false;
	if (e->kind == CF_SCALAR && !e->merge)
		return true;
	cf_error(m->b->r, &e->at, "%s", e->kind != CF_SCALAR ?
	    "a key must be plain text, not a list or a mapping" :
	    "merge keys (<<) are not supported: write the keys out");
	return false;
}

/* The key of a mapping, or NULL after a complaint. */
static const struct conf_key *key_of(const struct into *m, const struct cf_event *e)
{
	const struct conf_key *k;
	struct cf_value *v;
	char first[512];

	if (!is_key(m, e))
		return NULL;
	if (e->null) {
		cf_error(m->b->r, &e->at, "a key is missing before the colon");
		return NULL;
	}
	k = conf_key_find(m->s, e->s, e->n);
	if (k == NULL) {
		unknown(m, e);
		return NULL;
	}
	if (m->limits && (k->flags & CONF_K_LIMIT) == 0) {
		cf_error(m->b->r, &e->at,
		    "key \"%s\" does not belong to \"limits\" but to the top level", k->name);
		return NULL;
	}
	if ((k->flags & CONF_K_REFUSED) != 0) {
		cf_error(m->b->r, &e->at, "\"%s\" %s", k->name, k->help);
		return NULL;
	}
	v = cf_value_of(m->section, k);
	if (v->at.line != 0 && ((k->flags & CONF_K_EACH_FILE) == 0 || v->at.file == e->at.file)) {
		cf_error(m->b->r, &e->at, "\"%s\" is given twice%s", k->name,
		    cf_first_place(first, sizeof first, &v->at, &e->at));
		return NULL;
	}
	v->at = e->at;
	return k;
}

/* A scalar that can be used; else a complaint, at the key when there is no value at all. */
static bool usable(const struct into *m, const struct conf_key *k, const struct cf_event *e,
    const struct conf_where *key_at)
{
	if (e->bad)
		return false;
	if (e->null)
		cf_error(m->b->r, e->n == 0 ? key_at : &e->at,
		    "\"%s\" has no value: give it one or leave the key out", k->name);
	else if (e->n == 0)
		cf_error(m->b->r, &e->at, "\"%s\" is empty: give it a value or leave the key out",
		    k->name);
	else
		return true;
	return false;
}

static void add_item(const struct into *m, const struct conf_key *k, struct cf_value *v,
    const struct cf_event *e)
{
	if (k->type == CONF_T_WORDS)
		cf_set(m->b, k, v, e->s, e->n, &e->at);
	else
		cf_list_add(m->b, k, e->s, e->n, &e->at);
}

static bool read_list(const struct into *m, const struct conf_key *k, struct cf_value *v,
    const struct cf_event *first)
{
	const struct conf_where key_at = v->at;
	struct cf_event e = *first;
	size_t items = 0;

	if (e.kind == CF_SCALAR) {
		if (usable(m, k, &e, &key_at))
			add_item(m, k, v, &e);
	} else if (e.kind == CF_MAP) {
		cf_error(m->b->r, &e.at, "\"%s\" must be a list, such as [a, b], not a mapping",
		    k->name);
		return cf_skip(m->y, &e);
	} else {
		for (; cf_next(m->y, &e) != CF_END; items++) {
			if (e.kind == CF_BROKEN)
				return false;
			if (e.kind == CF_SCALAR) {
				if (usable(m, k, &e, &e.at))
					add_item(m, k, v, &e);
				continue;
			}
			cf_error(m->b->r, &e.at, "\"%s\" must be a list of plain names", k->name);
			if (!cf_skip(m->y, &e))
				return false;
		}
		if (items == 0)
			cf_error(m->b->r, &first->at,
			    "\"%s\" is an empty list: leave the key out for its "
			    "default",
			    k->name);
	}
	cf_list_end(m->b, k, v);
	v->at = key_at;
	return true;
}

/* Are all required keys of an entry there? who: the entry, in quotes. */
static void check_required(const struct into *m, const char *who, const struct conf_where *at)
{
	for (size_t i = 0; i < m->s->n; i++)
		if ((m->s->key[i].flags & CONF_K_REQUIRED) != 0 &&
		    cf_value_of(m->section, &m->s->key[i])->at.line == 0)
			cf_error(m->b->r, at, "%s lacks \"%s\": %s", who, m->s->key[i].name,
			    m->s->key[i].help);
}

/* Reads the mapping that e begins into the section's struct. false: the stream broke. */
static bool read_entry(struct build *b, struct cf_events *y, enum conf_section_id id, void *section,
    const struct cf_event *e, const char *who, const struct conf_where *at)
{
	struct into m = { b, y, &conf_sections[id], section, false };
	const size_t errors = b->r->errors;

	cf_defaults(b, m.s, section);
	if (e->kind != CF_MAP) {
		if (!e->bad)
			cf_error(b->r, e->null ? at : &e->at,
			    "%s must be a mapping: lines \"KEY: VALUE\" below it", who);
		return cf_skip(y, e);
	}
	if (!read_map(&m))
		return false;
	b->clean = b->r->errors == errors;
	if (b->clean)
		check_required(&m, who, at);
	return true;
}

static void add_listen(struct build *b, const struct conf_where *at, const struct cf_listen *w)
{
	struct conf_listen *l;
	char first[512];

	if (w->path.s == NULL)
		return;
	for (size_t i = 0; i < b->c->nlisten; i++)
		if (strcmp(b->c->listen[i].path, w->path.s) == 0) {
			cf_error(b->r, &w->path.at, "this socket is given twice%s",
			    cf_first_place(first, sizeof first, &b->c->listen[i].at, at));
			return;
		}
	if (!cf_grow(&b->c->listen, b->c->nlisten, &b->cap_listen, sizeof *b->c->listen)) {
		(void)cf_oom(b);
		return;
	}
	l = &b->c->listen[b->c->nlisten++];
	*l = (struct conf_listen){ w->path.s, (enum conf_protocol)w->protocol.v, (mode_t)w->mode.v, w->owner.s,
	    w->group.s, *at };
}

static bool read_listen(const struct into *m, const struct cf_event *first)
{
	struct cf_listen w;
	struct cf_event e;
	size_t items = 0;

	m->b->own_listen |= first->at.file == m->b->main_file;
	if (first->kind != CF_LIST) {
		if (!first->bad)
			cf_error(m->b->r, &first->at,
			    "\"listen\" must be a list: write \"- path: %s\" below it", MX_SOCKET);
		return cf_skip(m->y, first);
	}
	for (; cf_next(m->y, &e) != CF_END; items++) {
		const struct conf_where at = e.at;

		if (e.kind == CF_BROKEN || !read_entry(m->b, m->y, CONF_SECTION_LISTEN, &w, &e,
		    "an entry of \"listen\"", &at))
			return false;
		add_listen(m->b, &at, &w);
	}
	if (items == 0)
		cf_error(m->b->r, &first->at,
		    "\"listen\" is an empty list: leave the key out for its default");
	return true;
}

static bool read_credentials(const struct into *m, const struct cf_event *first)
{
	struct cf_client *client = m->section;
	struct cf_credential w;
	struct cf_event e;
	size_t items = 0;

	if (first->kind != CF_LIST) {
		if (!first->bad)
			cf_error(m->b->r, &first->at, "\"credentials\" must be a list: write "
			    "\"- client_secret_file: PATH\" below it");
		return cf_skip(m->y, first);
	}
	for (; cf_next(m->y, &e) != CF_END; items++) {
		const struct conf_where at = e.at;

		if (e.kind == CF_BROKEN)
			return false;
		if (items == CONF_CREDENTIALS_MAX)
			cf_error(m->b->r, &at, "more than %d credentials", CONF_CREDENTIALS_MAX);
		if (items >= CONF_CREDENTIALS_MAX) {
			if (!cf_skip(m->y, &e))
				return false;
			continue;
		}
		if (!read_entry(m->b, m->y, CONF_SECTION_CREDENTIAL, &w, &e,
			"an entry of \"credentials\"", &at))
			return false;
		w.at = at;
		client->list[client->nlist++] = w;
	}
	if (items == 0)
		cf_error(m->b->r, &first->at, "\"credentials\" is an empty list: it needs at least "
		    "one \"- client_secret_file: PATH\"");
	return true;
}

/*
 * The name of an entry, for keeps, or NULL after a complaint. who: what to call the entry in
 * complaints; empty when there is no telling, and the entry is not worth reading.
 */
static const char *entry_name(const struct into *m, bool client, const struct cf_event *e,
    char *who, size_t cap)
{
	const char *name, *bad;
	char q[128];

	who[0] = '\0';
	if (!is_key(m, e))
		return NULL;
	if (e->null || e->n == 0) {
		cf_error(m->b->r, &e->at, "a name is missing before the colon");
		return NULL;
	}
	(void)snprintf(who, cap, "%s %s", client ? "client" : "account", mx_quote(q, sizeof q, e->s,
	    e->n));
	bad = client ? cf_bad_name(e->s, e->n) : cf_bad_pattern(e->s, e->n);
	if (bad != NULL) {
		cf_error(m->b->r, &e->at, "the name of %s %s", who, bad);
		return NULL;
	}
	if ((name = cf_strdup(m->b->mem, e->s, e->n)) == NULL)
		(void)cf_oom(m->b);
	return name;
}

/* The mapping below "clients" or "accounts", whose keys are names. */
static bool read_named(const struct into *m, const struct conf_key *k, const struct cf_event *first,
    const struct conf_where *key_at)
{
	const bool client = k->type == CONF_T_CLIENTS;
	const enum conf_section_id id = client ? CONF_SECTION_CLIENT : CONF_SECTION_ACCOUNT;
	union { struct cf_client client; struct cf_account account; } w;
	const char *name;
	struct cf_event e;
	char who[160];

	if (first->kind != CF_MAP) {
		if (!first->bad)
			cf_error(m->b->r, first->null ? key_at : &first->at,
			    "\"%s\" must be a mapping: %s and a "
			    "colon, and the keys of the entry below it",
			    k->name, client ? "a name of your choice" : "a mailbox pattern");
		return cf_skip(m->y, first);
	}
	while (cf_next(m->y, &e) != CF_END) {
		const struct conf_where at = e.at;

		if (e.kind == CF_BROKEN)
			return false;
		name = entry_name(m, client, &e, who, sizeof who);
		if (!cf_skip(m->y, &e) || cf_next(m->y, &e) == CF_BROKEN)
			return false;
		if (who[0] == '\0' ? !cf_skip(m->y, &e)
				   : !read_entry(m->b, m->y, id, &w, &e, who, &at))
			return false;
		if (name != NULL && client)
			cf_add_client(m->b, name, &at, &w.client);
		else if (name != NULL)
			cf_add_account(m->b, name, &at, &w.account);
		if (m->b->oom)
			return false;
	}
	return true;
}

/* The value of k, which begins at e. false: the stream broke. */
static bool read_value(const struct into *m, const struct conf_key *k, const struct cf_event *e)
{
	struct cf_value *v = cf_value_of(m->section, k);
	const struct conf_where key_at = v->at;

	switch (k->type) {
	case CONF_T_CLIENTS:
	case CONF_T_ACCOUNTS:
		return read_named(m, k, e, &key_at);
	case CONF_T_LISTEN:
		return read_listen(m, e);
	case CONF_T_CREDENTIALS:
		return read_credentials(m, e);
	case CONF_T_LIMITS:
		if (e->kind == CF_MAP) {
			struct into below = *m;

			below.limits = true;
			return read_map(&below);
		}
		if (!e->bad)
			cf_error(m->b->r, e->null ? &key_at : &e->at,
			    "\"limits\" must be a mapping of limits");
		return cf_skip(m->y, e);
	case CONF_T_STRINGS:
	case CONF_T_WORDS:
	case CONF_T_USERS:
	case CONF_T_GROUPS:
		return read_list(m, k, v, e);
	default:
		if (e->kind != CF_SCALAR) {
			cf_error(m->b->r, &e->at, "\"%s\" must be a single value, not a %s",
			    k->name, e->kind == CF_LIST ? "list" : "mapping");
			return cf_skip(m->y, e);
		}
		if (usable(m, k, e, &key_at))
			cf_set(m->b, k, v, e->s, e->n, &e->at);
		return true;
	}
}

/* Keys and values up to the end of the mapping. */
static bool read_map(struct into *m)
{
	const struct conf_key *k;
	struct cf_event e;

	while (cf_next(m->y, &e) != CF_END) {
		if (e.kind == CF_BROKEN)
			return false;
		k = key_of(m, &e);
		if (!cf_skip(m->y, &e) || cf_next(m->y, &e) == CF_BROKEN)
			return false;
		if (k == NULL ? !cf_skip(m->y, &e) : !read_value(m, k, &e))
			return false;
		if (m->b->oom)
			return false;
	}
	return true;
}

void cf_read_text(struct build *b, const char *file, const char *text, size_t n)
{
	struct into m = { b, NULL, &conf_sections[CONF_SECTION_TOP], &b->top, false };
	const struct conf_where at = { file, 1, 1 };
	struct cf_event e;

	if ((m.y = cf_events_open(file, text, n, b->r)) == NULL) {
		(void)cf_oom(b);
		return;
	}
	switch (cf_next(m.y, &e)) {
	case CF_MAP:
		b->broken |= !read_map(&m) || cf_next(m.y, &e) == CF_BROKEN;
		break;
	case CF_EOF:
		cf_error(b->r, &at, "this file holds no settings");
		b->broken = true;
		break;
	case CF_BROKEN:
		b->broken = true;
		break;
	default:
		if (!e.bad)
			cf_error(b->r, &e.at, e.null ? "this file holds no settings" :
			    "expected \"KEY: VALUE\": is the colon missing, or the file cut off?");
		b->broken = true;
	}
	cf_events_close(m.y);
}
