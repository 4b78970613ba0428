#include "config.h"

#include <string.h>

#include "ctl/verb.h"
#include "settings/suggest.h"

#define O(f) offsetof(struct call, f)

const struct ctl_option global_options[] = {
	{ "--socket", 0, CTL_TEXT, "PATH", O(socket),
	    "the daemon's socket ($MTA_XOAUTH2_SOCKET, else " MX_SOCKET ")" },
	{ "--timeout", 0, CTL_SECONDS, "SECONDS", O(timeout_s),
	    "how long to wait for it, 1 to 600 ($MTA_XOAUTH2_TIMEOUT, else 10)" },
	{ "--help", 'h', CTL_FLAG, NULL, O(help), "this text; after a verb, that verb's" },
	{ "--version", 'V', CTL_FLAG, NULL, O(version), "version" },
	{ .name = NULL }
};

static const struct ctl_option check_options[] = {
	{ "--config", 'c', CTL_TEXT, "FILE", O(config),
	    "the file (" CTL_CONF "); conf.d beside it is read too" },
	{ .name = NULL }
};

static const struct ctl_option login_options[] = {
	{ "--config", 'c', CTL_TEXT, "FILE", O(config),
	    "the daemon's file (" CTL_CONF "); conf.d beside it is read too" },
	{ "--browser", 0, CTL_FLAG, NULL, O(browser), "by an address to open, and no code to enter" },
	{ .name = NULL }
};

static const struct ctl_option diagnose_options[] = {
	{ "--relay", 0, CTL_TEXT, "HOST:PORT", O(relay), "the server for the mail (what the configuration says)" },
	{ "--send", 0, CTL_TEXT, "RCPT", O(send_to), "go on after the login, and send one short mail to this address" },
	{ "--from", 0, CTL_TEXT, "ADDRESS", O(from), "its sender (the mailbox)" },
	{ "--ca-file", 0, CTL_TEXT, "FILE", O(ca_file), "the CAs that its certificate may come from (the mail server's own setting)" },
	{ "--mta", 0, CTL_TEXT, "NAME", O(mta), "postfix or exim (the one that is set up for this)" },
	{ "--instance", 0, CTL_TEXT, "DIR", O(instance), "the folder of its configuration" },
	{ "--config", 'c', CTL_TEXT, "FILE", O(config),
	    "the daemon's file (" CTL_CONF "); conf.d beside it is read too" },
	{ "--json", 0, CTL_FLAG, NULL, O(json), "as JSON, for programs" },
	{ .name = NULL }
};

static const struct ctl_option status_options[] = {
	{ "--json", 0, CTL_FLAG, NULL, O(json), "as JSON, for programs" },
	{ "--check", 0, CTL_FLAG, NULL, O(check), "as one line and exit status, for Nagios" },
	{ .name = NULL }
};

static const struct ctl_option postfix_options[] = {
	{ "--relayhost", 0, CTL_TEXT, "RELAY", O(relayhost), "where the mail goes: '[smtp.office365.com]:587'" },
	{ "--account", 0, CTL_TEXT, "ADDRESS", O(account), "the mailbox that logs in (a password map's by default)" },
	{ "--sender", 0, CTL_TEXT, "LIST", O(sender), "mail of these alone: @contoso.com,scan@example.org" },
	{ "--instance", 0, CTL_TEXT, "DIR", O(instance), "Postfix's config_directory (/etc/postfix)" },
	{ "--dry-run", 0, CTL_FLAG, NULL, O(dry_run), "show what would be changed, and change nothing" },
	{ "--yes", 'y', CTL_FLAG, NULL, O(yes), "do not ask" },
	{ "--tenant", 0, CTL_TEXT, "TENANT", O(tenant), "write an Exchange Online client too: its tenant," },
	{ "--client-id", 0, CTL_TEXT, "ID", O(client_id), "the application's id," },
	{ "--secret-file", 0, CTL_TEXT, "FILE", O(secret_file), "and the file with its secret" },
	{ "--config", 'c', CTL_TEXT, "FILE", O(config),
	    "the daemon's (" MX_SYSCONFDIR "/mta-xoauth2/tokend.yaml); a file is put in conf.d beside it" },
	{ "--state", 0, CTL_TEXT, "DIR", O(state),
	    "where what disable needs is kept (" MX_SETUPDIR ")" },
	{ "--json", 0, CTL_FLAG, NULL, O(json), "status as JSON, for programs" },
	{ .name = NULL }
};

