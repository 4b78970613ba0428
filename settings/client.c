#include "config.h"

#include <string.h>
#include <strings.h>

#include "common/buf.h"
#include "common/hash.h"
#include "common/text.h"
#include "settings/build.h"
#include "settings/check.h"

#define DEFAULT_SCOPE "/.default"

/* What is being resolved: the entry as written, and the client it becomes. */
struct work {
	struct build *b;
	struct cf_client *w;
	struct conf_client *c;
	bool entra, v1;			/* the token endpoint is Microsoft's; and its version 1 */
};

static bool ends_with(const char *s, const char *end)
{
	const size_t n = strlen(s), k = strlen(end);

	return n >= k && strcmp(s + n - k, end) == 0;
}

/* An entry with other mistakes is not told what it lacks: that may be the mistyped key. */
#define LACKS(x, ...) do { \
	if ((x)->b->clean) \
		cf_error((x)->b->r, &(x)->c->at, __VA_ARGS__); \
} while (0)

/* Where the value is, or where the client is when the value comes from the preset. */
static const struct conf_where *where(const struct work *x, const struct cf_value *v)
{
	return v->at.line != 0 ? &v->at : &x->c->at;
}

static bool find_provider(const struct work *x)
{
	const struct cf_client *w = x->w;
	const char *name = oauth_provider_name(w->provider.v);

	x->c->provider = oauth_provider_find(name, (enum oauth_cloud)w->cloud.v);
	if (x->c->provider == NULL) {
		cf_error(x->b->r, where(x, &w->cloud),
		    "provider \"%s\" does not exist in cloud \"%s\": leave \"cloud\" out, or write \"provider: "
		    "exchange-online\" if that is what is meant", name, oauth_cloud_name(w->cloud.v));
		return false;
	}
	return true;
}

static bool is_entra(const char *url)
{
	size_t n;
	const char *host = cf_url_host(url, &n);

	return oauth_clouds_of_login(host, n) != 0;
}

static bool many_tenants(const char *s, size_t n)
{
	static const char *const words[] = { "common", "organizations", "consumers" };

	for (size_t i = 0; i < 3; i++)
		if (strlen(words[i]) == n && strncasecmp(words[i], s, n) == 0)
			return true;
	return false;
}

/* A token in the name of a user, who has logged in at whatever tenant. */
static bool of_user(const struct work *x)
{
	return x->c->oc.grant == OAUTH_GRANT_REFRESH_TOKEN;
}

static const char mark[] = "{tenant}";

/* url with its {tenant} filled in; NULL: it has been said why not. */
static const char *with_tenant(struct work *x, const char *key, const struct cf_value *v, const char *url)
{
	const char *gap = strstr(url, mark), *s;
	char full[2048 + 253 + 1];
	struct mx_buf buf;

	if (gap == NULL)
		return url;
	mx_buf_init(&buf, full, sizeof full);
	mx_buf_add(&buf, url, (size_t)(gap - url));
	mx_buf_adds(&buf, x->w->tenant.s);
	mx_buf_adds(&buf, gap + sizeof mark - 1);
	if (mx_buf_str(&buf) == NULL || strstr(gap + 1, mark) != NULL) {
		cf_error(x->b->r, where(x, v), "\"%s\": the value is too long, or has {tenant} twice", key);
		return NULL;
	}
	if ((s = cf_intern(x->b->mem, full, buf.len)) == NULL)
		(void)cf_oom(x->b);
	return s;
}

/*
 * Where a person's consent is asked for. The preset's belongs to the preset's token endpoint: what one has handed out
 * no other takes.
 */
static const char *consent_endpoint(struct work *x, const char *key, const struct cf_value *v, const char *preset)
{
	const char *url = v->s != NULL ? v->s : v->at.line == 0 && x->w->token_endpoint.at.line == 0 ? preset : NULL;

	if (url == NULL || strstr(url, mark) == NULL || x->w->tenant.s != NULL)
		return url == NULL ? NULL : with_tenant(x, key, v, url);
	if (v->s != NULL && x->w->tenant.at.line == 0)
		cf_error(x->b->r, &v->at, "\"%s\" has {tenant} in it, and client \"%s\" lacks \"tenant\"", key,
		    x->c->oc.name);
	return NULL;
}

