/*
 * What Postfix and Exim are told about the relay: parameters by name. A map of passwords is shown by its type and path
 * alone, since some types hold the password itself.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/report/report.h"
#include "ctl/setup/run.h"

static bool begins(const char *s, size_t n, const char *with)
{
	size_t len = strlen(with);

	return n >= len && memcmp(s, with, len) == 0;
}

static bool any(const char *s, size_t n, const char *const *list)
{
	for (; *list != NULL; list++)
		if (begins(s, n, *list))
			return true;
	return false;
}

/* Of Postfix: the name of a parameter, without the service before it. */
static bool of_postfix(const char *s, size_t n)
{
	static const char *const names[] = { "smtp_sasl_", "smtp_tls_", "lmtp_sasl_", "relayhost", "default_transport", "relay_transport",
		"transport_maps", "sender_dependent_", "smtp_sender_dependent_", "smtp_delivery_status_filter", "default_delivery_status_filter",
		"smtp_reply_filter", "smtp_dns_", "smtp_host_lookup", "smtp_use_tls", "smtp_enforce_tls", "smtp_generic_maps", "sender_canonical_maps",
		"soft_bounce", "queue_directory", "config_directory", "mail_version", "inet_protocols", "default_destination_", "smtp_destination_",
		"exo_", "import_environment", "export_environment", "cyrus_sasl_config_path", "compatibility_level", NULL };

	return any(s, n, names);
}

static bool of_exim(const char *s, size_t n)
{
	static const char *const names[] = { "driver", "public_name", "hosts", "port", "tls_", "protocol", "fallback_hosts", "interface",
		"exim_version", "client_condition", "server_set_id", "retry_", "max_rcpt", "connection_max_messages", "command_timeout", NULL };

	return any(s, n, names);
}

/* "hash:/etc/postfix/sasl_passwd": types that are files, and their paths. */
static void map_of_passwords(struct rp *r, const char *s, size_t n)
{
	static const char *const files[] = { "hash:/", "btree:/", "cdb:/", "lmdb:/", "dbm:/", "texthash:/", "regexp:/", "pcre:/", "socketmap:unix:/", NULL };
	size_t len;

	for (size_t i = 0; i < n; i += len) {
		len = strspn(s + i, ", \t");
		len = len < n - i ? len : n - i;
		fwrite(s + i, 1, len, r->out);
		i += len;
		for (len = 0; i + len < n && strchr(", \t", s[i + len]) == NULL; len++)
			;
		if (len == 0)
			break;
		if (any(s + i, len, files) && memchr(s + i, '{', len) == NULL) {
			rp_text(r, s + i, len);
		} else {	/* static:, inline:{...}: all that follows belongs to it */
			rp_mask(r, RP_SECRET, s + i, n - i);
			return;
		}
	}
}

/* "name = value", or "service/type/name = value". */
static void parameter(struct rp *r, const char *s, size_t n, bool (*pick)(const char *s, size_t n), bool *odd)
{
	const char *eq = memmem(s, n, " =", 2), *name = s, *value;
	size_t len, k;

	if (eq == NULL) {
		*odd = true;
		return;
	}
	for (const char *p = s; p < eq; p++)
		name = *p == '/' ? p + 1 : name;
	len = (size_t)(eq - name);
	if (!pick(name, len))
		return;
	value = eq + 2;
	for (k = n - (size_t)(value - s); k > 0 && *value == ' '; k--)
		value++;
	if (k == 0)
		return;
	fputs("  ", r->out);
	rp_text(r, s, (size_t)(eq - s));
	fputs(" = ", r->out);
	if (memmem(name, len, "password", 8) != NULL)
		map_of_passwords(r, value, k);
	else if (memmem(name, len, "environment", 11) != NULL || memmem(name, len, "key_file", 8) != NULL)
		rp_mask(r, RP_WORD, value, k);
	else
		rp_text(r, value, k);
	fputc('\n', r->out);
}

static void ask_program(struct rp *r, const char *const argv[], bool (*pick)(const char *s, size_t n), bool headings)
{
	struct su_output o = { 0 };
	const char *p, *lf;
	bool odd;

	if (!su_run(argv, &o) || o.status != 0) {
		fputs("  ", r->out);
		rp_texts(r, argv[0]);
		rp_line(r, ": failed (exit status %d); run this as root", o.status);
	} else {
		for (p = o.out; *p != '\0'; p = *lf == '\0' ? lf : lf + 1) {
			lf = p + strcspn(p, "\n");
			odd = false;
			parameter(r, p, (size_t)(lf - p), pick, &odd);
			if (odd && headings && lf > p + 1 && lf[-1] == ':') {
				fputs("  ", r->out);
				rp_text(r, p, (size_t)(lf - p));
				fputc('\n', r->out);
			}
		}
	}
	if (o.out != NULL)
		mx_wipe(o.out, SU_OUTPUT_MAX);
	su_output_free(&o);
}

void rp_mta_show(struct rp *r)
{
	char *postconf = su_find_program("postconf"), *exim = su_find_program("exim4");
	const char *main[] = { postconf, "-n", NULL }, *services[] = { postconf, "-P", NULL };
	const char *transports[] = { NULL, "-bP", "transports", NULL }, *logins[] = { NULL, "-bP", "authenticators", NULL };

	if (exim == NULL)
		exim = su_find_program("exim");
	transports[0] = logins[0] = exim;
	if (postconf != NULL) {
		ask_program(r, main, of_postfix, false);
		ask_program(r, services, of_postfix, false);
	}
	if (exim != NULL) {
		ask_program(r, transports, of_exim, true);
		ask_program(r, logins, of_exim, true);
	}
	if (postconf == NULL && exim == NULL)
		rp_line(r, "  neither postconf nor exim is there");
	free(postconf);
	free(exim);
}
