/*
 * Which mail server, and the links that both have.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/client.h"
#include "common/clock.h"
#include "common/text.h"
#include "ctl/diagnose/mta.h"

#define SMTP_PORT 25
#define SUBMISSION_PORT 587
#define EXIM_MAX 3069		/* bytes of a response, as in conf/exim/acl: more would freeze the message */

bool dg_hop(const char *s, char **host, uint32_t *port)
{
	static const struct { const char *name; uint32_t port; } names[] = {
		{ "smtp", 25 }, { "submission", 587 }, { "submissions", 465 }, { "smtps", 465 },
	};
	uint64_t number = SMTP_PORT;
	const char *end, *p;
	size_t n;

	s += strspn(s, " \t,");
	if (*s == '[' && (end = strchr(s, ']')) != NULL) {
		*host = strndup(s + 1, (size_t)(end - s - 1));
		end++;
	} else {
		end = s + strcspn(s, ": \t,");
		*host = strndup(s, (size_t)(end - s));
	}
	if (*host == NULL || **host == '\0')
		return false;
	if (*end == ':') {
		p = end + 1 + (end[1] == ':');		/* Debian's Exim doubles it */
		n = strcspn(p, " \t,");
		for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
			if (strlen(names[i].name) == n && strncmp(p, names[i].name, n) == 0)
				number = names[i].port;
		(void)mx_parse_uint(p, n, 1, 65535, &number);
	}
	*port = (uint32_t)number;
	return true;
}

/* What a preset names is what it is for; "*.example.com" is no name. */
static void default_relay(struct dg_walk *w)
{
	const struct oauth_provider *p = w->client->provider;

	for (size_t i = 0; w->relay == NULL && i < w->entry->nrelays; i++)
		if (strchr(w->entry->relays[i], '*') == NULL)
			w->relay = strdup(w->entry->relays[i]);
	for (size_t i = 0; w->relay == NULL && p != NULL && p->relays != NULL && p->relays[i] != NULL; i++)
		if (strchr(p->relays[i], '*') == NULL)
			w->relay = strdup(p->relays[i]);
	if (w->relay != NULL)
		w->port = SUBMISSION_PORT;
}

static struct dg_mta *new_mta(struct dg_walk *w)
{
	struct dg_mta *m = calloc(1, sizeof *m);

	if (m == NULL)
		w->no_memory = true;
	else
		m->as = (struct call){ .verb = w->call->verb, .instance = w->call->instance, .config = w->config };
	return w->mta = m;
}

static bool try_one(struct dg_walk *w, const char *name, bool (*find)(struct dg_walk *w, struct mx_buf *why),
    struct mx_buf *why)
{
	if (w->call->mta != NULL && strcmp(w->call->mta, name) != 0)
		return false;
	w->mta_name = name;
	dg_value(w, "mta", name);
	if (new_mta(w) != NULL && find(w, why))
		return true;
	dg_mta_free(w);
	w->mta_name = NULL;
	return false;
}

void dg_mta(struct dg_walk *w)
{
	char text[512] = "", port[12];
	struct mx_buf why;
	bool found;

	mx_buf_init(&why, text, sizeof text);
	found = try_one(w, "postfix", dg_postfix_find, &why) || try_one(w, "exim", dg_exim_find, &why);
	if (mx_buf_str(&why) == NULL)
		text[sizeof text - 1] = '\0';
	if (!found && w->relay == NULL)
		default_relay(w);
	if (w->relay != NULL) {
		(void)snprintf(port, sizeof port, "%u", w->port);
		dg_value(w, "relay", w->relay);
		dg_value(w, "port", port);
	}
	if (found)
		return;		/* said */
	if (w->call->mta != NULL)
		dg_broken(w, "mta-not-set-up", "%s", text);
	else if (w->relay == NULL)
		dg_broken(w, "relay-unknown", "%s; and account \"%s\" names no server either", text, w->entry->pattern);
	else
		dg_skip(w, "none is set up for this (%s); a mail would go to %s:%u", text, w->relay, w->port);
}

void dg_mta_free(struct dg_walk *w)
{
	struct dg_mta *m = w->mta;

	if (m == NULL)
		return;
	pf_service_free(&m->service);
	pf_close(&m->pf);
	ex_close(&m->ex);
	free(m->hop);
	free(m->transport);
	free(m->options);
	free(m->authenticators);
	free(m->socket);
	free(m->user);
	free(m);
	w->mta = NULL;
	w->asker = (struct su_asker){ 0 };
}

bool dg_response(struct dg_walk *w, struct mx_err *e)
{
	struct su_asker a = w->asker;
	const struct su_question q = { .verb = MX_VERB_SASL, .mech = mx_mech_name(w->mech), .account = w->account,
		.host = w->relay, .port = w->port, .max = w->mta_name != NULL && strcmp(w->mta_name, "exim") == 0 ? EXIM_MAX : 0,
		.deadline_ms = mx_now_ms() + MX_TIMEOUT_MS, .retry_ms = MX_RETRY_MS };
	uint64_t left;

	if (a.user == NULL)
		a = (struct su_asker){ "root", NULL, geteuid(), getegid(), w->socket };
	mx_secret_free(&w->response);
	if (su_ask(&a, &q, &w->response, &left, e) == MX_OK)
		return true;
	if (e->cls == MX_DENIED && w->stale)
		(void)mx_fail(e, MX_CONFIG, "configuration-not-loaded", "the daemon refuses user %s, whom %s admits, so it has not "
		    "read that yet; mta-xoauth2 reload", a.user, w->config);
	return false;
}

static void each(struct dg_walk *w, void (*postfix)(struct dg_walk *w), void (*exim)(struct dg_walk *w))
{
	if (w->mta_name == NULL)
		dg_skip(w, "no mail server is looked at");
	else if (strcmp(w->mta_name, "postfix") == 0)
		postfix(w);
	else if (exim != NULL)
		exim(w);
	else
		dg_skip(w, "Exim has nothing of the kind");
}

void dg_mta_login(struct dg_walk *w)
{
	each(w, dg_postfix_login, dg_exim_login);
}

void dg_mta_mechanism(struct dg_walk *w)
{
	each(w, dg_postfix_mechanism, dg_exim_mechanism);
}

void dg_mta_tls(struct dg_walk *w)
{
	each(w, dg_postfix_tls, dg_exim_tls);
}

void dg_mta_refusals(struct dg_walk *w)
{
	each(w, dg_postfix_refusals, NULL);
}
