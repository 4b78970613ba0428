/*
 * Files with keys and certificates, and Google's key file. Parts: how (an algorithm's number), a file, a certificate.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "oauth/key.h"
#include "oauth/service_account.h"
#include "tests/fuzz/fuzz.h"

static const struct oauth_client google = { .name = "google", .grant = OAUTH_GRANT_JWT_BEARER,
    .token_endpoint = "https://oauth2.googleapis.com/token" };

/* What signs is a key of the kind that was asked for, and the two ways to the certificate's end agree. */
static void use(const struct oauth_key *k, const struct oauth_credential *c)
{
	unsigned char sig[OAUTH_SIGNATURE_MAX], thumb[OAUTH_THUMBPRINT_MAX];
	struct mx_err e;
	enum mx_class cls;
	size_t len = 0;

	cls = oauth_key_sign(k, c->alg, "text", 4, sig, sizeof sig, &len, &e);
	if (cls == MX_OK)
		FUZZ_CHECK(len > 0 && len <= sizeof sig && (c->alg != OAUTH_ALG_ES256 || len == 64));
	else
		fuzz_check_err(&e, cls);
	len = oauth_key_thumbprint(k, OAUTH_THUMB_S256, thumb);
	FUZZ_CHECK(len == (oauth_key_not_after(k) != 0 || len != 0 ? 32u : 0u));
	cls = oauth_key_in_date(k, 1790000000, &e);
	if (cls != MX_OK)
		fuzz_check_err(&e, cls);
}

static void account(const char *path)
{
	struct oauth_service_account a;
	struct mx_err e;
	enum mx_class cls = oauth_service_account_read(&google, path, &a, &e);

	if (cls == MX_OK) {
		FUZZ_CHECK(a.email[0] != '\0' && fuzz_is_clean(a.email, strlen(a.email)) && a.private_key.len > 0);
		FUZZ_CHECK(strncmp(a.token_uri, "https://oauth2.googleapis.com", 29) == 0);
	} else {
		fuzz_check_err(&e, cls);
		FUZZ_CHECK(a.private_key.p == NULL);
	}
	oauth_service_account_free(&a);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	fuzz_costly = true;		/* signatures */
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fuzz_in in = { data, n }, how = fuzz_part(&in), file = fuzz_part(&in);
	struct oauth_credential c = { .auth = OAUTH_AUTH_PRIVATE_KEY_JWT };
	struct oauth_key *k = NULL;
	struct mx_err e;
	uint64_t ends;
	enum mx_class cls;

	c.alg = (enum oauth_alg)(fuzz_number(how, 2) + 1);
	c.key = fuzz_file("key.pem", file);
	c.certificate_file = in.n > 0 ? fuzz_file("certificate.pem", in) : NULL;
	c.thumbprint = in.n > 0 ? OAUTH_THUMB_S256 : OAUTH_THUMB_NONE;
	cls = oauth_key_open(&c, 0, &k, &e);
	FUZZ_CHECK((cls == MX_OK) == (k != NULL));
	if (cls == MX_OK)
		use(k, &c);
	else
		fuzz_check_err(&e, cls);
	oauth_key_free(k);
	cls = oauth_certificate_ends(&c, &ends, &e);
	if (cls != MX_OK)
		fuzz_check_err(&e, cls);
	account(c.key);
	return 0;
}
