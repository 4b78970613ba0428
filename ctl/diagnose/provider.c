/*
 * The way to the identity provider: each link is a stage of one request, judged by how far that came.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ctl/diagnose/provider.h"

enum stage { NOWHERE, DNS, TCP, TLS, HTTP, GRANT };	/* at which a request fails */

#define SKEW_NOTE_S 60		/* differences of clocks that are told of */
#define SKEW_WRONG_S 120	/* and that explain a refused assertion; providers forgive some */

/* A limit of time, or a connection that is lost, may have come before the first byte of HTTP. */
static enum stage early(const struct dg_answer *a)
{
	if (a->seen.platform || a->seen.answered)
		return HTTP;
	if (!a->seen.connected)
		return a->seen.resolved ? TCP : DNS;
	return a->seen.secured ? HTTP : TLS;
}

static enum stage stage_of(const struct dg_answer *a)
{
	static const struct { const char *code; enum stage stage; } all[] = {
		{ "dns-failed", DNS }, { "connect-refused", TCP }, { "connect-timeout", TCP }, { "network-unreachable", TCP },
		{ "proxy-failed", TCP }, { "proxy-auth", TCP }, { "proxy-credentials-malformed", TCP },
		{ "ca-file-unusable", TLS }, { "provider-timeout", HTTP }, { "connection-lost", HTTP },
		{ "reply-not-http", HTTP }, { "reply-too-large", HTTP }, { "reply-not-json", HTTP },
		{ "redirect-refused", HTTP }, { "transfer-failed", HTTP },
	};

	if (a->cls == MX_OK)
		return GRANT;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (strcmp(a->f.err.code, all[i].code) == 0)
			return all[i].stage == HTTP ? early(a) : all[i].stage;
	if (strncmp(a->f.err.code, "tls-", 4) == 0)
		return TLS;
	return a->seen.sent ? GRANT : NOWHERE;
}

/*
 * Is there something to be said about stage? false: said already that there is not, or that it is broken.
 */
static bool reached(struct dg_walk *w, enum stage stage, const struct dg_answer **out)
{
	const struct dg_answer *a;
	enum stage failed;
	char host[256];

	if (w->client == NULL || w->conf == NULL) {
		dg_skip(w, "the account is not known");
		return false;
	}
	if (!dg_probe(w))
		return false;
	*out = a = &w->provider->a;
	(void)snprintf(host, sizeof host, "%.*s", (int)strcspn(a->seen.host, ":"), a->seen.host);
	dg_value(w, "host", host);
	dg_value(w, "endpoint", a->seen.host);
	if (w->provider->died) {
		dg_skip(w, "the process that asks as user \"%s\" died", w->conf->user);
		return false;
	}
	if (w->client->oc.token_endpoint == NULL && w->provider->look) {
		dg_skip(w, "%s", w->provider->why);
		return false;
	}
	if ((failed = stage_of(a)) == NOWHERE) {
		dg_skip(w, "nothing was sent: see the token request");
		return false;
	}
	if (failed < stage) {
		dg_skip(w, "it was not come to that");
		return false;
	}
	if (a->seen.platform && stage < HTTP) {
		dg_skip(w, "the platform of this machine is asked, at %s", a->seen.host);
		return false;
	}
	return failed > stage;
}

/* The failure that this link is about. Not for GRANT. */
static bool here(struct dg_walk *w, enum stage stage, const struct dg_answer *a)
{
	return !w->said && !w->provider->died && stage_of(a) == stage;
}

static const char *since(char out[static 24], uint32_t ms)
{
	(void)snprintf(out, 24, "%" PRIu32 " ms", ms);
	return out;
}

static void evidence(struct dg_walk *w, const struct dg_answer *a)
{
	if (a->seen.tried[0] != '\0')
		dg_evidence(w, "addresses that were tried: %s", a->seen.tried);
	if (a->seen.proxy[0] != '\0')
		dg_evidence(w, "the way leads through the proxy %s%s", a->seen.proxy, a->seen.proxy_status != 0 ?
		    ", which has answered" : "");
	dg_value(w, "proxy", a->seen.proxy[0] != '\0' ? a->seen.proxy : w->client->oc.proxy);
}

void dg_dns(struct dg_walk *w)
{
	const struct dg_answer *a = NULL;
	char ms[24];

	if (reached(w, DNS, &a)) {
		if (a->seen.proxy[0] != '\0')
			dg_ok(w, "%s is left to the proxy %s", a->seen.host, a->seen.proxy);
		else
			dg_ok(w, "%s: %s (%s)", a->seen.host, a->seen.tried, since(ms, a->seen.resolved_ms));
	} else if (a != NULL && here(w, DNS, a)) {
		dg_broken_err(w, &a->f.err);
	}
}

void dg_tcp(struct dg_walk *w)
{
	const struct dg_answer *a = NULL;
	char ms[24];

	if (reached(w, TCP, &a)) {
		if (a->seen.proxy[0] != '\0')
			dg_ok(w, "by the proxy %s to %s (%s)", a->seen.proxy, a->seen.host, since(ms, a->seen.connected_ms));
		else
			dg_ok(w, "%s (%s)", a->seen.address, since(ms, a->seen.connected_ms));
	} else if (a != NULL && here(w, TCP, a)) {
		evidence(w, a);
		if (a->seen.proxy_status != 0)
			dg_evidence(w, "the proxy answered CONNECT %s with HTTP %ld", a->seen.host, a->seen.proxy_status);
		dg_broken_err(w, &a->f.err);
	}
}

