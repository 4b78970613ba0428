#include "config.h"

#include "engine/engine.h"
#include "tokend/report.h"
#include "tokend/server.h"

void report_begin(struct report *r, struct server *s, const struct report_kind *kind)
{
	*r = (struct report){ .s = s, .kind = kind, .epoch = engine_epoch(s->engine) };
}

enum report_step report_next(struct report *r, struct mx_buf *b)
{
	unsigned steps = 0;

	if (r->epoch != engine_epoch(r->s->engine))
		return REPORT_CHANGED;
	for (; r->part < r->kind->nparts; r->part++, r->i = 0) {
		for (; r->i < r->kind->count(r->s, r->part); r->i++) {
			if (steps++ == REPORT_STEPS || b->cap - b->len < REPORT_LINE)
				return REPORT_MORE;
			r->kind->write(r->s, r->part, r->i, b);
		}
	}
	return REPORT_END;
}
