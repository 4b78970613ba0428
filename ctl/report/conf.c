/*
 * The configuration as it is written. What is shown of a value is said by its key's type: numbers, words of a list and
 * paths as they are if they are such; addresses without their local parts; all else by its look.
 */
#include "config.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "common/text.h"
#include "ctl/report/report.h"
#include "settings/check.h"

/* The main file, then those of conf.d, in order. */
static void each_file(const char *path, void (*f)(void *arg, const char *file, bool main), void *arg)
{
	const char *slash = strrchr(path, '/');
	char pattern[4200];
	struct mx_buf b;
	glob_t g;

	f(arg, path, true);
	mx_buf_init(&b, pattern, sizeof pattern);
	for (const char *p = path; slash != NULL && p <= slash; p++) {	/* the folder's own name is no pattern */
		if (strchr("*?[\\", *p) != NULL)
			mx_buf_addc(&b, '\\');
		mx_buf_addc(&b, *p);
	}
	mx_buf_adds(&b, "conf.d/*.yaml");
	if (mx_buf_str(&b) == NULL || glob(pattern, 0, NULL, &g) != 0)
		return;
	for (size_t i = 0; i < g.gl_pathc; i++)
		f(arg, g.gl_pathv[i], false);
	globfree(&g);
}

/* --- what has to be known before anything is shown ------------------------------------------- */

static void learn_secret(struct rp *r, const char *s, size_t n)
{
	char path[4200];
	struct mx_buf b;

	mx_buf_init(&b, path, sizeof path);
	if (n > 11 && memcmp(s, "credential:", 11) == 0)
		mx_buf_addf(&b, "/run/credentials/mta-xoauth2-tokend.service/%.*s", (int)(n - 11), s + 11);
	else if (n > 5 && memcmp(s, "file:", 5) == 0)
		mx_buf_addf(&b, "%.*s", (int)(n - 5), s + 5);
	else
		mx_buf_addf(&b, "%.*s", (int)n, s);
	if (mx_buf_str(&b) != NULL && *path == '/')
		rp_secret_file(r, path);
}

static bool named(const struct rp_item *i, const char *name)
{
	return i->key != NULL && strcmp(i->key->name, name) == 0;
}

static void learn(void *arg, const struct rp_item *i)
{
	struct rp *r = arg;
	const char *at;
	char path[512];

	if (i->kind == RP_CLIENT) {
		if (cf_bad_name(i->name, i->name_n) == NULL)
			rp_name(r, i->name, i->name_n);
		if (i->name_n < 300 && snprintf(path, sizeof path, MX_STATEDIR "/%.*s.refresh", (int)i->name_n, i->name) > 0)
			rp_secret_file(r, path);
		return;
	}
	if (i->kind == RP_ACCOUNT) {
		at = memchr(i->name, '@', i->name_n);
		rp_local(r, i->name, at != NULL ? (size_t)(at - i->name) : i->name_n);
	}
	if (i->value == NULL || i->key == NULL)
		return;
	if (named(i, "user") && i->section == &conf_sections[CONF_SECTION_ACCOUNT] && (at = memchr(i->value, '@', i->value_n)) != NULL)
		rp_local(r, i->value, (size_t)(at - i->value));
	if ((i->key->flags & CONF_K_REFUSED) != 0)
		rp_known(r, i->value, i->value_n);	/* a secret that must not stand here, but does */
	else if (i->key->type == CONF_T_SECRET || named(i, "key") || named(i, "assertion_file") || named(i, "refresh_token_file"))
		learn_secret(r, i->value, i->value_n);
}

static void learn_file(void *arg, const char *file, bool main)
{
	unsigned line;
	size_t n;
	char *text = rp_read(file, RP_CONF_MAX, false, &n);

	(void)main;
	if (text == NULL)
		return;
	(void)rp_conf_walk(file, text, n, learn, arg, &line);
	mx_wipe(text, n);
	free(text);
}

void rp_conf_learn(struct rp *r, const char *path)
{
	each_file(path, learn_file, r);
}

/* --- what is shown ---------------------------------------------------------------------------- */

static bool only(const char *s, size_t n, const char *set)
{
	return n > 0 && n <= 24 && strspn(s, set) >= n;
}

static bool listed_word(const struct conf_key *k, const char *s, size_t n)
{
	for (unsigned i = 0; k->word != NULL && k->word(i) != NULL; i++)
		if (strlen(k->word(i)) == n && strncasecmp(k->word(i), s, n) == 0)
			return true;
	return false;
}

/* As it stands, if it is a path: a secret that was written in its place is no place in the file system. */
static void show_path(struct rp *r, const char *s, size_t n)
{
	char dir[4200];
	struct stat st;
	size_t len = n;

	while (len > 0 && s[len - 1] != '/')
		len--;
	if (*s == '/' && n < sizeof dir) {
		memcpy(dir, s, n);
		dir[len > 1 ? len - 1 : 1] = '\0';
		if ((len > 1 && stat(dir, &st) == 0) || rp_word_harmless(s, n)) {
			rp_text(r, s, n);
			return;
		}
	}
	if (n > 11 && memcmp(s, "credential:", 11) == 0 && rp_word_harmless(s + 11, n - 11))
		rp_show(r, s, n);
	else
		rp_mask(r, RP_SECRET, s, n);
}

