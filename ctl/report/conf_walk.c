/*
 * The files of the configuration, read by the YAML reader alone and not typed: so a configuration that is wrong can be
 * shown, too. Which section is where is known by the table of keys.
 */
#include "config.h"

#include <string.h>

#include "ctl/report/report.h"
#include "settings/events.h"
#include "settings/report.h"

struct walk {
	struct cf_events *y;
	void (*item)(void *arg, const struct rp_item *i);
	void *arg;
};

static bool section(struct walk *w, const struct conf_section *s, unsigned depth);

static void tell(struct walk *w, const struct rp_item *i)
{
	w->item(w->arg, i);
}

/* A list that e begins: scalars, or entries of a section. */
static bool list(struct walk *w, struct rp_item i, const struct conf_section *of)
{
	struct cf_event e;

	for (;;) {
		switch (cf_next(w->y, &e)) {
		case CF_END:
			return true;
		case CF_SCALAR:
			i.kind = RP_VALUE, i.value = e.s, i.value_n = e.n;
			tell(w, &i);
			break;
		case CF_MAP:
			tell(w, &(struct rp_item){ .section = of != NULL ? of : i.section, .kind = RP_ENTRY, .depth = i.depth });
			if (!section(w, of, i.depth + 1))
				return false;
			break;
		case CF_LIST:
			if (!cf_skip(w->y, &e))
				return false;
			break;
		default:
			return false;
		}
	}
}

/* A mapping of names of one's own choice to entries of a section. */
static bool names(struct walk *w, const struct conf_section *of, bool clients, unsigned depth)
{
	struct cf_event e;

	while (cf_next(w->y, &e) == CF_SCALAR) {
		tell(w, &(struct rp_item){ .section = of, .kind = clients ? RP_CLIENT : RP_ACCOUNT, .name = e.s, .name_n = e.n,
		    .depth = depth });
		if (cf_next(w->y, &e) == CF_MAP) {
			if (!section(w, of, depth + 1))
				return false;
		} else if (e.kind == CF_SCALAR || e.kind == CF_LIST) {
			if (!cf_skip(w->y, &e))
				return false;
		} else {
			return false;
		}
	}
	return e.kind == CF_END;
}

/* Entries of what a key holds. NULL: of nothing known. */
static const struct conf_section *below(const struct conf_key *k, const struct conf_section *s)
{
	switch (k != NULL ? k->type : CONF_T_STRING) {
	case CONF_T_LISTEN: return &conf_sections[CONF_SECTION_LISTEN];
	case CONF_T_CLIENTS: return &conf_sections[CONF_SECTION_CLIENT];
	case CONF_T_ACCOUNTS: return &conf_sections[CONF_SECTION_ACCOUNT];
	case CONF_T_CREDENTIALS: return &conf_sections[CONF_SECTION_CREDENTIAL];
	case CONF_T_LIMITS: return s;
	default: return NULL;
	}
}

static bool value(struct walk *w, const struct conf_section *s, struct rp_item i)
{
	const struct conf_section *of = below(i.key, s);
	char name[128];
	struct cf_event e;

	/* The event that it stands in is over with the next one. */
	i.name_n = i.name_n < sizeof name ? i.name_n : sizeof name - 1;
	memcpy(name, i.name, i.name_n);
	i.name = name;
	switch (cf_next(w->y, &e)) {
	case CF_SCALAR:
		i.value = e.null ? "" : e.s, i.value_n = e.null ? 0 : e.n;
		tell(w, &i);
		return true;
	case CF_LIST:
		tell(w, &i);
		i.depth++;
		return list(w, i, of);
	case CF_MAP:
		tell(w, &i);
		if (i.key != NULL && (i.key->type == CONF_T_CLIENTS || i.key->type == CONF_T_ACCOUNTS))
			return names(w, of, i.key->type == CONF_T_CLIENTS, i.depth + 1);
		return section(w, of, i.depth + 1);
	default:
		return false;
	}
}

/* A mapping; s NULL: of no known section. */
static bool section(struct walk *w, const struct conf_section *s, unsigned depth)
{
	struct cf_event e;

	while (cf_next(w->y, &e) == CF_SCALAR)
		if (!value(w, s, (struct rp_item){ .section = s, .key = s != NULL ? conf_key_find(s, e.s, e.n) : NULL, .kind = RP_KEY,
		    .name = e.s, .name_n = e.n, .depth = depth }))
			return false;
	return e.kind == CF_END;
}

bool rp_conf_walk(const char *file, const char *text, size_t n, void (*item)(void *arg, const struct rp_item *i), void *arg,
    unsigned *line)
{
	struct conf_report rep = { 0 };
	struct walk w = { cf_events_open(file, text, n, &rep), item, arg };
	struct cf_event e;
	bool ok;

	*line = 0;
	if (w.y == NULL)
		return false;
	cf_next(w.y, &e);
	ok = e.kind == CF_EOF || (e.kind == CF_SCALAR && e.null) ||
	    (e.kind == CF_MAP && section(&w, &conf_sections[CONF_SECTION_TOP], 0));
	for (size_t i = 0; !ok && i < rep.n; i++)
		*line = rep.c[i].at.line;
	cf_events_close(w.y);
	conf_report_free(&rep);
	return ok;
}
