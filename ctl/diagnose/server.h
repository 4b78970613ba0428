/*
 * The links to the mail server, and what they share.
 */
#ifndef MX_CTL_DIAGNOSE_SERVER_H
#define MX_CTL_DIAGNOSE_SERVER_H

#include "catalogue/smtp.h"
#include "ctl/diagnose/walk.h"
#include "smtp/dialog.h"

struct dg_server {
	struct smtp_to to;
	char *ca_file, *ca_path;	/* owned; what the mail server of this host trusts */
	struct smtp_dialog *d;
	bool in;			/* logged in */
	bool unproved;			/* the certificate is none to send a token to, and the mail server does not mind */
};

void dg_server_dns(struct dg_walk *w);		/* server.c */
void dg_server_tcp(struct dg_walk *w);
void dg_server_greeting(struct dg_walk *w);
void dg_server_ehlo(struct dg_walk *w);
void dg_server_starttls(struct dg_walk *w);
void dg_server_certificate(struct dg_walk *w);
void dg_server_mechanism(struct dg_walk *w);
void dg_server_login(struct dg_walk *w);	/* server_login.c */
void dg_server_sender(struct dg_walk *w);	/* server_send.c: after --send alone */
void dg_server_recipient(struct dg_walk *w);
void dg_server_message(struct dg_walk *w);

/* server_trust.c: fills in what is trusted; --ca-file stands for what the mail server of this host has. */
void dg_server_trust(struct dg_walk *w);

/* Nothing secret may go there; said. */
bool dg_server_unproved(struct dg_walk *w);

/* Ends the dialog, with all that belongs to it. */
void dg_server_free(struct dg_walk *w);

/* A reply on one line, its code in front: "535 5.7.3 Authentication unsuccessful". Returns out. */
#define DG_REPLY_MAX (SMTP_TEXT_MAX + 8)
const char *dg_reply(char out[DG_REPLY_MAX], const struct smtp_reply *r);

/* The link is broken: by this fault, at this step: "greeting". */
void dg_server_fault(struct dg_walk *w, enum smtp_fault f, const char *when);
/* ... by this reply; code NULL: as the catalogue has it. */
void dg_server_refused(struct dg_walk *w, enum cat_step step, const struct smtp_reply *r, const char *code);

#endif
