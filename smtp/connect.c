/*
 * The way to the server, made by libcurl: names, addresses of both families, TLS, STARTTLS, EHLO. It is watched from
 * the outside, so that each step can be told as it is done.
 */
#include "config.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/text.h"
#include "smtp/dialog-private.h"

#define OTHER_FAMILY_MS 200L
#define TURN_MS 200

/* What the server says goes to the reply that is due; what libcurl says tells which one that is. */
static int on_debug(CURL *easy, curl_infotype what, char *s, size_t n, void *arg)
{
	struct smtp_dialog *d = arg;
	struct smtp_reply *r;

	(void)easy;
	if (what == CURLINFO_HEADER_OUT) {
		if (n >= 4 && (strncasecmp(s, "EHLO", 4) == 0 || strncasecmp(s, "HELO", 4) == 0))
			d->phase = d->handshake ? PHASE_HELLO_TLS : PHASE_HELLO;
		else if (n >= 8 && strncasecmp(s, "STARTTLS", 8) == 0)
			d->phase = PHASE_STARTTLS;
		else
			return 0;
		d->secure = d->secure || d->handshake;
		smtp_reply_clear(&d->said[d->phase]);
	} else if (what == CURLINFO_HEADER_IN) {
		if (d->to.wrapped)
			d->secure = true;
		r = &d->said[d->phase];
		(void)smtp_reply_take(r, s, n);
	}
	return 0;
}

static curl_socket_t on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct smtp_dialog *d = arg;
	const void *in = to->family == AF_INET6 ? (const void *)&((struct sockaddr_in6 *)(void *)&to->addr)->sin6_addr :
	    (const void *)&((struct sockaddr_in *)(void *)&to->addr)->sin_addr;
	const size_t n = strlen(d->seen.tried);
	char address[INET6_ADDRSTRLEN];
	struct mx_buf b;
	int fd;

	(void)purpose;
	if ((to->family == AF_INET || to->family == AF_INET6) &&
	    inet_ntop(to->family, in, address, sizeof address) != NULL) {
		mx_buf_init(&b, d->seen.tried + n, sizeof d->seen.tried - n);
		mx_buf_addf(&b, "%s%s", n > 0 ? ", " : "", address);
		if (mx_buf_str(&b) == NULL)
			d->seen.tried[n] = '\0';
	}
#ifdef SOCK_CLOEXEC
	fd = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
#else
	fd = socket(to->family, to->socktype, to->protocol);
#endif
	return fd == -1 ? CURL_SOCKET_BAD : fd;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	(void)p, (void)arg;
	return size * n;
}

static CURLcode set_options(struct smtp_dialog *d, const char *url)
{
	CURLcode r = CURLE_OK;

#define SET(o, v) do { if (r == CURLE_OK) r = curl_easy_setopt(d->easy, (o), (v)); } while (0)
	SET(CURLOPT_URL, url);
	SET(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	SET(CURLOPT_CONNECT_ONLY, 1L);
	SET(CURLOPT_USE_SSL, (long)CURLUSESSL_ALL);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (d->to.ca_file != NULL || d->to.ca_path != NULL) {
		SET(CURLOPT_CAINFO, d->to.ca_file);
		SET(CURLOPT_CAPATH, d->to.ca_path);
	}
	SET(CURLOPT_PROXY, "");		/* mail servers know none */
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	/* no CURLOPT_NOSIGNAL: libcurl then keeps SIGPIPE away while it is called; a thread of its looks names up */
	SET(CURLOPT_HAPPY_EYEBALLS_TIMEOUT_MS, OTHER_FAMILY_MS);
	SET(CURLOPT_OPENSOCKETFUNCTION, on_socket);
	SET(CURLOPT_OPENSOCKETDATA, d);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_DEBUGFUNCTION, on_debug);
	SET(CURLOPT_DEBUGDATA, d);
	SET(CURLOPT_VERBOSE, 1L);	/* for on_debug alone */
	SET(CURLOPT_ERRORBUFFER, d->detail);
	SET(CURLOPT_SSL_CTX_FUNCTION, smtp_cert_watch);
	SET(CURLOPT_SSL_CTX_DATA, d);
#if LIBCURL_VERSION_NUM >= 0x075700
	SET(CURLOPT_QUICK_EXIT, 1L);
#endif
	/* The limits are those of smtp_reach(). */
	SET(CURLOPT_CONNECTTIMEOUT_MS, 3600000L);
	SET(CURLOPT_SERVER_RESPONSE_TIMEOUT, 3600L);
#undef SET
	return r;
}

