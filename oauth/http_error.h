/*
 * What libcurl says when a transfer fails -> class, code and sentence. Private to oauth/http*.c.
 */
#ifndef MX_OAUTH_HTTP_ERROR_H
#define MX_OAUTH_HTTP_ERROR_H

#include <stdbool.h>

#include "oauth/reply.h"

struct oauth_transfer {
	int code;		/* CURLcode */
	/* OpenSSL's verdict on the certificate (CURLINFO_SSL_VERIFYRESULT) */
	long verify;
	long os_errno;		/* CURLINFO_OS_ERRNO */
	long proxy_status;	/* what the proxy answered to CONNECT; 0: nothing, or no proxy */
	long proxy_error;	/* CURLINFO_PROXY_ERROR: of SOCKS */
	bool of_proxy;		/* verify is of the proxy's certificate */
	const char *proxy_credentials;	/* the file's name; NULL: none was sent */
	bool proxied;		/* a proxy is configured and not excepted for this host */
	bool reached;		/* a TLS handshake was begun in this transfer */
	bool connected;		/* TLS was up, in this transfer or in a reused connection */
	bool too_large;		/* our own write callback stopped it at the ceiling */
	const char *host;	/* "host:port" of the endpoint */
	const char *ca_file;	/* NULL: the system's */
	const char *tried;	/* addresses that were connected to, "" if there were none */
	const char *detail;	/* libcurl's error buffer, "" if it is empty */
};

/* Fills *f: nothing of it comes from a reply, so http_status is 0. */
void oauth_transfer_failed(const char *client, const struct oauth_transfer *x,
    struct oauth_failure *f);

#endif