static const struct ctl_option exim_options[] = {
	{ "--relayhost", 0, CTL_TEXT, "RELAY", O(relayhost), "where the mail goes: '[smtp.office365.com]:587'" },
	{ "--account", 0, CTL_TEXT, "ADDRESS", O(account), "the mailbox that logs in" },
	{ "--instance", 0, CTL_TEXT, "DIR", O(instance), "the folder of Debian's Exim (/etc/exim4); no other will do" },
	{ "--dry-run", 0, CTL_FLAG, NULL, O(dry_run), "show what would be changed, and change nothing" },
	{ "--yes", 'y', CTL_FLAG, NULL, O(yes), "do not ask" },
	{ "--tenant", 0, CTL_TEXT, "TENANT", O(tenant), "write an Exchange Online client too: its tenant," },
	{ "--client-id", 0, CTL_TEXT, "ID", O(client_id), "the application's id," },
	{ "--secret-file", 0, CTL_TEXT, "FILE", O(secret_file), "and the file with its secret" },
	{ "--pieces", 0, CTL_TEXT, "DIR", O(pieces), "what is put into the configuration (" MX_DATADIR "/exim)" },
	{ "--config", 'c', CTL_TEXT, "FILE", O(config),
	    "the daemon's (" CTL_CONF "); a file is put in conf.d beside it" },
	{ "--state", 0, CTL_TEXT, "DIR", O(state),
	    "where what disable needs is kept (" MX_SETUPDIR ")" },
	{ "--json", 0, CTL_FLAG, NULL, O(json), "status as JSON, for programs" },
	{ .name = NULL }
};

static const struct ctl_option report_options[] = {
	{ "--log", 0, CTL_TEXT, "FILE", O(log), "lines of this log (the journal's, of mta-xoauth2-tokend)" },
	{ "--output", 0, CTL_TEXT, "FILE", O(output), "write to a new file, with mode 0600" },
	{ "--plain-ids", 0, CTL_FLAG, NULL, O(plain_ids), "show tenants, client ids and other GUIDs" },
	{ "--config", 'c', CTL_TEXT, "FILE", O(config), "the daemon's (" CTL_CONF "); conf.d beside it is read too" },
	{ .name = NULL }
};

static const struct ctl_option rehearse_options[] = {
	{ "--scenario", 0, CTL_TEXT, "NAME", O(scenario), "what is played (delivery)" },
	{ "--list", 0, CTL_FLAG, NULL, O(list), "the scenarios, a line each" },
	{ "--keep", 0, CTL_FLAG, NULL, O(keep), "keep the folder with log and configuration" },
	{ "--daemon", 0, CTL_TEXT, "FILE", O(daemon), "the daemon to start (" MX_SBINDIR "/mta-xoauth2-tokend)" },
	{ "--pieces", 0, CTL_TEXT, "DIR", O(pieces), "the programs (" MX_DATADIR "/rehearse)" },
	{ .name = NULL }
};

static const struct ctl_option setup_options[] = {
	{ "--name", 0, CTL_TEXT, "NAME", O(name), "the client's name, and that of its files (exchange)" },
	{ "--tenant", 0, CTL_TEXT, "TENANT", O(tenant), "the tenant: a domain or an ID" },
	{ "--mailbox", 0, CTL_TEXT, "LIST", O(mailbox), "mailboxes that mail is sent from: app@contoso.com,scan@contoso.com" },
	{ "--credential", 0, CTL_TEXT, "KIND", O(credential), "certificate (the default), secret or managed-identity" },
	{ "--permission", 0, CTL_TEXT, "KIND", O(permission), "classic (the default) or app-rbac" },
	{ "--cloud", 0, CTL_TEXT, "CLOUD", O(cloud), "public (the default), gcc-high, dod or china" },
	{ "--users", 0, CTL_TEXT, "LIST", O(users), "users of this host that may have tokens (the mail server's)" },
	{ "--client-id", 0, CTL_TEXT, "ID", O(client_id), "the application's ID, which the script prints" },
	{ "--app-name", 0, CTL_TEXT, "NAME", O(app_name),
	    "the application's name in Entra, or the identity's (mta-xoauth2 NAME)" },
	{ "--secret-file", 0, CTL_TEXT, "FILE", O(secret_file), "the file with the secret's value" },
	{ "--proxy", 0, CTL_TEXT, "URL", O(proxy), "proxy for token requests" },
	{ "--ca-file", 0, CTL_TEXT, "FILE", O(ca_file), "certificates to trust, of a proxy that inspects TLS" },
	{ "--output", 0, CTL_TEXT, "FILE", O(output), "the script (exchange-setup.ps1)" },
	{ "--yes", 'y', CTL_FLAG, NULL, O(yes), "ask nothing that has a default" },
	{ "--config", 'c', CTL_TEXT, "FILE", O(config),
	    "the daemon's (" CTL_CONF "); a file is put in conf.d beside it" },
	{ "--state", 0, CTL_TEXT, "DIR", O(state), "where the answers are kept (" MX_SETUPDIR ")" },
	{ .name = NULL }
};