/* An address of IPv6 stands in brackets in a URL, and nothing of the name is taken for another part of one. */
static char *make_url(struct smtp_dialog *d)
{
	char port[16], *url = NULL;
	CURLU *u = curl_url();
	struct mx_buf b;

	mx_buf_init(&b, d->name, sizeof d->name);
	if (strchr(d->to.host, ':') != NULL)
		mx_buf_addf(&b, "[%s]", d->to.host);
	else
		mx_buf_adds(&b, d->to.host);
	if (u == NULL || mx_buf_str(&b) == NULL)
		goto out;
	mx_buf_init(&b, port, sizeof port);
	mx_buf_addf(&b, "%u", (unsigned)d->to.port);
	if (mx_buf_str(&b) == NULL ||
	    curl_url_set(u, CURLUPART_SCHEME, d->to.wrapped ? "smtps" : "smtp", 0) != CURLUE_OK ||
	    curl_url_set(u, CURLUPART_HOST, d->name, 0) != CURLUE_OK ||
	    curl_url_set(u, CURLUPART_PORT, port, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_URL, &url, 0) != CURLUE_OK)
		url = NULL;
out:
	curl_url_cleanup(u);
	return url;
}

struct smtp_dialog *smtp_open(const struct smtp_to *to)
{
	struct smtp_dialog *d = calloc(1, sizeof *d);
	char *url = NULL;
	CURLcode r = CURLE_OUT_OF_MEMORY;

	if (d == NULL)
		return NULL;
	d->to = *to;
	d->multi = curl_multi_init();
	d->easy = curl_easy_init();
	if (d->multi == NULL || d->easy == NULL)
		goto out;
	if ((url = make_url(d)) == NULL) {
		/* no name that could be looked up */
		d->over = true;
		d->code = CURLE_COULDNT_RESOLVE_HOST;
		r = CURLE_OK;
		goto out;
	}
	if ((r = set_options(d, url)) == CURLE_OK && curl_multi_add_handle(d->multi, d->easy) != CURLM_OK)
		r = CURLE_OUT_OF_MEMORY;
	if (r != CURLE_OK && r != CURLE_OUT_OF_MEMORY) {
		/* a libcurl without what this needs */
		d->over = true;
		d->code = r;
		r = CURLE_OK;
	}
out:
	curl_free(url);
	if (r == CURLE_OK)
		return d;
	smtp_close(d);
	return NULL;
}

void smtp_close(struct smtp_dialog *d)
{
	struct smtp_reply *bye;

	if (d == NULL)
		return;
	if (d->spoke && d->fault == SMTP_FINE && (bye = calloc(1, sizeof *bye)) != NULL) {
		d->to.step_ms = d->to.step_ms > 2000 ? 2000 : d->to.step_ms;
		if (smtp_command(d, "QUIT", bye) != SMTP_FINE)
			d->spoke = false;
		free(bye);
	}
	if (d->multi != NULL && d->easy != NULL)
		curl_multi_remove_handle(d->multi, d->easy);
	curl_easy_cleanup(d->easy);
	curl_multi_cleanup(d->multi);
	mx_wipe(d->rest, sizeof d->rest);
	free(d);
}

const struct smtp_seen *smtp_seen(const struct smtp_dialog *d)
{
	return &d->seen;
}

static enum smtp_phase phase_of(const struct smtp_dialog *d, enum smtp_stage stage)
{
	switch (stage) {
	case SMTP_HELLO:
		return d->to.wrapped ? PHASE_HELLO_TLS : PHASE_HELLO;
	case SMTP_STARTED:
		return PHASE_STARTTLS;
	case SMTP_SECURE:
	case SMTP_READY:
		return PHASE_HELLO_TLS;
	default:
		return PHASE_GREETING;
	}
}

