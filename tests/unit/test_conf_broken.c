/* Broken configurations: each row is refused, at the right place, with a helpful text. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/test_conf_util.h"

#define A ACCOUNT
#define C CLIENT
#define MAIN "tokend.yaml"
#define INC "conf.d/b.yaml"

#define GUID "31111111-2222-3333-4444-555555555555"
#define GRANT "    grant: managed_identity\n"
#define S9 "      - client_secret_file: /a\n"

#define G HEAD "    provider: google-workspace\n"
#define ACCOUNT_FILE "    service_account_file: /a\n"

static const struct row {
	const char *name, *text, *include;	/* include: text of conf.d/b.yaml, or NULL */
	const char *file;			/* of the first error; MAIN or INC */
	unsigned line, column;			/* of the first error */
	unsigned errors;			/* in all; 0: exactly one */
	const char *part;			/* of the first error's text */
} rows[] = {
#define M(name, text, line, column, part) { name, text, NULL, MAIN, line, column, 0, part }
#define MN(name, text, line, column, n, part) { name, text, NULL, MAIN, line, column, n, part }
	/* YAML itself */
	M("empty file", "", 1, 1, "empty"),
	M("comments only", "# nothing\n\n", 1, 1, "holds no settings"),
	M("one word", "clients\n", 1, 1, "is the colon missing"),
	M("a list", "- a\n- b\n", 1, 1, "KEY: VALUE"),
	M("unquoted *@domain", "accounts:\n  *@contoso.com:\n    client: c\n", 2, 3,
	    "\"*@contoso.com\""),
	M("unquoted *", "accounts:\n  *:\n    client: c\n", 2, 3, "put that in quotes: \"*\""),
	M("alias as key", A C "  *other :\n    x: y\n", 10, 3, "begins an alias"),
	M("alias as value", A HEAD PROVIDER "    tenant: *contoso\n" ID SECRET, 7, 13,
	    "begins an alias"),
	M("* as value is not shown",
	    A HEAD PROVIDER TENANT ID "    client_secret_file: *@topsecret\n", 9, 25,
	    "in quotes: \"*@contoso.com\""),
	M("anchor", A HEAD PROVIDER "    tenant: &t contoso.com\n" ID SECRET, 7, 13, "anchor"),
	M("broken anchor", A HEAD PROVIDER "    tenant: &\n" ID SECRET, 7, 13, "anchor"),
	M("anchor on a mapping", A "clients: &x\n  c:\n" PROVIDER TENANT ID SECRET, 4, 10,
	    "anchor"),
	M("tag", A HEAD PROVIDER "    tenant: !!str contoso.com\n" ID SECRET, 7, 13, "tag"),
	M("tag on a list", A C "admin_users: !!set [root]\n", 10, 14, "tag"),
	M("merge key", A C "    <<: {timeout: 5s}\n", 10, 5, "merge keys"),
	M("merge key among clients", A C "  <<: {}\n", 10, 3, "merge keys"),
	M("second document", A C "---\n" A C, 10, 1, "second document"),
	M("after the end", A C "...\nuser: x\n", 11, 1, "end of the document"),
	M("byte order mark", "\xef\xbb\xbf" A C, 1, 1, "byte order mark"),
	M("tab as indentation", A "clients:\n\tc:\n", 5, 1, "tab"),
	M("tab behind blanks", A C "    \ttimeout: 5s\n", 10, 5, "tab"),
	M("tab in a value", A HEAD PROVIDER "    tenant: a\tb\n" ID SECRET, 7, 13, "tab"),
	M("not UTF-8", A C "# caf\xe9\n", 10, 6, "UTF-8"),
	M("UTF-16", "\xff\xfe" "a", 1, 1, "UTF-8"),
	M("control character", A C "# \x01\n", 10, 3, "control"),
	M("control character by escape",
	    A HEAD PROVIDER TENANT "    client_id: \"a\\x07\"\n" SECRET, 8, 16, "control"),
	M("NUL by escape", A HEAD PROVIDER TENANT "    client_id: \"a\\0b\"\n" SECRET, 8, 16,
	    "control"),
	M("line feed by escape", A HEAD PROVIDER TENANT "    client_id: \"a\\nb\"\n" SECRET, 8, 16,
	    "control"),
	M("C1 control by escape", A HEAD PROVIDER TENANT "    client_id: \"a\\x85\"\n" SECRET, 8,
	    16, "invisible"),
	M("unknown escape", A HEAD PROVIDER TENANT "    client_id: \"C:\\dir\"\n" SECRET, 8, 19,
	    "escape"),
	M("no-break space", A HEAD PROVIDER "    tenant:\xc2\xa0" "contoso.com\n" ID SECRET, 7, 5,
	    "colon"),
	M("no-break space in a value",
	    A HEAD PROVIDER "    tenant: contoso\xc2\xa0.com\n" ID SECRET, 7, 13, "no-break"),
	M("invisible end of line", A C "# \xe2\x80\xa8\n", 10, 3, "invisible"),
	M("quote not closed", A HEAD PROVIDER "    tenant: \"contoso.com\n" ID SECRET, 7, 13,
	    "never closed"),
	M("list not closed", A C "admin_users: [root, adm\n", 10, 14, "cut off"),
	M("mapping not closed", A C "limits: {deadline: 5s\n", 10, 9, "cut off"),
	M("cut off within a key", A C "log_le", 10, 1, "cut off"),
	M("colon missing", A HEAD PROVIDER "    tenant contoso.com\n" ID SECRET, 7, 5, "colon"),
	M("colon missing, line joined", A HEAD "    provider: custom\n      client_id x\n" SECRET,
	    6, 15, "is a colon missing"),
	M("two colons", A HEAD PROVIDER "    tenant: a: b\n" ID SECRET, 7, 14, "quotes"),
	M("outdented", A HEAD PROVIDER "   tenant: contoso.com\n" ID SECRET, 7, 4, "indentation"),
	M("begins with @", A C "user: @daemon\n", 10, 7, "quotes"),
	M("begins with %", A C "user: %daemon\n", 10, 7, "quotes"),
	M("several lines", A C "user: |\n  daemon\n", 10, 7, "one line"),
	M("key is a list", A C "? [a, b]\n: c\n", 10, 3, "plain text"),
	M("client's name is a mapping", A C "  ? {a: b}\n  : c\n", 10, 5, "plain text"),
	MN("too deep", A C "admin_users: [[[[[[[[[[a]]]]]]]]]]\n", 10, 15, 2, "plain names"),
	MN("far too deep", A C "x: {a: {a: {a: {a: {a: {a: {a: {a: {a: b}}}}}}}}}\n", 10, 1, 2,
	    "unknown key"),
	/* keys */
	M("unknown key, near",
	    A HEAD PROVIDER TENANT ID "    client_secert_file: /nowhere/secret\n" SECRET, 9, 5,
	    "did you mean \"client_secret_file\"?"),
	M("unknown key, far", A C "colour: blue\n", 10, 1, "unknown key \"colour\" in the top "
	    "level"),
	M("unknown key, dash", A C "log-level: info\n", 10, 1, "did you mean \"log_level\"?"),
	M("unknown key in an account", A "    allow_user: root\n" C, 4, 5,
	    "did you mean \"allow_users\"?"),
	M("unknown key in listen", A C "listen:\n  - path: /run/a\n    modes: 0666\n", 12, 5,
	    "\"mode\""),
	M("unknown key in limits", A C "limits:\n  dead_line: 5s\n", 11, 3, "\"deadline\""),
	M("key of another section", A C "    allow_users: [root]\n", 10, 5,
	    "to an entry of \"accounts\""),
	M("client's key at the top", A C "tenant: contoso.com\n", 10, 1,
	    "to an entry of \"clients\""),
	M("top-level key in limits", A C "limits:\n  user: x\n", 11, 3, "to the top level"),
	M("duplicate key", A C "    timeout: 5s\n    timeout: 6s\n", 11, 5,
	    "given twice (already at line 10)"),
	M("duplicate at the top", A C "user: root\nlog_level: info\nuser: root\n", 12, 1,
	    "already at line 10"),
	M("duplicate section", A C A, 10, 1, "already at line 1"),
	M("twice by limits", A C "deadline: 5s\nlimits:\n  deadline: 5s\n", 12, 3,
	    "already at line 10"),
	M("no value", A HEAD PROVIDER "    tenant:\n" ID SECRET, 7, 5, "has no value"),
	M("null", A HEAD PROVIDER "    tenant: ~\n" ID SECRET, 7, 13, "has no value"),
	M("the word null", A C "user: null\n", 10, 7, "has no value"),
	M("empty", A HEAD PROVIDER "    tenant: \"\"\n" ID SECRET, 7, 13, "is empty"),
	M("no key", A C ": x\n", 10, 1, "indentation"),
	M("null as key", A C "~: x\n", 10, 1, "a key is missing"),
	M("null as a client's name", A C "  ~: x\n", 10, 3, "a name is missing"),
	M("certificate without a key", A HEAD PROVIDER TENANT ID "    certificate_file: /etc/c.pem\n", 9, 23,
	    "and there is none: write \"key: PATH\""),
	M("certificate of a secret", A C "    certificate_file: /etc/c.pem\n", 10, 23, "belongs to a \"key\""),
	M("secret and key", A C "    key: /etc/k.pem\n", 10, 10, "make several entries of \"credentials\""),
	M("key without a path", A HEAD PROVIDER TENANT ID "    key: k.pem\n", 9, 10, "absolute path, or a URI"),
	M("key with a PIN", A HEAD PROVIDER TENANT ID "    key: \"pkcs11:object=a?pin-value=1234\"\n", 9, 10,
	    "must not hold a PIN"),
	M("key with a day", A HEAD PROVIDER TENANT ID "    key: /k.pem\n    secret_expires: 2090-01-01\n", 10, 21,
	    "belongs to a secret"),
	M("key, and secrets are sent", A HEAD PROVIDER TENANT ID "    key: /k.pem\n    client_auth: "
	    "client_secret_post\n", 10, 18, "write private_key_jwt"),
	M("keys alone, and secrets are sent", A HEAD PROVIDER TENANT ID "    client_auth: client_secret_post\n"
	    "    credentials:\n      - key: /k.pem\n      - key: /l.pem\n", 9, 18, "write private_key_jwt"),
	M("endpoint of another cloud", A C
	    "    token_endpoint: https://login.microsoftonline.us/{tenant}/oauth2/v2.0/token\n",
	    10, 21, "write \"cloud: gcc-high\" and leave token_endpoint out"),
	M("endpoint of the public cloud", A C "    cloud: dod\n"
	    "    token_endpoint: https://LOGIN.microsoftonline.com:443/{tenant}/oauth2/v2.0/token\n", 11, 21,
	    "write \"cloud: public\""),
	M("scope of another cloud", A C "    scope: https://outlook.office365.us/.default\n", 10, 12,
	    "write \"scope: https://outlook.office365.com/.default\""),
	M("scope of the public cloud", A C "    cloud: china\n    scope: https://outlook.office365.com/.default\n", 11,
	    12, "write \"scope: https://partner.outlook.cn/.default\""),
	M("by hand, scope of another cloud", A CUSTOM
	    "    token_endpoint: https://login.microsoftonline.us/contoso.com/oauth2/v2.0/token\n"
	    "    scope: https://outlook.office365.com/.default\n", 10, 12,
	    "write \"scope: https://outlook.office365.us/.default\""),
	M("secret, and a key is meant", A C "    client_auth: private_key_jwt\n", 10, 18, "needs a \"key\""),
	M("Microsoft and curves", A HEAD PROVIDER TENANT ID "    key: /k.pem\n    assertion_algorithm: ES256\n", 10, 26,
	    "PS256 and RS256 alone"),
	M("algorithm", A HEAD PROVIDER TENANT ID "    key: /k.pem\n    assertion_algorithm: HS256\n", 10, 26, "PS256"),
	M("typ", A HEAD PROVIDER TENANT ID "    key: /k.pem\n    assertion_typ: a/b\n", 10, 20, "must be letters"),
	M("assertion, relative", A HEAD PROVIDER TENANT ID "    assertion_file: a\n", 9, 21, "absolute"),
	M("assertion and secret", A C "    assertion_file: /a\n", 10, 21, "make several entries of \"credentials\""),
	M("assertion with a day", A HEAD PROVIDER TENANT ID "    credentials:\n      - assertion_file: /a\n"
	    "        secret_expires: 2090-01-01\n", 11, 25, "belongs to a secret"),
	M("assertion with a key's name", A HEAD PROVIDER TENANT ID "    assertion_file: /a\n    key_id: x\n", 10, 13,
	    "somebody else's assertion"),
	M("assertion, and secrets are sent", A HEAD PROVIDER TENANT ID
	    "    assertion_file: /a\n    client_auth: client_secret_post\n",
	    10, 18, "write private_key_jwt"),
	M("identity of a secret", A C "    identity_client_id: " GUID "\n", 10, 25, "belongs to \"managed_identity\""),
	M("identity alone", A HEAD PROVIDER TENANT ID "    identity_client_id: "
	    "" GUID "\n", 5, 3, "\"managed_identity\""),
	M("identity is no GUID", A HEAD PROVIDER TENANT ID "    managed_identity: imds\n    identity_object_id: mine\n",
	    10, 25,
	    "must be a GUID"),
	M("no resource ID", A HEAD PROVIDER TENANT ID
	    "    managed_identity: imds\n    identity_resource_id: /providers/Microsoft\n",
	    10, 27, "/subscriptions/"),
	M("platform", A HEAD PROVIDER TENANT ID "    managed_identity: vm\n", 9, 23, "imds, app-service, azure-arc, "
	    "auto"),
	M("two selectors", A HEAD PROVIDER TENANT ID "    managed_identity: auto\n    identity_client_id: " GUID
	    "\n    identity_object_id: " GUID "\n", 11, 25, "leave the others out"),
	M("Arc chooses by resource alone", A HEAD PROVIDER TENANT ID
	    "    managed_identity: azure-arc\n    identity_object_id: " GUID
	    "\n", 10, 25, "Azure Arc cannot choose"),
	M("identity and secret", A C "    managed_identity: imds\n", 10, 23, "make several entries of \"credentials\""),
	M("grant with a secret", A HEAD PROVIDER GRANT SECRET, 8, 25, "takes no credential"),
	M("grant with a list", A HEAD PROVIDER GRANT "    credentials:\n" S9, 8, 5, "takes no credential"),
	M("grant with a client ID", A HEAD PROVIDER GRANT ID, 8, 16, "write \"identity_client_id\""),
	M("grant with a permission", A HEAD PROVIDER GRANT "    scope: https://outlook.office365.com/SMTP.SendAsApp\n",
	    8, 12, "RESOURCE/.default"),
	M("grant without a scope", A HEAD "    provider: custom\n" GRANT, 5, 3, "lacks \"scope\""),
	M("grant with a workload", A HEAD PROVIDER GRANT "    workload_identity: yes\n", 8, 24, "client_credentials "
	    "alone"),
	M("workload, a word", A C "    workload_identity: maybe\n", 10, 24, "neither yes nor no"),
	M("refresh token, relative", A C "    refresh_token_file: a\n", 10, 25, "absolute path"),
	M("refresh token in a folder", A C "    refresh_token_file: /a/\n", 10, 25, "not a directory"),
	M("one refresh token of two clients", A C
	    "    grant: refresh_token\n    refresh_token_file: /a\n  d:\n" PROVIDER TENANT ID
	    SECRET "    grant: refresh_token\n    refresh_token_file: /a\n", 18, 25, "client \"c\"'s already"),
	M("nothing to prove oneself with", A C "    client_auth: none\n", 10, 18, "for \"grant: refresh_token\" alone"),
	M("none, and a secret", A C "    client_auth: none\n    grant: refresh_token\n", 9, 25,
	    "remove one of the two"),
	M("none, and a list", A HEAD PROVIDER TENANT ID "    client_auth: none\n    grant: refresh_token\n    "
	    "credentials:\n" S9, 11, 5, "remove one of the two"),
	M("none, and a key", A HEAD PROVIDER TENANT ID "    key: /k.pem\n    client_auth: none\n    grant: "
	    "refresh_token\n", 9, 10, "remove one of the two"),
	M("neither credential nor none", A HEAD PROVIDER TENANT ID "    grant: refresh_token\n", 5, 3, "\"client_auth: "
	    "none\""),
	MN("outlook.com without a user", A HEAD "    provider: outlook.com\n    grant: client_credentials\n" ID, 5, 3,
	    3, "needs one tenant"),
	M("gmail without a secret", A HEAD "    provider: gmail\n" ID, 5, 3, "has no credential"),
	M("secret in the file", A HEAD PROVIDER TENANT ID "    client_secret: abc\n" SECRET, 9, 5,
	    "a file of its own"),
	/* types and bounds */
	M("list for a value", A HEAD PROVIDER "    tenant: [a]\n" ID SECRET, 7, 13, "not a list"),
	M("mapping for a value", A C "user: {a: b}\n", 10, 7, "not a mapping"),
	M("mapping for a list", A C "admin_users: {a: b}\n", 10, 14, "must be a list"),
	M("list within a list", A C "admin_users: [a, [b]]\n", 10, 18, "plain names"),
	M("empty list", A C "admin_users: []\n", 10, 14, "empty list"),
	M("empty item", A C "admin_users: [root, \"\"]\n", 10, 21, "is empty"),
	M("null item", A C "admin_users:\n  - root\n  -\n", 12, 4, "has no value"),
	M("clients are a list", A "clients:\n  - c\n", 5, 3, "must be a mapping"),
	M("clients without entries", A "clients:\n", 4, 1, "must be a mapping"),
	M("accounts are a word", "accounts: x\n" C, 1, 11, "must be a mapping"),
	M("client is a word", A "clients:\n  c: exchange-online\n", 5, 6,
	    "client \"c\" must be a mapping"),
	M("client is empty", A "clients:\n  c:\n", 5, 3, "client \"c\" must be a mapping"),
	M("no duration", A C "    timeout: soon\n", 10, 14, "no length of time"),
	M("fraction", A C "    timeout: 1.5s\n", 10, 14, "no length of time"),
	M("negative", A C "    timeout: -5\n", 10, 14, "no length of time"),
	M("unit apart", A C "    timeout: 5 s\n", 10, 14, "no length of time"),
	M("duration too long", A C "    timeout: 2h\n", 10, 14, "out of bounds: from 1s to 300s"),
	M("duration too short", A C "    timeout: 999ms\n", 10, 14, "out of bounds"),
	M("duration beyond measure", A C "    timeout: 99999999999999999999\n", 10, 14,
	    "no length of time"),
	M("part of a second", A C "    min_remaining: 1500ms\n", 10, 20, "whole number of seconds"),
	M("no number", A C "max_connections: many\n", 10, 18, "no number"),
	M("number out of bounds", A C "max_connections: 70000\n", 10, 18, "from 16 to 65535"),
	M("no mode", A C "listen:\n  - path: /run/a\n    mode: rw\n", 12, 11, "octal"),
	M("mode too large", A C "listen:\n  - path: /run/a\n    mode: 1777\n", 12, 11, "octal"),
	M("mode 888", A C "listen:\n  - path: /run/a\n    mode: 888\n", 12, 11, "octal"),
	M("no protocol", A C "listen:\n  - path: /run/a\n    protocol: netstring\n", 12, 15, "tokend, socketmap"),
	M("log level", A C "log_level: loud\n", 10, 12, "error, warning, notice, info, debug"),
	M("token cache", A C "token_cache: tokens\n", 10, 14, "absolute path on tmpfs, or \"none\""),
	M("token cache, a folder", A C "token_cache: /run/\n", 10, 14, "absolute path"),
	M("log level, near", A C "log_level: warn\n", 10, 12, "one of"),
	M("provider, near", A HEAD "    provider: exchange_online\n" TENANT ID SECRET, 6, 15,
	    "did you mean \"exchange-online\"?"),
	M("a secret for Google", A G SECRET, 7, 25, "that signs, and this is a secret"),
	M("no service account", A G, 5, 3, "service_account_file: PATH"),
	M("service account elsewhere", A HEAD PROVIDER TENANT ID ACCOUNT_FILE, 9, 27, "is for grant jwt-bearer"),
	M("service account and key", A G ACCOUNT_FILE "    key: /k\n", 7, 27, "make several entries"),
	M("service account and key_id", A G ACCOUNT_FILE "    key_id: k\n", 8, 13, "belongs to a \"key\""),
	M("service account and client_auth", A G ACCOUNT_FILE "    client_auth: "
	    "private_key_jwt\n", 8, 18, "signs the grant"),
	M("service account and a day", A G ACCOUNT_FILE "    secret_expires: 2090-01-01\n", 8, 21, "do not expire"),
	M("service account, relative", A G "    service_account_file: a.json\n", 7, 27, "absolute"),
	M("no mailbox", A "    user: scanner\n" G ACCOUNT_FILE, 2, 3, "\"scanner\" is no plain mail address"),
	M("quoted mailbox", A "  '\"a\"@contoso.com':\n    client: c\n" G ACCOUNT_FILE, 4, 3, "is no plain mail "
	    "address"),
	M("gmail.send", A G ACCOUNT_FILE "    scope: https://www.googleapis.com/auth/gmail.send\n", 8, 12,
	    "write \"scope: https://mail.google.com/\""),
	M("Google and a resource", A G ACCOUNT_FILE "    resource: urn:a\n", 8, 15, "is not for grant jwt-bearer"),
	M("a bare key for Google", A G "    key: /k\n", 5, 3, "lacks \"client_id\""),
	M("one of two without a name", A G "    credentials:\n      - service_account_file: /a\n      - key: /k\n", 5,
	    3, "lacks \"client_id\""),
	M("issuer of a client", A HEAD PROVIDER TENANT ID "    key: /k\n    assertion_issuer: x\n", 10, 23,
	    "is for grant jwt-bearer"),
	M("jwt-bearer at Microsoft", A HEAD PROVIDER TENANT ID "    key: /k\n    grant: jwt-bearer\n", 10, 12,
	    "Microsoft has no jwt-bearer grant"),
	M("an assertion for Google", A G "    assertion_file: /a\n", 7, 21, "this signs nothing"),
	M("an identity for Google", A G "    managed_identity: imds\n", 7, 23, "this signs nothing"),
	M("grant with a service account", A HEAD PROVIDER GRANT ACCOUNT_FILE, 8, 27, "takes no credential"),
	M("too few mailboxes", A C "max_mailboxes: 9\n", 10, 16, "from 10 to 100000"),
	M("client_auth", A C "    client_auth: client_secret_pst\n", 10, 18,
	    "\"client_secret_post\""),
	M("cloud", A C "    cloud: mars\n", 10, 12, "gcc-high"),
	M("cloud without this provider",
	    A HEAD "    provider: hve\n    cloud: dod\n" TENANT ID SECRET, 7, 12,
	    "leave \"cloud\" out, or write \"provider: exchange-online\""),
	M("mechanism", A "    mechanisms: [PLAIN]\n" C, 4, 18, "XOAUTH2, OAUTHBEARER"),
	M("no date", A C "    secret_expires: soon\n", 10, 21, "is no date: write YYYY-MM-DD"),
	M("no such day", A C "    secret_expires: 2026-02-29\n", 10, 21, "is no date"),
	M("date as in Entra", A C "    secret_expires: 1/31/2027\n", 10, 21, "is no date"),
	M("date with a time", A C "    secret_expires: 2027-01-31T00:00:00Z\n", 10, 21, "is no date"),
	M("expires twice", A HEAD PROVIDER TENANT ID "    secret_expires: 2090-01-31\n"
	    "    credentials:\n      - client_secret_file: /a\n        secret_expires: 2090-01-31\n", 9, 21,
	    "move it into that list"),
	M("metrics, relative", A C "metrics_file: a.prom\n", 10, 15, "absolute"),
	M("metrics, a directory", A C "metrics_file: /var/lib/\n", 10, 15, "not a directory"),
	M("metrics too often", A C "metrics_interval: 500ms\n", 10, 19, "whole number of seconds"),
	M("metrics never", A C "metrics_interval: 0\n", 10, 19, "out of bounds: from 1s to 3600s"),
	M("relative path", A C "    ca_file: ca.pem\n", 10, 14, "absolute"),
	M("directory", A C "    ca_file: /etc/ssl/\n", 10, 14, "not a directory"),
	M("relative secret is not shown",
	    A HEAD PROVIDER TENANT ID "    client_secret_file: hunter2\n", 9, 25,
	    "\"client_secret_file\": the value must be the absolute path"),
	M("credential with a path",
	    A HEAD PROVIDER TENANT ID "    client_secret_file: credential:../x\n", 9, 25,
	    "credential:NAME"),
	M("socket path too long",
	    A C "listen:\n  - path: /run/"
	    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n",
	    11, 11, "at most 106"),
	M("listen is a mapping", A C "listen:\n  path: /run/a\n", 11, 3, "- path:"),
	M("listen without path", A C "listen:\n  - mode: 0666\n", 11, 5, "lacks \"path\""),
	M("same socket twice", A C "listen:\n  - path: /run/a\n  - path: /run/a\n", 12, 11,
	    "given twice"),
	M("listen is empty", A C "listen: []\n", 10, 9, "empty list"),
	M("users in one text", A "    allow_users: postfix,Debian-exim\n" C, 4, 18, "as a list"),
	M("everybody", A "    allow_users: \"*\"\n" C, 4, 18, "no way to allow everybody"),
	M("proxy's scheme", A C "    proxy: ftp://p:21\n", 10, 12, "scheme"),
	M("proxy with password", A C "    proxy: http://u:p@proxy:3128\n", 10, 12,
	    "name that with proxy_credentials_file"),
	M("proxy's password beside the file", A C "    proxy: http://proxy:3128\n    proxy_credentials_file: "
	    "user:hunter2\n", 11, 29, "must be the absolute path"),
	M("password for SOCKS 4", A C "    proxy: socks4a://proxy:1080\n    proxy_credentials_file: /p\n", 11, 29,
	    "write the proxy as socks5h://HOST:PORT"),
	M("proxy's port", A C "    proxy: http://proxy:99999\n", 10, 12, "HOST:PORT"),
	/* clients */
	M("no client", A "clients: {}\n", 4, 1, "there is no client"),
	MN("no clients key", "log_level: info\n", 0, 0, 2, "there is no client"),
	M("no account", C, 0, 0, "there is no account"),
	M("name of a client", A C "  \"a b\":\n" PROVIDER TENANT ID SECRET, 10, 3,
	    "letters, digits"),
	M("without provider", A HEAD TENANT ID SECRET, 5, 3, "client \"c\" lacks \"provider\""),
	M("without client_id", A HEAD PROVIDER TENANT SECRET, 5, 3, "lacks \"client_id\""),
	M("without tenant", A HEAD PROVIDER ID SECRET, 5, 3, "lacks \"tenant\""),
	M("without secret", A HEAD PROVIDER TENANT ID, 5, 3, "client_secret_file: PATH"),
	M("without endpoint", A CUSTOM, 5, 3, "lacks \"token_endpoint\""),
	M("tenant common", A HEAD PROVIDER "    tenant: common\n" ID SECRET, 7, 13,
	    "tenant's GUID"),
	M("tenant organizations", A HEAD PROVIDER "    tenant: Organizations\n" ID SECRET, 7, 13,
	    "GUID"),
	M("tenant of another path", A HEAD PROVIDER "    tenant: a/b\n" ID SECRET, 7, 13, "GUID"),
	M("tenant with %", A HEAD PROVIDER "    tenant: a%2fb\n" ID SECRET, 7, 13, "GUID"),
	M("tenant with blank", A HEAD PROVIDER "    tenant: Contoso Ltd\n" ID SECRET, 7, 13,
	    "GUID"),
	M("common in the endpoint",
	    A C "    token_endpoint: https://login.microsoftonline.com/common/oauth2/v2.0/token\n",
	    10, 21, "GUID"),
	M("scope is a permission", A C "    scope: https://outlook.office365.com/SMTP.SendAsApp\n",
	    10, 12, "write \"scope: https://outlook.office365.com/.default\""),
	M("scope without .default", A C "    scope: https://outlook.office365.com/\n", 10, 12,
	    "scope: https://outlook.office365.com/.default"),
	M("two scopes", A C "    scope: https://outlook.office365.com/.default offline_access\n",
	    10, 12, "one scope"),
	M("scope with two blanks", A C "    scope: \"a  b\"\n", 10, 12, "one blank"),
	M("Entra by hand without scope",
	    A CUSTOM "    token_endpoint: https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token\n",
	    5, 3, "scope: https://outlook.office365.com/.default"),
	M("v1 endpoint with scope",
	    A C "    scope: https://outlook.office365.com/.default\n"
	    "    token_endpoint: https://login.microsoftonline.com/{tenant}/oauth2/token\n",
	    10, 12, "v1"),
	M("v1 endpoint without resource",
	    A C "    token_endpoint: https://login.microsoftonline.com/{tenant}/oauth2/token\n", 10,
	    21, "v2.0"),
	M("v2 endpoint with resource", A C "    resource: https://outlook.office365.com\n", 10, 15,
	    "refuses \"resource\""),
	M("http", A CUSTOM "    token_endpoint: http://idp.example/token\n", 9, 21, "https://"),
	M("no URL", A CUSTOM "    token_endpoint: idp.example/token\n", 9, 21, "https://"),
	M("URL with password", A CUSTOM "    token_endpoint: https://u:p@idp.example/token\n", 9,
	    21, "user name or a password"),
	M("URL with fragment", A CUSTOM "    token_endpoint: https://idp.example/token#x\n", 9, 21,
	    "fragment"),
	M("URL without host", A CUSTOM "    token_endpoint: https:///token\n", 9, 21, "host"),
	M("URL with a brace", A CUSTOM "    token_endpoint: https://idp.example/{realm}/token\n", 9,
	    21, "{tenant}"),
	M("http for codes", A CUSTOM "    token_endpoint: https://idp.example/token\n"
	    "    device_authorization_endpoint: http://idp.example/device\n", 10, 36, "https://"),
	M("http for browsers", A CUSTOM "    token_endpoint: https://idp.example/token\n"
	    "    authorization_endpoint: http://idp.example/auth\n", 10, 29, "https://"),
	M("codes without tenant", A CUSTOM "    token_endpoint: https://idp.example/token\n"
	    "    device_authorization_endpoint: https://idp.example/{tenant}/device\n", 10, 36, "lacks \"tenant\""),
	M("codes of two tenants", A CUSTOM TENANT "    token_endpoint: https://idp.example/{tenant}/token\n"
	    "    device_authorization_endpoint: https://idp.example/{tenant}/{tenant}\n", 11, 36, "{tenant} twice"),
	M("nine credentials",
	    A HEAD PROVIDER TENANT ID "    credentials:\n" S9 S9 S9 S9 S9 S9 S9 S9 S9, 18, 9,
	    "more than 8 credentials"),
	M("a credential of nothing", A HEAD PROVIDER TENANT ID "    credentials:\n      - key_id: a\n", 10, 9,
	    "neither \"client_secret_file\" nor \"key\""),
	M("credential of another kind",
	    A HEAD PROVIDER TENANT ID "    credentials:\n      - client_secret_file: /a\n"
	    "        certificate_file: /b\n",
	    11, 27, "belongs to a \"key\""),
	M("credentials without list", A HEAD PROVIDER TENANT ID
	    "    credentials:\n      client_secret_file: /a\n", 10, 7, "- client_secret_file"),
	M("secret twice", A C "    credentials:\n      - client_secret_file: /a\n", 9, 25,
	    "move it into that list"),
	M("no credentials", A HEAD PROVIDER TENANT ID "    credentials: []\n", 9, 18, "empty list"),
	M("timeouts crossed", A C "    timeout: 3s\n    connect_timeout: 4s\n", 11, 22,
	    "longer than \"timeout\""),
	M("backoff crossed", A C "    backoff_min: 5s\n    backoff_max: 2s\n", 10, 18,
	    "backoff_max"),
	M("margins crossed", A C "    min_remaining: 50\n    stale_until: 51\n", 11, 18,
	    "min_remaining"),
	M("client twice", A C "  c:\n" PROVIDER TENANT ID SECRET, 10, 3,
	    "given twice (already at line 5)"),
	/* accounts */
	M("undefined client", "accounts:\n  \"*\":\n    client: contso\nclients:\n  "
	    "contoso:\n" PROVIDER TENANT ID SECRET, 3, 13, "did you mean \"contoso\"?"),
	M("account without client", "accounts:\n  \"*\":\n    allow_users: root\n" C, 2, 3,
	    "lacks \"client\""),
	M("account twice", A "  \"*@contoso.com\":\n    client: c\n" C, 4, 3,
	    "given twice (already at line 2)"),
	M("account twice, case and dot", A "  \"*@CONTOSO.com.\":\n    client: c\n" C, 4, 3,
	    "given twice"),
	M("address twice, case of the domain",
	    A "  a@x.org:\n    client: c\n  a@X.Org:\n    client: c\n" C, 6, 3, "given twice"),
	M("pattern without *", "accounts:\n  contoso.com:\n    client: c\n" C, 2, 3,
	    "put \"*@\" in front"),
	M("pattern without local part", "accounts:\n  \"@contoso.com\":\n    client: c\n" C, 2, 3,
	    "put \"*\" in front"),
	M("pattern for subdomains", "accounts:\n  \"*@*.contoso.com\":\n    client: c\n" C, 2, 3,
	    "subdomains"),
	M("pattern in the local part", "accounts:\n  \"scan*@contoso.com\":\n    client: c\n" C, 2,
	    3, "whole local part"),
	M("no domain", "accounts:\n  \"a@\":\n    client: c\n" C, 2, 3, "no domain"),
	M("two stars", "accounts:\n  \"**\":\n    client: c\n" C, 2, 3, "must be an address"),
	M("mailbox is a pattern", A "    user: \"*@contoso.com\"\n" C, 4, 11, "one mailbox"),
	M("relay with port", A "    relays: [\"smtp.office365.com:587\"]\n" C, 4, 14,
	    "without a port"),
	M("relay is a URL", A "    relays: smtp://smtp.office365.com\n" C, 4, 13, "not a URL"),
	M("relay pattern", A "    relays: \"smtp.*.com\"\n" C, 4, 13, "*.DOMAIN"),
	/* several files, several mistakes */
	{ "key in two files", A C "user: root\n", "user: root\n", INC, 1, 1, 0, "tokend.yaml:10)" },
	{ "client in two files", A C, C, INC, 2, 3, 0, "tokend.yaml:5)" },
	{ "account in two files", A C, A, INC, 2, 3, 0, "tokend.yaml:2)" },
	{ "socket in two files", A C "listen:\n  - path: /s\n", "listen:\n  - path: /s\n", INC, 2, 11, 0, "tokend.yaml:11)" },
	{ "users for no account", A C, "accounts:\n  b@x.org:\n    allow_users: root\n", INC, 2, 3, 0, "lacks \"client\"" },
	{ "more than users for an account", A C, "accounts:\n  \"*@contoso.com\":\n    allow_users: root\n    user: a@b.org\n",
	    INC, 2, 3, 0, "lacks \"client\"" },
	M("users for an account of the same file", A "  \"*@contoso.com\":\n    allow_users: root\n" C, 4, 3,
	    "given twice (already at line 2)"),
	{ "mistake in the second file", A C, "clients:\n  d:\n    provder: custom\n", INC, 3, 5, 0,
	    "\"provider\"" },
	{ "empty include", A C, "", INC, 1, 1, 0, "empty" },
	{ "no client in either", A, "log_level: info\n", MAIN, 0, 0, 0, "there is no client" },
	MN("four at once", "user: [a]\nlog_level: loud\ndeadline: x\ncolour: red\n" A C, 1, 7, 4,
	    "single value"),
};

