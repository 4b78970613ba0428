/*
 * What the files of the dialog share; all that knows libcurl here.
 */
#ifndef MX_SMTP_DIALOG_PRIVATE_H
#define MX_SMTP_DIALOG_PRIVATE_H

#include <curl/curl.h>

#include "smtp/dialog.h"

enum smtp_phase { PHASE_GREETING, PHASE_HELLO, PHASE_STARTTLS, PHASE_HELLO_TLS, PHASE_N };

struct smtp_dialog {
	struct smtp_to to;
	struct smtp_seen seen;
	char name[300];			/* of the URL: an address of IPv6 has brackets */
	CURLM *multi;
	CURL *easy;
	bool over;			/* libcurl has finished: code */
	CURLcode code;
	bool handshake;			/* TLS was begun */
	bool secure;			/* something was said within TLS, which libcurl does behind its verdict alone */
	enum smtp_phase phase;
	struct smtp_reply said[PHASE_N];
	long verify;			/* OpenSSL's first complaint of the certificate */
	enum smtp_fault fault;		/* SMTP_FINE: none yet */
	bool spoke;			/* QUIT would be understood */
	char rest[2048];		/* read, and belongs to the next reply */
	size_t nrest;
	char detail[CURL_ERROR_SIZE];
};

/* cert.c: libcurl's hook; arg is the dialog. What the certificates say is kept, and judged as before. */
CURLcode smtp_cert_watch(CURL *easy, void *ctx, void *arg);

/* fault.c: what libcurl's code means. */
enum smtp_fault smtp_fault_of(const struct smtp_dialog *d);

#endif
