/*
 * Postfix: the service by which the account's mail goes, and its parameters, each as that service has it.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "ctl/diagnose/mta.h"
#include "ctl/diagnose/mta_mx.h"

static char *value(struct dg_walk *w, const char *parameter)
{
	char *v = pf_service_value(&w->mta->service, parameter);

	if (v == NULL)
		w->no_memory = true;
	return v;
}

static bool is(struct dg_walk *w, const char *parameter, const char *what)
{
	char *v = value(w, parameter);
	bool yes = v != NULL && strcmp(v, what) == 0;

	free(v);
	return yes;
}

static const char *sender(const struct dg_walk *w)
{
	return w->call->from != NULL ? w->call->from : w->user;
}

/* As Postfix looks senders up: the address, then its domain. */
static char *by_sender(const struct pf *p, const char *list, const char *from)
{
	char *found = pf_query(p, list, from);
	const char *at = strrchr(from, '@');

	return found != NULL || at == NULL ? found : pf_query(p, list, at);
}

/* TRANSPORT:HOP or one of both, of default_transport and the like. */
static void split(const char *s, char **transport, char **hop)
{
	const char *colon = *s == '[' ? NULL : strchr(s, ':');

	*transport = colon != NULL ? strndup(s, (size_t)(colon - s)) : strdup(s);
	*hop = strdup(colon != NULL ? colon + 1 : "");
}

/* transport_maps go before all else. Without a recipient the line for everybody counts. */
static char *by_recipient(const struct dg_walk *w)
{
	const struct pf *p = &w->mta->pf;
	const char *to = w->call->send_to, *list = p->value[PF_TRANSPORT_MAPS], *at;
	char *found = to != NULL ? pf_query(p, list, to) : NULL;

	if (found == NULL && to != NULL && (at = strrchr(to, '@')) != NULL)
		found = pf_query(p, list, at + 1);
	return found != NULL ? found : pf_query(p, list, "*");
}

/* The first of several hops, as it is written there. */
static void first_alone(char *hop)
{
	size_t n = strspn(hop, " \t,");

	memmove(hop, hop + n, strlen(hop + n) + 1);
	hop[strcspn(hop, " \t,")] = '\0';
}

/* The service and the next hop of the account's mail. false: no such service. */
static bool way(struct dg_walk *w, char **hop)
{
	struct pf *p = &w->mta->pf;
	char *mapped = by_recipient(w), *to = by_sender(p, p->value[PF_SENDERS], sender(w)), *transport = NULL, *over;
	bool own = false, ok;		/* own: of each recipient's domain */

	if (mapped != NULL && *mapped != '\0' && strcmp(mapped, ":") != 0) {
		free(to);
		to = mapped;
		mapped = NULL;
		own = *to != ':' && to[strlen(to) - 1] == ':';
	}
	free(mapped);
	split(to != NULL ? to : p->value[PF_TRANSPORT], &transport, hop);
	free(to);
	if (transport != NULL && *transport == '\0') {	/* a table that names a hop alone */
		free(transport);
		split(p->value[PF_TRANSPORT], &transport, &over);
		free(over);
	}
	if (*hop != NULL && **hop == '\0' && !own) {
		over = by_sender(p, p->value[PF_SENDER_RELAYS], sender(w));
		free(*hop);
		*hop = over != NULL ? over : strdup(p->value[PF_RELAYHOST]);
	}
	if (*hop != NULL)
		first_alone(*hop);
	ok = transport != NULL && *hop != NULL && pf_service_read(p, transport, &w->mta->service);
	free(transport);
	return ok;
}

