#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "settings/build.h"

/*
 * Where the daemon listens when the main file does not say: other files add to that. It comes first, since
 * tokens are kept beside the first socket.
 */
static void default_listen(struct build *b)
{
	const struct conf_section *s = &conf_sections[CONF_SECTION_LISTEN];
	struct conf *c = b->c;
	struct cf_listen w;

	for (size_t i = 0; i < c->nlisten; i++)
		if (strcmp(c->listen[i].path, MX_SOCKET) == 0)
			return;
	cf_defaults(b, s, &w);
	if (!cf_grow(&c->listen, c->nlisten, &b->cap_listen, sizeof *c->listen)) {
		(void)cf_oom(b);
		return;
	}
	memmove(c->listen + 1, c->listen, c->nlisten * sizeof *c->listen);
	c->listen[0] = (struct conf_listen){ .path = MX_SOCKET, .mode = (mode_t)w.mode.v,
		.at = { b->main_file, 0, 0 } };
	c->nlisten++;
}

static void take_top(struct build *b)
{
	const struct cf_top *t = &b->top;
	const struct conf_where at = { b->main_file, 0, 0 };
	struct conf *c = b->c;

	c->admin_users = t->admin_users.list;
	c->log_level = conf_log_level(t->log_level.v);
	c->user = t->user.s;
	c->token_cache = t->token_cache.s;
	c->max_connections = t->max_connections.v;
	c->max_connections_per_uid = t->max_connections_per_uid.v;
	c->max_mailboxes = t->max_mailboxes.v;
	c->request_timeout_ms = t->request_timeout.v;
	c->deadline_ms = t->deadline.v;
	c->metrics_file = t->metrics_file.s;
	c->metrics_interval_s = t->metrics_interval.v;
	if (t->metrics_interval.at.line != 0 && t->metrics_file.at.line == 0)
		cf_warn(b->r, &t->metrics_interval.at,
		    "\"metrics_interval\" is not used: there is no \"metrics_file\"");
	if (c->max_connections_per_uid > c->max_connections) {
		if (t->max_connections_per_uid.at.line != 0)
			cf_warn(b->r, &t->max_connections_per_uid.at,
			    "\"max_connections_per_uid\" is more than "
			    "\"max_connections\", which is %u",
			    c->max_connections);
		c->max_connections_per_uid = c->max_connections;
	}
	if (!b->own_listen)
		default_listen(b);
	if (b->broken || b->r->errors != 0)
		return;
	if (c->nclients == 0)
		cf_error(b->r, t->clients.at.line != 0 ? &t->clients.at : &at,
		    "there is no client: \"clients\" "
		    "needs at least one entry");
	if (c->naccounts == 0)
		cf_error(b->r, t->accounts.at.line != 0 ? &t->accounts.at : &at,
		    "there is no account: "
		    "\"accounts\" needs at least one entry, such as \"*@contoso.com\"");
}

static int by_name(const void *a, const void *b)
{
	const struct conf_client *x = a, *y = b;

	return strcmp(x->oc.name, y->oc.name);
}

/* Gives back what an array has grown beyond its n elements. */
static void trim(void *p, size_t n, size_t size)
{
	void *now;

	memcpy(&now, p, sizeof now);
	if (n > 0 && (now = reallocarray(now, n, size)) != NULL)
		memcpy(p, &now, sizeof now);
}

/* The clients move, so the accounts find theirs anew, by name. */
static void sort_clients(struct build *b)
{
	struct conf *c = b->c;

	trim(&c->clients, c->nclients, sizeof *c->clients);
	trim(&c->accounts, c->naccounts, sizeof *c->accounts);
	qsort(c->clients, c->nclients, sizeof *c->clients, by_name);
	for (size_t i = 0; i < c->naccounts; i++)
		c->accounts[i].client = conf_client_find(c, b->account_side[i].client);
}

static void free_build(struct build *b)
{
	cf_map_free(&b->clients);
	cf_map_free(&b->refresh_files);
	cf_map_free(&b->users);
	cf_map_free(&b->groups);
	cf_map_free(&b->lists);
	free(b->client_side);
	free(b->account_side);
	free(b->list);
	free(b->more);
	free(b->item.name);
	free(b->item.id);
	free(b->text);
}

static void read_and_check(struct build *b, const char *path, unsigned flags)
{
	cf_defaults(b, &conf_sections[CONF_SECTION_TOP], &b->top);
	cf_read_files(b, path);
	if (b->oom)
		return;
	cf_link_accounts(b);
	take_top(b);
	if ((flags & CONF_CHECK_SECRETS) != 0)
		cf_check_secrets(b);
	if (b->r->errors == 0)
		sort_clients(b);
	cf_mem_seal(b->mem);
}

struct conf *conf_load(const char *path, unsigned flags, struct conf_report *r)
{
	struct build b = { .r = r, .main_file = path, .flags = flags };

	*r = (struct conf_report){ 0 };
	if ((b.c = calloc(1, sizeof *b.c)) == NULL ||
	    (b.c->own = calloc(1, sizeof *b.c->own)) == NULL)
		(void)cf_oom(&b);
	else {
		b.mem = &b.c->own->mem;
		b.main_file = cf_strdup(b.mem, path, strlen(path));
		if (b.main_file != NULL)
			read_and_check(&b, path, flags);
		else {
			b.main_file = path;
			(void)cf_oom(&b);
		}
	}
	cf_report_end(r, path);
	free_build(&b);
	if (r->errors != 0) {
		conf_free(b.c);
		return NULL;
	}
	return b.c;
}

void conf_free(struct conf *c)
{
	if (c == NULL)
		return;
	if (c->own != NULL) {
		cf_map_free(&c->own->exact);
		cf_map_free(&c->own->folded);
		cf_mem_free(&c->own->mem);
	}
	free(c->own);
	free(c->listen);
	free(c->clients);
	free(c->accounts);
	free(c);
}
