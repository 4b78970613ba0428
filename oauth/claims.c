#include "config.h"

#include <string.h>
#include <time.h>

#include <json-c/json.h>

#include "common/base64.h"
#include "common/secret.h"
#include "common/text.h"
#include "oauth/claims.h"
#include "oauth/json.h"
#include "oauth/refusal.h"

#define LAST_S INT64_C(253402300799)	/* the end of the year 9999 */

enum kind { TEXT, AUDIENCE, TIME, ROLES };

#define AT(f) offsetof(struct oauth_claims, f), sizeof ((struct oauth_claims *)0)->f

/* One row per claim, in the order in which they are shown. instead: other names of the same, in order. */
static const struct {
	const char *name, *instead[2];
	enum kind kind;
	size_t at, cap;
} table[] = {
	{ "aud", { NULL }, AUDIENCE, AT(aud) },
	{ "iss", { NULL }, TEXT, AT(iss) },
	{ "tid", { NULL }, TEXT, AT(tid) },
	{ "appid", { NULL }, TEXT, AT(appid) },
	{ "azp", { NULL }, TEXT, AT(azp) },
	{ "appidacr", { "azpacr" }, TEXT, AT(appidacr) },
	{ "oid", { NULL }, TEXT, AT(oid) },
	{ "sub", { NULL }, TEXT, AT(sub) },
	{ "idtyp", { NULL }, TEXT, AT(idtyp) },
	{ "roles", { NULL }, ROLES, 0, 0 },
	{ "scp", { "scope" }, TEXT, AT(scp) },
	{ "upn", { "unique_name", "preferred_username" }, TEXT, AT(upn) },
	{ "ver", { NULL }, TEXT, AT(ver) },
	{ "iat", { NULL }, TIME, AT(iat) },
	{ "nbf", { NULL }, TIME, AT(nbf) },
	{ "exp", { NULL }, TIME, AT(exp) },
};

static void *field(struct oauth_claims *c, size_t i)
{
	return (char *)c + table[i].at;
}

static void take_text(struct json_object *v, bool list, char *out, size_t cap)
{
	/* several audiences (RFC 7519 section 4.1.3): Kubernetes writes a list of one */
	if (list && json_object_is_type(v, json_type_array) && json_object_array_length(v) > 0)
		v = json_object_array_get_idx(v, 0);
	if (json_object_is_type(v, json_type_string))
		oauth_text_copy(out, cap, json_object_get_string(v), (size_t)json_object_get_string_len(v));
}

static void take_role(struct json_object *v, struct oauth_claims *c)
{
	if (!json_object_is_type(v, json_type_string))
		return;
	if (c->nroles < OAUTH_CLAIMS_ROLES)
		oauth_text_copy(c->role[c->nroles], sizeof c->role[0], json_object_get_string(v),
		    (size_t)json_object_get_string_len(v));
	else if (strcmp(json_object_get_string(v), "SMTP.SendAsApp") == 0)	/* what mail servers look for is kept, of however many */
		oauth_text_copy(c->role[OAUTH_CLAIMS_ROLES - 1], sizeof c->role[0], "SMTP.SendAsApp", strlen("SMTP.SendAsApp"));
	else if (strcmp(json_object_get_string(v), "Mail.Send") == 0)
		oauth_text_copy(c->role[OAUTH_CLAIMS_ROLES - 2], sizeof c->role[0], "Mail.Send", strlen("Mail.Send"));
	c->nroles++;
}

static void take_roles(struct json_object *v, struct oauth_claims *c)
{
	c->has_roles = true;
	if (!json_object_is_type(v, json_type_array)) {
		take_role(v, c);
		return;
	}
	for (size_t i = 0; i < json_object_array_length(v); i++)
		take_role(json_object_array_get_idx(v, i), c);
}

/* Times are compared and taken from each other. 0 is "not there", so what lies before 1970 is its first second. */
static int64_t moment(int64_t s)
{
	return s < 1 ? 1 : s > LAST_S ? LAST_S : s;
}

static void take(struct json_object *o, size_t i, const char *name, struct oauth_claims *c)
{
	struct json_object *v;
	bool number;

	if (name == NULL || !json_object_object_get_ex(o, name, &v) || v == NULL)
		return;
	number = json_object_is_type(v, json_type_int) || json_object_is_type(v, json_type_double);
	if (table[i].kind == ROLES)
		take_roles(v, c);
	else if (table[i].kind == TIME && number)
		*(int64_t *)field(c, i) = moment(json_object_get_int64(v));
	else if (table[i].kind != TIME && *(char *)field(c, i) == '\0')
		take_text(v, table[i].kind == AUDIENCE, field(c, i), table[i].cap);
}