/* Looks for a Postfix, and opens it. */
static bool open_it(struct dg_walk *w, struct mx_buf *why)
{
	const char *dir = w->call->instance != NULL ? w->call->instance : "/etc/postfix";
	char *postconf = su_find_program("postconf"), *main_cf = su_join(dir, "/main.cf", "");
	bool there = main_cf != NULL && access(main_cf, F_OK) == 0 && postconf != NULL;

	if (!there)
		mx_buf_addf(why, "there is no Postfix in %s", dir);
	free(postconf);
	free(main_cf);
	if (!there)
		return false;
	if (pf_open(&w->mta->pf, &w->mta->as) == CTL_FINE && pf_read_all(&w->mta->pf))
		return true;
	mx_buf_addf(why, "%s cannot be read by postconf", dir);
	return false;
}

static bool asks_dns(struct dg_walk *w)
{
	return !is(w, "disable_dns_lookups", "yes") && !is(w, "smtp_dns_support_level", "disabled");
}

static void tell(struct dg_walk *w, const char *hop)
{
	const struct dg_mta *m = w->mta;
	const char *jail = m->service.chroot ? ", chrooted," : "";
	const bool mx = w->relay != NULL && *m->mx != '\0';
	char *maps = pf_service_value(&m->service, "transport_maps");

	if (maps != NULL && *maps != '\0')
		dg_unknown(w, "which %srecipients go another way: transport_maps is %s",
		    w->call->send_to != NULL ? "other " : "", maps);
	free(maps);
	if (m->elsewhere)
		dg_note(w, "Postfix %s in %s sends by service %s%s to %s, and not to %s", m->pf.value[PF_VERSION], m->pf.dir,
		    m->service.name, jail, *hop != '\0' ? hop : "each domain's own servers", m->hop);
	else
		dg_ok(w, "Postfix %s in %s sends by service %s%s to %s%s%s", m->pf.value[PF_VERSION], m->pf.dir, m->service.name,
		    jail, m->hop, mx ? ", whose first MX is " : "", m->mx);
}

bool dg_postfix_find(struct dg_walk *w, struct mx_buf *why)
{
	struct dg_mta *m = w->mta;
	struct pf *p = &m->pf;
	char *hop = NULL, *host = NULL;
	uint32_t port = 0;
	bool ok = false;

	if (!open_it(w, why))
		return false;
	dg_value(w, "instance", p->dir);
	if (!way(w, &hop)) {
		mx_buf_addf(why, "%s sends the mail of %s by no service of smtp(8)", p->dir, sender(w));
	} else if (w->call->mta == NULL && !is(w, "smtp_sasl_auth_enable", "yes") && is(w, "smtp_sasl_password_maps", "")) {
		mx_buf_addf(why, "the Postfix in %s does not log in anywhere", p->dir);
	} else if (!dg_hop(hop, &host, &port) && w->relay == NULL) {
		mx_buf_addf(why, "%s has no relayhost", p->dir);
	} else {
		ok = true;
	}
	/* A name without brackets is a domain, whose mail servers the DNS knows. */
	if (ok && host != NULL && *host != '\0' && *hop != '[' && asks_dns(w))
		dg_mx(host, m->mx);
	if (ok && w->relay == NULL && (w->relay = strdup(*m->mx != '\0' ? m->mx : host)) != NULL)
		w->port = port;
	/* What its tables have as key: as it is written there, where it is that server. */
	if (ok && (host != NULL || *hop == '\0'))
		m->elsewhere = host == NULL || port != w->port || (strcasecmp(host, w->relay) != 0 &&
		    strcasecmp(m->mx, w->relay) != 0);
	if (ok && !m->elsewhere)
		m->hop = strdup(hop);
	else if (ok && asprintf(&m->hop, "[%s]:%u", w->relay, w->port) == -1)
		m->hop = NULL;
	if (ok && m->hop == NULL)
		w->no_memory = true;
	if (ok)
		tell(w, hop);
	free(hop);
	free(host);
	if (!ok)
		return false;
	w->asker = (struct su_asker){ p->value[PF_OWNER], m->service.chroot ? p->value[PF_QUEUE] : NULL, p->uid, p->gid,
		p->socket };
	return true;
}
