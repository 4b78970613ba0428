/*
 * Exim: the way that it says an address goes (-bt), and the options of that transport and of the authenticators (-bP).
 */
#include "config.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/text.h"
#include "ctl/diagnose/mta.h"

#define ELSEWHERE "postmaster@example.net"	/* somebody who has no mailbox here */

static bool ask_exim(struct dg_walk *w, const char *const args[], struct su_output *o)
{
	if (!ex_run(&w->mta->ex, args, o))
		return false;
	return o->out != NULL;
}

/* Behind NAME = in a line of its own, up to its end; owned. NULL: no such line, or no memory. */
static char *option(const char *text, const char *name)
{
	const size_t n = strlen(name);

	for (; *text != '\0'; text += strcspn(text, "\n"), text += *text == '\n')
		if (strncmp(text, name, n) == 0 && strncmp(text + n, " =", 2) == 0)
			return strndup(text + n + 2 + strspn(text + n + 2, " "),
			    strcspn(text + n + 2 + strspn(text + n + 2, " "), "\n"));
	return NULL;
}

/* The block of -bP authenticators whose public_name this is; owned. */
static char *authenticator(const char *text, const char *name)
{
	char *wanted = su_concat("\npublic_name = ", name, "\n", NULL), *found = NULL;
	const char *next;

	for (; found == NULL && wanted != NULL && (text = strstr(text, " authenticator:\n")) != NULL; text = next) {
		char *block;

		next = strstr(text + 1, " authenticator:\n");
		next = next != NULL ? next : text + strlen(text);
		if ((block = strndup(text, (size_t)(next - text))) != NULL && strstr(block, wanted) != NULL) {
			found = block;
			block = NULL;
		}
		free(block);
	}
	free(wanted);
	return found;
}

/* "router = R, transport = T", and "host H [IP] port=N" behind it. */
static bool way(struct dg_walk *w, const char *text)
{
	const char *t = strstr(text, ", transport = "), *h, *end, *p;
	struct dg_mta *m = w->mta;
	uint64_t port = 25;

	if (t == NULL)
		return false;
	t += strlen(", transport = ");
	m->transport = strndup(t, strcspn(t, "\n, "));
	if (w->relay == NULL && (h = strstr(t, "\n  host ")) != NULL) {
		h += strlen("\n  host ");
		h += strspn(h, " ");
		end = h + strcspn(h, "\n");
		if ((p = strstr(h, "port=")) != NULL && p < end)
			(void)mx_parse_uint(p + 5, strspn(p + 5, "0123456789"), 1, 65535, &port);
		w->relay = strndup(h, strcspn(h, " \n"));
		w->port = (uint32_t)port;
	}
	return m->transport != NULL;
}

static bool route(struct dg_walk *w, struct mx_buf *why)
{
	const char *from = w->call->from != NULL ? w->call->from : w->user;
	const char *to = w->call->send_to != NULL ? w->call->send_to : ELSEWHERE;
	const char *const args[] = { "-f", from, "-bt", to, NULL };
	struct su_output o = { 0 };
	bool ok = ask_exim(w, args, &o) && way(w, o.out);

	if (!ok)
		mx_buf_addf(why, "; Exim knows no way to %s: %.200s", to, o.out != NULL && *o.out != '\0' ? o.out : o.err != NULL ?
		    o.err : "");
	su_output_free(&o);
	return ok;
}

/* Options of the transport, and the authenticator for our mechanism. */
static bool options(struct dg_walk *w)
{
	struct dg_mta *m = w->mta;
	const char *const transport[] = { "-bP", "transport", m->transport, NULL };
	static const char *const all[] = { "-bP", "authenticators", NULL };
	static const char *const macro[] = { "-bP", "macro", "MTA_XOAUTH2_SOCKET", NULL };
	struct su_output o = { 0 };

	if (ask_exim(w, transport, &o))
		m->options = strdup(o.out);
	su_output_free(&o);
	if (ask_exim(w, all, &o))
		m->authenticators = authenticator(o.out, "XOAUTH2");
	su_output_free(&o);
	if (ask_exim(w, macro, &o) && strchr(o.out, '=') != NULL)
		m->socket = strndup(strchr(o.out, '=') + 1, strcspn(strchr(o.out, '=') + 1, "\n"));
	su_output_free(&o);
	if (m->socket == NULL)
		m->socket = strdup(w->socket);
	return m->options != NULL && m->socket != NULL;
}

