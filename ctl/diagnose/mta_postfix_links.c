/*
 * Postfix's parameters: does it log in at this relay and as whom, by our mechanism, under TLS; and what becomes of a refusal.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/text.h"
#include "ctl/diagnose/mta.h"

#define WRAPPED_PORT 465

/* A fix sets a parameter where it counts: the service's own word, but for the usual service main.cf's. */
static char *look(struct dg_walk *w, const char *parameter)
{
	const struct dg_mta *m = w->mta;
	char *v = pf_service_value(&m->service, parameter), set[128];

	(void)snprintf(set, sizeof set, "-P %s/unix/", m->service.name);
	dg_value(w, "set", strcmp(m->service.name, "smtp") == 0 && !pf_service_own(&m->service, parameter) ? "-e " : set);
	dg_value(w, "parameter", parameter);
	dg_value(w, "hop", m->hop);
	if (v == NULL)
		w->no_memory = true;
	return v;
}

bool dg_postfix_aim(struct dg_walk *w, const char *lines)
{
	const char *name = strstr(lines, "{set}");
	char parameter[80];

	if (w->mta_name != NULL && strcmp(w->mta_name, "postfix") != 0)
		return false;
	if (w->mta == NULL) {
		dg_value(w, "instance", w->call->instance != NULL ? w->call->instance : "/etc/postfix");
		dg_value(w, "set", "-e ");
	} else if (name != NULL) {
		(void)snprintf(parameter, sizeof parameter, "%.*s", (int)strcspn(name + 5, "="), name + 5);
		free(look(w, parameter));
	}
	return true;
}

static bool yes(struct dg_walk *w, const char *parameter)
{
	char *v = look(w, parameter);
	bool is = v != NULL && strcmp(v, "yes") == 0;

	free(v);
	return is;
}

/* The next word of a list, as Postfix has them; false: none is left. */
static bool word(const char **list, const char **s, size_t *n)
{
	*s = *list + strspn(*list, ", \t\r\n");
	*n = strcspn(*s, ", \t\r\n");
	*list = *s + *n;
	return *n > 0;
}

static bool has_word(const char *list, const char *what)
{
	const char *s;
	size_t n;

	while (word(&list, &s, &n))
		if (n == strlen(what) && strncasecmp(s, what, n) == 0)
			return true;
	return false;
}

/* --- login ---------------------------------------------------------------------------------------------------- */

/* Where a line is to be put, and what makes it count: for fixes. */
static void tell_table(struct dg_walk *w, const char *list)
{
	const struct dg_mta *m = w->mta;
	char type[64], name[1024], reload[2400];
	bool file = pf_table(&list, type, sizeof type, name, sizeof name) && su_plain_path(name);

	if (!file)
		(void)snprintf(name, sizeof name, "%.900s/" PF_ACCOUNTS, m->pf.dir);
	dg_value(w, "file", name);
	if (file && strcmp(type, "texthash") != 0)
		(void)snprintf(reload, sizeof reload, "postmap -c %s %s:%s && postfix -c %s reload", m->pf.dir, type, name,
		    m->pf.dir);
	else
		(void)snprintf(reload, sizeof reload, "postfix -c %s reload", m->pf.dir);
	dg_value(w, "reload", reload);
}

/* No line can be written into a pattern, a query of a database, or the parameter itself: a table is put in front. */
static void in_front(struct dg_walk *w, const char *list)
{
	const struct dg_mta *m = w->mta;
	const char *all = list;
	char type[64], name[1024], both[2400];

	if (pf_table(&list, type, sizeof type, name, sizeof name) && *name == '/' && (strcmp(type, "texthash") == 0 ||
	    *pf_index(type) != '\0'))
		return;
	(void)snprintf(name, sizeof name, "%.900s/" PF_ACCOUNTS, m->pf.dir);
	dg_value(w, "file", name);
	(void)snprintf(both, sizeof both, "texthash:%s, %s", name, all);
	dg_value(w, "list", both);
	dg_explain(w, "Postfix's tables of logins have no line for this server", strlen(both) <= 900 && strchr(all, '$') == NULL ?
	    "echo {sh:hop} {sh:account} >>{sh:file} && postconf -c {sh:instance} {set}smtp_sasl_password_maps={sh:list} && "
	    "postfix -c {sh:instance} reload" :
	    "echo {sh:hop} {sh:account} >>{sh:file}\n# in smtp_sasl_password_maps write texthash:{file} in front, then: postfix reload");
}

