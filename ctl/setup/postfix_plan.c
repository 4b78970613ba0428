/*
 * What has to be changed: exactly what conf/postfix has. postconf(1) edits copies, and these are what is shown and
 * what is put in place.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "ctl/out.h"
#include "ctl/setup/postfix.h"

/* Where distributions have the authorities that everybody trusts. */
static const char *const authorities[] = { "/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem", NULL };

bool pf_stage(struct pf *p, const char *folder)
{
	static const char *const file[] = { "/main.cf", "/master.cf" };
	struct su_file f;
	int err;

	p->stage = strdup(folder);
	for (size_t i = 0; p->stage != NULL && i < 2; i++) {
		char *from = su_join(p->dir, file[i], ""), *to = su_join(folder, file[i], "");

		err = from == NULL || to == NULL ? ENOMEM : su_file_read(from, &f);
		if (err == ELOOP) {	/* found again, and said, by the plan; to look at it is no harm */
			char *real = realpath(from, NULL);

			err = real != NULL ? su_file_read(real, &f) : errno;
			free(real);
		}
		if (err == 0) {
			f.mode = 0600, f.uid = geteuid(), f.gid = getegid();
			err = su_file_put(to, &f);
			su_file_free(&f);
		}
		if (err != 0)
			out_error("%s%s cannot be copied to %s (%s)", p->dir, file[i], folder, strerror(err));
		free(from);
		free(to);
		if (err != 0)
			return false;
	}
	return p->stage != NULL;
}

/* The service's line for postconf -M; NULL: no memory. */
static char *service_line(const struct pf *p)
{
	const char *ca = NULL;

	for (size_t i = 0; authorities[i] != NULL && ca == NULL; i++)
		if (access(authorities[i], R_OK) == 0)
			ca = authorities[i];
	if (*p->value[PF_CA_FILE] != '\0' || *p->value[PF_CA_PATH] != '\0')
		ca = NULL;	/* main.cf's own counts here too */
	return su_concat(PF_SERVICE "/unix=" PF_SERVICE " unix - - ", p->chroot ? "y" : "n", " - 2 smtp"
	    " -o syslog_name=", *p->value[PF_INSTANCE] != '\0' && strcmp(p->value[PF_INSTANCE], "-") != 0 ?
	    p->value[PF_INSTANCE] : "postfix", "/" PF_SERVICE
	    " -o smtp_sasl_auth_enable=yes"
	    " -o smtp_sasl_password_maps=texthash:", p->dir, "/" PF_ACCOUNTS
	    " -o smtp_sasl_mechanism_filter=xoauth2"
	    " -o smtp_sasl_tls_security_options=noanonymous"
	    " -o smtp_tls_security_level=secure", ca != NULL ? " -o smtp_tls_CAfile=" : "", ca != NULL ? ca : "",
	    p->generic != NULL ? " -o smtp_generic_maps=" : "", p->generic != NULL ? p->generic : "",
	    *p->value[PF_CACHE] != '\0' ? " -o smtp_sasl_auth_cache_name=" : "",
	    strcmp(p->value[PF_SOFT_BOUNCE], "yes") != 0 ? " -o smtp_sasl_auth_soft_bounce=yes" : "", NULL);
}

/* sender_dependent_default_transport_maps with --sender's patterns, or with the empty sender, before what is there. */
static char *senders_line(const struct pf *p)
{
	static const char *const args[] = { "-h", "sender_dependent_default_transport_maps", NULL };
	char *out = strdup("sender_dependent_default_transport_maps=inline:{"), *rest, *one, *more;
	char *copy = strdup(p->c->sender != NULL ? p->c->sender : "<>");
	struct su_output o;

	for (rest = copy; copy != NULL && out != NULL && (one = strsep(&rest, ",")) != NULL;) {
		more = p->c->sender != NULL ? su_concat(out, " { ", one, " = " PF_SERVICE ":", p->c->relayhost, " }", NULL) :
		    su_concat(out, " { ", one, " = " PF_BOUNCES ": }", NULL);
		free(out);
		out = more;
	}
	free(copy);
	if (out != NULL && pf_run(p, p->stage, "postconf", args, &o)) {
		o.out[strcspn(o.out, "\n")] = '\0';
		more = su_concat(out, " }", *o.out != '\0' ? ", " : "", o.out, NULL);
	} else {
		more = NULL;
	}
	su_output_free(&o);
	free(out);
	return more;
}

static bool edit(struct pf *p)
{
	const bool senders = p->c->sender != NULL || p->bounces != NULL;
	char *some = senders ? senders_line(p) : strdup("");
	char *all = p->c->sender == NULL ? su_concat("default_transport=" PF_SERVICE ":", p->c->relayhost, NULL) : strdup("");
	char *service = service_line(p);
	const char *const master[] = { "-M", service, p->bounces, NULL };
	const char *const lines[] = { all, some, PF_SERVICE "_destination_rate_delay=2s",
		PF_SERVICE "_destination_concurrency_limit=2", PF_SERVICE "_initial_destination_concurrency=1" };
	struct su_output o = { 0 };
	bool ok = some != NULL && all != NULL && service != NULL && pf_run(p, p->stage, "postconf", master, &o);

	su_output_free(&o);
	/* One by one: several at once would come in an order of postconf's own, another each time. */
	for (size_t i = 0; ok && i < sizeof lines / sizeof lines[0]; i++) {
		const char *const one[] = { "-e", lines[i], NULL };

		if (*lines[i] == '\0')
			continue;
		ok = pf_run(p, p->stage, "postconf", one, &o);
		su_output_free(&o);
	}
	free(some);
	free(all);
	free(service);
	return ok;
}