/* The user that deliveries run as. */
static bool user(struct dg_walk *w)
{
	static const char *const args[] = { "-bP", "exim_user", NULL };
	const struct passwd *pw = NULL;
	struct su_output o = { 0 };
	char *name = NULL;

	if (ask_exim(w, args, &o) && (name = option(o.out, "exim_user")) != NULL && (pw = getpwnam(name)) == NULL)
		pw = getpwuid((uid_t)strtoul(name, NULL, 10));
	su_output_free(&o);
	free(name);
	if (pw == NULL)
		return false;
	w->mta->ex.uid = pw->pw_uid, w->mta->ex.gid = pw->pw_gid;
	w->mta->user = strdup(pw->pw_name);
	return w->mta->user != NULL;
}

static bool driver_is_smtp(const char *options)
{
	char *driver = option(options, "driver");
	bool yes = driver != NULL && strcmp(driver, "smtp") == 0;

	free(driver);
	return yes;
}

bool dg_exim_find(struct dg_walk *w, struct mx_buf *why)
{
	struct dg_mta *m = w->mta;
	const char *sep = why->len > 0 ? "; " : "";

	m->ex.dir = strdup(EX_DIR);
	if ((m->ex.exim = su_find_program("exim4")) == NULL && (m->ex.exim = su_find_program("exim")) == NULL) {
		mx_buf_addf(why, "%sthere is no Exim", sep);
	} else if (!user(w)) {
		mx_buf_addf(why, "%s%s -bP says nothing: is its configuration right?", sep, m->ex.exim);
	} else if (route(w, why) && options(w)) {
		if (!driver_is_smtp(m->options))
			mx_buf_addf(why, "%sExim sends mail for others by the transport %s, which speaks no SMTP", sep, m->transport);
		else if (w->relay == NULL)
			mx_buf_addf(why, "%sExim sends mail by %s to no one server", sep, m->transport);
		else if (m->authenticators == NULL && w->call->mta == NULL)
			mx_buf_addf(why, "%sExim has no authenticator XOAUTH2", sep);
		else {
			m->ex.host = strdup(w->relay);
			w->asker = (struct su_asker){ m->user, NULL, m->ex.uid, m->ex.gid, m->socket };
			dg_value(w, "transport", m->transport);
			dg_ok(w, "Exim sends by transport %s to %s:%u", m->transport, w->relay, w->port);
			return true;
		}
	}
	return false;
}

enum host { HOST_NO, HOST_YES, HOST_UNKNOWN };

/* Is the relay in one of Exim's host lists? */
static enum host listed(struct dg_walk *w, const char *name)
{
	char *list = option(w->mta->options, name), sep = ':';
	enum host found = HOST_NO;
	const char *s = list;
	size_t n;

	if (list == NULL)
		return HOST_NO;
	if (strpbrk(list, "$+!@/") != NULL)
		found = HOST_UNKNOWN;
	if (*s == '<' && s[1] != '\0')
		sep = s[1], s += 2;
	for (; *s != '\0'; s += n + (s[n] == sep)) {
		const char *e;

		s += strspn(s, " ");
		for (n = 0; s[n] != '\0' && s[n] != sep; n++)
			;
		for (e = s + n; e > s && e[-1] == ' '; e--)
			;
		if ((e - s == 1 && *s == '*') || ((size_t)(e - s) == strlen(w->relay) &&
		    strncasecmp(s, w->relay, (size_t)(e - s)) == 0)) {
			found = HOST_YES;
			break;
		}
	}
	free(list);
	return found;
}

