/*
 * What diagnose finds on this host. The rows of what else says it stand in the other tables.
 */
#include "config.h"

#include "catalogue/rows.h"

const struct cat_row cat_rows_here[] = {
	/* the daemon's configuration */
	CAT_ROW("configuration-missing", MX_CONFIG, "here", "there is no configuration in {config}",
	    "write one (doc/exchange-online.md, or mta-xoauth2 setup exchange), or name it with --config"),
	CAT_ROW("configuration-unreadable", MX_CONFIG, "here", "{config} cannot be read by who runs this",
	    "run this as root"),
	CAT_ROW("relay-unknown", MX_CONFIG, "here", "nothing says through which server the mail of {account} goes",
	    "name it: mta-xoauth2 diagnose {sh:account} --relay HOST:PORT"),
	CAT_ROW("scope-names-permission", MX_CONFIG, "here",
	    "the scope names a permission, and an app-only request must name a resource (AADSTS1002012)",
	    "in {at} write scope: {scope}; SMTP.SendAsApp is granted as an application permission, with an administrator's "
	    "consent, and never asked for; then: mta-xoauth2 reload"),
	CAT_ROW("clock-in-the-past", MX_CONFIG, "here", "this host's clock is years late",
	    "bring it right: timedatectl set-ntp true (chronyc tracking shows how far it is off)"),

	CAT_ROW("daemon-not-running", MX_TEMP, "here", "no token daemon runs, or it listens elsewhere",
	    "start it, and where it ends again, read why: systemctl restart mta-xoauth2-tokend; journalctl -u mta-xoauth2-tokend "
	    "-n 20"),
	CAT_ROW("configuration-not-loaded", MX_CONFIG, "here", "the daemon still runs with an older configuration",
	    "mta-xoauth2 reload"),

	/* the policy of the daemon, as its configuration has it */
	CAT_ROW("relay-not-listed", MX_CONFIG, "here", "the account's relays do not admit {relay}",
	    "if that server may have the token, write for this account ({at}) relays: {list} and then: mta-xoauth2 reload"),
	CAT_ROW("uid-not-listed", MX_CONFIG, "here", "the account does not let user {user} have tokens",
	    "write for this account ({at}) allow_users: {list} and then: mta-xoauth2 reload"),
	CAT_ROW("mechanism-not-listed", MX_CONFIG, "here", "the account's mechanisms do not have the one that is used",
	    "add xoauth2 to mechanisms of the account; then mta-xoauth2 reload"),

	CAT_ROW("clock-wrong", MX_CONFIG, "here", "this host's clock is {skew} off the provider's",
	    "bring it right: timedatectl set-ntp true (chronyc tracking shows how far it is off)"),
};

const size_t cat_rows_here_n = sizeof cat_rows_here / sizeof cat_rows_here[0];
