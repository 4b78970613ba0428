/*
 * The way to the mail server, up to what it offers within TLS.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "ctl/diagnose/mta.h"
#include "ctl/diagnose/server.h"

#define PORT_WRAPPED 465	/* RFC 8314 */
#define STEP_MS 20000u		/* --timeout has another one */

static const struct row { const char *code, *what; } rows[] = {
	[SMTP_FAULT_DNS] = { "server-name-unknown", "the name cannot be resolved" },
	[SMTP_FAULT_REFUSED] = { "server-refuses-connection", "the connection is refused" },
	[SMTP_FAULT_UNREACHABLE] = { "server-unreachable", "there is no way to it" },
	[SMTP_FAULT_TIMEOUT] = { "server-silent", "no answer in time" },
	[SMTP_FAULT_LOST] = { "server-hung-up", "the connection was closed" },
	[SMTP_FAULT_NOT_SMTP] = { "server-not-smtp", "what came is no reply of a mail server's" },
	[SMTP_FAULT_NO_STARTTLS] = { "starttls-missing", "STARTTLS is not offered" },
	[SMTP_FAULT_CA] = { "server-cert-untrusted", "its certificate's CA is not trusted" },
	[SMTP_FAULT_EXPIRED] = { "server-cert-expired", "its certificate has expired" },
	[SMTP_FAULT_NOT_YET] = { "server-cert-not-yet", "its certificate is not valid yet" },
	[SMTP_FAULT_NAME] = { "server-cert-name", "its certificate is for other names" },
	[SMTP_FAULT_CERT] = { "server-cert-refused", "its certificate cannot be accepted" },
	[SMTP_FAULT_TLS_VERSION] = { "server-tls-version", "it does not offer TLS 1.2 or newer" },
	[SMTP_FAULT_TLS] = { "server-tls-failed", "the TLS handshake failed" },
	[SMTP_FAULT_NOT_TLS] = { "server-not-tls", "what came is not TLS" },
	[SMTP_FAULT_CA_FILE] = { "server-ca-unusable", "the trusted CAs cannot be read" },
	[SMTP_FAULT_MEMORY] = { "no-memory", "no memory" },
	[SMTP_FAULT_OTHER] = { "server-tls-failed", "the connection failed" },
};

const char *dg_reply(char out[DG_REPLY_MAX], const struct smtp_reply *r)
{
	(void)snprintf(out, DG_REPLY_MAX, "%u %s", r->code, r->text);
	for (char *p = out; *p != '\0'; p++)
		if (*p == '\n')
			*p = ' ';
	return out;
}

/* What is known of the other side, for whoever has to judge a failure of TLS. */
static void tell_certificate(struct dg_walk *w)
{
	const struct smtp_seen *s = smtp_seen(w->server->d);
	const struct smtp_to *to = &w->server->to;

	if (s->issuer[0] != '\0')
		dg_evidence(w, "its certificate: for %s; issued by %s; ends %s", s->subject, s->issuer, s->until);
	dg_evidence(w, "trusted CAs: %s", to->ca_file != NULL ? to->ca_file : to->ca_path != NULL ? to->ca_path :
	    "those of this host");
}

static bool begin(struct dg_walk *w)
{
	struct dg_server *s = w->server = calloc(1, sizeof *s);

	if (s == NULL)
		return false;
	s->to = (struct smtp_to){
		.host = w->relay,
		.port = w->port,
		.wrapped = w->port == PORT_WRAPPED,
		.step_ms = w->call->timeout_s != 0 ? w->call->timeout_s * 1000 : STEP_MS,
	};
	dg_server_trust(w);
	s->d = smtp_open(&s->to);
	return s->d != NULL;
}

/* EHLO's lines as they came: a filter that takes STARTTLS away may leave something in its place. */
static void tell_offers(struct dg_walk *w)
{
	const struct smtp_reply *r = smtp_said(w->server->d, SMTP_HELLO);
	char text[DG_REPLY_MAX];

	if (r->whole)
		dg_evidence(w, "to EHLO it says: %s", dg_reply(text, r));
}

static bool of_certificate(enum smtp_fault f)
{
	return f == SMTP_FAULT_CA || f == SMTP_FAULT_EXPIRED || f == SMTP_FAULT_NOT_YET || f == SMTP_FAULT_NAME ||
	    f == SMTP_FAULT_CERT || f == SMTP_FAULT_CA_FILE;
}