const struct verb verbs[] = {
	{ "check", NULL, check_options, check_run, "look for mistakes in the configuration",
	    "Reads the configuration as the daemon does and prints what is wrong with it on\n"
	    "standard error, as FILE:LINE:COLUMN: error|warning: TEXT. No network is used,\n"
	    "nothing is changed. Started by root, it reads the files as the user the daemon\n"
	    "runs as: that one needs to read the secrets. Exit status 3 if there is an error;\n"
	    "warnings alone leave it 0.\n" },
	{ "diagnose", "ACCOUNT", diagnose_options, diagnose_run, "why no mail goes: the one cause, and the line that mends it",
	    "Goes the way of a mail, link by link, as the mail server would, up to the first link\n"
	    "that is broken: what is on this host, the identity provider, the token, the mail\n"
	    "server. Then it says the cause, the fix with the real values in it, what speaks for\n"
	    "that, and what cannot be told from here. Nothing on this host is changed, nothing\n"
	    "secret is shown, and no mail is sent but by --send.\n"
	    "Run it as root: others may not look into everything.\n"
	    "Exit status: 0 nothing is broken, 1 the mail server's settings on this host,\n"
	    "3 configuration, 4 daemon unreachable, 5 identity provider, 6 mail server, 75 temporary.\n" },
	{ "status", NULL, status_options, status_run, "what the daemon holds and what troubles it",
	    "One row per client: its state (empty: nobody asked yet; first: no token yet, one is\n"
	    "being fetched; fresh: a token; refresh: a token, the next is being fetched; wait: a\n"
	    "token, the last fetch failed; hold: no token, the last fetch failed), the life left\n"
	    "of its token, the time until the daemon acts by itself, askers waiting, and counts\n"
	    "since the daemon started. Then one row per user of this host who has asked.\n"
	    "With --check: exit status 0 OK, 1 WARNING (a fetch failed, the token still serves;\n"
	    "a credential expires within 14 days; the last reload failed), 2 CRITICAL (a client\n"
	    "failed and has no token that serves; a credential has expired; no daemon answers),\n"
	    "3 UNKNOWN.\n"
	    "For root and the configuration's admin_users.\n" },
	{ "setup", "WHAT", setup_options, setup_run, "set a client up: setup exchange",
	    "For Exchange Online. Asks on a terminal what was not said by an option; without one,\n"
	    "--tenant and --mailbox are needed, and the rest has its default. Makes a key and its\n"
	    "certificate beside the daemon's configuration, and writes exchange-setup.ps1, which an\n"
	    "administrator of the tenant runs in PowerShell: it registers the application, grants it\n"
	    "what it needs for these mailboxes and no others, and prints its client ID. With that,\n"
	    "setup exchange --client-id ID writes the client into a file of conf.d and tells the\n"
	    "daemon. The answers of the last run with the same --name stand until another is given.\n"
	    "A key that is there is used, and a file that somebody has edited is left alone.\n" },
	{ "postfix", "ACTION", postfix_options, postfix_run, "have Postfix use XOAUTH2, or not: enable, disable, status",
	    "enable looks at the Postfix first, shows what it is about to change as a diff, and asks:\n"
	    "a transport of its own in master.cf, default_transport in main.cf (or, with --sender,\n"
	    "sender_dependent_default_transport_maps), the maps exo_accounts and exo_generic (this\n"
	    "host's own senders leave as the mailbox), and for the daemon a file in conf.d with the\n"
	    "socket in the chroot and leave for Postfix's user. A password map loses its password for\n"
	    "this relay; a client of sasl-xoauth2 is taken over. Then it has Postfix check that,\n"
	    "reloads both, and asks the daemon for a login as Postfix would. What cannot be changed\n"
	    "safely is refused.\n"
	    "disable puts every file back byte for byte; where somebody has edited one since, it takes\n"
	    "back its own lines alone, or says which lines are in the way and changes nothing.\n"
	    "status says what was looked at; exit status 1 if there is something to look at.\n" },
	{ "exim", "ACTION", exim_options, exim_run, "have Debian's Exim use XOAUTH2, or not: enable, disable, status",
	    "enable looks at the Exim first, shows what it is about to change as a diff, and asks:\n"
	    "router, transport, authenticator, ACLs, retry rule and macros, as files of their own in\n"
	    "conf.d (split), or in exim4.conf.template and exim4.conf.localmacros (unsplit), and for\n"
	    "the daemon a file in conf.d with leave for Exim's user. update-exim4.conf makes a copy of\n"
	    "that, Exim checks it, and only then it is what Exim reads; Exim and the daemon are\n"
	    "reloaded, and the daemon is asked for a login as Exim would. What cannot be changed\n"
	    "safely is refused. Passwords of passwd.client are not tried where the token goes. With\n"
	    "--socket, Exim asks there, too.\n"
	    "disable puts every file back byte for byte; where somebody has edited one since, it takes\n"
	    "back its own lines alone, or says which lines are in the way and changes nothing.\n"
	    "status says what was looked at; exit status 1 if there is something to look at.\n" },
	{ "token", "ACCOUNT", NULL, token_run, "print an access token for the account",
	    "Prints the bare token and a newline, nothing else, for programs that take a\n"
	    "password from a command (msmtp's passwordeval, mutt, curl). For users in the\n"
	    "account's allow_token_users; by default that is root alone.\n" },
	{ "login", "ACCOUNT", login_options, login_run, "have the mailbox's owner agree, and store the refresh token",
	    "For accounts whose client has the grant refresh_token. Shows an address and a code:\n"
	    "open the one in any browser, enter the other, sign in as the mailbox's owner and\n"
	    "agree. With --browser, and for gmail always, there is no code: at the end the browser\n"
	    "is sent back to this host; if it runs on another one, it shows an error then, and\n"
	    "the address that it shows is to be pasted here. The refresh token is then stored in the client's "
	    "refresh_token_file and the\n"
	    "daemon told; it needs no restart. Until then, and if nobody agrees, the old one is\n"
	    "kept and in use. Nothing secret is shown.\n"
	    "For root and the user the daemon runs as.\n" },
	{ "flush", "ACCOUNT", NULL, flush_run, "forget the token of the account's client",
	    "The next asker causes a new token to be fetched, even where a failure is being held.\n"
	    "For root and the configuration's admin_users.\n" },
	{ "reload", NULL, NULL, reload_run, "have the daemon read its configuration anew",
	    "If the new configuration is wrong the old one stays in force, and it is said why.\n"
	    "For root and the configuration's admin_users.\n" },
	{ "ping", NULL, NULL, ping_run, "find out whether the daemon answers",
	    "Anybody may do this.\n" },
	{ "metrics", NULL, NULL, metrics_run, "print the daemon's counters for Prometheus",
	    "Text format 0.0.4. For root and the configuration's admin_users.\n" },
	{ "report", NULL, report_options, report_run, "all that helps to find a fault, to be pasted in public",
	    "Prints versions, configuration, policy, status, tokens as a table of claims, settings\n"
	    "of Postfix and Exim, and the last lines of the log. Masked are secrets, tokens, the\n"
	    "local part of each address, tenants and client ids, and every word that is not known\n"
	    "to be harmless; the same value has the same number within one report. Domains, names\n"
	    "of hosts, of clients and of users of this host, and paths are shown. Run it as root:\n"
	    "it then knows the secrets of this host, and masks them wherever they turn up. Nothing\n"
	    "is changed, no token is fetched and nothing is sent anywhere.\n" },
	{ "rehearse", NULL, rehearse_options, rehearse_run, "play the whole way of a mail on this host, with stand-ins",
	    "Starts a daemon of its own and stand-ins for Entra ID and Exchange Online, on 127.0.0.1\n"
	    "and in a private folder, sends mail through them, and shows the daemon's log, the\n"
	    "dialog with the mail server, and what to look at. Where Postfix or Exim would ask the\n"
	    "daemon, a few lines of Python do, by the same protocol. No tenant, no rights and no\n"
	    "network are needed; the daemon, the mail server and the files of this host are\n"
	    "neither read nor changed, and nothing is left. Needs Python 3.7 and openssl(1).\n"
	    "Exit status 0 if all was seen that the scenario promises, 1 if not.\n" },
	{ .name = NULL }
};

const struct verb *verb_find(const char *name)
{
	const struct verb *v;

	for (v = verbs; v->name != NULL; v++)
		if (strcmp(v->name, name) == 0)
			return v;
	return NULL;
}

const char *verb_nearest(const char *name)
{
	const struct verb *v;
	struct cf_near near;

	cf_near_begin(&near, name, strlen(name));
	for (v = verbs; v->name != NULL; v++)
		cf_near_try(&near, v->name);
	return near.best;
}

const struct ctl_option *verb_option(const struct ctl_option *list, const char *name, size_t n)
{
	for (; list != NULL && list->name != NULL; list++)
		if (n == 1 ? list->letter != 0 && list->letter == *name :
		    strlen(list->name) == n && memcmp(list->name, name, n) == 0)
			return list;
	return NULL;
}
