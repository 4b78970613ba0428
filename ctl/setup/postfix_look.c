/*
 * What a Postfix is like, before anything is changed.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/setup/plugins.h"
#include "ctl/setup/postfix.h"

#define SASL_XOAUTH2 "libsasl-xoauth2.so"	/* whose token files are taken over */

static const char *or_none(const char *s)
{
	return *s != '\0' ? s : "(none)";
}

/*
 * Cyrus SASL takes the plugin that claims to protect more (plugin/init.c). sasl-xoauth2 claims NOPLAINTEXT, so it is always
 * that one, in whatever order the files are found. It can be set aside when nobody else needs it.
 */
static void look_at_rival(void *arg, const char *dir, const char *name)
{
	struct pf *p = arg;
	static const char text[] = "%s/%s knows XOAUTH2 too, and Cyrus SASL may take that one: %s";
	char *path = p->c->relayhost != NULL && strcmp(name, SASL_XOAUTH2) == 0 ? pf_mapped_path(p) : NULL;
	char *other = path != NULL ? pf_other_path(p) : NULL;

	if (path == NULL) {
		su_find(&p->found, SU_WRONG, "plugins", text, dir, name, "remove it (its package), then run this again");
	} else if (p->c->sender != NULL) {
		su_find(&p->found, SU_WRONG, "plugins", text, dir, name, "with --sender, mail of others still needs it: run "
		    "this without --sender");
	} else if (other != NULL) {
		su_find(&p->found, SU_WRONG, "plugins", "%s/%s knows XOAUTH2 too, and Cyrus SASL would take that one; but the "
		    "map's line for %s needs it: take that line out, or have it go by the daemon too", dir, name, other);
	} else if (p->aside == NULL && (p->aside = su_join(dir, "/", name)) != NULL) {
		su_find(&p->found, SU_GOOD, "plugins", "%s knows XOAUTH2 too, and Cyrus SASL would take that one: it is set "
		    "aside until \"postfix disable\"; other programs of this host cannot use it meanwhile", p->aside);
	} else {
		su_find(&p->found, SU_WRONG, "plugins", text, dir, name, "it is there twice: remove one");
	}
	free(path);
	free(other);
}

static void look_at_plugin(struct pf *p)
{
	char *path = pf_sasl_path(p);
	struct su_plugins found = { 0 };

	if (path == NULL || !su_plugins_look(path, &found, look_at_rival, p))
		p->found.no_memory = true;
	else if (found.found)
		su_find(&p->found, SU_GOOD, "plugin", SU_PLUGIN_FILE " is where this Postfix looks for plugins: %s", path);
	else
		su_find(&p->found, SU_WRONG, "plugin", SU_PLUGIN_FILE " is not, or not readable for everybody, where this "
		    "Postfix looks for plugins: %s; install it there, or correct SASL_PATH in import_environment", path);
	su_plugins_free(&found);
	free(path);
}

static void look_at_maps(struct pf *p)
{
	static const enum pf_param with_maps[] = { PF_PASSWORDS, PF_SENDERS, PF_POLICY };
	char type[64], name[1024];
	const char *list;
	size_t bad = 0;

	if (!pf_has_map(p, "texthash"))
		su_find(&p->found, SU_WRONG, "maps", "this Postfix has no texthash tables, which the set-up uses");
	for (size_t i = 0; i < sizeof with_maps / sizeof with_maps[0]; i++)
		for (list = p->value[with_maps[i]]; pf_table(&list, type, sizeof type, name, sizeof name);)
			if (!pf_has_map(p, *type != '\0' ? type : "hash")) {
				su_find(&p->found, SU_WRONG, "maps", "main.cf names a table %s:%s, whose type this "
				    "Postfix does not have: install the package postfix-%s, or correct the "
				    "line", type, name, type);
				bad++;
			}
	if (bad == 0 && pf_has_map(p, "texthash"))
		su_find(&p->found, SU_GOOD, "maps", "all table types that are used are there");
}