/*
 * The endpoint with its {tenant} filled in. The tenant has been checked: GUID or domain, safe in a
 * URL.
 */
static bool endpoint(struct work *x)
{
	const struct cf_value *t = &x->w->tenant, *e = &x->w->token_endpoint;
	const char *url = e->s != NULL ? e->s : x->c->provider->token_endpoint, *first;
	size_t n;

	if (e->at.line != 0 && e->s == NULL)
		return false;			/* complained of when it was read */
	if (url == NULL) {
		LACKS(x, "client \"%s\" lacks \"token_endpoint\": provider \"%s\" has none of "
		    "its own", x->c->oc.name, x->c->provider->name);
		return false;
	}
	x->entra = is_entra(url);
	if (strstr(url, mark) == NULL) {
		x->c->oc.token_endpoint = url;
		(void)cf_url_host(url, &n);
		first = cf_url_host(url, &n) + n;
		first += strcspn(first, "/"), first += *first == '/';
		if (!of_user(x) && x->entra && many_tenants(first, strcspn(first, "/")))
			cf_error(x->b->r, where(x, e),
			    "client_credentials needs one tenant: put the tenant's GUID in "
			    "place of \"%.*s\"",
			    (int)strcspn(first, "/"), first);
		if (t->s != NULL)
			cf_warn(x->b->r, &t->at,
			    "\"tenant\" is not used: the token endpoint has no {tenant} in it");
		return true;
	}
	if (t->at.line == 0)
		LACKS(x, "client \"%s\" lacks \"tenant\": the tenant's GUID or one of its "
		    "domains", x->c->oc.name);
	if (t->s == NULL)
		return false;
	if (!of_user(x) && many_tenants(t->s, strlen(t->s))) {
		cf_error(x->b->r, &t->at,
		    "\"tenant\": \"%s\" stands for many tenants, and client_credentials needs "
		    "one: write the tenant's GUID",
		    t->s);
		return false;
	}
	x->c->oc.token_endpoint = with_tenant(x, "token_endpoint", e, url);
	return x->c->oc.token_endpoint != NULL;
}

/* Entra's version 1 takes "resource", version 2 "scope"; each refuses or ignores the other's. */
static void versions(struct work *x)
{
	struct oauth_client *oc = &x->c->oc;
	const struct cf_value *scope = &x->w->scope, *resource = &x->w->resource;
	const char *path = strstr(oc->token_endpoint, "/oauth2/token");
	const char *preset = oauth_provider_find("exchange-online", x->c->provider->cloud)->scope;

	x->v1 = x->entra && path != NULL && ends_with(path, "/oauth2/token");
	if (!x->v1) {
		if (x->entra && oc->resource != NULL &&
		    strstr(oc->token_endpoint, "/oauth2/v2.0/") != NULL)
			cf_error(x->b->r, &resource->at,
			    "Microsoft's v2.0 endpoint refuses \"resource\": remove it "
			    "and write \"scope: RESOURCE/.default\"");
		return;
	}
	if (resource->at.line == 0)
		cf_error(x->b->r, where(x, scope->at.line != 0 ? scope : &x->w->token_endpoint),
		    "this is Microsoft's v1 endpoint, which ignores \"scope\": write "
		    "/oauth2/v2.0/token in place of /oauth2/token, or \"resource: %.*s\" in place of the scope",
		    (int)(strlen(preset) - sizeof DEFAULT_SCOPE + 1), preset);
	else if (scope->at.line != 0)
		cf_warn(x->b->r, &scope->at,
		    "\"scope\" is not used: Microsoft's v1 endpoint ignores it");
	oc->scope = NULL;
}

/* Of such a scope cf_check_clouds() tells. */
static bool of_another_cloud(const struct work *x)
{
	size_t n;
	const char *host = strncasecmp(x->c->oc.scope, "https://", 8) == 0 ? cf_url_host(x->c->oc.scope, &n) : NULL;
	const unsigned of = host != NULL ? oauth_clouds_of_mail(host, n) : 0;

	return of != 0 && (of & 1u << x->c->provider->cloud) == 0;
}

