#include "config.h"

#include <string.h>

#include "catalogue/catalogue.h"
#include "catalogue/refusal.h"
#include "catalogue/refusal_data.h"

static bool says(const struct cat_refusal *r, const char *description)
{
	return r->said == NULL || (description != NULL && strstr(description, r->said) != NULL);
}

/* With what the code's row has, where the refusal's own says nothing. */
static struct cat_refusal whole(struct cat_refusal r)
{
	const struct cat_row *row = cat_get(r.code);

	if (r.cause == NULL)
		r.cause = row->cause;
	if (r.fix == NULL)
		r.fix = row->fix;
	return r;
}

struct cat_refusal cat_refusal_find(const char *error, uint32_t aadsts, const char *description)
{
	const struct cat_refusal *all = cat_refusals;

	if (aadsts != 0)
		for (size_t i = 0; i < cat_refusals_n; i++)
			if (all[i].aadsts == aadsts)
				return whole(all[i]);
	if (error != NULL && error[0] != '\0')
		for (size_t i = 0; i < cat_refusals_n; i++)
			if (all[i].aadsts == 0 && all[i].error != NULL && strcmp(all[i].error, error) == 0 &&
			    says(&all[i], description))
				return whole(all[i]);
	return whole(all[cat_refusals_n - 1]);
}

bool cat_refusal_at(size_t i, struct cat_refusal *r)
{
	if (i >= cat_refusals_n)
		return false;
	*r = whole(cat_refusals[i]);
	return true;
}