/* Hosts whose certificates are known to come of few CAs. NULL: none of these. */
static const char *public_ca(const char *host)
{
	const size_t n = strcspn(host, ":");

	if (oauth_clouds_of_login(host, n) != 0)
		return "DigiCert or Microsoft";
	return n >= 14 && strncasecmp(host + n - 14, "googleapis.com", 14) == 0 ? "Google Trust Services" : NULL;
}

static bool usual(const char *ca, const char *issuer)
{
	return ca == NULL || strstr(issuer, "DigiCert") != NULL || strstr(issuer, "Microsoft") != NULL ||
	    strstr(issuer, "Google Trust Services") != NULL || issuer[0] == '\0';
}

void dg_tls(struct dg_walk *w)
{
	const struct dg_answer *a = NULL;
	const char *ca;
	char ms[24];

	if (reached(w, TLS, &a)) {
		if (!usual(public_ca(a->seen.host), a->seen.issuer))
			dg_note(w, "the certificate of %s is issued by %s: trusted here, but no CA of its owner's, so something in "
			    "between reads what is sent", a->seen.host, a->seen.issuer);
		else
			dg_ok(w, "certificate issued by %s (%s)", a->seen.issuer, since(ms, a->seen.secured_ms));
		return;
	}
	if (a == NULL || !here(w, TLS, a))
		return;
	evidence(w, a);
	ca = public_ca(a->seen.host);
	if (a->seen.issuer[0] != '\0')
		dg_evidence(w, "the certificate that was shown is for %s, issued by %s%s%s", a->seen.subject, a->seen.issuer,
		    ca != NULL ? "; the provider's own comes from " : "", ca != NULL ? ca : "");
	dg_value(w, "issuer", a->seen.issuer);
	dg_value(w, "file", w->client->oc.ca_file);
	if (strcmp(a->f.err.code, "tls-untrusted-ca") == 0 && a->seen.issuer[0] != '\0' && !usual(ca, a->seen.issuer))
		dg_broken(w, "tls-intercepted", "the certificate of %s is issued by %s, which this host does not trust",
		    a->seen.host, a->seen.issuer);
	else
		dg_broken_err(w, &a->f.err);
}

static bool page(const struct dg_answer *a)
{
	return strcasecmp(a->seen.type, "text/html") == 0 || a->seen.start[0] == '<';
}

void dg_http(struct dg_walk *w)
{
	const struct dg_answer *a = NULL;
	char ms[24];

	if (reached(w, HTTP, &a)) {
		if (a->seen.status > 0)
			dg_ok(w, "HTTP %ld, %s (%s)", a->seen.status, a->seen.type[0] != '\0' ? a->seen.type : "no type",
			    since(ms, a->seen.answered_ms));
		else
			dg_skip(w, "there was no answer: see the token request");
	} else if (a != NULL && here(w, HTTP, a) && w->provider->look && a->seen.status >= 400 && a->seen.status < 500) {
		dg_note(w, "HTTP %ld, %s: no answer of the usual kind to a request without a credential", a->seen.status,
		    a->seen.type[0] != '\0' ? a->seen.type : "no type");
	} else if (a != NULL && here(w, HTTP, a)) {
		evidence(w, a);
		if (a->seen.status != 0)
			dg_evidence(w, "HTTP %ld, type %s, server %s, certificate issued by %s", a->seen.status,
			    a->seen.type[0] != '\0' ? a->seen.type : "none", a->seen.server[0] != '\0' ? a->seen.server :
			    "not named", a->seen.issuer[0] != '\0' ? a->seen.issuer : "an unknown CA");
		if (a->seen.start[0] != '\0')
			dg_evidence(w, "the body begins: %s", a->seen.start);
		if (strcmp(a->f.err.code, "reply-not-json") == 0 && page(a))
			dg_broken(w, "captive-portal", "HTTP %ld with a web page where the provider's JSON should be", a->seen.status);
		else
			dg_broken_err(w, &a->f.err);
	}
}

static bool of_assertion(const struct dg_answer *a)
{
	return strncmp(a->f.err.code, "assertion-", 10) == 0 && a->cls != MX_OK;
}

void dg_date(struct dg_walk *w)
{
	const struct dg_answer *a = NULL;
	char skew[24];
	int64_t d;

	if (!reached(w, HTTP, &a))
		return;
	if (a->seen.date == 0) {
		dg_skip(w, "the answer has no Date");
		return;
	}
	d = a->seen.at - a->seen.date;
	(void)snprintf(skew, sizeof skew, "%" PRId64 " s", d < 0 ? -d : d);
	dg_value(w, "skew", skew);
	if ((d > SKEW_WRONG_S || d < -SKEW_WRONG_S) && of_assertion(a) && !w->provider->look) {
		dg_evidence(w, "the token request: %s", a->f.err.text);
		dg_broken(w, "clock-wrong", "this host's clock is %s %s the provider's", skew, d < 0 ? "behind" : "ahead of");
	} else if (d > SKEW_NOTE_S || d < -SKEW_NOTE_S) {
		dg_note(w, "this host's clock is %s %s the provider's; set it right (timedatectl)", skew,
		    d < 0 ? "behind" : "ahead of");
	} else {
		dg_ok(w, "%" PRId64 " s beside the provider's", d);
	}
}