/* An app-only scope at Entra is RESOURCE/.default and nothing else (AADSTS1002012, AADSTS70011). */
static void scope(struct work *x)
{
	static const char fallback[] = "https://outlook.office365.com/.default";
	const struct oauth_client *oc = &x->c->oc;
	const char *preset = x->c->provider->scope == NULL ? fallback : x->c->provider->scope;
	const struct conf_where *at = where(x, &x->w->scope);

	if (of_user(x) || !x->entra || x->v1 || (x->w->scope.at.line != 0 && x->w->scope.s == NULL))
		return;
	if (oc->scope == NULL)
		cf_error(x->b->r, at,
		    "client \"%s\" lacks \"scope\", which Microsoft demands; write \"scope: %s\"",
		    oc->name, preset);
	else if (strchr(oc->scope, ' ') != NULL)
		cf_error(x->b->r, at,
		    "\"scope\": client_credentials takes one scope alone; write \"scope: %s\"",
		    preset);
	else if (!ends_with(oc->scope, DEFAULT_SCOPE))
		cf_error_scope(x->b->r, at, preset,
		    "\"scope\": \"%.200s\" can never work with client_credentials, which takes "
		    "RESOURCE/.default alone (permissions such as SMTP.SendAsApp are granted, not "
		    "asked for); "
		    "write \"scope: %s\"",
		    oc->scope, preset);
	else if (x->c->provider->scope != NULL && !of_another_cloud(x) && strcasecmp(oc->scope, preset) != 0 &&
	    strcasecmp(oc->scope, "https://outlook.office.com/.default") != 0)
		cf_warn(x->b->r, at,
		    "\"scope\": a token for \"%.200s\" is refused by Exchange Online; write \"scope: %s\", or leave "
		    "it out", oc->scope, preset);
}

static bool nameless(const struct cf_credential *c)
{
	return c->key.at.line != 0 && c->service_account_file.at.line == 0 && c->assertion_issuer.at.line == 0;
}

/* A service account file says who it is, and so does an issuer; any other needs the client_id. */
static bool needs_id(const struct work *x)
{
	bool any = nameless(&x->w->own);

	for (size_t i = 0; i < x->w->nlist; i++)
		any = any || nameless(&x->w->list[i]);
	return any || x->c->oc.grant != OAUTH_GRANT_JWT_BEARER;
}

static void identity(const struct work *x)
{
	const struct cf_value *id = &x->w->client_id;

	if (id->at.line == 0 && needs_id(x))
		LACKS(x, "client \"%s\" lacks \"client_id\": " CONF_CLIENT_ID_HELP, x->c->oc.name);
	if (id->s == NULL)
		return;
	if (x->w->tenant.s != NULL && strcasecmp(id->s, x->w->tenant.s) == 0)
		cf_warn(x->b->r, &id->at,
		    "\"client_id\" is the same as \"tenant\": use the application's own ID "
		    "(Entra: \"Application (client) ID\")");
	else if (x->entra && !cf_is_guid(id->s, strlen(id->s)))
		cf_warn(x->b->r, &id->at,
		    "\"client_id\" is no GUID: Entra shows the right one as \"Application (client) ID\"%s",
		    x->w->tenant.s != NULL && cf_is_guid(x->w->tenant.s, strlen(x->w->tenant.s)) &&
		    strchr(id->s, '.') != NULL ? "; is it the tenant, and \"tenant\" the client's?" : "");
}