/* The account that the recipe's ACL takes for this sender; owned. NULL: another recipe, or no memory. */
static char *account(struct dg_walk *w)
{
	const char *from = w->call->from != NULL ? w->call->from : w->user;
	char *text = strpbrk(from, "${}\\\"") == NULL ? su_concat("${acl{mta_xoauth2_account}{", from, "}}", NULL) : NULL;
	const char *const args[] = { "-be", text, NULL };
	struct su_output o = { 0 };
	char *found = NULL;

	if (text != NULL && ask_exim(w, args, &o) && strncmp(o.out, "Failed", 6) != 0)
		found = strndup(o.out, strcspn(o.out, "\n"));
	su_output_free(&o);
	free(text);
	if (found != NULL && *found == '\0') {
		free(found);
		found = NULL;
	}
	return found;
}

void dg_exim_login(struct dg_walk *w)
{
	struct dg_mta *m = w->mta;
	enum host require = listed(w, "hosts_require_auth");
	char *send = m->authenticators != NULL ? option(m->authenticators, "client_send") : NULL, *as = NULL;

	if (send == NULL || *send == '\0') {
		dg_broken(w, "exim-no-authenticator", m->authenticators == NULL ? "there is no authenticator with public_name XOAUTH2" :
		    "the authenticator with public_name XOAUTH2 has no client_send");
	} else if (require == HOST_NO) {
		dg_broken(w, "exim-require-auth", "hosts_require_auth of transport %s does not have %s%s", m->transport, w->relay,
		    listed(w, "hosts_try_auth") != HOST_NO ? "; hosts_try_auth alone goes on without a login when one fails" : "");
	} else if ((as = account(w)) != NULL && conf_account_find(w->conf, as, strlen(as)) == NULL) {
		dg_value(w, "mapped", as);
		dg_broken(w, "exim-unknown-account", "for sender %s Exim logs in as %s", w->call->from != NULL ? w->call->from :
		    w->user, as);
	} else if (as != NULL && strcmp(as, w->account) != 0) {
		dg_note(w, "Exim logs in as %s for this sender, and not as %s", as, w->account);
	} else if (require == HOST_UNKNOWN) {
		dg_note(w, "hosts_require_auth of transport %s is computed, so it cannot be told whether %s is in it", m->transport,
		    w->relay);
	} else {
		dg_ok(w, "authenticator XOAUTH2, and hosts_require_auth has %s%s%s", w->relay, as != NULL ? "; as " : "",
		    as != NULL ? as : "");
	}
	free(send);
	free(as);
}

void dg_exim_mechanism(struct dg_walk *w)
{
	struct ex *e = &w->mta->ex;
	const char *names;

	w->mech = MX_MECH_XOAUTH2;
	ex_look_at_passwords(e);
	names = e->passwords && e->clients.names != NULL ? e->clients.names : "";
	if (*names != '\0')
		dg_note(w, "XOAUTH2; but %s/passwd.client has passwords, and the authenticator %.*s may send one after a refused token: "
		    "give it client_condition = ${if !eq{$transport_name}{%s}}", e->dir, (int)strcspn(names, "\n"), names,
		    w->mta->transport);
	else
		dg_ok(w, "XOAUTH2, and no password is tried in its place");
}

void dg_exim_tls(struct dg_walk *w)
{
	const char *transport = w->mta->transport;

	w->mta->lenient = listed(w, "tls_verify_hosts") == HOST_NO;
	if (listed(w, "hosts_avoid_tls") == HOST_YES)
		dg_broken(w, "exim-avoid-tls", "hosts_avoid_tls of transport %s has %s", transport, w->relay);
	else if (listed(w, "hosts_require_tls") != HOST_YES)
		dg_note(w, "hosts_require_tls of transport %s does not have %s: where a server offers no TLS, there is no login, and the "
		    "mail waits", transport, w->relay);
	else if (listed(w, "tls_verify_hosts") != HOST_YES)
		dg_note(w, "tls_verify_hosts of transport %s does not have %s: the token would go to a server that has not proved its "
		    "name", transport, w->relay);
	else
		dg_ok(w, "required, and the server has to prove its name");
}
