/*
 * The CAs that the mail server of this host trusts, and whether it begins with TLS: the relay is judged by these.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ctl/diagnose/mta.h"
#include "ctl/diagnose/server.h"

/* Owned; NULL: nothing is set. */
static char *postfix_value(struct dg_walk *w, const char *parameter)
{
	char *v = pf_service_value(&w->mta->service, parameter);

	if (v != NULL && *v != '\0')
		return v;
	free(v);
	return NULL;
}

static bool says(char *value, const char *what)
{
	bool yes = value != NULL && strcmp(value, what) == 0;

	free(value);
	return yes;
}

/* Behind NAME = in a line of what -bP says of the transport; owned. NULL: no such line. */
static char *exim_option(struct dg_walk *w, const char *name)
{
	const char *s = w->mta->options != NULL ? w->mta->options : "";
	const size_t n = strlen(name);

	for (; *s != '\0'; s += strcspn(s, "\n"), s += *s == '\n')
		if (strncmp(s, name, n) == 0 && strncmp(s + n, " = ", 3) == 0)
			return strndup(s + n + 3, strcspn(s + n + 3, "\n"));
	return NULL;
}

/* "system", and what Exim would expand first, is left to the library's own CAs. */
static void exim_trust(struct dg_walk *w)
{
	struct dg_server *s = w->server;
	char *v = exim_option(w, "tls_verify_certificates");
	struct stat st;

	if (v == NULL || *v != '/' || strchr(v, '$') != NULL || stat(v, &st) == -1)
		free(v);
	else if (S_ISDIR(st.st_mode))
		s->ca_path = v;
	else
		s->ca_file = v;
	s->to.wrapped = s->to.wrapped || says(exim_option(w, "protocol"), "smtps");
}

void dg_server_trust(struct dg_walk *w)
{
	struct dg_server *s = w->server;

	if (w->mta_name != NULL && strcmp(w->mta_name, "postfix") == 0) {
		s->ca_file = postfix_value(w, "smtp_tls_CAfile");
		s->ca_path = postfix_value(w, "smtp_tls_CApath");
		s->to.wrapped = s->to.wrapped || says(postfix_value(w, "smtp_tls_wrappermode"), "yes");
	} else if (w->mta_name != NULL) {
		exim_trust(w);
	}
	s->to.ca_file = w->call->ca_file != NULL ? w->call->ca_file : s->ca_file;
	s->to.ca_path = w->call->ca_file != NULL ? NULL : s->ca_path;
}
