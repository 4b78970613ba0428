/*
 * This host's own senders, such as cron's root@host, which Exchange refuses: smtp_generic_maps makes the mailbox of them
 * when mail leaves by the service. No map of Postfix rewrites the empty sender, so bounces that would leave are given to
 * sendmail(1) first, as the postmaster's. (conf/postfix/rewrite.cf does it with a port of its own. A program needs none,
 * but it has to find this Postfix without being told, as an ordinary user does.)
 */
#include "config.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ctl/out.h"
#include "ctl/setup/postfix.h"

#define NOBODY "nobody"		/* may do what every user of this host may: send mail */
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-"

/* myorigin may be a file, whose first line counts. Owned; NULL: none, or no memory. */
static char *origin(const struct pf *p)
{
	const char *s = p->value[PF_ORIGIN];
	struct su_file f;
	char *out = NULL;

	if (*s != '/')
		return strdup(s);
	if (su_file_read(s, &f) == 0 && f.there)
		out = strndup(f.p, strcspn(f.p, " \t\r\n"));
	su_file_free(&f);
	return out;
}

/* Such a map has to do with recipients too: all mail for the mailbox's own domain would go to the mailbox. */
static bool may_be_rewritten(const struct pf *p, const char *domain)
{
	const char *at = strrchr(p->account, '@');

	return *domain != '\0' && domain[strspn(domain, LETTERS)] == '\0' && strcasecmp(at + 1, domain) != 0;
}

/* The map's lines; "": there is nothing to rewrite, or main.cf has a map of its own. NULL: no memory. */
static char *lines(struct pf *p)
{
	const char *host = p->value[PF_HOSTNAME];
	char *from = origin(p), *head, *out;
	bool two = from != NULL && strcasecmp(from, host) != 0 && may_be_rewritten(p, from);
	bool one = may_be_rewritten(p, host);

	if (*p->value[PF_GENERIC] != '\0') {
		one = two = false;
		su_find(&p->found, SU_GOOD, "senders", "smtp_generic_maps is %s, and is left alone: Exchange takes mail from "
		    "%s only", p->value[PF_GENERIC], p->account);
	} else if (!one || (from != NULL && strcasecmp(from, host) != 0 && !two)) {
		su_find(&p->found, SU_ODD, "senders", "mail of this host's own senders (cron's root@%s) is not rewritten, and "
		    "Exchange takes mail from %s only: see \"Senders that Exchange refuses\" in doc/postfix.md",
		    one && from != NULL ? from : host, p->account);
	}
	head = one ? su_concat("@", host, " ", p->account, "\n", NULL) : strdup("");
	out = head == NULL ? NULL : two ? su_concat(head, "@", from, " ", p->account, "\n", NULL) : strdup(head);
	free(head);
	free(from);
	return out;
}

/* Why bounces cannot be given back to this Postfix; NULL: they can. */
static const char *no_way_back(const struct pf *p)
{
	const struct passwd *pw = getpwnam(NOBODY);

	if (strcmp(p->dir, "/etc/postfix") != 0)
		return "this is not the first Postfix of the host";
	if (p->turn)
		return "master.cf has a service \"" PF_BOUNCES "\" that was not made by this tool";
	if (strcmp(p->value[PF_SUBMIT], "static:anyone") != 0)
		return "authorized_submit_users keeps some users from sending";
	if (*p->value[PF_SENDMAIL] != '/' || strpbrk(p->value[PF_SENDMAIL], " \t$") != NULL)
		return "sendmail_path is no plain path";
	if (pw == NULL || pw->pw_uid == 0 || pw->pw_uid == p->uid)
		return "there is no user \"" NOBODY "\"";
	return NULL;
}

static bool plan_bounces(struct pf *p)
{
	char *theirs = pf_query(p, p->value[PF_SENDERS], "<>");
	const char *why = theirs != NULL ? "" : no_way_back(p), *host = p->value[PF_HOSTNAME];
	bool ok = true;

	if (why == NULL) {
		p->bounces = su_concat(PF_BOUNCES "/unix=" PF_BOUNCES " unix - n n - 2 pipe flags=q user=" NOBODY " argv=",
		    p->value[PF_SENDMAIL], " -G -i -f postmaster@", host, " -- ${recipient}", NULL);
		ok = p->bounces != NULL;
		su_find(&p->found, SU_GOOD, "bounces", "those that leave, which have no sender, become postmaster@%s's first, "
		    "by the service " PF_BOUNCES, host);
	} else if (theirs != NULL) {
		su_find(&p->found, SU_GOOD, "bounces", "sender_dependent_default_transport_maps has \"%s\" for <>, and is "
		    "left alone", theirs);
	} else {
		su_find(&p->found, SU_ODD, "bounces", "Exchange does not take those that leave, which have no sender, and "
		    "nothing is changed about that: %s; see \"Senders that Exchange refuses\" in doc/postfix.md", why);
	}
	free(theirs);
	return ok;
}

bool pf_plan_generic(struct pf *p, struct su_set *out)
{
	char *path = su_join(p->dir, "/" PF_GENERIC_MAP, ""), *text = lines(p), *whole;
	struct su_file before;
	bool ok = path != NULL && text != NULL;

	free(p->generic);
	free(p->bounces);
	p->generic = p->bounces = NULL;
	if (ok && *text != '\0' && su_read(&p->found, path, &before)) {
		if (before.there) {
			su_find(&p->found, SU_WRONG, "files", "%s is there already, and was not made by this tool: is "
			    "this set up by hand? If it is not needed, remove it", path);
			su_file_free(&before);
		} else {
			whole = su_concat("# Senders of this host, such as cron's, as which mailbox they leave: Exchange takes "
			    "no others.\n# After a change: postfix reload\n", text, NULL);
			ok = su_change_to(out, SU_FILE, path, "", &before, whole, whole != NULL ? strlen(whole) : 0, 0644) &&
			    (p->generic = su_join("texthash:", path, "")) != NULL;
			if (ok && p->c->sender == NULL && may_be_rewritten(p, p->value[PF_HOSTNAME]))
				ok = plan_bounces(p);
		}
	}
	free(path);
	free(text);
	return ok;
}
