#include "config.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ctl/out.h"
#include "ctl/setup/postfix.h"

static const char *const name_of[PF_N] = {
	[PF_COMMANDS] = "command_directory", [PF_COMPATIBILITY] = "compatibility_level",
	[PF_DEBUG_PEERS] = "debug_peer_list", [PF_TRANSPORT] = "default_transport",
	[PF_ENVIRONMENT] = "import_environment", [PF_OWNER] = "mail_owner", [PF_VERSION] = "mail_version",
	[PF_INSTANCE] = "multi_instance_name", [PF_NOTIFY] = "notify_classes", [PF_QUEUE] = "queue_directory",
	[PF_RELAYHOST] = "relayhost", [PF_SENDERS] = "sender_dependent_default_transport_maps",
	[PF_SENDER_RELAYS] = "sender_dependent_relayhost_maps", [PF_CACHE] = "smtp_sasl_auth_cache_name",
	[PF_SOFT_BOUNCE] = "smtp_sasl_auth_soft_bounce",
	[PF_FILTER] = "smtp_sasl_mechanism_filter", [PF_PASSWORDS] = "smtp_sasl_password_maps",
	[PF_SECURITY] = "smtp_sasl_security_options", [PF_TLS_SECURITY] = "smtp_sasl_tls_security_options",
	[PF_CA_FILE] = "smtp_tls_CAfile", [PF_CA_PATH] = "smtp_tls_CApath", [PF_POLICY] = "smtp_tls_policy_maps",
	[PF_LEVEL] = "smtp_tls_security_level", [PF_SYSLOG] = "syslog_name",
	[PF_HOSTNAME] = "myhostname", [PF_ORIGIN] = "myorigin", [PF_GENERIC] = "smtp_generic_maps",
	[PF_TRANSPORT_MAPS] = "transport_maps", [PF_SENDMAIL] = "sendmail_path",
	[PF_SUBMIT] = "authorized_submit_users",
};

/* Warnings may stand before what a command ended with: the line that counts is made the only one. */
static void last_word(char *s)
{
	const char *fatal = strstr(s, ": fatal: "), *line = fatal != NULL ? fatal : s;

	while (line > s && line[-1] != '\n')
		line--;
	memmove(s, line, strlen(line) + 1);
	s[strcspn(s, "\n")] = '\0';
}

bool pf_run(const struct pf *p, const char *folder, const char *command, const char *const args[], struct su_output *o)
{
	const char *argv[SU_ARGS_MAX + 1] = { NULL, "-c", folder };
	char *path = strcmp(command, "postconf") == 0 ? strdup(p->postconf) : su_join(p->commands, "/", command);
	size_t n = 3;
	bool ok = false;

	*o = (struct su_output){ 0 };
	for (; *args != NULL && n < SU_ARGS_MAX; args++)
		argv[n++] = *args;
	argv[n] = NULL;
	argv[0] = path;
	if (path == NULL || *args != NULL)
		out_error("%s cannot be run: no memory, or too many arguments", command);
	else
		ok = su_run(argv, o);
	if (ok && o->status != 0) {
		last_word(o->err);
		out_error("%s failed (exit status %d): %s", command, o->status, o->err);
		ok = false;
	}
	free(path);
	return ok;
}

/* A line of what was printed, without its end, in place. NULL: none is left. */
static char *next_line(char **p)
{
	char *line = *p, *end;

	if (*line == '\0')
		return NULL;
	end = line + strcspn(line, "\n");
	*p = *end != '\0' ? end + 1 : end;
	*end = '\0';
	return line;
}

/* Copies are looked at, but it is the instance's folder that is meant. */
static char *in_place(const struct pf *p, const char *s)
{
	const char *at = p->stage != NULL ? strstr(s, p->stage) : NULL;
	char *head, *out;

	if (at == NULL)
		return strdup(s);
	if ((head = strndup(s, (size_t)(at - s))) == NULL)
		return NULL;
	out = su_join(head, p->dir, at + strlen(p->stage));
	free(head);
	return out;
}

