/*
 * Microsoft's clouds are worlds of their own: a token of one is worth nothing in another. Here is told where endpoint,
 * scope and relays of a client do not belong together.
 */
#include "config.h"

#include <string.h>
#include <strings.h>

#include "common/buf.h"
#include "settings/build.h"
#include "settings/check.h"

/* "gcc-high or dod" of a set of clouds. */
static const char *names(unsigned clouds, char *out, size_t cap)
{
	struct mx_buf b;

	mx_buf_init(&b, out, cap);
	for (unsigned i = 0; i < OAUTH_CLOUD_N; i++)
		if ((clouds & 1u << i) != 0)
			mx_buf_addf(&b, "%s%s", b.len > 0 ? " or " : "", oauth_cloud_name(i));
	return mx_buf_str(&b) != NULL ? out : "";
}

static enum oauth_cloud first(unsigned clouds)
{
	unsigned i = 0;

	while (i + 1 < OAUTH_CLOUD_N && (clouds & 1u << i) == 0)
		i++;
	return (enum oauth_cloud)i;
}

/* The preset asks at Microsoft's login. */
static bool of_microsoft(const struct oauth_provider *p)
{
	const char *host;
	size_t n;

	if (p->token_endpoint == NULL)
		return false;
	host = cf_url_host(p->token_endpoint, &n);
	return oauth_clouds_of_login(host, n) != 0;
}

void cf_check_clouds(struct build *b, const struct conf_client *c, const struct cf_client *w)
{
	const struct cf_value *v = c->oc.scope != NULL ? &w->scope : &w->resource;
	const char *what = c->oc.scope != NULL ? c->oc.scope : c->oc.resource, *host;
	const struct oauth_provider *exchange;
	const bool ours = of_microsoft(c->provider);
	const bool given = w->workload_identity.v != 0 && w->token_endpoint.at.line == w->workload_identity.at.line;
	unsigned own = 1u << c->provider->cloud, login, of;
	char list[64];
	size_t n;

	host = cf_url_host(c->oc.token_endpoint, &n);
	if ((login = oauth_clouds_of_login(host, n)) == 0)
		return;
	if (!ours)
		own = login;
	if ((login & own) == 0) {
		cf_error(b->r, &w->token_endpoint.at, "\"%s\": %.*s belongs to Microsoft's cloud %s, and this "
		    "client to %s: write \"cloud: %s\"%s", given ? "AZURE_AUTHORITY_HOST" : "token_endpoint", (int)n,
		    host, names(login, list, sizeof list), oauth_cloud_name(first(own)),
		    oauth_cloud_name(first(login)), ours && !given ? " and leave token_endpoint out" : "");
		return;
	}
	if (what == NULL || strncasecmp(what, "https://", 8) != 0)
		return;
	host = cf_url_host(what, &n);
	of = oauth_clouds_of_mail(host, n);
	if (of == 0 || (of & own) != 0)
		return;
	exchange = oauth_provider_find("exchange-online", first(own));
	cf_error(b->r, v->at.line != 0 ? &v->at : &c->at, "\"%s\": %.*s belongs to Microsoft's cloud %s, and this "
	    "client to %s: write \"scope: %s\"%s", v == &w->scope ? "scope" : "resource", (int)n, host,
	    names(of, list, sizeof list), oauth_cloud_name(first(own)), exchange->scope, ours ? ", or the other cloud "
	    "in \"cloud\" and no scope" : "");
}

void cf_check_relays(struct build *b, const struct conf_account *a, const struct conf_where *at)
{
	const struct oauth_provider *p = a->client->provider;
	const unsigned own = 1u << p->cloud;
	char list[64];

	if (!of_microsoft(p))
		return;
	for (size_t i = 0; i < a->nrelays; i++) {
		const char *relay = a->relays[i];
		unsigned of = oauth_clouds_of_mail(relay, strlen(relay));

		if (of != 0 && (of & own) == 0)
			cf_warn(b->r, at, "\"relays\": %.200s belongs to Microsoft's cloud %s, and client \"%s\" to "
			    "%s, whose tokens are refused there: write \"relays: %s\", or \"cloud: %s\" for the client",
			    relay, names(of, list, sizeof list), a->client->oc.name, oauth_cloud_name(first(own)),
			    p->relays[0], oauth_cloud_name(first(of)));
	}
}
