/*
 * TLS that failed, told apart: by OpenSSL's verdict and, where it has none, by libcurl's words. And the certificate that
 * was shown, whatever became of it.
 */
#ifndef MX_OAUTH_TLS_H
#define MX_OAUTH_TLS_H

#include <stddef.h>

#include "oauth/seen.h"

enum oauth_cert_fault { OAUTH_CERT_OTHER, OAUTH_CERT_NAME, OAUTH_CERT_EXPIRED, OAUTH_CERT_NOT_YET, OAUTH_CERT_UNTRUSTED };
enum oauth_tls_fault { OAUTH_TLS_OTHER, OAUTH_TLS_VERSION, OAUTH_TLS_NOT_TLS };

/* Of CURLE_PEER_FAILED_VERIFICATION. verify: an X509_V_ code; detail: libcurl's error buffer, "" if it is empty. */
enum oauth_cert_fault oauth_cert_fault(long verify, const char *detail);

/* Of CURLE_SSL_CONNECT_ERROR, by the same words. */
enum oauth_tls_fault oauth_tls_fault(const char *detail);

/* name, an X509_NAME (NULL: none), as RFC 4514 has it, sanitized; it may be cut. cap >= 4. */
void oauth_tls_name(const void *name, char *out, size_t cap);

/* ctx, an SSL_CTX: the names in the certificate that a peer shows, be it accepted or not. s outlives ctx. */
void oauth_tls_watch(void *ctx, struct oauth_seen *s);

#endif
