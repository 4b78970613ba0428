/*
 * The login, with the response that the mail server itself would be given. It is tried once.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base64.h"
#include "ctl/diagnose/mta.h"
#include "ctl/diagnose/provider.h"
#include "ctl/diagnose/server.h"

/* What a reply after a challenge says: its own code, but where the challenge tells more. */
static const char *code_of(const struct smtp_login *l)
{
	const char *code = cat_smtp(CAT_AUTH, l->reply.code, l->reply.text)->code;

	if (l->challenged && (strcmp(code, "login-refused") == 0 || strcmp(code, "login-cancelled") == 0))
		code = cat_smtp(CAT_AUTH, 334, l->challenge)->code;
	return strcmp(code, "server-out-of-step") == 0 ? "login-refused" : code;
}

/* The token that was sent, out of its response. */
static bool bare(const struct mx_secret *b64, struct mx_secret *token)
{
	static const char mark[] = "auth=Bearer ";
	struct mx_secret raw = { 0 };
	const unsigned char *from = NULL, *to = NULL;
	bool ok = false;
	ssize_t n;

	if (b64->len > 0 && mx_secret_alloc(&raw, b64->len) &&
	    (n = mx_b64_decode(raw.p, raw.cap, (const char *)b64->p, b64->len)) > 0) {
		raw.len = (size_t)n;
		from = memmem(raw.p, raw.len, mark, sizeof mark - 1);
	}
	if (from != NULL && (to = memchr(from, '\001', raw.len - (size_t)(from - raw.p))) != NULL)
		ok = mx_secret_set(token, from + sizeof mark - 1, (size_t)(to - from) - sizeof mark + 1);
	mx_secret_free(&raw);
	return ok;
}

/* "535 5.7.3" has a dozen causes, and the token's claims rule some out. */
static const char *unsuccessful(struct dg_walk *w)
{
	struct mx_secret token = { 0 };
	const char *code;

	code = dg_claims_verdict(w, bare(&w->response, &token) ? &token : NULL);
	mx_secret_free(&token);
	return code;
}

static void failed(struct dg_walk *w, const struct smtp_login *l)
{
	const char *code = code_of(l);

	if (l->challenged)
		dg_evidence(w, "%s asks back: %s", w->relay, l->challenge);
	if (strcmp(code, "login-unsuccessful") == 0)
		code = unsuccessful(w);
	dg_server_refused(w, CAT_AUTH, &l->reply, code);
}

static void judge(struct dg_walk *w, const struct smtp_login *l)
{
	char text[DG_REPLY_MAX];

	if (l->reply.code == 235) {
		w->server->in = true;
		if (l->prompted)
			dg_note(w, "%s; but its 334 to AUTH has a text, where Postfix wants none", dg_reply(text, &l->reply));
		else
			dg_ok(w, "%s", dg_reply(text, &l->reply));
		return;
	}
	dg_evidence(w, "sent: AUTH %s %s of %zu characters%s, for user %s", mx_mech_name(w->mech),
	    l->inlined ? "with a response" : "and, in a line of its own, a response", w->response.len,
	    w->asker.user != NULL ? ", as the mail server's user gets it" : "", w->user != NULL ? w->user : w->account);
	failed(w, l);
}

void dg_server_login(struct dg_walk *w)
{
	struct smtp_login *l;
	enum smtp_fault f;
	struct mx_err e;

	if (dg_server_unproved(w))
		return;
	if (w->response.len == 0 && !dg_response(w, &e)) {
		if (e.cls == MX_DENIED && geteuid() != 0)
			dg_skip(w, "not tried: the daemon has no token for this user; run this as root");
		else
			dg_broken_err(w, &e);
		return;
	}
	if ((l = calloc(1, sizeof *l)) == NULL) {
		w->no_memory = true;
		return;
	}
	/* Exim's recipe sends it apart. */
	f = smtp_auth(w->server->d, w->mech, &w->response, w->mta_name != NULL && strcmp(w->mta_name, "exim") == 0, l);
	if (f == SMTP_FINE)
		judge(w, l);
	else
		dg_server_fault(w, f, "login");
	free(l);
}
