/*
 * This host's own senders, such as cron's root@host, which Exchange refuses: smtp_generic_maps makes the mailbox of them
 * when mail leaves by the service.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ctl/out.h"
#include "ctl/setup/postfix.h"

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

bool pf_plan_generic(struct pf *p, struct su_set *out)
{
	char *path = su_join(p->dir, "/" PF_GENERIC_MAP, ""), *text = lines(p), *whole;
	struct su_file before;
	bool ok = path != NULL && text != NULL;

	free(p->generic);
	p->generic = NULL;
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
		}
	}
	free(path);
	free(text);
	return ok;
}