/* Has a table's text no index, or one that is older? Its name is in the value "file" then. */
static bool not_indexed(struct dg_walk *w, const char *list)
{
	char type[64], name[1024], one[1100];
	struct stat text, index;
	bool old = false;

	while (!old && pf_table(&list, type, sizeof type, name, sizeof name)) {
		char *path = su_join(name, pf_index(type), "");

		if (path != NULL && *name == '/' && strcmp(path, name) != 0 && stat(name, &text) == 0)
			old = stat(path, &index) == -1 || index.st_mtime < text.st_mtime;
		free(path);
	}
	(void)snprintf(one, sizeof one, "%s:%s", type, name);
	if (old)
		tell_table(w, one);
	return old;
}

/* USER:PASSWORD of the relay, as smtp(8) looks it up; owned, NULL: there is none. */
static char *entry(struct dg_walk *w, const char *list)
{
	const struct dg_mta *m = w->mta;
	const char *from = w->call->from != NULL ? w->call->from : w->user, *at = strrchr(from, '@');
	char *found = NULL;

	if (yes(w, "smtp_sender_dependent_authentication")) {
		found = pf_query(&m->pf, list, from);
		if (found == NULL && at != NULL)
			found = pf_query(&m->pf, list, at);
	}
	if (found == NULL)
		found = pf_query(&m->pf, list, w->relay);
	return found != NULL ? found : pf_query(&m->pf, list, m->hop);
}

static void login_as(struct dg_walk *w, char *found)
{
	const size_t n = strcspn(found, ":");
	const char *password = found[n] == ':' && found[n + 1] != '\0' ? ", with a password that is not needed" : "";

	found[n] = '\0';
	dg_value(w, "mapped", found);
	if (strcmp(found, w->account) == 0)
		dg_ok(w, "at %s as %s%s", w->mta->hop, found, password);
	else if (conf_account_find(w->conf, found, n) == NULL)
		dg_broken(w, "map-unknown-user", "smtp_sasl_password_maps has \"%s\" for %s", found, w->mta->hop);
	else
		dg_note(w, "at %s as %s, and not as %s%s", w->mta->hop, found, w->account, password);
}

void dg_postfix_login(struct dg_walk *w)
{
	char *type = NULL, *list = NULL, *found = NULL;

	if (!yes(w, "smtp_sasl_auth_enable")) {
		dg_broken(w, "sasl-off", "smtp_sasl_auth_enable is not \"yes\" for service %s", w->mta->service.name);
		return;
	}
	if ((type = look(w, "smtp_sasl_type")) != NULL && strcmp(type, "cyrus") != 0) {
		dg_broken(w, "sasl-type", "smtp_sasl_type is \"%s\"", type);
	} else if ((list = look(w, "smtp_sasl_password_maps")) != NULL) {
		tell_table(w, list);
		if (*list == '\0')
			dg_broken(w, "map-missing", "smtp_sasl_password_maps is empty for service %s", w->mta->service.name);
		else if ((found = entry(w, list)) == NULL && not_indexed(w, list))
			dg_broken(w, "map-not-indexed", "the index of %s is older than its text, or is not there", list);
		else if (found == NULL && w->mta->elsewhere)
			dg_skip(w, "smtp_sasl_password_maps = %s has nothing for %s, where Postfix does not send", list, w->mta->hop);
		else if (found != NULL)
			login_as(w, found);
		else {
			dg_broken(w, "map-without-relay", "smtp_sasl_password_maps = %s has nothing for %s", list, w->mta->hop);
			in_front(w, list);
		}
	}
	free(type);
	free(list);
	if (found != NULL)
		mx_wipe(found, strlen(found));
	free(found);
}

/* --- mechanism ------------------------------------------------------------------------------------------------ */

enum match { MATCH_NO, MATCH_YES, MATCH_UNKNOWN };

/* Does Postfix's list let the mechanism through? The first word that fits counts. */
static enum match admits(struct dg_walk *w, const char *list, const char *mech)
{
	const char *s;
	size_t n;

	if (*list == '\0')
		return MATCH_YES;
	while (word(&list, &s, &n)) {
		const bool not = *s == '!';
		char item[256], *found;
		bool fits;

		s += not, n -= not;
		if (n >= sizeof item)
			return MATCH_UNKNOWN;
		memcpy(item, s, n);
		item[n] = '\0';
		if (*item == '/')
			return MATCH_UNKNOWN;
		if (strchr(item, ':') != NULL) {
			found = pf_query(&w->mta->pf, item, mech);
			fits = found != NULL;
			free(found);
		} else {
			fits = strcasecmp(item, mech) == 0;
		}
		if (fits)
			return not ? MATCH_NO : MATCH_YES;
	}
	return MATCH_NO;
}