/* Gmail's SMTP takes the one scope for all of mail; gmail.send is for Google's own interface. */
static void bearer(const struct work *x)
{
	static const char mail[] = "https://mail.google.com/";
	const struct cf_value *v = &x->w->scope;
	const char *s = x->c->oc.scope, *at;
	size_t n;

	if (x->entra)
		cf_error(x->b->r, where(x, &x->w->grant), "\"grant\": Microsoft has no jwt-bearer grant for mailboxes; "
		    "use client_credentials");
	if (x->c->oc.resource != NULL)
		cf_error(x->b->r, &x->w->resource.at, "\"resource\" is not for grant jwt-bearer: name what is asked "
		    "for in \"scope\"");
	if (s == NULL || v->at.line == 0 || x->c->provider->scope == NULL)
		return;
	for (at = s; (at = strstr(at, mail)) != NULL; at += n) {
		n = strcspn(at, " ");
		if (n == sizeof mail - 1 && (at == s || at[-1] == ' '))
			return;
	}
	if (strstr(s, "gmail.send") != NULL)
		cf_error(x->b->r, &v->at, "\"scope\": gmail.send is for Google's own interface and not for SMTP: write "
		    "\"scope: %s\", here and in the domain-wide delegation", mail);
	else
		cf_warn(x->b->r, &v->at, "\"scope\": Gmail's SMTP takes tokens for \"%s\" alone, as far as is known",
		    mail);
}

/* Settings that only make sense together. */
static void relations(const struct work *x)
{
	const struct cf_client *w = x->w;
	struct conf_client *c = x->c;

	if (w->connect_timeout.v > w->timeout.v) {
		if (w->connect_timeout.at.line != 0)
			cf_error(x->b->r, &w->connect_timeout.at,
			    "\"connect_timeout\" is longer than \"timeout\", "
			    "which is %u ms",
			    w->timeout.v);
		c->oc.connect_timeout_ms = c->oc.timeout_ms;
	}
	if (w->backoff_min.v > w->backoff_max.v)
		cf_error(x->b->r,
		    where(x, w->backoff_min.at.line != 0 ? &w->backoff_min : &w->backoff_max),
		    "\"backoff_min\" (%u ms) is longer than \"backoff_max\" (%u ms)",
		    w->backoff_min.v, w->backoff_max.v);
	if (c->stale_until_s > c->min_remaining_s) {
		if (w->stale_until.at.line != 0)
			cf_error(x->b->r, &w->stale_until.at,
			    "\"stale_until\" is longer than \"min_remaining\", "
			    "which is %u s",
			    c->min_remaining_s);
		c->stale_until_s = c->min_remaining_s;
	}
	if (w->no_proxy.at.line != 0 && w->proxy.at.line == 0)
		cf_warn(x->b->r, &w->no_proxy.at,
		    "\"no_proxy\" is not used: there is no \"proxy\"");
	if (w->proxy_credentials_file.at.line != 0 && w->proxy.at.line == 0)
		cf_warn(x->b->r, &w->proxy_credentials_file.at,
		    "\"proxy_credentials_file\" is not used: there is no \"proxy\"");
	if (w->proxy_credentials_file.s != NULL && w->proxy.s != NULL && strncasecmp(w->proxy.s, "socks4", 6) == 0)
		cf_error(x->b->r, &w->proxy_credentials_file.at, "\"proxy_credentials_file\": SOCKS 4 has no "
		    "passwords: write the proxy as socks5h://HOST:PORT, or leave the file out");
}

/* libcurl wants the exceptions as one string. */
static const char *joined(struct build *b, const struct conf_names *l)
{
	char text[2048];
	struct mx_buf buf;
	const char *s;

	if (l->n == 0)
		return NULL;
	mx_buf_init(&buf, text, sizeof text);
	for (size_t i = 0; i < l->n; i++)
		mx_buf_addf(&buf, "%s%s", i == 0 ? "" : ",", l->name[i]);
	if (mx_buf_str(&buf) == NULL)
		return NULL;
	if ((s = cf_intern(b->mem, text, buf.len)) == NULL)
		(void)cf_oom(b);
	return s;
}

static uint64_t mix(uint64_t h, const char *s)
{
	return s == NULL ? mx_fnv(h, "\1", 1) : mx_fnv(h, s, strlen(s) + 1);
}

