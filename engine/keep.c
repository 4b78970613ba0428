/*
 * The token at hand: in private memory, or where it outlives the process, which then is its only copy.
 */
#include "config.h"

#include <string.h>

#include "engine/private.h"

static void release(struct engine_client *c)
{
	if (c->kept != NULL) {
		c->e->ops.forget(c->e->ops.ctx, c->kept);
		c->kept = NULL;
		c->token = (struct mx_secret){ 0 };
	} else {
		mx_secret_free(&c->token);
	}
}

static void *keep(struct engine_client *c, const struct mx_secret *t, unsigned char **where)
{
	struct engine_saved s = {
		.sent_boot_ms = c->got_boot, .sent_wall_ms = c->got_wall, .rejected_boot_ms = c->rejected_at,
		.life_s = c->life_s, .refresh_in_s = c->refresh_in_s, .suspect = c->suspect,
	};

	if (c->e->ops.keep == NULL)
		return NULL;
	memcpy(s.id, c->id, sizeof s.id);
	memcpy(s.rejected_id, c->rejected_id, sizeof s.rejected_id);
	return c->e->ops.keep(c->e->ops.ctx, c->name, engine_params(c)->fingerprint, &s, t->p, t->len, where);
}

/* The new copy is there before the old one goes: a crash in between leaves two, of which the newer counts. */
void engine_token_set(struct engine_client *c, struct mx_secret *token)
{
	unsigned char *where;
	void *kept = keep(c, token, &where);
	size_t n = token->len;

	release(c);
	if (kept == NULL) {
		mx_secret_move(&c->token, token);
		return;
	}
	mx_secret_free(token);
	c->kept = kept;
	c->token = (struct mx_secret){ .p = where, .len = n };
}

void engine_token_mark(struct engine_client *c)
{
	unsigned char *where;
	void *kept;
	size_t n = c->token.len;

	if (c->kept == NULL || (kept = keep(c, &c->token, &where)) == NULL)
		return;			/* no room: the old record stays, and forgets the mark at worst */
	release(c);
	c->kept = kept;
	c->token = (struct mx_secret){ .p = where, .len = n };
}

void engine_drop_token(struct engine_client *c)
{
	release(c);
	c->id[0] = '\0';
	c->suspect = false;
}

bool engine_token_recall(struct engine_client *c)
{
	struct engine_saved s;
	unsigned char *where;
	size_t n;

	if (c->e->ops.recall == NULL || c->token.p != NULL)
		return false;
	c->kept = c->e->ops.recall(c->e->ops.ctx, c->name, engine_params(c)->fingerprint, &s, &where, &n);
	if (c->kept == NULL)
		return false;
	c->token = (struct mx_secret){ .p = where, .len = n };
	c->got_boot = s.sent_boot_ms;
	c->got_wall = s.sent_wall_ms;
	c->life_s = s.life_s;
	c->refresh_in_s = s.refresh_in_s;
	c->suspect = s.suspect != 0;
	c->rejected_at = s.rejected_boot_ms;
	memcpy(c->id, s.id, sizeof c->id);
	memcpy(c->rejected_id, s.rejected_id, sizeof c->rejected_id);
	if (c->got_boot <= c->e->boot && c->rejected_at <= c->e->boot && engine_alive(c))
		return true;
	engine_drop_token(c);
	c->rejected_id[0] = '\0';
	c->rejected_at = 0;
	return false;
}
