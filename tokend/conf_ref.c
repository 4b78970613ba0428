#include "config.h"

#ifdef HAVE_MALLOC_TRIM
#include <malloc.h>
#endif
#include <stdlib.h>

#include "tokend/server.h"

struct conf_ref *conf_ref_new(struct conf *c)
{
	struct conf_ref *r = malloc(sizeof *r);

	if (r != NULL)
		*r = (struct conf_ref){ .conf = c, .refs = 1 };
	return r;
}

void conf_ref_drop(struct conf_ref *r)
{
	if (r == NULL || --r->refs > 0)
		return;
	conf_free(r->conf);
	free(r);
#ifdef HAVE_MALLOC_TRIM
	(void)malloc_trim(0);		/* a large configuration may leave much behind */
#endif
}