static void broken_table(void **state)
{
	size_t failed = 0, n = sizeof rows / sizeof rows[0];

	(void)state;
	for (const struct row *t = rows; t < rows + n; t++) {
		const unsigned want = t->errors == 0 ? 1 : t->errors;
		const struct conf_complaint *e = NULL;
		struct conf_report r;
		struct conf_dir d;
		struct conf *c;
		char file[128];
		bool ok;

		conf_dir_make(&d);
		conf_dir_write(&d, MAIN, t->text, strlen(t->text));
		if (t->include != NULL)
			conf_dir_write(&d, INC, t->include, strlen(t->include));
		snprintf(file, sizeof file, "%s/%s", d.path, t->file);
		c = conf_dir_load(&d, 0, &r);
		for (size_t i = r.n; i-- > 0;)
			if (r.c[i].severity == 'e')
				e = &r.c[i];
		ok = c == NULL && e != NULL && strcmp(e->at.file, file) == 0 &&
		    e->at.line == t->line && e->at.column == t->column &&
		    strstr(e->text, t->part) != NULL && r.errors == want &&
		    strstr(e->text, "topsecret") == NULL && strstr(e->text, "hunter2") == NULL;
		if (!ok) {
			fprintf(stderr, "# expected %s:%u:%u, %u errors: %s\n", t->file, t->line,
			    t->column, want, t->part);
			conf_show(t->name, &r);
			failed++;
		}
		conf_free(c);
		conf_report_free(&r);
		conf_dir_remove(&d);
	}
	printf("# %zu broken configurations\n", n);
	assert_int_equal(failed, 0);
}

