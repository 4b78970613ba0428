/*
 * Claims of tokens. Parts: a JWT, and the payload of one as JSON. What is read of the JSON is read of a JWT made of it.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "ctl/diagnose/claims.h"
#include "oauth/claims.h"
#include "tests/fuzz/fuzz.h"

#define ENDED(a) FUZZ_CHECK(memchr((a), '\0', sizeof(a)) != NULL && fuzz_is_clean((a), strlen(a)))

static void check(const struct oauth_claims *c)
{
	const struct dc_frame f = { .provider = oauth_provider_find("exchange-online", OAUTH_CLOUD_PUBLIC),
	    .grant = OAUTH_GRANT_CLIENT_CREDENTIALS,
	    .client_id = "11111111-2222-3333-4444-555555555555", .tenant = "21111111-2222-3333-4444-555555555555",
	    .mailbox = "a@contoso.com", .now = 1790000000 };
	char value[OAUTH_CLAIM_TEXT];
	struct dc_list l;
	const char *name;
	size_t i;

	ENDED(c->iss);
	ENDED(c->sub);
	ENDED(c->aud);
	ENDED(c->appid);
	ENDED(c->azp);
	ENDED(c->tid);
	ENDED(c->oid);
	ENDED(c->upn);
	ENDED(c->scp);
	ENDED(c->idtyp);
	ENDED(c->appidacr);
	ENDED(c->ver);
	for (i = 0; i < OAUTH_CLAIMS_ROLES && i < c->nroles; i++)
		ENDED(c->role[i]);
	FUZZ_CHECK(c->nroles == 0 || c->has_roles);
	for (i = 0; oauth_claims_at(c, i, &name, value); i++)
		FUZZ_CHECK(name[0] != '\0' && memchr(value, '\0', sizeof value) != NULL && fuzz_is_clean(value, strlen(value)));
	FUZZ_CHECK(i > 5 && i < 64);
	dc_judge(c, &f, &l);
	FUZZ_CHECK(l.n <= DC_FINDINGS);
	for (i = 0; i < l.n; i++) {
		FUZZ_CHECK(l.f[i].code != NULL && l.f[i].text[0] != '\0');
		ENDED(l.f[i].text);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fuzz_in in = { data, n }, jwt = fuzz_part(&in);
	char *token = fuzz_copy(jwt), *json = fuzz_copy(in), *made;
	struct oauth_claims c, again;
	struct mx_buf b;
	bool good;

	if (oauth_claims_read(token, jwt.n, &c))
		check(&c);
	good = oauth_claims_parse(json, in.n, &c);
	if (good)
		check(&c);
	if (in.n > 0 && in.n < OAUTH_CLAIMS_MAX / 2) {
		made = malloc(in.n * 2 + 64);
		FUZZ_CHECK(made != NULL);
		mx_buf_init(&b, made, in.n * 2 + 64);
		mx_buf_adds(&b, "eyJhbGciOiJub25lIn0.");
		mx_b64url_encode(&b, json, in.n);
		mx_buf_adds(&b, ".c2ln");
		FUZZ_CHECK(!b.bad && oauth_claims_read(b.p, b.len, &again) == good);
		FUZZ_CHECK(!good || (again.exp == c.exp && strcmp(again.aud, c.aud) == 0 && again.nroles == c.nroles));
		free(made);
	}
	free(token);
	free(json);
	return 0;
}
