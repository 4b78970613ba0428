/*
 * The files that the client's requests need, read as the daemon's user reads them.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/secret.h"
#include "ctl/child.h"
#include "ctl/diagnose/here.h"
#include "oauth/federated.h"
#include "oauth/key.h"
#include "oauth/proxy.h"
#include "oauth/refresh_file.h"
#include "oauth/secretfile.h"
#include "oauth/service_account.h"

#define CA_MAX (16 << 20)	/* bytes: a hundred times what a system has */

/* What a child has found: broken with err, or a note in err.text, or nothing with "" there. */
struct judged { bool broken; struct mx_err err; char file[512]; };

static void found(struct judged *j, bool broken, const char *path)
{
	j->broken = broken;
	(void)snprintf(j->file, sizeof j->file, "%s", path != NULL ? path : "");
}

static void judge_secret(const struct oauth_client *oc, const char *path, struct judged *j)
{
	struct mx_secret s = { 0 };
	struct mx_err e;

	if (oauth_secret_read_for(oc, path, &s, &j->err) != MX_OK)
		found(j, true, path);
	else if (oauth_secret_lint(path, &s, &e)) {
		j->err = e;
		found(j, false, path);
	}
	mx_secret_free(&s);
}

static void judge_key(const struct oauth_credential *k, struct judged *j)
{
	struct oauth_key *key = NULL;
	struct mx_err e;

	if (oauth_key_open(k, 0, &key, &e) != MX_OK || oauth_key_try(key, k->alg, &e) != MX_OK ||
	    oauth_key_in_date(key, mx_wall_ms() / 1000, &e) != MX_OK) {
		j->err = e;
		found(j, true, k->key);
	}
	oauth_key_free(key);
}

static void judge_credential(const struct oauth_client *oc, const struct oauth_credential *k, struct judged *j)
{
	struct mx_secret s = { 0 };

	if (k->secret_file != NULL)
		judge_secret(oc, k->secret_file, j);
	if (!j->broken && k->service_account_file != NULL && oc->token_endpoint != NULL &&
	    oauth_service_account_try(oc, k->service_account_file, &j->err) != MX_OK)
		found(j, true, k->service_account_file);
	if (!j->broken && k->key != NULL)
		judge_key(k, j);
	if (!j->broken && k->assertion_file != NULL && oauth_federated_read(k->assertion_file, &s, &j->err) != MX_OK)
		found(j, true, k->assertion_file);
	mx_secret_free(&s);
}

/* What belongs to all credentials. */
static void judge_client(const struct oauth_client *oc, struct judged *j)
{
	struct mx_secret a = { 0 }, b = { 0 };
	struct stat st;
	int fd = -1;

	if (oc->ca_file != NULL && (fd = open(oc->ca_file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)) == -1) {
		(void)mx_fail(&j->err, MX_CONFIG, "ca-file-unusable", "\"ca_file\": %s cannot be read (%s)", oc->ca_file,
		    strerror(errno));
		found(j, true, oc->ca_file);
	} else if (oc->ca_file != NULL && (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) || st.st_size > CA_MAX)) {
		(void)mx_fail(&j->err, MX_CONFIG, "ca-file-unusable", "\"ca_file\": %s is no file of certificates", oc->ca_file);
		found(j, true, oc->ca_file);
	}
	if (fd != -1)
		close(fd);
	if (!j->broken && oc->proxy_credentials_file != NULL &&
	    oauth_proxy_credentials(oc->proxy_credentials_file, &a, &b, &j->err) != MX_OK)
		found(j, true, oc->proxy_credentials_file);
	mx_secret_free(&a);
	mx_secret_free(&b);
}

/* One credential that is right is enough: the others are tried in turn. */
static void judge(const struct oauth_client *oc, struct judged *j)
{
	struct judged first = { 0 }, now;

	for (size_t i = 0; i < oc->ncredentials; i++) {
		now = (struct judged){ 0 };
		judge_credential(oc, &oc->credential[i], &now);
		if (i == 0)
			first = now;
		if (!now.broken)
			break;
	}
	*j = first;
	if (oc->ncredentials > 0 && first.broken && !now.broken)
		j->broken = false;	/* a note */
	if (!j->broken)
		judge_client(oc, j);
}