void dg_server_fault(struct dg_walk *w, enum smtp_fault f, const char *when)
{
	const struct smtp_seen *s = smtp_seen(w->server->d);
	const char *code = rows[f].code;

	if (f == SMTP_FAULT_NO_STARTTLS) {
		tell_offers(w);
		dg_broken(w, code, "%s", rows[f].what);
		return;
	}
	if (of_certificate(f))
		tell_certificate(w);
	if (s->tried[0] != '\0')
		dg_evidence(w, "addresses tried: %s", s->tried);
	if (s->detail[0] != '\0')
		dg_evidence(w, "in detail: %s", s->detail);
	if (f == SMTP_FAULT_NOT_SMTP && smtp_said(w->server->d, SMTP_GREETED)->whole)
		code = "server-out-of-step";	/* it can keep to SMTP */
	dg_broken(w, code, "%s port %u, %s: %s", w->relay, (unsigned)w->port, when, rows[f].what);
}

void dg_server_refused(struct dg_walk *w, enum cat_step step, const struct smtp_reply *r, const char *code)
{
	char text[DG_REPLY_MAX];

	const char *line = r->text;

	/* Of several lines each as it came; one alone is evidence as it is. */
	while (strchr(r->text, '\n') != NULL && line != NULL) {
		const size_t n = strcspn(line, "\n");

		dg_evidence(w, "%s says: %u%c%.*s", w->relay, r->code, line[n] == '\n' ? '-' : ' ', (int)n, line);
		line = line[n] == '\n' ? line + n + 1 : NULL;
	}
	(void)dg_reply(text, r);
	dg_broken(w, code != NULL ? code : cat_smtp(step, r->code, r->text)->code, "%s", text);
}

static enum cat_step step_of(enum smtp_stage stage)
{
	return stage == SMTP_GREETED ? CAT_CONNECT : stage == SMTP_STARTED ? CAT_STARTTLS : CAT_EHLO;
}

/* Postfix at level "encrypt" and the like would go on. This does not: a token is not shown to anybody who asks. */
static bool tolerated(struct dg_walk *w, enum smtp_fault f)
{
	if (!of_certificate(f) || f == SMTP_FAULT_CA_FILE || w->mta == NULL || w->call->ca_file != NULL ||
	    !(w->mta->lenient || (f == SMTP_FAULT_NAME && w->mta->own_names)))
		return false;
	tell_certificate(w);
	dg_note(w, "%s; by its settings %s does not judge that in this way, and no token is sent there from here", rows[f].what,
	    w->mta_name);
	dg_unknown(w, "what %s says to a login: its certificate has to be one that can be trusted (--ca-file)", w->relay);
	return w->server->unproved = true;
}

bool dg_server_unproved(struct dg_walk *w)
{
	if (w->server->unproved)
		dg_skip(w, "the server has not proved its name");
	return w->server->unproved;
}

static bool reach(struct dg_walk *w, enum smtp_stage stage, const char *when)
{
	enum smtp_fault f;
	const struct smtp_reply *r = smtp_said(w->server->d, stage);

	if (dg_server_unproved(w))
		return false;
	if ((f = smtp_reach(w->server->d, stage)) == SMTP_FINE)
		return true;
	if (tolerated(w, f))
		return false;
	if (f == SMTP_FAULT_REPLY)
		dg_server_refused(w, step_of(stage), r, NULL);
	else
		dg_server_fault(w, f, when);
	return false;
}

void dg_server_free(struct dg_walk *w)
{
	if (w->server == NULL)
		return;
	smtp_close(w->server->d);
	free(w->server->ca_file);
	free(w->server->ca_path);
	free(w->server);
	w->server = NULL;
}

void dg_server_dns(struct dg_walk *w)
{
	if (!begin(w)) {
		w->no_memory = true;
		return;
	}
	if (strchr(w->relay, ':') != NULL || strspn(w->relay, "0123456789.") == strlen(w->relay))
		dg_skip(w, "%s is an address", w->relay);
	else if (reach(w, SMTP_RESOLVED, "DNS"))
		dg_ok(w, "%s is known", w->relay);
}

void dg_server_tcp(struct dg_walk *w)
{
	if (reach(w, SMTP_CONNECTED, "TCP"))
		dg_ok(w, "connected to %s port %u", smtp_seen(w->server->d)->address, (unsigned)w->port);
}

/* Where TLS comes first (port 465): what is wrong with it shows here. */
void dg_server_greeting(struct dg_walk *w)
{
	char text[DG_REPLY_MAX];

	if ((!w->server->to.wrapped || reach(w, SMTP_SECURE, "TLS handshake")) &&
	    reach(w, SMTP_GREETED, "greeting"))
		dg_ok(w, "%s", dg_reply(text, smtp_said(w->server->d, SMTP_GREETED)));
}

void dg_server_ehlo(struct dg_walk *w)
{
	const struct smtp_reply *r = smtp_said(w->server->d, SMTP_HELLO);
	size_t n;

	if (reach(w, SMTP_HELLO, "EHLO"))
		dg_ok(w, smtp_reply_offer(r, "STARTTLS", &n) != NULL ? "answered, STARTTLS offered" : "answered");
}

