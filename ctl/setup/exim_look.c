/*
 * What an Exim is like, before anything is changed.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/setup/exim.h"

#define OLDEST_MAJOR 4
#define OLDEST_MINOR 96
#define OTHERS "remote_smtp_smarthost"	/* Debian's own transport to a smarthost */

/* The rest of the line that begins with this; owned. "" where there is none, NULL: no memory. */
static char *behind(const char *text, const char *begin)
{
	size_t n = strlen(begin);

	for (; *text != '\0'; text += strcspn(text, "\n"), text += *text == '\n')
		if (strncmp(text, begin, n) == 0)
			return strndup(text + n, strcspn(text + n, "\n"));
	return strdup("");
}

static bool new_enough(const char *version)
{
	char *end;
	unsigned long major = strtoul(version, &end, 10), minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;

	return major > OLDEST_MAJOR || (major == OLDEST_MAJOR && minor >= OLDEST_MINOR);
}

/* -bV: its version, and which configuration it reads. */
static void look_at_program(struct ex *e)
{
	static const char *const args[] = { "-bV", NULL };
	struct su_output o;
	char *version = NULL, *made = NULL;

	if (!ex_run(e, args, &o)) {
		su_find(&e->found, SU_WRONG, "exim", "%s -bV fails: is its present configuration right? %.300s", e->exim,
		    o.err != NULL ? o.err : "");
	} else if ((version = behind(o.out, "Exim version ")) == NULL ||
	    (made = behind(o.out, "Configuration file is ")) == NULL) {
		e->found.no_memory = true;
	} else {
		version[strcspn(version, " ")] = '\0';
		su_find(&e->found, new_enough(version) ? SU_GOOD : SU_WRONG, "exim", "version %s%s", version,
		    new_enough(version) ? "" : " is too old: 4.96 is the first that will do");
		if (strcmp(made, EX_MADE) != 0)
			su_find(&e->found, SU_WRONG, "exim", "it reads %s and not " EX_MADE ", which update-exim4.conf "
			    "makes: that is a configuration of your own, to be changed by hand; " EX_PIECES
			    "/exim.conf shows how", made);
	}
	free(version);
	free(made);
	su_output_free(&o);
}

/* One of the lines NAME='VALUE' of update-exim4.conf.conf, the last one counts, as the shell reads it; owned. */
static char *setting(struct ex *e, const char *text, const char *name)
{
	const char *p, *value = "", *end;
	size_t n = strlen(name), len = 0;
	char *out;

	for (p = text; *p != '\0'; p += strcspn(p, "\n"), p += *p == '\n') {
		const char *s = p + strspn(p, " \t");

		if (strncmp(s, name, n) != 0 || s[n] != '=')
			continue;
		s += n + 1;
		end = s + strcspn(s, "\n");
		if ((*s == '\'' || *s == '"') && memchr(s + 1, *s, (size_t)(end - s - 1)) != NULL)
			end = memchr(s + 1, *s, (size_t)(end - s - 1)), s++;
		else if (*s == '\'' || *s == '"')
			end = s;
		else
			end = s + strcspn(s, " \t\n;#");
		value = s;
		len = (size_t)(end - s);
	}
	out = strndup(value, len);
	if (out == NULL)
		e->found.no_memory = true;
	else if (strpbrk(out, "$`\\") != NULL)
		su_find(&e->found, SU_WRONG, "debian", "%s is computed (%s): write its value", name, out);
	return out;
}

/* "host::port", the form of dc_smarthost. */
static bool is_relay(const struct ex *e)
{
	const char *s = e->smarthost + strspn(e->smarthost, " ");
	size_t n = strlen(e->host);
	char *end;
	unsigned long port = 25;

	if (strncasecmp(s, e->host, n) != 0)
		return false;
	s += n;
	if (strncmp(s, "::", 2) == 0) {
		port = strtoul(s + 2, &end, 10);
		s = end;
	}
	return s[strspn(s, " ")] == '\0' && port == (e->port != 0 ? e->port : 25);
}

static void look_at_debian(struct ex *e)
{
	char *path = su_join(e->dir, "/update-exim4.conf.conf", ""), *split = NULL;
	struct su_file f = { 0 };

	if (path == NULL || !su_read(&e->found, path, &f) || f.p == NULL) {
		e->found.no_memory |= path == NULL;
		su_find(&e->found, SU_WRONG, "debian", "no update-exim4.conf.conf");
		free(path);
		return;
	}
	e->type = setting(e, f.p, "dc_eximconfig_configtype");
	e->smarthost = setting(e, f.p, "dc_smarthost");
	split = setting(e, f.p, "dc_use_split_config");
	if (e->type != NULL && e->smarthost != NULL && split != NULL) {
		e->split = strcasecmp(split, "true") == 0;
		su_find(&e->found, SU_GOOD, "debian", "%s configuration, type %s, dc_smarthost %s",
		    e->split ? "split" : "unsplit", e->type, *e->smarthost != '\0' ? e->smarthost : "(none)");
		if (strcasecmp(e->type, "smarthost") != 0 && strcasecmp(e->type, "satellite") != 0)
			su_find(&e->found, SU_WRONG, "debian", "dc_eximconfig_configtype is \"%s\", with which mail goes "
			    "to no smarthost: run dpkg-reconfigure exim4-config and take \"mail sent by smarthost\"",
			    e->type);
		if (e->host != NULL && !is_relay(e))
			su_find(&e->found, SU_WRONG, "debian", "dc_smarthost is \"%s\" and not \"%s::%u\": run "
			    "dpkg-reconfigure exim4-config, or correct one of the two", e->smarthost, e->host,
			    e->port != 0 ? e->port : 25);
	}
	free(split);
	su_file_free(&f);
	free(path);
}

/* What Exim's option of other mail is; "" where it has none. */
static void look_at_transports(struct ex *e)
{
	static const char *const all[] = { "-bP", "transport_list", NULL }, *const others[] = { "-bP", "transport", OTHERS,
		NULL };
	struct su_output o;
	char *require = NULL;

	if (ex_run(e, all, &o))
		e->there = strstr(o.out, "mta_xoauth2\n") != NULL;
	su_output_free(&o);
	if (ex_run(e, others, &o)) {
		if ((require = behind(o.out, "hosts_require_auth = ")) == NULL)
			e->found.no_memory = true;
		else
			su_find(&e->found, SU_GOOD, "login", "hosts_require_auth of " OTHERS " is %s (of mail that does not "
			    "go by mta_xoauth2, which has \"*\": without a login it sends nothing)",
			    *require != '\0' ? require : "(none)");
	}
	free(require);
	su_output_free(&o);
}

bool ex_look(struct ex *e)
{
	look_at_program(e);
	look_at_debian(e);
	if (e->found.worst != SU_WRONG)	/* else it might tell of another configuration */
		look_at_transports(e);
	if (e->host != NULL && e->found.worst != SU_WRONG)
		ex_look_at_passwords(e);
	e->conf = su_find_conf(&e->job, e->c->tenant != NULL);
	return !e->found.no_memory;
}
