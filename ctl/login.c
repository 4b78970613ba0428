/*
 * login: from a mailbox owner's consent to the refresh token that the daemon needs. Nothing of it is ever printed.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ask.h"
#include "ctl/check.h"
#include "ctl/login.h"
#include "ctl/out.h"
#include "oauth/http.h"
#include "oauth/http_wait.h"
#include "settings/suggest.h"

static int unknown(const struct login *l)
{
	const struct conf *c = l->conf;
	struct cf_near near;
	char hint[400];

	cf_near_begin(&near, l->call->arg, strlen(l->call->arg));
	for (size_t i = 0; i < c->naccounts; i++)
		cf_near_try(&near, c->accounts[i].pattern);
	out_error("no account in %s matches \"%s\"%s", l->path, l->call->arg, cf_near_text(hint, sizeof hint, &near));
	return CTL_CONFIG;
}

static int wrong_grant(const struct login *l)
{
	static const char *const names[] = {
		[OAUTH_GRANT_CLIENT_CREDENTIALS] = "client_credentials", [OAUTH_GRANT_JWT_BEARER] = "jwt-bearer",
		[OAUTH_GRANT_MANAGED_IDENTITY] = "managed_identity",
	};

	out_error("account \"%s\" has client \"%s\" with the grant %s, which needs no login; if the mailbox's owner is "
	    "to agree, write \"grant: refresh_token\" for that client", l->call->arg, l->oc->name, names[l->oc->grant]);
	return CTL_CONFIG;
}

/* A code to type is less trouble, where the provider has it for this. */
static bool browser(const struct login *l)
{
	return l->call->browser || (l->oc->device_authorization_endpoint == NULL &&
	    l->oc->authorization_endpoint != NULL);
}

static int find(struct login *l)
{
	const struct conf_account *a = conf_account_find(l->conf, l->call->arg, strlen(l->call->arg));

	if (a == NULL)
		return unknown(l);
	l->mailbox = a->user != NULL ? a->user : l->call->arg;
	l->oc = &a->client->oc;
	l->k = l->oc->credential;
	if (l->oc->grant != OAUTH_GRANT_REFRESH_TOKEN)
		return wrong_grant(l);
	if (browser(l) ? l->oc->authorization_endpoint != NULL : l->oc->device_authorization_endpoint != NULL)
		return CTL_FINE;
	out_error("client \"%s\" lacks \"%s\": write the URL that its provider's documentation (or "
	    "/.well-known/openid-configuration) gives", l->oc->name,
	    l->call->browser ? "authorization_endpoint" : "device_authorization_endpoint");
	return CTL_CONFIG;
}

/* What systemd hands to the unit alone; NULL: nothing of this credential is that. */
static const char *of_unit(const struct oauth_credential *k)
{
	const char *const files[] = { k->secret_file, k->key, k->key_passphrase_file, k->certificate_file,
		k->assertion_file };

	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
		if (files[i] != NULL && strncmp(files[i], "credential:", 11) == 0)
			return files[i];
	return NULL;
}

/* Asked for before anybody agrees to anything: none of the client's credentials can be read outside of the unit. */
static int credentials(const struct login *l)
{
	const char *first = of_unit(l->k);

	if (secure_getenv("CREDENTIALS_DIRECTORY") != NULL)
		return CTL_FINE;
	for (size_t i = 0; i < l->oc->ncredentials; i++)
		if (of_unit(&l->oc->credential[i]) == NULL)
			return CTL_FINE;
	out_error("client \"%s\": \"%s\" is there for the daemon's unit alone; hand it to this login too, with the path of the "
	    "unit's LoadCredential=: systemd-run --pty --uid=%s -p LoadCredential=%s:/PATH mta-xoauth2 login %s", l->oc->name,
	    first, l->conf->user, first + 11, l->call->arg);
	return CTL_CONFIG;
}

enum mx_class login_ask(struct login *l, const struct oauth_want *w, struct oauth_failure *f)
{
	const struct oauth_credential *end = l->oc->credential + l->oc->ncredentials;
	enum mx_class cls;

	while ((cls = oauth_http_wait(LOGIN_AGENT, l->oc, l->k, w, &l->t, f)) != MX_OK && f->credential &&
	    l->k + 1 < end) {
		mx_secret_free(&l->t.refresh_token);
		l->k++;
	}
	return cls;
}

static int load(struct login *l)
{
	struct conf_report rep;

	l->conf = conf_load(l->path, 0, &rep);
	if (l->conf == NULL)
		check_complain(&rep);
	conf_report_free(&rep);
	return l->conf != NULL ? CTL_FINE : CTL_CONFIG;
}

/* Is what was agreed to what the daemon needs? */
static int judge(const struct login *l)
{
	const char *lacks;
	size_t n;

	if (l->t.refresh_token.len == 0) {
		out_error("client \"%s\": consent was given, but the provider gave no refresh token%s, and nothing is "
		    "stored; %s", l->oc->name, l->t.refresh_malformed ? " that could be one" : "",
		    l->oc->scope != NULL && strstr(l->oc->scope, "offline_access") != NULL ?
		    "see whether it lets this application have any" :
		    "add \"offline_access\" to the client's scope, or what this provider has in its place");
		return mx_class_info(MX_PROVIDER)->exit_code;
	}
	if ((lacks = oauth_scope_lacks(l->oc->scope, l->t.scope, &n)) != NULL)
		out_error("warning: the provider did not grant \"%.*s\", only \"%.300s\": the mail server may refuse "
		    "the token; see whether the application has that permission", (int)n, lacks, l->t.scope);
	return CTL_FINE;
}

static int get(struct login *l)
{
	int r;

	if ((r = credentials(l)) != CTL_FINE || (r = login_user_become(l)) != CTL_FINE)
		return r;
	if ((r = login_store_ready(l)) == CTL_FINE &&
	    (r = browser(l) ? login_browser(l) : login_device(l)) == CTL_FINE && (r = judge(l)) == CTL_FINE)
		r = login_store(l);
	login_user_back();
	return r;
}

int login_run(const struct call *c)
{
	struct login l = {
		.call = c,
		.path = c->config != NULL ? c->config : CTL_CONF,
		.tty = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO),
	};
	struct mx_endpoint ep;
	int r;

	if ((r = ask_endpoint(c, &ep)) != CTL_FINE)
		return r;
	if (!oauth_http_global_init()) {
		out_error("libcurl or OpenSSL cannot be set up");
		return CTL_TEMP;
	}
	login_catch_signals();
	if ((r = load(&l)) == CTL_FINE && (r = find(&l)) == CTL_FINE && (r = get(&l)) == CTL_FINE) {
		fputs("consent given; the refresh token is stored in ", stdout);
		out_text(stdout, l.oc->refresh_token_file, strlen(l.oc->refresh_token_file));
		putchar('\n');
		(void)fflush(stdout);
		r = login_tell(&l);
	}
	mx_secret_free(&l.t.access_token);
	mx_secret_free(&l.t.refresh_token);
	if (r == LOGIN_STOPPED)
		login_give_up(&l);
	conf_free(l.conf);
	return r;
}