/* Everything that makes a token another one, or a fetch a different fetch. */
static uint64_t fingerprint(const struct oauth_client *oc)
{
	const unsigned char grant = (unsigned char)oc->grant;
	const char *const parts[] = { oc->token_endpoint, oc->client_id, oc->scope, oc->resource, oc->proxy,
		oc->proxy_credentials_file, oc->no_proxy, oc->ca_file, oc->refresh_token_file };
	uint64_t h = cf_mix_credentials(mx_fnv(MX_FNV_BASIS, &grant, 1), oc);

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		h = mix(h, parts[i]);
	return h;
}

static void resolve(struct work *x)
{
	const struct cf_client *w = x->w;
	struct conf_client *c = x->c;
	const struct oauth_provider *p = c->provider;
	struct oauth_client *oc = &c->oc;

	oc->grant = w->grant.at.line != 0 ? (enum oauth_grant)(w->grant.v + 1) : p->grant;
	oc->client_id = w->client_id.s;
	oc->scope = w->scope.s != NULL ? w->scope.s : of_user(x) && p->delegated_scope != NULL ? p->delegated_scope :
	    p->scope;
	oc->resource = w->resource.s;
	oc->proxy = w->proxy.s;
	oc->proxy_credentials_file = w->proxy_credentials_file.s;
	oc->ca_file = w->ca_file.s;
	oc->connect_timeout_ms = w->connect_timeout.v;
	oc->timeout_ms = w->timeout.v;
	if ((oc->no_proxy = joined(x->b, &w->no_proxy.list)) == NULL && w->no_proxy.list.n > 0)
		cf_error(x->b->r, &w->no_proxy.at, "\"no_proxy\": the list is too long");
	c->min_remaining_s =
	    w->min_remaining.at.line != 0 ? w->min_remaining.v : p->min_remaining_s;
	c->stale_until_s = w->stale_until.at.line != 0 ? w->stale_until.v : p->stale_until_s;
	c->backoff_min_ms = w->backoff_min.v;
	c->backoff_max_ms = w->backoff_max.v;
	if (oc->grant == OAUTH_GRANT_MANAGED_IDENTITY) {
		cf_identity_grant(x->b, c, w);
		relations(x);
		c->fingerprint = fingerprint(oc);
		return;
	}
	oc->device_authorization_endpoint = consent_endpoint(x, "device_authorization_endpoint",
	    &w->device_authorization_endpoint, p->device_endpoint);
	oc->authorization_endpoint = consent_endpoint(x, "authorization_endpoint", &w->authorization_endpoint,
	    p->authorization_endpoint);
	if (endpoint(x)) {
		versions(x);
		scope(x);
		cf_check_clouds(x->b, c, w);
		cf_refresh_grant(x->b, c, w, x->entra);
	}
	identity(x);
	if (oc->grant == OAUTH_GRANT_JWT_BEARER)
		bearer(x);
	cf_add_credentials(x->b, c, w, x->entra || (p->token_endpoint != NULL && is_entra(p->token_endpoint)));
	relations(x);
	c->fingerprint = fingerprint(oc);
}

void cf_add_client(struct build *b, const char *name, const struct conf_where *at,
    struct cf_client *w)
{
	struct conf *c = b->c;
	struct work x = { .b = b, .w = w };
	char first[512];
	uint32_t i;

	if (cf_map_get(&b->clients, name, strlen(name), &i)) {
		cf_error(b->r, at, "client \"%s\" is given twice%s", name,
		    cf_first_place(first, sizeof first, &c->clients[i].at, at));
		return;
	}
	i = (uint32_t)c->nclients;
	if (!cf_grow(&c->clients, i, &b->cap_clients, sizeof *c->clients) ||
	    !cf_grow(&b->client_side, i, &b->cap_client_side, sizeof *b->client_side) ||
	    !cf_map_put(&b->clients, name, i)) {
		(void)cf_oom(b);
		return;
	}
	x.c = &c->clients[c->nclients++];
	*x.c = (struct conf_client){ .oc.name = name, .at = *at };
	b->client_side[i] = (struct cf_client_side){
		w->ca_file.at, w->proxy_credentials_file.at, w->refresh_token_file.at, false,
	};
	if (w->provider.at.line != 0 && find_provider(&x) && cf_workload(b, name, w))
		resolve(&x);
}
