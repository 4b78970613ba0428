/*
 * The mail server of this host: which one is set up for this, where it sends the mail, and what it makes of a relay.
 */
#ifndef MX_CTL_DIAGNOSE_MTA_H
#define MX_CTL_DIAGNOSE_MTA_H

#include "common/wire.h"
#include "ctl/diagnose/walk.h"
#include "ctl/setup/exim.h"
#include "ctl/setup/postfix.h"

/* A mail server. pf or ex is the one that is looked at. */
struct dg_mta {
	struct call as;			/* what the parts of ctl/setup take for a command line */
	char *hop;			/* [HOST]:PORT, as its tables have it */
	char mx[MX_HOST_MAX + 1];	/* where hop is a domain: the first of its mail servers */
	bool elsewhere;			/* it sends to another server than the one that was asked about */
	bool one_mechanism;		/* no other than the walk's gets through its filter */
	bool lenient;			/* a server need not prove its name by a CA */
	bool own_names;			/* its settings say which names are right */
	struct pf pf;
	struct pf_service service;	/* by which the mail goes */
	struct ex ex;
	char *transport, *options;	/* Exim's: its name, and what -bP says of it */
	char *authenticators;		/* what -bP says of those for XOAUTH2 and OAUTHBEARER; NULL: there is none */
	char *socket, *user;		/* that Exim asks at, and as */
};

/* Links. Those of one mail server alone skip with another. */
void dg_mta(struct dg_walk *w);		/* finds it, and where it sends the mail */
void dg_mta_plugin(struct dg_walk *w);	/* mta_plugin.c */
void dg_mta_socket(struct dg_walk *w);	/* mta_socket.c */
void dg_mta_login(struct dg_walk *w);	/* does it log in at the relay, and as whom */
void dg_mta_mechanism(struct dg_walk *w);
void dg_mta_tls(struct dg_walk *w);
void dg_mta_refusals(struct dg_walk *w);

/* Postfix's and Exim's parts of them. false: it is not there, or not set up to log in, and why is in why. */
bool dg_postfix_find(struct dg_walk *w, struct mx_buf *why);	/* mta_postfix.c */
void dg_postfix_login(struct dg_walk *w);
void dg_postfix_mechanism(struct dg_walk *w);
void dg_postfix_tls(struct dg_walk *w);
void dg_postfix_refusals(struct dg_walk *w);
/* Lines that set a parameter of Postfix's: tells where it counts. false: the mail server is another one. */
bool dg_postfix_aim(struct dg_walk *w, const char *lines);
bool dg_exim_find(struct dg_walk *w, struct mx_buf *why);	/* mta_exim.c */
void dg_exim_login(struct dg_walk *w);
void dg_exim_mechanism(struct dg_walk *w);
void dg_exim_tls(struct dg_walk *w);

/* host:port, [host]:port and the like, as mail servers write it; the first of a list. false: no memory, or nothing there. */
bool dg_hop(const char *s, char **host, uint32_t *port);

void dg_mta_free(struct dg_walk *w);

/*
 * A SASL response for w->relay, asked as the mail server's user, or as who runs this where there is none; into
 * w->response. What is wrong is the daemon's error.
 */
bool dg_response(struct dg_walk *w, struct mx_err *e);

#endif