bool oauth_claims_parse(const void *json, size_t n, struct oauth_claims *c)
{
	struct json_object *o = NULL;
	bool is_object;

	*c = (struct oauth_claims){ 0 };
	if (!mx_utf8_ok(json, n) || memchr(json, '\0', n) != NULL || oauth_json_parse(json, n, &o) != OAUTH_JSON_FINE)
		return false;
	is_object = json_object_is_type(o, json_type_object);
	for (size_t i = 0; is_object && i < sizeof table / sizeof table[0]; i++) {
		take(o, i, table[i].name, c);
		take(o, i, table[i].instead[0], c);
		take(o, i, table[i].instead[1], c);
	}
	c->has_scp = is_object && (oauth_json_has(o, "scp") || oauth_json_has(o, "scope"));
	oauth_json_drop(o);
	return is_object;
}

/* The part between the two dots; there are exactly two in what is signed (RFC 7515 section 7.1), and four in what is sealed. */
static const char *payload(const char *jwt, size_t n, size_t *len)
{
	const char *first = memchr(jwt, '.', n), *second, *end = jwt + n;

	if (first == NULL)
		return NULL;
	first++;
	if ((second = memchr(first, '.', (size_t)(end - first))) == NULL || second == first ||
	    memchr(second + 1, '.', (size_t)(end - second - 1)) != NULL)
		return NULL;
	*len = (size_t)(second - first);
	return first;
}

bool oauth_claims_read(const void *jwt, size_t n, struct oauth_claims *c)
{
	struct mx_secret part = { 0 };
	const char *p;
	bool ok = false;
	ssize_t len;
	size_t k;

	*c = (struct oauth_claims){ 0 };
	if (n == 0 || n > OAUTH_CLAIMS_MAX || (p = payload(jwt, n, &k)) == NULL || !mx_secret_alloc(&part, k + 4))
		return false;
	memcpy(part.p, p, k);
	for (size_t i = 0; i < k; i++) {
		if (part.p[i] == '+' || part.p[i] == '/' || part.p[i] == '=')
			goto out;
		part.p[i] = part.p[i] == '-' ? '+' : part.p[i] == '_' ? '/' : part.p[i];
	}
	while (k % 4 != 0)
		part.p[k++] = '=';
	len = mx_b64_decode(part.p, part.cap, (const char *)part.p, k);
	ok = len > 0 && oauth_claims_parse(part.p, (size_t)len, c);
out:
	mx_secret_free(&part);
	return ok;
}

const char *oauth_claims_app(const struct oauth_claims *c)
{
	return c->appid[0] != '\0' ? c->appid : c->azp;
}

bool oauth_claims_role(const struct oauth_claims *c, const char *role)
{
	for (size_t i = 0; i < c->nroles && i < OAUTH_CLAIMS_ROLES; i++)
		if (strcmp(c->role[i], role) == 0)
			return true;
	return false;
}

static void put_roles(struct mx_buf *b, const struct oauth_claims *c)
{
	size_t kept = c->nroles < OAUTH_CLAIMS_ROLES ? c->nroles : OAUTH_CLAIMS_ROLES, i;

	for (i = 0; i < kept && b->cap - b->len > strlen(c->role[i]) + sizeof " and 99999 more"; i++)
		mx_buf_addf(b, "%s%s", i > 0 ? " " : "", c->role[i]);
	if (i < c->nroles)
		mx_buf_addf(b, " and %zu more", c->nroles - i);
}

static void put_time(struct mx_buf *b, int64_t s)
{
	time_t t = (time_t)s;
	struct tm tm;
	char text[32];

	if (s == 0)
		return;
	if (gmtime_r(&t, &tm) != NULL && strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm) > 0)
		mx_buf_adds(b, text);
	else
		mx_buf_addf(b, "%lld", (long long)s);
}

bool oauth_claims_at(const struct oauth_claims *c, size_t i, const char **name, char out[OAUTH_CLAIM_TEXT])
{
	struct mx_buf b;

	if (i >= sizeof table / sizeof table[0])
		return false;
	*name = table[i].name;
	mx_buf_init(&b, out, OAUTH_CLAIM_TEXT);
	if (table[i].kind == ROLES)
		put_roles(&b, c);
	else if (table[i].kind == TIME)
		put_time(&b, *(const int64_t *)(const void *)((const char *)c + table[i].at));
	else
		mx_buf_adds(&b, (const char *)c + table[i].at);
	if (mx_buf_str(&b) == NULL)
		out[0] = '\0';
	return true;
}