struct judging { const struct dg_walk *w; const struct passwd *pw; struct judged j; };

/* In a child: as the daemon's user, if this is root. */
static void judge_as(int fd, void *arg)
{
	const struct judging *q = arg;
	const struct dg_walk *w = q->w;
	const struct oauth_client *oc = &w->client->oc;
	struct mx_secret token = { 0 };
	struct judged j = { 0 };

	if (!child_become(q->pw)) {
		(void)mx_fail(&j.err, MX_CONFIG, "cannot-change-user", "cannot become user \"%s\" (%s)", w->conf->user,
		    strerror(errno));
		found(&j, true, NULL);
	} else {
		mx_secret_forked();
		judge(oc, &j);
		if (!j.broken && oc->grant == OAUTH_GRANT_REFRESH_TOKEN &&
		    oauth_refresh_peek(oc->refresh_token_file, &token, &j.err) != MX_OK)
			found(&j, true, oc->refresh_token_file);
		mx_secret_free(&token);
	}
	(void)child_put(fd, &j, sizeof j);
}

static bool take(int fd, void *arg)
{
	struct judging *q = arg;

	return child_take(fd, &q->j, sizeof q->j);
}

const char *dg_file_of_unit(const struct oauth_credential *k)
{
	const char *const files[] = { k->secret_file, k->key, k->key_passphrase_file, k->certificate_file,
		k->assertion_file, k->service_account_file };

	for (size_t i = 0; secure_getenv("CREDENTIALS_DIRECTORY") == NULL && i < sizeof files / sizeof files[0]; i++)
		if (files[i] != NULL && strncmp(files[i], "credential:", 11) == 0)
			return files[i];
	return NULL;
}

static const char *of_unit(const struct oauth_client *oc)
{
	const char *file = NULL;

	for (size_t i = 0; file == NULL && i < oc->ncredentials; i++)
		file = dg_file_of_unit(&oc->credential[i]);
	return file;
}

static void say(struct dg_walk *w, const struct judged *j, bool as_daemon)
{
	dg_value(w, "file", *j->file != '\0' ? j->file : NULL);
	if (j->broken && !as_daemon && strstr(j->err.code, "unreadable") != NULL) {
		dg_skip(w, "%s; the daemon runs as another user, %s", j->err.text, w->conf->user);
		dg_unknown(w, "whether user %s may read %s: run this as root", w->conf->user, j->file);
	} else if (j->broken) {
		dg_broken_err(w, &j->err);
	} else if (*j->err.text != '\0') {
		memcpy(w->hint, j->err.code, sizeof w->hint);
		dg_note(w, "%s", j->err.text);
	} else {
		dg_ok(w, "the files of client \"%s\" are right, read as %s", w->client->oc.name,
		    as_daemon ? w->conf->user : "who runs this");
	}
}

void dg_files(struct dg_walk *w)
{
	const struct passwd *pw = getpwnam(w->conf->user);
	const char *credential = of_unit(&w->client->oc);
	const bool root = geteuid() == 0;
	struct judging q = { .w = w, .pw = root && pw != NULL && pw->pw_uid != 0 ? pw : NULL };

	dg_value(w, "user", w->conf->user);
	for (size_t i = w->client->oc.ncredentials; i-- > 0;)
		if (w->client->oc.credential[i].certificate_file != NULL)
			dg_value(w, "certificate", w->client->oc.credential[i].certificate_file);
	if (pw == NULL && root) {
		dg_broken(w, "unknown-user", "there is no user \"%s\", whom the daemon runs as", w->conf->user);
	} else if (credential != NULL) {
		dg_skip(w, "\"%s\" is there for the daemon's unit alone", credential);
		dg_unknown(w, "what is in \"%s\": systemd hands it to the daemon's unit alone; its log says what is wrong with it",
		    credential);
	} else if (!child_ask(judge_as, take, &q, NULL)) {
		w->no_memory = true;
	} else {
		say(w, &q.j, root || (pw != NULL && pw->pw_uid == geteuid()));
	}
}
