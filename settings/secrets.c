#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "oauth/claims.h"
#include "oauth/federated.h"
#include "oauth/identity.h"
#include "common/hash.h"
#include "oauth/file.h"
#include "oauth/key.h"
#include "oauth/proxy.h"
#include "oauth/secretfile.h"
#include "oauth/service_account.h"
#include "settings/build.h"

#define GROUPS_MAX 64

/* The account the daemon will run as, when that is not this process's own. */
struct account {
	bool other;
	const char *name;
	uid_t uid;
	gid_t gid[GROUPS_MAX];
	int ngid;
	char way[1024];			/* the folders to the last file, with a slash: they may be passed */
	/* The last ones that were fine: paths are interned, so that the same one is the same pointer. */
	const char *ca, *secret, *endpoint, *assertion, *proxy;
	const struct oauth_credential *key;
	uint64_t key_expires, key_stamp;
};

static void find_account(struct account *a, const char *user)
{
	const struct passwd *pw = getpwnam(user);

	*a = (struct account){ .name = user };
	if (pw == NULL || pw->pw_uid == geteuid())
		return;
	a->other = true;
	a->uid = pw->pw_uid;
	a->gid[0] = pw->pw_gid, a->ngid = 1;
#ifdef HAVE_GETGROUPLIST
	int n = GROUPS_MAX;

	if (getgrouplist(user, pw->pw_gid, a->gid, &n) >= 0)
		a->ngid = n;
#endif
}

/*
 * Do owner, group and mode grant the account what (4 read, 1 search)? Access control lists are not
 * seen.
 */
static bool grants(const struct account *a, const struct stat *st, unsigned what)
{
	if (a->uid == 0)
		return true;
	if (st->st_uid == a->uid)
		return (st->st_mode >> 6 & what) != 0;
	for (int i = 0; i < a->ngid; i++)
		if (st->st_gid == a->gid[i])
			return (st->st_mode >> 3 & what) != 0;
	return (st->st_mode & what) != 0;
}

/* Of many secrets in one folder the way there is looked at once. Returns where to begin. */
static size_t past(const struct account *a, const char *path)
{
	const size_t n = strlen(a->way);

	return n > 1 && strncmp(path, a->way, n) == 0 ? n : 1;
}

static void passed(struct account *a, const char *path, size_t n)
{
	if (n >= sizeof a->way)
		return;
	memcpy(a->way, path, n);
	a->way[n] = '\0';
}

/*
 * Root reads everything, so what the daemon's account may do is judged by the modes along the path.
 */
static void check_as(struct build *b, struct account *a, const char *path,
    const struct conf_where *at)
{
	char part[4096];
	const size_t n = strlen(path);
	struct stat st;

	if (n >= sizeof part || path[0] != '/')
		return;
	for (size_t i = past(a, path); i <= n; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (stat(part, &st) == -1)
			return;
		if (grants(a, &st, path[i] == '\0' ? 4 : 1)) {
			if (path[i] != '\0')
				passed(a, path, i + 1);
			continue;
		}
		if (path[i] == '\0')
			cf_warn(b->r, at,
			    "user \"%s\", whom the daemon runs as, may not read %s by its mode: "
			    "chgrp it to that user's group and chmod it to 640",
			    a->name, path);
		else
			cf_warn(b->r, at,
			    "user \"%s\", whom the daemon runs as, may not pass through %s by its "
			    "mode, on the way to %s",
			    a->name, part, path);
		return;
	}
}

/* systemd's credentials are there for the service alone. */
static bool elsewhere(struct build *b, const struct conf_where *at, const char *path)
{
	static const char credential[] = "credential:";

	if (path == NULL || strncmp(path, credential, sizeof credential - 1) != 0 ||
	    secure_getenv("CREDENTIALS_DIRECTORY") != NULL)
		return false;
	cf_warn(b->r, at, "\"%s\" cannot be checked here: $CREDENTIALS_DIRECTORY is not set, as it is for services "
	    "with LoadCredential= in their systemd unit", path);
	return true;
}

static void check_secret(struct build *b, struct account *a, const struct oauth_client *oc,
    const char *path, const struct conf_where *at)
{
	const size_t before = b->r->errors + b->r->warnings;
	struct mx_secret s = { 0 };
	struct mx_err e;

	if (path == a->secret && oc->token_endpoint == a->endpoint)
		return;		/* what is judged depends on the provider too */
	if (elsewhere(b, at, path))
		return;
	switch (oauth_secret_read_for(oc, path, &s, &e)) {
	case MX_OK:
		if (oauth_secret_lint(path, &s, &e))
			cf_warn(b->r, at, "%s", e.text);
		if (a->other)
			check_as(b, a, path, at);
		break;
	case MX_CONFIG:
		if (a->other && strcmp(e.code, "secret-unreadable") == 0)
			cf_error(b->r, at,
			    "%s; but the daemon runs as another user, \"%s\": to check what that "
			    "one "
			    "may read, run this as root",
			    e.text, a->name);
		else
			cf_error(b->r, at, "%s", e.text);
		break;
	default:
		cf_warn(b->r, at, "%s", e.text);
	}
	mx_secret_free(&s);
	if (b->r->errors + b->r->warnings == before) {
		a->secret = path;
		a->endpoint = oc->token_endpoint;
	}
}