/* A policy for this relay goes before the service's own TLS level. */
static void look_at_policy(struct pf *p)
{
	const char *key = p->c->relayhost;
	char *policy = key != NULL ? pf_query(p, p->value[PF_POLICY], key) : NULL;

	if (policy != NULL && !pf_proves_name(policy))
		su_find(&p->found, SU_WRONG, "tls", "smtp_tls_policy_maps (%s) has \"%s\" for %s: a token would go to a "
		    "server that has not proved its name; make it \"secure\", or remove the line", p->value[PF_POLICY],
		    policy, key);
	free(policy);
}

static void look_at_service(struct pf *p)
{
	su_find(&p->found, SU_GOOD, "postfix", "version %s, %s, mail_owner %s", p->value[PF_VERSION], p->dir,
	    p->value[PF_OWNER]);
	if (strtod(p->value[PF_VERSION], NULL) < 3)
		su_find(&p->found, SU_WRONG, "postfix", "version %s is too old: 3.0 is the first that will do",
		    p->value[PF_VERSION]);
	su_find(&p->found, SU_GOOD, "chroot", p->chroot ? "smtp(8) runs in a chroot: %s" : "smtp(8) runs in no chroot",
	    p->value[PF_QUEUE]);
	su_find(&p->found, SU_GOOD, "sasl", "mechanism filter %s, security options %s, under TLS %s (of other mail: "
	    "the service " PF_SERVICE " has its own)", or_none(p->value[PF_FILTER]), or_none(p->value[PF_SECURITY]),
	    or_none(p->value[PF_TLS_SECURITY]));
	su_find(&p->found, SU_GOOD, "tls", "smtp_tls_security_level is %s (of other mail)",
	    or_none(p->value[PF_LEVEL]));
	if (*p->value[PF_CACHE] != '\0')
		su_find(&p->found, SU_ODD, "cache", "smtp_sasl_auth_cache_name is set: one refused login blocks an "
		    "account for 90 days, even after its repair; " PF_SERVICE " does without, other mail does not");
	else
		su_find(&p->found, SU_GOOD, "cache", "no smtp_sasl_auth_cache_name");
	if (strcmp(p->value[PF_SOFT_BOUNCE], "yes") != 0)
		su_find(&p->found, SU_ODD, "bounce", "smtp_sasl_auth_soft_bounce is %s: a refused login bounces mail; "
		    PF_SERVICE " has \"yes\", other mail does not", p->value[PF_SOFT_BOUNCE]);
	else
		su_find(&p->found, SU_GOOD, "bounce", "smtp_sasl_auth_soft_bounce is yes");
	if (*p->value[PF_DEBUG_PEERS] != '\0')
		su_find(&p->found, SU_ODD, "leaks", "debug_peer_list is %s: the token of such a relay is logged",
		    p->value[PF_DEBUG_PEERS]);
	if (strstr(p->value[PF_NOTIFY], "protocol") != NULL)
		su_find(&p->found, SU_ODD, "leaks", "notify_classes has \"protocol\", which mails tokens to the "
		    "postmaster");
}

static void look_at_conf(struct pf *p)
{
	char *token_file = p->c->relayhost != NULL ? pf_mapped_path(p) : NULL;

	conf_free(p->conf);
	p->conf = su_find_conf(&p->job, p->c->tenant != NULL || token_file != NULL);
	free(token_file);
}

void pf_look_daemon(struct pf *p)
{
	const struct su_asker a = pf_asker(p);

	su_find_answer(&p->found, &a);
}

bool pf_look(struct pf *p)
{
	if (!pf_read_all(p))
		return false;
	look_at_service(p);
	look_at_plugin(p);
	look_at_maps(p);
	look_at_policy(p);
	look_at_conf(p);
	return !p->found.no_memory;
}