static bool is_id(const struct rp_item *i)
{
	static const char *const ids[] = { "tenant", "client_id", "identity_client_id", "identity_object_id", "identity_resource_id",
		"assertion_issuer", "key_id", NULL };

	for (size_t k = 0; ids[k] != NULL; k++)
		if (named(i, ids[k]))
			return true;
	return false;
}

static void show_string(struct rp *r, const struct rp_item *i)
{
	const char *s = i->value;
	size_t n = i->value_n, semi;

	if (is_id(i)) {
		rp_id(r, s, n);
	} else if (named(i, "user")) {
		rp_address(r, s, n);
	} else if (named(i, "key") && n > 0 && *s != '/') {	/* a URI: what it names is nobody's business, a PIN least of all */
		for (semi = 0; semi < n && s[semi] != ':'; semi++)
			;
		rp_text(r, s, semi < n ? semi + 1 : 0);
		rp_mask(r, RP_SECRET, s, n);
	} else if (named(i, "key") || named(i, "token_cache")) {
		if (n > 0 && *s == '/')
			show_path(r, s, n);
		else
			rp_text(r, s, n);
	} else {
		rp_text(r, s, n);
	}
}

static void show_value(struct rp *r, const struct rp_item *i)
{
	const char *s = i->value;
	size_t n = i->value_n;

	if (n == 0)
		return;
	if (i->key == NULL || (i->key->flags & CONF_K_REFUSED) != 0) {
		rp_mask(r, i->key == NULL ? RP_WORD : RP_SECRET, s, n);
		return;
	}
	switch (i->key->type) {
	case CONF_T_SECONDS: case CONF_T_MS: case CONF_T_COUNT: case CONF_T_MODE:
		if (only(s, strspn(s, "0123456789") < n ? strspn(s, "0123456789") : n, "0123456789") && rp_word_harmless(s, n))
			rp_show(r, s, n);
		else
			rp_mask(r, RP_WORD, s, n);
		break;
	case CONF_T_DATE:
		if (only(s, n, "0123456789-"))
			rp_show(r, s, n);
		else
			rp_mask(r, RP_WORD, s, n);
		break;
	case CONF_T_BOOL:
		if (rp_word_harmless(s, n) && n <= 5)
			rp_show(r, s, n);
		else
			rp_mask(r, RP_WORD, s, n);
		break;
	case CONF_T_ENUM: case CONF_T_WORDS:
		if (listed_word(i->key, s, n))
			rp_show(r, s, n);
		else
			rp_mask(r, RP_WORD, s, n);
		break;
	case CONF_T_PATH: case CONF_T_SECRET:
		show_path(r, s, n);
		break;
	case CONF_T_STRING:
		show_string(r, i);
		break;
	default:	/* URLs, proxies, names of users, hosts */
		rp_text(r, s, n);
		break;
	}
}

struct shown { struct rp *r; size_t lines; };	/* lines: of one file */

static void show(void *arg, const struct rp_item *i)
{
	struct shown *all = arg;
	struct rp *r = all->r;

	if (all->lines++ >= RP_CONF_LINES)
		return;
	fprintf(r->out, "  %*s", (int)i->depth * 2, "");
	switch (i->kind) {
	case RP_CLIENT:
		rp_text(r, i->name, i->name_n);
		fputs(":\n", r->out);
		return;
	case RP_ACCOUNT:
		rp_address(r, i->name, i->name_n);
		fputs(":\n", r->out);
		return;
	case RP_ENTRY:
		fputs("-\n", r->out);
		return;
	case RP_VALUE:
		fputs("- ", r->out);
		break;
	case RP_KEY:
		if (i->key != NULL)
			fputs(i->key->name, r->out);
		else
			rp_mask(r, RP_WORD, i->name, i->name_n);
		fputs(i->key != NULL ? ": " : " (unknown key): ", r->out);
		break;
	}
	if (i->value != NULL)
		show_value(r, i);
	fputc('\n', r->out);
}

static void show_file(void *arg, const char *file, bool main)
{
	struct rp *r = arg;
	struct shown all = { r, 0 };
	unsigned line;
	size_t n;
	char *text = rp_read(file, RP_CONF_MAX, false, &n);

	(void)main;
	rp_texts(r, file);
	if (text == NULL) {
		rp_line(r, ": cannot be read here (%s); run this as root", strerror(errno));
		return;
	}
	fputc('\n', r->out);
	if (!rp_conf_walk(file, text, n, show, &all, &line) && line == 0)
		rp_line(r, "  (it is no YAML of keys and values, and is not shown)");
	else if (line != 0)
		rp_line(r, "  (from line %u on it cannot be read as YAML, and is not shown)", line);
	if (all.lines > RP_CONF_LINES)
		rp_line(r, "  (and %zu more lines)", all.lines - RP_CONF_LINES);
	mx_wipe(text, n);
	free(text);
}

void rp_conf_show(struct rp *r, const char *path)
{
	each_file(path, show_file, r);
}