static void check_ca(struct build *b, struct account *a, const char *path,
    const struct conf_where *at)
{
	const size_t before = b->r->errors + b->r->warnings;
	int fd;

	if (path == a->ca)
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd == -1) {
		cf_error(b->r, at, "\"ca_file\": %s cannot be read (%s)", path, strerror(errno));
		return;
	}
	close(fd);
	if (a->other)
		check_as(b, a, path, at);
	if (b->r->errors + b->r->warnings == before)
		a->ca = path;
}

/*
 * A wrong PIN is no error: a daemon that ends with it is started anew by systemd again and again, and each time the
 * device counts one more, until it locks itself. The one that goes on gives no PIN again.
 */
static void complain(struct build *b, const struct conf_where *at, const struct mx_err *e)
{
	if (e->cls != MX_CONFIG || strcmp(e->code, "key-pin-refused") == 0)
		cf_warn(b->r, at, "%s", e->text);
	else
		cf_error(b->r, at, "%s", e->text);
}

static void check_proxy(struct build *b, struct account *a, const char *path, const struct conf_where *at)
{
	const size_t before = b->r->errors + b->r->warnings;
	struct mx_secret user = { 0 }, password = { 0 };
	struct mx_err e;

	if (path == a->proxy || elsewhere(b, at, path))
		return;
	if (oauth_proxy_credentials(path, &user, &password, &e) != MX_OK)
		complain(b, at, &e);
	else if (a->other)
		check_as(b, a, path, at);
	mx_secret_free(&user);
	mx_secret_free(&password);
	if (b->r->errors + b->r->warnings == before)
		a->proxy = path;
}

/* Of one pair that many clients share the first is judged. Strings are interned. */
static bool same_key(const struct oauth_credential *x, const struct oauth_credential *y)
{
	return x != NULL && x->key == y->key && x->key_passphrase_file == y->key_passphrase_file &&
	    x->certificate_file == y->certificate_file && x->alg == y->alg && x->thumbprint == y->thumbprint;
}

/*
 * What would be found at the first request is found now. Dates are warnings, as those of secrets are: time alone must
 * not keep a daemon from starting, nor its other clients from their tokens.
 */
static void check_key(struct build *b, struct account *a, const struct oauth_credential *k,
    struct conf_credential *side)
{
	const char *const files[] = { k->key != NULL ? oauth_file_of_uri(k->key) : NULL, k->key_passphrase_file,
		k->certificate_file };
	const size_t before = b->r->errors + b->r->warnings;
	const uint64_t now = mx_wall_ms() / 1000;
	struct oauth_key *key = NULL;
	struct mx_err e;
	uint64_t stamp;

	if (elsewhere(b, &side->at, k->key) || elsewhere(b, &side->at, k->key_passphrase_file))
		return;
	if (same_key(a->key, k)) {
		side->expires = a->key_expires;
		side->stamp = a->key_stamp;
		return;
	}
	stamp = oauth_credential_stamp(MX_FNV_BASIS, k);	/* before: what changes meanwhile is looked at anew */
	switch (oauth_key_open(k, 0, &key, &e)) {
	case MX_OK:
		if (oauth_key_try(key, k->alg, &e) != MX_OK)
			complain(b, &side->at, &e);
		side->expires = oauth_key_not_after(key);
		side->stamp = stamp;
		if (oauth_key_in_date(key, now, &e) != MX_OK)
			cf_warn(b->r, &side->at, "%s", e.text);
		else if (side->expires != 0 && side->expires - now < CF_EXPIRY_WARN_S)
			cf_warn(b->r, &side->at, "the certificate ends in %u days: make a new one and register it with "
			    "the provider", (unsigned)((side->expires - now) / 86400));
		for (size_t i = 0; a->other && i < sizeof files / sizeof files[0]; i++)
			if (files[i] != NULL)
				check_as(b, a, files[i], &side->at);
		break;
	default:
		complain(b, &side->at, &e);
	}
	oauth_key_free(key);
	if (b->r->errors + b->r->warnings == before) {
		a->key = k;
		a->key_expires = side->expires;
		a->key_stamp = side->stamp;
	}
}

/* It is compared with its client: the same file of another client is judged anew. */
static void check_service_account(struct build *b, struct account *a, const struct oauth_client *oc, const char *path,
    const struct conf_where *at)
{
	struct mx_err e;

	if (elsewhere(b, at, path))
		return;
	switch (oauth_service_account_try(oc, path, &e)) {
	case MX_OK:
		if (a->other)
			check_as(b, a, path, at);
		break;
	case MX_CONFIG:
		cf_error(b->r, at, "%s", e.text);
		break;
	default:
		cf_warn(b->r, at, "%s", e.text);
	}
}

