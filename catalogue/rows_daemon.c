/*
 * What the daemon says of requests, of itself, and at its start.
 */
#include "config.h"

#include "catalogue/rows.h"

#define ITSELF "nothing needs mending here; it is tried again by itself"
#define OURS "this cannot be: please report it, with the daemon's log"

const struct cat_row cat_rows_daemon[] = {
	/* requests */
	CAT_ROW("request-too-long", MX_BAD_REQUEST, "daemon", "the request is longer than 8192 bytes",
	    "see what the asker puts into it"),
	CAT_ROW("request-too-slow", MX_BAD_REQUEST, "daemon", "the request was not there in time",
	    "send it at once, or raise request_timeout"),
	CAT_ROW("bad-netstring", MX_BAD_REQUEST, "daemon", "what came on a socketmap socket is no netstring of 8000 bytes at most",
	    "name this socket in socketmap: tables alone"),
	CAT_ROW("unknown-table", MX_BAD_REQUEST, "daemon", "the socketmap has no such table", "its tables are auth and feedback"),
	CAT_ROW("socketmap-only", MX_BAD_REQUEST, "daemon", "this socket speaks socketmap, and the plugin's protocol was tried",
	    "use the socket of another entry of listen"),
	CAT_ROW("denied", MX_DENIED, "daemon", "the policy of tokend.yaml does not grant this",
	    "see the reason in the daemon's log (journalctl -u mta-xoauth2-tokend), then mend the account's entry"),
	CAT_ROW("account-unknown", MX_CONFIG, "daemon", "no entry of the configuration matches the account",
	    "add one below accounts: (\"mta-xoauth2 check\" shows what is there)"),
	CAT_ROW("mailbox-needed", MX_CONFIG, "daemon", "the token is made for one mailbox, and the name is no plain mail address",
	    "ask for an address, or write user in the account"),
	CAT_ROW("user-with-colon", MX_CONFIG, "daemon", "Postfix would cut the mailbox at its colon",
	    "use the plugin in place of the socketmap, or another user"),

	/* limits */
	CAT_ROW("too-many-connections", MX_BUSY, "daemon", "max_connections is reached",
	    "raise it, or see who asks so often (mta-xoauth2 status)"),
	CAT_ROW("too-many-of-user", MX_BUSY, "daemon", "one user of this host has max_connections_per_uid connections",
	    "raise it, or see what that user runs (mta-xoauth2 status)"),
	CAT_ROW("too-many-mailboxes", MX_BUSY, "daemon", "too many mailboxes want tokens of their own at once",
	    "raise max_mailboxes, or see who asks for so many (mta-xoauth2 status)"),
	CAT_ROW("no-descriptors", MX_BUSY, "daemon", "the daemon has no file descriptors left",
	    "raise LimitNOFILE in its unit, or lower max_connections"),
	CAT_ROW("no-randomness", MX_TEMP, "daemon", "the system gives no random numbers", ITSELF),

	/* tokens */
	CAT_ROW("token-too-short", MX_PROVIDER, "daemon", "the provider's tokens live shorter than the mail server demands",
	    "lower min_remaining, or have the provider give tokens that live longer"),
	CAT_ROW("token-too-late", MX_TEMP, "daemon", "the provider took longer to answer than its tokens live",
	    "see the network between here and the provider; it is tried again by itself"),
	CAT_ROW("provider-queue", MX_TEMP, "daemon", "so many token requests are under way that this one waits its turn", ITSELF),
	CAT_ROW("provider-slow", MX_TEMP, "daemon", "the provider has not answered yet; the request goes on", ITSELF),
	CAT_ROW("client-removed", MX_TEMP, "daemon", "a reload removed the client while its token was waited for",
	    "nothing needs mending here, if that was meant"),
	CAT_ROW("not-waiting", MX_TEMP, "daemon", "the daemon lost its way", OURS),
	CAT_ROW("shutting-down", MX_TEMP, "daemon", "the daemon is stopping", "start it again (systemctl start mta-xoauth2-tokend)"),
	CAT_ROW("configuration-wrong", MX_CONFIG, "daemon", "the new configuration is wrong; the old one stays in force",
	    "run mta-xoauth2 check, mend what it names, then mta-xoauth2 reload"),
	CAT_ROW("reload-failed", MX_CONFIG, "daemon", "the new configuration cannot be put into force; the old one stays",
	    "see the daemon's log (journalctl -u mta-xoauth2-tokend)"),

	/* its start */
	CAT_ROW("unknown-user", MX_CONFIG, "start", "there is no such user on this host", "make it, or correct the name"),
	CAT_ROW("unknown-group", MX_CONFIG, "start", "there is no such group on this host", "make it, or correct the name"),
	CAT_ROW("cannot-change-user", MX_CONFIG, "start", "the daemon cannot become its user",
	    "start it as root, or as that user"),
	CAT_ROW("socket-path", MX_CONFIG, "start", "what stands at the socket's path is no socket, or cannot be looked at",
	    "remove it, or choose another path"),
	CAT_ROW("socket-directory", MX_CONFIG, "start", "the socket's folder cannot be made or used",
	    "make it, with mode 755, or correct the path"),
	CAT_ROW("socket-not-made", MX_CONFIG, "start", "the socket cannot be made",
	    "let the daemon's user write the folder, or choose another path"),
	CAT_ROW("socket-in-use", MX_CONFIG, "start", "another daemon listens on this socket",
	    "stop that one (systemctl stop mta-xoauth2-tokend), or choose another path"),
	CAT_ROW("bad-handed-socket", MX_CONFIG, "start", "what systemd handed over is no UNIX stream socket that listens",
	    "correct ListenStream= in the socket unit"),
	CAT_ROW("socket", MX_TEMP, "start", "the system gives no socket", ITSELF),
	CAT_ROW("fork", MX_TEMP, "start", "the system gives no process", ITSELF),
	CAT_ROW("background", MX_TEMP, "start", "the daemon cannot go into the background", "start it with --foreground"),
};

const size_t cat_rows_daemon_n = sizeof cat_rows_daemon / sizeof cat_rows_daemon[0];