/* What the plugin does not claim to be hides it, where it is demanded. */
static const char *demanded(const char *options)
{
	static const char *const lacks[] = { "noplaintext", "noactive", "nodictionary", "forward_secrecy", "mutual_auth" };

	for (size_t i = 0; i < sizeof lacks / sizeof lacks[0]; i++)
		if (has_word(options, lacks[i]))
			return lacks[i];
	return NULL;
}

/* The TLS level for this relay; owned. */
static char *level(struct dg_walk *w, char **policy)
{
	char *list = pf_service_value(&w->mta->service, "smtp_tls_policy_maps"), *v;

	*policy = list != NULL ? pf_query(&w->mta->pf, list, w->mta->hop) : NULL;
	if (*policy == NULL && list != NULL)
		*policy = pf_query(&w->mta->pf, list, w->relay);
	free(list);
	if (*policy != NULL)
		return strndup(*policy, strcspn(*policy, " \t,"));
	v = look(w, "smtp_tls_security_level");
	if (v != NULL && *v == '\0') {		/* the words of Postfix 2.2 */
		free(v);
		v = strdup(yes(w, "smtp_enforce_tls") ? "encrypt" : yes(w, "smtp_use_tls") ? "may" : "");
	}
	return v;
}

void dg_postfix_mechanism(struct dg_walk *w)
{
	char *policy = NULL, *tls = level(w, &policy), *options = NULL, *filter = NULL;
	const char *parameter = tls != NULL && pf_proves_name(tls) ? "smtp_sasl_tls_verified_security_options" :
	    "smtp_sasl_tls_security_options";
	const char *other = w->mech == MX_MECH_XOAUTH2 && w->entry->oauthbearer ? mx_mech_name(MX_MECH_OAUTHBEARER) : NULL;
	const char *mech = mx_mech_name(w->mech), *lacks;
	enum match m = MATCH_NO;

	dg_value(w, "mech", mech);
	if ((filter = look(w, "smtp_sasl_mechanism_filter")) != NULL) {
		m = admits(w, filter, mech);
		if (m == MATCH_NO && other != NULL && (m = admits(w, filter, other)) == MATCH_YES) {
			w->mech = MX_MECH_OAUTHBEARER;
			mech = other;
		}
	}
	if (filter != NULL && m != MATCH_NO)
		w->mta->one_mechanism = admits(w, filter, mx_mech_name(w->mech == MX_MECH_XOAUTH2 ? MX_MECH_OAUTHBEARER :
		    MX_MECH_XOAUTH2)) == MATCH_NO;
	if (filter != NULL && m == MATCH_NO) {
		dg_broken(w, "mechanism-filter", "smtp_sasl_mechanism_filter = %s", filter);
	} else if ((options = look(w, parameter)) != NULL) {
		if ((lacks = demanded(options)) != NULL)
			dg_broken(w, "security-options", "%s = %s; with \"%s\" Cyrus SASL hides %s", parameter, options, lacks, mech);
		else if (m == MATCH_UNKNOWN)
			dg_note(w, "%s, if smtp_sasl_mechanism_filter = %s admits it", mech, filter);
		else if (admits(w, filter, "PLAIN") == MATCH_YES || admits(w, filter, "LOGIN") == MATCH_YES)
			dg_note(w, "%s; but smtp_sasl_mechanism_filter (\"%s\") lets Postfix log in with a password too, should the "
			    "plugin be missing", mech, filter);
		else
			dg_ok(w, "%s", mech);
	}
	free(policy);
	free(tls);
	free(options);
	free(filter);
}

/* --- TLS ------------------------------------------------------------------------------------------------------ */

/* Has it certificates of CAs to compare with? */
static bool has_cas(struct dg_walk *w)
{
	char *file = look(w, "smtp_tls_CApath"), *path = file;
	bool some = yes(w, "tls_append_default_CA") || (path != NULL && *path != '\0' && access(path, F_OK) == 0);

	file = look(w, "smtp_tls_CAfile");
	some |= file != NULL && *file != '\0' && access(file, R_OK) == 0;
	free(path);
	free(file);
	return some;
}