void dg_server_starttls(struct dg_walk *w)
{
	char text[DG_REPLY_MAX];

	if (!reach(w, SMTP_STARTED, "STARTTLS"))
		return;
	if (w->server->to.wrapped)
		dg_skip(w, "port %u: TLS from the first byte on", (unsigned)w->port);
	else
		dg_ok(w, "%s", dg_reply(text, smtp_said(w->server->d, SMTP_STARTED)));
}

void dg_server_certificate(struct dg_walk *w)
{
	const struct smtp_seen *s = smtp_seen(w->server->d);

	if (reach(w, SMTP_SECURE, "TLS handshake"))
		dg_ok(w, "for %s; issued by %s; ends %s", s->subject, s->issuer, s->until);
}

static bool allowed(const struct dg_walk *w, enum mx_mech m)
{
	return w->entry == NULL || (m == MX_MECH_XOAUTH2 ? w->entry->xoauth2 : w->entry->oauthbearer);
}

/* That of the configuration; where it is not offered, the other one if it may serve. Exim's recipe has one. */
static enum mx_mech choose(const struct dg_walk *w, const char *offer, size_t n)
{
	const enum mx_mech other = w->mech == MX_MECH_OAUTHBEARER ? MX_MECH_XOAUTH2 : MX_MECH_OAUTHBEARER;

	if (w->mech != MX_MECH_NONE && smtp_reply_has_word(offer, n, mx_mech_name(w->mech)))
		return w->mech;
	if (w->mta != NULL && (strcmp(w->mta_name, "exim") == 0 || w->mta->one_mechanism))
		return MX_MECH_NONE;
	return allowed(w, other) && smtp_reply_has_word(offer, n, mx_mech_name(other)) ? other : MX_MECH_NONE;
}

/* The server has one for this: what keeps from it is on this host. false: it has none. */
static bool kept_from(struct dg_walk *w, const char *offer, size_t n)
{
	const enum mx_mech all[] = { MX_MECH_XOAUTH2, MX_MECH_OAUTHBEARER };
	const bool exim = w->mta != NULL && strcmp(w->mta_name, "exim") == 0;
	enum mx_mech m = MX_MECH_NONE;

	for (size_t i = 0; m == MX_MECH_NONE && i < 2; i++)
		if (smtp_reply_has_word(offer, n, mx_mech_name(all[i])))
			m = all[i];
	if (m == MX_MECH_NONE || (exim && m != MX_MECH_XOAUTH2))
		return false;
	dg_value(w, "mech", mx_mech_name(m));
	if (!allowed(w, m)) {
		dg_broken(w, "mechanism-not-listed", "the server takes %s, and account \"%s\" (%s:%u) has it not among its mechanisms",
		    mx_mech_name(m), w->entry->pattern, w->entry->at.file, w->entry->at.line);
		dg_explain(w, "the server takes {mech}, which the account's mechanisms do not have",
		    m == MX_MECH_XOAUTH2 ? "add xoauth2 to mechanisms of the account; then mta-xoauth2 reload" :
		    "add oauthbearer to mechanisms of the account; then mta-xoauth2 reload");
		return true;
	}
	if (w->mta == NULL || !w->mta->one_mechanism)
		return false;
	(void)dg_postfix_aim(w, "{set}smtp_sasl_mechanism_filter=");
	dg_broken(w, "mechanism-filter", "the server takes %s, and smtp_sasl_mechanism_filter of Postfix lets %s alone through",
	    mx_mech_name(m), mx_mech_name(w->mech));
	if (m == MX_MECH_OAUTHBEARER)
		dg_explain(w, "Postfix's mechanism filter leaves {mech} out", "postconf -c {sh:instance} "
		    "{set}smtp_sasl_mechanism_filter=oauthbearer && postfix -c {sh:instance} reload");
	return true;
}

void dg_server_mechanism(struct dg_walk *w)
{
	const char *offer;
	enum mx_mech m;
	size_t n = 0;

	if (!reach(w, SMTP_READY, "EHLO within TLS"))
		return;
	offer = smtp_reply_offer(smtp_said(w->server->d, SMTP_READY), "AUTH", &n);
	if (offer == NULL) {
		dg_evidence(w, "EHLO within TLS has no line AUTH");
		dg_broken(w, "auth-not-offered", "no login is offered");
		return;
	}
	if ((m = choose(w, offer, n)) == MX_MECH_NONE) {
		dg_evidence(w, "EHLO within TLS offers: AUTH %.*s", (int)n, offer);
		if (kept_from(w, offer, n))
			return;
		dg_broken(w, "mechanism-not-offered", "neither XOAUTH2 nor OAUTHBEARER is to be had: AUTH %.*s", (int)n,
		    offer);
		return;
	}
	if (m != w->mech)
		mx_secret_free(&w->response);
	w->mech = m;
	dg_ok(w, "%s, of: %.*s", mx_mech_name(m), (int)n, offer);
}