static bool read_values(struct pf *p)
{
	const char *args[PF_N + 2] = { "-x" };
	struct su_output o;
	char *line, *rest, *eq;
	bool ok = true;
	size_t i;

	for (i = 0; i < PF_N; i++)
		args[i + 1] = name_of[i];
	for (i = 0; i < PF_N; i++) {
		free(p->value[i]);
		p->value[i] = NULL;
	}
	if (pf_run(p, p->stage != NULL ? p->stage : p->dir, "postconf", args, &o)) {
		for (rest = o.out; (line = next_line(&rest)) != NULL;) {
			if ((eq = strstr(line, " =")) == NULL)
				continue;
			*eq = '\0';
			eq += 2 + strspn(eq + 2, " ");
			for (i = 0; i < PF_N; i++)
				if (strcmp(line, name_of[i]) == 0 && p->value[i] == NULL)
					p->value[i] = in_place(p, eq);
		}
	} else {
		ok = false;
	}
	su_output_free(&o);
	for (i = 0; i < PF_N; i++)
		if (p->value[i] == NULL && (p->value[i] = strdup("")) == NULL)
			ok = false;
	return ok;
}

static bool is_service(const char *line, const char *name)
{
	size_t n = strlen(name);

	return strncmp(line, name, n) == 0 && line[n] != '\0' && strchr(" \t", line[n]) != NULL;
}

/* master.cf: the chroot of smtp, by its own word or by the default of its compatibility level. */
static bool read_services(struct pf *p)
{
	static const char *const args[] = { "-F", "smtp/unix/chroot", NULL }, *const all[] = { "-M", NULL };
	const char *folder = p->stage != NULL ? p->stage : p->dir, *v;
	struct su_output o;
	char *line, *rest;
	bool ok = pf_run(p, folder, "postconf", args, &o);

	if (ok) {
		v = strrchr(o.out, '=');
		v = v != NULL ? v + 1 + strspn(v + 1, " ") : "";
		p->chroot = *v == 'y' || (*v == '-' && strtod(p->value[PF_COMPATIBILITY], NULL) < 1);
	}
	su_output_free(&o);
	if (ok && (ok = pf_run(p, folder, "postconf", all, &o)))
		for (rest = o.out, p->service = p->turn = false; (line = next_line(&rest)) != NULL;) {
			p->service = p->service || is_service(line, PF_SERVICE);
			p->turn = p->turn || is_service(line, PF_BOUNCES);
		}
	su_output_free(&o);
	return ok;
}

/* The value of a variable in import_environment, owned; NULL: it is not there, or no memory. */
static char *imported(const struct pf *p, const char *name)
{
	const char *s = p->value[PF_ENVIRONMENT];
	size_t n = strlen(name);

	for (; *s != '\0'; s += strcspn(s, " \t,"), s += strspn(s, " \t,"))
		if (strncmp(s, name, n) == 0 && s[n] == '=')
			return strndup(s + n + 1, strcspn(s + n + 1, " \t,"));
	return NULL;
}

bool pf_table(const char **list, char *type, size_t cap, char *name, size_t room)
{
	const char *s = *list + strspn(*list, " \t,\r\n"), *end, *colon;
	int depth = 0;

	for (end = s; *end != '\0' && (depth > 0 || strchr(" \t,", *end) == NULL); end++)
		depth += (*end == '{') - (*end == '}');
	*list = end;
	if (end == s)
		return false;
	if (strncmp(s, "proxy:", 6) == 0)
		s += 6;
	colon = memchr(s, ':', (size_t)(end - s));
	if (colon == NULL || (size_t)(colon - s) >= cap || (size_t)(end - colon) > room) {
		*type = *name = '\0';
		return true;
	}
	memcpy(type, s, (size_t)(colon - s));
	type[colon - s] = '\0';
	memcpy(name, colon + 1, (size_t)(end - colon - 1));
	name[end - colon - 1] = '\0';
	return true;
}