/* Has the level names to compare with that are not the server's, or the next hop's? */
static bool names_of_its_own(struct dg_walk *w, const char *tls)
{
	const bool secure = strncmp(tls, "secure", 6) == 0;
	char *names = look(w, secure ? "smtp_tls_secure_cert_match" : "smtp_tls_verify_cert_match");
	const char *list = names != NULL ? names : "", *s;
	bool own = false;
	size_t n;

	while (!own && word(&list, &s, &n))
		own = !(n == 7 && strncmp(s, "nexthop", n) == 0) && !(n == 11 && strncmp(s, "dot-nexthop", n) == 0) &&
		    !(n == 8 && strncmp(s, "hostname", n) == 0);
	free(names);
	return own;
}

void dg_postfix_tls(struct dg_walk *w)
{
	char *policy = NULL, *tls = level(w, &policy);
	const char *from = policy != NULL ? "smtp_tls_policy_maps" : "smtp_tls_security_level";
	const bool wrapped = yes(w, "smtp_tls_wrappermode");

	dg_value(w, "wrapper", wrapped ? "no" : "yes");
	if (tls == NULL)
		return;
	w->mta->lenient = strncmp(tls, "secure", 6) != 0 && strncmp(tls, "verify", 6) != 0;
	w->mta->own_names = (policy != NULL && strstr(policy, "match=") != NULL) || names_of_its_own(w, tls);
	if (policy == NULL)
		(void)yes(w, "smtp_tls_security_level");	/* for the fix */
	if (*tls == '\0' || strcmp(tls, "none") == 0) {
		dg_broken(w, policy != NULL ? "tls-policy-off" : "tls-off", "%s is \"%s\" for %s", from, tls, w->mta->hop);
	} else if (wrapped != (w->port == WRAPPED_PORT)) {
		(void)yes(w, "smtp_tls_wrappermode");
		dg_broken(w, "tls-wrappermode", "smtp_tls_wrappermode is \"%s\", and the port is %u", wrapped ? "yes" : "no",
		    w->port);
	} else if ((strncmp(tls, "secure", 6) == 0 || strncmp(tls, "verify", 6) == 0) && !has_cas(w)) {
		dg_broken(w, "tls-no-ca", "%s is \"%s\", and neither smtp_tls_CAfile nor smtp_tls_CApath names a file that is "
		    "there", from, tls);
	} else if (pf_proves_name(tls)) {
		dg_ok(w, "%s is \"%s\"", from, tls);
	} else {
		dg_note(w, "%s is \"%s\": the token would go to a server that has not proved its name; \"secure\" is better", from,
		    tls);
	}
	free(policy);
	free(tls);
}

/* --- what becomes of a refusal -------------------------------------------------------------------------------- */

/* Is the account in the cache of refused logins? */
static bool remembered(struct dg_walk *w, const char *cache)
{
	char key[MX_HOST_MAX + MX_ACCOUNT_MAX + 2], *found;

	(void)snprintf(key, sizeof key, "%s;%s", w->relay, w->account);
	if ((found = pf_query(&w->mta->pf, cache, key)) == NULL)
		return false;
	free(found);
	dg_value(w, "key", key);
	dg_value(w, "file", strncmp(cache, "proxy:", 6) == 0 ? cache + 6 : cache);
	return true;
}

void dg_postfix_refusals(struct dg_walk *w)
{
	const struct pf *p = &w->mta->pf;
	char *cache = look(w, "smtp_sasl_auth_cache_name"), text[1024] = "";
	struct mx_buf b;

	mx_buf_init(&b, text, sizeof text);
	if (cache != NULL && *cache != '\0') {
		if (remembered(w, cache)) {
			dg_broken(w, "auth-cache", "smtp_sasl_auth_cache_name = %s has a refused login of %s at %s", cache,
			    w->account, w->relay);
			free(cache);
			return;
		}
		mx_buf_addf(&b, "; smtp_sasl_auth_cache_name is set: one refused login blocks the account for 90 days, even after "
		    "its repair");
	}
	free(cache);
	if (!yes(w, "smtp_sasl_auth_soft_bounce"))
		mx_buf_adds(&b, "; smtp_sasl_auth_soft_bounce is \"no\": a refused login bounces mail");
	if (*p->value[PF_DEBUG_PEERS] != '\0')
		mx_buf_adds(&b, "; debug_peer_list has tokens logged");
	if (strstr(p->value[PF_NOTIFY], "protocol") != NULL)
		mx_buf_adds(&b, "; notify_classes has \"protocol\", which mails tokens to the postmaster");
	if (mx_buf_str(&b) == NULL || b.len == 0)
		dg_ok(w, "the mail waits, and the login is tried again");
	else
		dg_note(w, "%s", text + 2);
}