const struct smtp_reply *smtp_said(const struct smtp_dialog *d, enum smtp_stage stage)
{
	return &d->said[phase_of(d, stage)];
}

static bool took(const struct smtp_dialog *d, CURLINFO what)
{
	curl_off_t us = 0;

	return curl_easy_getinfo(d->easy, what, &us) == CURLE_OK && us > 0;
}

static bool answered(const struct smtp_dialog *d, enum smtp_stage stage)
{
	const struct smtp_reply *r = smtp_said(d, stage);

	return r->whole && r->code / 100 == 2;
}

static bool behind(const struct smtp_dialog *d, enum smtp_stage stage)
{
	if (d->over && d->code == CURLE_OK)
		return true;
	switch (stage) {
	case SMTP_RESOLVED:
		return d->seen.tried[0] != '\0';
	case SMTP_CONNECTED:
		return took(d, CURLINFO_CONNECT_TIME_T) || d->handshake || d->said[PHASE_GREETING].code != 0;
	case SMTP_GREETED:
	case SMTP_HELLO:
		return answered(d, stage);
	case SMTP_STARTED:
		return d->to.wrapped ? behind(d, SMTP_CONNECTED) : answered(d, stage);
	case SMTP_SECURE:
		return d->secure;
	default:
		return false;		/* until libcurl is done */
	}
}

static void keep_detail(struct smtp_dialog *d)
{
	struct mx_buf b;

	mx_buf_init(&b, d->seen.detail, sizeof d->seen.detail);
	if (d->fault == SMTP_FAULT_NOT_SMTP && d->said[d->phase].broken != NULL)
		mx_buf_adds(&b, d->said[d->phase].broken);
	else
		mx_buf_addf(&b, "%.200s", d->detail[0] != '\0' ? d->detail : curl_easy_strerror(d->code));
	if (mx_buf_str(&b) == NULL)
		d->seen.detail[0] = '\0';
	mx_clean(d->seen.detail, strlen(d->seen.detail));
}

static void keep_address(struct smtp_dialog *d)
{
	struct mx_buf b;
	char *ip = NULL;

	if (d->seen.address[0] != '\0' || curl_easy_getinfo(d->easy, CURLINFO_PRIMARY_IP, &ip) != CURLE_OK ||
	    ip == NULL)
		return;
	mx_buf_init(&b, d->seen.address, sizeof d->seen.address);
	mx_buf_adds(&b, ip);
	if (mx_buf_str(&b) == NULL)
		d->seen.address[0] = '\0';
}

static void turn(struct smtp_dialog *d, int ms)
{
	int running = 0, left;
	CURLMsg *m;

	if (curl_multi_perform(d->multi, &running) != CURLM_OK) {
		d->over = true;
		d->code = CURLE_OUT_OF_MEMORY;
		return;
	}
	while ((m = curl_multi_info_read(d->multi, &left)) != NULL)
		if (m->msg == CURLMSG_DONE) {
			d->over = true;
			d->code = m->data.result;
		}
	keep_address(d);
	if (!d->over && ms > 0)
		(void)curl_multi_poll(d->multi, NULL, 0, ms, NULL);
}

enum smtp_fault smtp_reach(struct smtp_dialog *d, enum smtp_stage stage)
{
	const uint64_t end = mx_now_ms() + d->to.step_ms;
	uint64_t now;

	while (d->fault == SMTP_FINE && !behind(d, stage)) {
		if (d->over) {
			d->fault = smtp_fault_of(d);
			keep_detail(d);
			break;
		}
		if ((now = mx_now_ms()) >= end) {
			d->fault = SMTP_FAULT_TIMEOUT;
			break;
		}
		turn(d, end - now > TURN_MS ? TURN_MS : (int)(end - now));
	}
	if (d->fault != SMTP_FINE && behind(d, stage) && stage != SMTP_READY)
		return SMTP_FINE;	/* it is a later stage that failed */
	d->spoke = d->spoke || (d->fault == SMTP_FINE && stage == SMTP_READY);
	return d->fault;
}
