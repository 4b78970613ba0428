#include "config.h"

#include <stdlib.h>

#include "engine/engine.h"
#include "tokend/side.h"

struct side *side_find(struct engine_client *c)
{
	return *engine_client_side(c);
}

struct side *side_make(struct engine_client *c)
{
	void **at = engine_client_side(c);

	if (*at == NULL)
		*at = calloc(1, sizeof(struct side));
	return *at;
}

void side_free(struct engine_client *c)
{
	void **at = engine_client_side(c);

	if (*at != NULL)
		free(((struct side *)*at)->ends);
	free(*at);
	*at = NULL;
}