static void unreadable(void **state)
{
	struct conf_report r;
	struct conf_dir d;
	char path[128];

	(void)state;
	conf_dir_make(&d);
	assert_null(conf_dir_load(&d, 0, &r));
	assert_true(conf_says(&r, 'e', "No such file"));
	assert_int_equal(r.c[0].at.line, 0);
	conf_report_free(&r);

	snprintf(path, sizeof path, "%s/tokend.yaml", d.path);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_null(conf_dir_load(&d, 0, &r));
	assert_true(conf_says(&r, 'e', "directory"));
	conf_report_free(&r);
	assert_int_equal(rmdir(path), 0);

	conf_dir_write(&d, MAIN, ACCOUNT CLIENT, strlen(ACCOUNT CLIENT));
	conf_dir_write(&d, INC, "user: root\n", 11);
	snprintf(path, sizeof path, "%s/conf.d/a.yaml", d.path);
	assert_int_equal(symlink("/nonexistent/a.yaml", path), 0);
	assert_null(conf_dir_load(&d, 0, &r));
	assert_true(conf_says(&r, 'e', "rename it"));
	assert_string_equal(r.c[0].at.file, path);
	conf_report_free(&r);
	conf_dir_remove(&d);
}

/* More mistakes than are kept: the rest is counted, and errors are not crowded out by warnings. */
static void many(void **state)
{
	static char text[200 * 100];
	struct conf_report r;
	struct conf_dir d;
	size_t n = 0;

	(void)state;
	n += (size_t)snprintf(text, sizeof text, ACCOUNT CLIENT "admin_users:\n");
	for (int i = 0; i < 80; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "  - no-such-user-%d\n", i);
	for (int i = 0; i < 60; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "wrong%d: x\n", i);
	conf_dir_make(&d);
	conf_dir_write(&d, MAIN, text, n);
	assert_null(conf_dir_load(&d, 0, &r));
	assert_int_equal(r.errors, 60);
	assert_int_equal(r.warnings, 80);
	assert_int_equal(r.n, CONF_COMPLAINTS_MAX + 1);
	for (size_t i = 0; i < r.n; i++)
		assert_int_equal(r.c[i].severity, 'e');
	assert_string_equal(r.c[r.n - 1].text, "... and 90 more");
	conf_report_free(&r);
	conf_dir_remove(&d);
}

static void form(void **state)
{
	struct conf_complaint c = { { "/etc/t.yaml", 3, 7 }, 'e', "wrong", NULL };
	char out[64];

	(void)state;
	assert_string_equal(conf_complaint_str(out, sizeof out, &c),
	    "/etc/t.yaml:3:7: error: wrong");
	c.severity = 'w';
	c.at.line = 0;
	assert_string_equal(conf_complaint_str(out, sizeof out, &c), "/etc/t.yaml: warning: wrong");
	assert_string_equal(conf_complaint_str(out, 8, &c), "/etc/t.");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(broken_table),
		cmocka_unit_test(unreadable),
		cmocka_unit_test(many),
		cmocka_unit_test(form),
	};

	return cmocka_run_group_tests_name("conf_broken", tests, NULL, NULL);
}