bool pf_has_map(const struct pf *p, const char *type)
{
	size_t n = strlen(type);
	const char *s = p->maps;

	for (; *s != '\0'; s += strcspn(s, "\n"), s += *s == '\n')
		if (strncmp(s, type, n) == 0 && (s[n] == '\n' || s[n] == '\0'))
			return true;
	return false;
}

static bool read_maps(struct pf *p)
{
	static const char *const args[] = { "-m", NULL };
	struct su_output o;
	bool ok = pf_run(p, p->dir, "postconf", args, &o);

	if (ok) {
		free(p->maps);
		ok = (p->maps = strdup(o.out)) != NULL;
	}
	su_output_free(&o);
	return ok;
}

bool pf_read_all(struct pf *p)
{
	const struct passwd *pw;

	if (!read_values(p) || !read_maps(p) || !read_services(p))
		return false;
	free(p->socket);
	free(p->outside);
	free(p->commands);
	p->job.socket = p->outside = NULL;
	if ((p->socket = imported(p, "MTA_XOAUTH2_SOCKET")) == NULL)
		p->socket = strdup(MX_SOCKET);
	p->commands = strdup(p->value[PF_COMMANDS]);
	if (p->socket != NULL)
		p->job.socket = p->outside = p->chroot ? su_join(p->value[PF_QUEUE], p->socket, "") : strdup(p->socket);
	if ((pw = getpwnam(p->value[PF_OWNER])) == NULL) {
		out_error("there is no user \"%s\", which is mail_owner in %s/main.cf", p->value[PF_OWNER], p->dir);
		return false;
	}
	p->uid = pw->pw_uid, p->gid = pw->pw_gid;
	return p->commands != NULL && p->outside != NULL;
}

char *pf_sasl_path(const struct pf *p)
{
	char *path = imported(p, "SASL_PATH");

	return path != NULL ? path : strdup(MX_SASLDIR);
}

int pf_open(struct pf *p, const struct call *c)
{
	const char *dir = c->instance != NULL ? c->instance : "/etc/postfix";
	struct stat st;
	char *main_cf;
	bool there;
	int r;

	*p = (struct pf){ .c = c, .account = c->account };
	p->config = c->config != NULL ? c->config : MX_SYSCONFDIR "/mta-xoauth2/tokend.yaml";
	p->job = (struct su_job){ .c = c, .server = &pf_server, .arg = p, .config = p->config, .found = &p->found };
	if (!su_plain_path(dir) || !su_plain_path(p->config))
		return out_usage(c->verb, "%s must be an absolute path of letters, digits and ._-+@~",
		    su_plain_path(dir) ? "--config" : "--instance");
	if ((r = su_relay(c, &p->host, &p->port)) != CTL_FINE)
		return r;
	if ((p->dir = realpath(dir, NULL)) == NULL) {
		out_error("%s: %s; --instance names Postfix's config_directory", dir, strerror(errno));
		return CTL_CONFIG;
	}
	p->job.dir = p->dir;
	main_cf = su_join(p->dir, "/main.cf", "");
	there = main_cf != NULL && stat(main_cf, &st) == 0;
	free(main_cf);
	if (!there || !su_plain_path(p->dir)) {
		out_error("%s is not the folder of a Postfix: there is no main.cf in it", p->dir);
		return CTL_CONFIG;
	}
	if ((p->postconf = su_find_program("postconf")) == NULL) {
		out_error("postconf is neither on PATH nor in /usr/sbin: is Postfix installed?");
		return CTL_CONFIG;
	}
	return CTL_FINE;
}

void pf_close(struct pf *p)
{
	for (size_t i = 0; i < PF_N; i++)
		free(p->value[i]);
	if (p->stage != NULL)
		(void)su_remove_folder(p->stage);
	free(p->dir);
	free(p->stage);
	free(p->postconf);
	free(p->commands);
	free(p->maps);
	free(p->socket);
	free(p->outside);
	free(p->host);
	free(p->generic);
	free(p->bounces);
	free(p->owned_account);
	free(p->aside);
	conf_free(p->conf);
	su_found_free(&p->found);
}
