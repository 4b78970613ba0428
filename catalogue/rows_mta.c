/*
 * What diagnose finds in the mail server's settings on this host.
 */
#include "config.h"

#include "catalogue/rows.h"

/* A parameter where it counts: main.cf, or the service's line in master.cf. */
#define SET(what) "postconf -c {sh:instance} {set}" what " && postfix -c {sh:instance} reload"
#define TEXTHASH "texthash:{file}"
#define CAS "/etc/ssl/certs/ca-certificates.crt"
#define EXIM_ENABLE "mta-xoauth2 exim enable --relayhost '[{in:relay}]:{in:port}' --account {sh:account}"

const struct cat_row cat_rows_mta[] = {
	CAT_ROW("mta-not-set-up", MX_CONFIG, "mta", "{mta} is not set up to send this account's mail",
	    "mta-xoauth2 {mta} enable --relayhost '[{in:relay}]:{in:port}' --account {sh:account}"),

	/* the plugin */
	CAT_ROW("plugin-missing", MX_CONFIG, "mta", "the SASL plugin is not where this mail server's Cyrus SASL looks",
	    "install the package with the plugin, or copy it: install -m 644 libmta-xoauth2.so {sh:folder}/"),
	CAT_ROW("plugin-elsewhere", MX_CONFIG, "mta",
	    "the SASL plugin is installed, but SASL_PATH in import_environment has Postfix look elsewhere",
	    "ln -s {sh:file} {sh:folder}/ && postfix -c {sh:instance} reload"),
	CAT_ROW("plugin-unloadable", MX_CONFIG, "mta",
	    "the SASL plugin is there, but the dynamic linker cannot load it: it is damaged, or made for another system",
	    "install the package with the plugin once more, as built for this system, in place of {file}; then: "
	    "postfix -c {sh:instance} reload"),
	CAT_ROW("plugin-closed", MX_CONFIG, "mta", "the SASL plugin may not be read by everybody", "chmod 644 {sh:file}"),
	CAT_ROW("plugin-shadowed", MX_CONFIG, "mta", "another SASL plugin for XOAUTH2 is in the way",
	    "mv {sh:file} {sh:file}.off && postfix -c {sh:instance} reload # or remove its package: dpkg -S {sh:file}"),

	/* the socket, as the mail server's user has it */
	CAT_ROW("socket-not-in-chroot", MX_CONFIG, "mta", "the daemon has no socket inside the mail server's chroot",
	    "{make_socket}"),
	CAT_ROW("socket-dead-in-chroot", MX_CONFIG, "mta",
	    "the socket inside the mail server's chroot is a left-over: the daemon does not listen there", "{make_socket}"),
	CAT_ROW("socket-elsewhere", MX_CONFIG, "mta", "the mail server asks at another socket than the daemon's",
	    "have it ask at {daemon_socket}: in Postfix MTA_XOAUTH2_SOCKET in import_environment (then postfix stop, postfix start), "
	    "in Exim the macro MTA_XOAUTH2_SOCKET"),
	CAT_ROW("socket-way-closed", MX_CONFIG, "mta", "the mail server's user may not pass a folder on the way to the socket",
	    "chmod o+x {sh:folder}"),
	CAT_ROW("socket-mode", MX_CONFIG, "mta", "the mail server's user may not use the socket, by its mode",
	    "set mode: \"0666\" for {yaml:socket} below listen (or SocketMode=0666 in the socket unit); who may have a token is "
	    "judged by allow_users"),

	/* Postfix: the login */
	CAT_ROW("sasl-off", MX_CONFIG, "mta", "Postfix does not log in at servers", SET("smtp_sasl_auth_enable=yes")),
	CAT_ROW("sasl-type", MX_CONFIG, "mta", "Postfix logs in by another library than Cyrus SASL", SET("smtp_sasl_type=cyrus")),
	CAT_ROW("map-missing", MX_CONFIG, "mta", "Postfix has no table that says which mailbox logs in",
	    "echo {sh:hop} {sh:account} >>{sh:file} && " SET("smtp_sasl_password_maps=" TEXTHASH)),
	CAT_ROW("map-without-relay", MX_CONFIG, "mta", "Postfix's table of logins has no line for this server",
	    "echo {sh:hop} {sh:account} >>{sh:file} && {reload}"),
	CAT_ROW("map-not-indexed", MX_CONFIG, "mta", "Postfix's table of logins was changed, and its index was not made anew",
	    "{reload}"),
	CAT_ROW("map-unknown-user", MX_CONFIG, "mta",
	    "Postfix logs in as {mapped} at this server, for which the daemon has no account",
	    "write {account} in place of {mapped} in the line of {hop} in {file}, then: {reload}"),

	/* Postfix: the mechanism */
	CAT_ROW("mechanism-filter", MX_CONFIG, "mta", "Postfix's mechanism filter leaves {mech} out",
	    SET("smtp_sasl_mechanism_filter=xoauth2")),
	CAT_ROW("security-options", MX_CONFIG, "mta",
	    "Postfix's {parameter} demand what no bearer token is, so Cyrus SASL hides {mech} (\"No worthy mechs found\")",
	    SET("{parameter}=noanonymous")),

	/* Postfix: TLS */
	CAT_ROW("tls-off", MX_CONFIG, "mta", "Postfix uses no TLS for this server, and there is no login without",
	    SET("smtp_tls_security_level=secure")),
	CAT_ROW("tls-policy-off", MX_CONFIG, "mta", "smtp_tls_policy_maps switch TLS off for this server",
	    "write \"secure\" for {hop} in smtp_tls_policy_maps, or remove the line; then: postfix -c {sh:instance} reload"),
	CAT_ROW("tls-wrappermode", MX_CONFIG, "mta",
	    "TLS begins with the connection at port 465 alone, and with STARTTLS elsewhere; Postfix has it the other way round",
	    SET("smtp_tls_wrappermode={wrapper}")),
	CAT_ROW("tls-no-ca", MX_CONFIG, "mta", "Postfix has no certificates of CAs to compare the server's with",
	    SET("smtp_tls_CAfile=" CAS)),

	/* Postfix: refused logins */
	CAT_ROW("auth-cache", MX_CONFIG, "mta",
	    "Postfix remembers that a login of {account} was refused, and does not try again for 90 days",
	    "postmap -c {sh:instance} -d {sh:key} {sh:file} && " SET("smtp_sasl_auth_cache_name=")),

	/* Exim */
	CAT_ROW("exim-no-authenticator", MX_CONFIG, "mta", "Exim has no authenticator for XOAUTH2", EXIM_ENABLE),
	CAT_ROW("exim-require-auth", MX_CONFIG, "mta",
	    "Exim's transport {transport} goes on without a login when one fails, and the server's 530 then bounces the mail",
	    "write hosts_require_auth = * in transport {transport}, then update-exim4.conf (Debian) and reload Exim"),
	CAT_ROW("exim-unknown-account", MX_CONFIG, "mta",
	    "Exim logs in as {mapped} for this sender, for which the daemon has no account",
	    "set MTA_XOAUTH2_MAILBOX = {account}, or correct MTA_XOAUTH2_SENDERS, in the macros of mta-xoauth2; then "
	    "update-exim4.conf (Debian) and reload Exim"),
	CAT_ROW("exim-avoid-tls", MX_CONFIG, "mta", "Exim's transport {transport} avoids TLS with this server",
	    "remove hosts_avoid_tls from transport {transport} and write hosts_require_tls = * there; then update-exim4.conf "
	    "(Debian) and reload Exim"),

	/* the kernel */
	CAT_ROW("apparmor-denied", MX_CONFIG, "mta", "AppArmor's profile {profile} keeps the mail server from the daemon's socket",
	    "echo '{in:socket} rw,' >>/etc/apparmor.d/local/{sh:profile_file} && systemctl reload apparmor"),
	CAT_ROW("selinux-denied", MX_CONFIG, "mta", "SELinux keeps {profile} from the daemon's socket",
	    "ausearch -m avc -ts recent | audit2allow -M mta-xoauth2 && semodule -i mta-xoauth2.pp"),
};

const size_t cat_rows_mta_n = sizeof cat_rows_mta / sizeof cat_rows_mta[0];