/* What a federated token says of itself is what the provider compares; its end is the platform's to care for. */
static void check_assertion(struct build *b, struct account *a, const char *path, const struct conf_where *at)
{
	const size_t before = b->r->errors + b->r->warnings;
	const uint64_t now = mx_wall_ms() / 1000;
	struct mx_secret s = { 0 };
	struct oauth_claims c;
	struct stat st;
	struct mx_err e;
	enum mx_class cls;

	if (path == a->assertion)
		return;
	if ((cls = oauth_federated_read(path, &s, &e)) == MX_CONFIG)
		cf_error(b->r, at, "%s", e.text);
	else if (cls != MX_OK)
		cf_warn(b->r, at, "%s", e.text);
	if (cls == MX_OK && oauth_claims_read(s.p, s.len, &c) && c.exp > 0 && (uint64_t)c.exp <= now)
		cf_warn(b->r, at,
		    "the federated token has ended %" PRIu64 " s ago (exp %" PRId64 "; iss %s, sub %s, aud %s): "
		    "see why the platform does not renew it: %s", now - (uint64_t)c.exp, c.exp, c.iss, c.sub, c.aud,
		    path);
	if (cls == MX_OK && (b->flags & CONF_BY_HAND) != 0 && stat(path, &st) == 0 && (st.st_mode & S_IROTH) != 0)
		cf_warn(b->r, at, "every user of this host may read the federated token (mode %04o): %s",
		    (unsigned)(st.st_mode & 07777), path);
	if (cls == MX_OK && a->other)
		check_as(b, a, path, at);
	mx_secret_free(&s);
	if (b->r->errors + b->r->warnings == before)
		a->assertion = path;
}

/* Whether this machine's environment has what its platform needs. It is the daemon's that counts. */
static void check_identity(struct build *b, const struct conf_client *c, const struct oauth_credential *k,
    const struct conf_where *at)
{
	struct oauth_request r;
	const char *lacks;
	struct mx_err e;

	if (k->platform_resource == NULL)
		return;			/* complained of */
	if (oauth_identity_platform(k->platform) == OAUTH_PLATFORM_AZURE_ARC && access(OAUTH_ARC_TOKENS, X_OK) == -1 &&
	    errno == EACCES)
		cf_warn(b->r, at, "this user may not read the key files of Azure Arc's agent, in %s: add the daemon's "
		    "user to the group himds, and restart it", OAUTH_ARC_TOKENS);
	if ((b->flags & CONF_BY_HAND) != 0) {
		if ((lacks = oauth_identity_lacks(k->platform)) != NULL)
			cf_warn(b->r, at, "the identity of client \"%s\" cannot be checked here: %s is not set, "
			    "as it is for what App Service starts", c->oc.name, lacks);
		return;
	}
	switch (oauth_identity_request(c->oc.name, k, oauth_identity_platform(k->platform), &r, &e)) {
	case MX_OK:
		oauth_request_free(&r);
		break;
	case MX_CONFIG:
		cf_error(b->r, at, "%s", e.text);
		break;
	default:
		cf_warn(b->r, at, "%s", e.text);
	}
}

static void check_client(struct build *b, struct account *a, struct conf_client *c)
{
	for (size_t k = 0; k < c->oc.ncredentials; k++) {
		const struct oauth_credential *oc = &c->oc.credential[k];

		if (oc->secret_file != NULL)
			check_secret(b, a, &c->oc, oc->secret_file, &c->cred[k].at);
		if (oc->service_account_file != NULL && c->oc.token_endpoint != NULL)
			check_service_account(b, a, &c->oc, oc->service_account_file, &c->cred[k].at);
		if (oc->key != NULL)
			check_key(b, a, oc, &c->cred[k]);
		if (oc->assertion_file != NULL)
			check_assertion(b, a, oc->assertion_file, &c->cred[k].at);
		if (oc->platform != OAUTH_PLATFORM_NONE)
			check_identity(b, c, oc, &c->cred[k].at);
	}
}

void cf_check_secrets(struct build *b)
{
	struct account a;

	find_account(&a, b->c->user);
	for (size_t i = 0; i < b->c->nclients; i++) {
		const struct oauth_client *oc = &b->c->clients[i].oc;

		check_client(b, &a, &b->c->clients[i]);
		cf_check_refresh(b, oc, b->client_side[i].refresh_at.line != 0 ? &b->client_side[i].refresh_at :
		    &b->c->clients[i].at, a.other ? a.uid : geteuid());
		if (oc->ca_file != NULL)
			check_ca(b, &a, oc->ca_file, &b->client_side[i].ca_at);
		if (oc->proxy_credentials_file != NULL)
			check_proxy(b, &a, oc->proxy_credentials_file, &b->client_side[i].proxy_at);
	}
}
