/*
 * The plugin sasl-xoauth2: what its two files say, of which the token file counts more.
 */
#ifndef MX_CTL_SETUP_POSTFIX_SASL_H
#define MX_CTL_SETUP_POSTFIX_SASL_H

#include "ctl/setup/postfix.h"

#define SX_CONFIG "/etc/sasl-xoauth2.conf"	/* read before smtp(8) goes into its chroot */

struct json_object;

struct sx_source {
	struct pf *p;
	char *path;		/* of the token file, from outside the chroot */
	struct su_file file;
	struct json_object *token, *config;
	bool credentials;	/* client_credentials, not a refresh token */
};

/* Found: what stands in the way. */
void sx_wrong(const struct sx_source *s, const char *what);
/* A file that smtp(8) opens, as seen from outside: in the chroot, if it is there. Owned; NULL: no memory. */
char *sx_seen(const struct pf *p, const char *path);
char *sx_copy(const struct sx_source *s, const char *name);	/* a value, owned; NULL: none */
/* The plugin encodes nothing: a value that works has its %XX in the file already. Decoded in place; NULL is fine. */
char *sx_meant(char *s);
bool sx_set(char **to, const char *text);			/* false: no memory */

/* postfix_sasl_way.c; false: no memory. */
bool sx_take_provider(const struct sx_source *s, struct su_client *k);	/* who is asked for tokens */
bool sx_take_way(const struct sx_source *s, struct su_client *k);	/* how to get there */
void sx_tell_of_others(const struct sx_source *s);	/* what has no counterpart here is named */

#endif
