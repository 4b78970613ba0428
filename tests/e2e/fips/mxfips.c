/*
 * An OpenSSL provider for tests: of the default provider's algorithms those that FIPS 140-3 approves (as OpenSSL's own
 * fips.so 3.0 has them), under the property fips=yes, and no others. It is no validated module, and computes nothing by
 * itself: it shows that a program gets by with these. The default provider lives in a library context of this file's,
 * so that the program cannot reach it.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/provider.h>

#define MAX 200

static OSSL_LIB_CTX *ctx;
static OSSL_PROVIDER *whole;
static OSSL_ALGORITHM kept[OSSL_OP__HIGHEST + 1][MAX];

/* The first of an algorithm's names; "*" at the end: whatever begins so. */
static const char *const approved[] = {
	"SHA1", "SHA2-*", "SHA3-*", "SHAKE*", "KECCAK-KMAC*",
	"AES-*", "HMAC", "CMAC", "GMAC", "KMAC-*",
	"HKDF", "TLS13-KDF", "TLS1-PRF", "PBKDF2", "SSKDF", "KBKDF", "X963KDF", "X942KDF-ASN1",
	"CTR-DRBG", "HASH-DRBG", "HMAC-DRBG", "SEED-SRC",
	"RSA", "RSA-PSS", "EC", "ECDH", "ECDSA", "DH", "DHX",
};

static int is_approved(const char *names)
{
	const size_t n = strcspn(names, ":");

	if (n >= 7 && memcmp(names, "AES-", 4) == 0 && (memcmp(names + n - 3, "OCB", 3) == 0 ||
	    memcmp(names + n - 3, "SIV", 3) == 0))
		return 0;
	for (size_t i = 0; i < sizeof approved / sizeof approved[0]; i++) {
		const size_t k = strlen(approved[i]);

		if (approved[i][k - 1] == '*' ? n >= k && strncmp(names, approved[i], k - 1) == 0 :
		    n == k && strncmp(names, approved[i], k) == 0)
			return 1;
	}
	return 0;
}

static const OSSL_ALGORITHM *query(void *provctx, int op, int *no_cache)
{
	const OSSL_ALGORITHM *all;
	size_t n = 0;

	(void)provctx;
	/* encoders, decoders and stores are the base provider's, as beside fips.so */
	if (op < 0 || op > OSSL_OP__HIGHEST || op >= OSSL_OP_ENCODER)
		return NULL;
	all = OSSL_PROVIDER_query_operation(whole, op, no_cache);
	for (; all != NULL && all->algorithm_names != NULL && n < MAX - 1; all++)
		if (is_approved(all->algorithm_names)) {
			kept[op][n] = *all;
			kept[op][n++].property_definition = "provider=mxfips,fips=yes";
		}
	kept[op][n] = (OSSL_ALGORITHM){ NULL, NULL, NULL, NULL };
	return kept[op];
}

static int capabilities(void *provctx, const char *capability, OSSL_CALLBACK *cb, void *arg)
{
	(void)provctx;
	return OSSL_PROVIDER_get_capabilities(whole, capability, cb, arg);
}

static void teardown(void *provctx)
{
	(void)provctx;
	OSSL_PROVIDER_unload(whole);
	OSSL_LIB_CTX_free(ctx);
}

int OSSL_provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
    void **provctx)
{
	static const OSSL_DISPATCH functions[] = {
		{ OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query },
		{ OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))capabilities },
		{ OSSL_FUNC_PROVIDER_TEARDOWN, (void (*)(void))teardown },
		{ 0, NULL },
	};

	(void)handle, (void)in;
	if ((ctx = OSSL_LIB_CTX_new()) == NULL || (whole = OSSL_PROVIDER_load(ctx, "default")) == NULL)
		return 0;
	*provctx = OSSL_PROVIDER_get0_provider_ctx(whole);
	*out = functions;
	return 1;
}