/* A file of Postfix as the stage has it now. */
static bool take_edited(struct pf *p, const char *name, const char *note, struct su_set *out)
{
	char *path = su_join(p->dir, name, ""), *copy = su_join(p->stage, name, "");
	struct su_file before = { 0 }, after = { 0 };
	bool ok = path != NULL && copy != NULL;

	if (ok && su_read(&p->found, path, &before)) {
		ok = su_file_read(copy, &after) == 0 && after.there &&
		    su_change_to(out, SU_FILE, path, note, &before, after.p, after.n, 0644);
		if (ok)
			after.p = NULL;
	}
	su_file_free(&before);
	free(after.p);
	free(path);
	free(copy);
	return ok;
}

static bool accounts_file(struct pf *p, struct su_set *out)
{
	char *path = su_join(p->dir, "/" PF_ACCOUNTS, ""), *text;
	struct su_file before;
	bool ok = false;

	if (path == NULL)
		return false;
	if (!su_read(&p->found, path, &before)) {
		ok = true;
	} else if (before.there) {
		su_find(&p->found, SU_WRONG, "files", "%s is there already, and was not made by this tool: is this "
		    "set up by hand? If it is not needed, remove it", path);
		su_file_free(&before);
		ok = true;
	} else {
		text = su_concat("# Which mailbox logs in at which server. There is no password: nothing here is "
		    "secret.\n"
		    "# After a change: postfix reload\n", p->c->relayhost, " ", p->account, "\n", NULL);
		ok = su_change_to(out, SU_FILE, path, "", &before, text, text != NULL ? strlen(text) : 0, 0644);
	}
	free(path);
	return ok;
}

static bool set_aside(struct pf *p, struct su_set *out)
{
	struct su_file before, none = { 0 };

	return p->aside == NULL || !su_read(&p->found, p->aside, &before) ||
	    su_set_add(out, SU_PLUGIN, p->aside, "", &before, &none);
}

/* Ways out that go before default_transport. A line for all mail would leave nothing to it. */
static void look_at_maps_before(struct pf *p)
{
	const char *maps = p->value[PF_TRANSPORT_MAPS], *list = maps;
	char type[64], name[1024];
	bool all = false;

	while (pf_table(&list, type, sizeof type, name, sizeof name)) {
		char *map = *type != '\0' ? su_concat(type, ":", name, NULL) : NULL;
		char *postmap = su_join(p->commands, "/postmap", "");
		const char *const argv[] = { postmap, "-c", p->dir, "-q", "*", map, NULL };
		struct su_output o = { 0 };

		if (map != NULL && postmap != NULL && pf_has_map(p, type) && su_run(argv, &o) && o.status == 0) {
			o.out[strcspn(o.out, "\n")] = '\0';
			su_find(&p->found, SU_WRONG, "transport", "transport_maps (%s) has \"%s\" for \"*\": all mail would go "
			    "on that way; remove that line", map, o.out);
			all = true;
		}
		su_output_free(&o);
		free(postmap);
		free(map);
	}
	if (*maps != '\0' && !all)
		su_find(&p->found, SU_ODD, "transport", "transport_maps is %s: what it names goes on that way", maps);
	if (p->c->sender == NULL && *p->value[PF_SENDERS] != '\0')
		su_find(&p->found, SU_ODD, "transport", "sender_dependent_default_transport_maps is %s: mail of the senders that "
		    "it names goes on that way", p->value[PF_SENDERS]);
}

/* Other ways out that default_transport would go before, in silence. */
static void look_at_ways_out(struct pf *p)
{
	static const char instead[] = "remove that line, or name the senders that are to go this way with --sender";
	const char *now = p->value[PF_TRANSPORT], *relay = p->value[PF_RELAYHOST];

	if (strcmp(now, "smtp") != 0)
		su_find(&p->found, SU_WRONG, "transport", "default_transport is %s already: %s", now, instead);
	if (*relay != '\0' && strcasecmp(relay, p->c->relayhost) != 0)
		su_find(&p->found, SU_WRONG, "transport", "relayhost is %s, which would not be used any more: %s", relay,
		    instead);
	if (*p->value[PF_SENDER_RELAYS] != '\0')
		su_find(&p->found, SU_WRONG, "transport", "sender_dependent_relayhost_maps is %s, which would not be used any "
		    "more: %s", p->value[PF_SENDER_RELAYS], instead);
}

bool pf_plan(struct pf *p, struct su_set *out)
{
	char *name = su_name(p->dir), *note = su_concat(p->c->relayhost, " ", p->account, " ",
	    p->c->sender != NULL ? p->c->sender : "-", NULL);
	bool ok;

	if (p->service)
		su_find(&p->found, SU_WRONG, "service", "%s/master.cf has a service \"" PF_SERVICE "\" that was not "
		    "made by this tool: is this set up by hand? If it is not needed, remove it", p->dir);
	look_at_maps_before(p);
	if (p->c->sender == NULL)
		look_at_ways_out(p);
	ok = name != NULL && note != NULL && pf_plan_generic(p, out) && edit(p) && accounts_file(p, out) &&
	    pf_plan_passwords(p, out) && pf_plan_daemon(p, name, out) && set_aside(p, out) &&
	    take_edited(p, "/master.cf", "", out) &&
	    take_edited(p, "/main.cf", note, out);
	free(name);
	free(note);
	return ok && !p->found.no_memory;
}
