#include "config.h"

#include <openssl/evp.h>

#include "oauth/reply.h"

void oauth_token_id(char out[OAUTH_TOKEN_ID_LEN + 1], const void *token, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char md[EVP_MAX_MD_SIZE];

	/*
	 * Cannot fail but for memory; then the id is that of nothing, and no comparison will
	 * match.
	 */
	if (EVP_Digest(token, n, md, NULL, EVP_sha256(), NULL) != 1) {
		out[0] = '\0';
		return;
	}
	for (size_t i = 0; i < OAUTH_TOKEN_ID_LEN; i++)
		out[i] = hex[i % 2 == 0 ? md[i / 2] >> 4 : md[i / 2] & 15];
	out[OAUTH_TOKEN_ID_LEN] = '\0';
}
