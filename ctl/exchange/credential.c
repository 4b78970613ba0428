/*
 * What the client proves itself with. A key or a secret that is there is never written anew.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/secret.h"
#include "ctl/exchange/exchange.h"
#include "ctl/out.h"
#include "ctl/setup/file.h"
#include "ctl/setup/job.h"
#include "oauth/key_new.h"
#include "oauth/secretfile.h"

#define SECRET_MODE 0640

static bool there(const char *path)
{
	return access(path, F_OK) == 0;
}

/*
 * The key has this name until its certificate is there, too: a run that is killed in between leaves no key without one,
 * and the next run tells the two from a pair of which somebody has taken one away. Owned; NULL: no memory.
 */
static char *key_for_now(const struct xo *x)
{
	return su_join(x->key, ".new", "");
}

/* Both are there, and the key lacks its name alone. */
static bool half_made(const struct xo *x)
{
	char *path = key_for_now(x);
	bool half = path != NULL && there(path) && there(x->crt) && !there(x->key);

	free(path);
	return half;
}

static int name_key(const struct xo *x)
{
	char *path = key_for_now(x);
	int err = path == NULL ? ENOMEM : rename(path, x->key) == -1 ? errno : 0;

	if (err != 0)
		out_error("%s cannot be put in its place (%s)", x->key, strerror(err));
	free(path);
	return err == 0 ? CTL_FINE : CTL_CONFIG;
}

int xo_credential_look(const struct xo *x)
{
	if (x->certificate && there(x->key) != there(x->crt) && !half_made(x)) {
		out_error("there is %s, but not %s, which belongs to it: bring that back, or move the other one away, and a new "
		    "pair is made", there(x->key) ? x->key : x->crt, there(x->key) ? x->crt : x->key);
		return CTL_CONFIG;
	}
	if (x->secret && x->v[XO_CLIENT_ID] != NULL && !there(x->secret_file) && !x->terminal)
		return out_usage(x->c->verb, "there is no terminal to ask at for the secret, and no %s: write its value there "
		    "before (install -m 640 -g GROUP /dev/stdin FILE), or name the file with --secret-file", x->secret_file);
	return CTL_FINE;
}

static int put_secret(const struct xo *x, const char *path, const struct mx_secret *s)
{
	return xo_put(path, (const char *)s->p, s->len, SECRET_MODE, x->gid);
}

static int new_key(const struct xo *x, char *pem)
{
	char cn[OAUTH_CERTIFICATE_CN_MAX + 1];
	struct mx_secret key = { 0 };
	struct mx_buf b, name;
	struct mx_err e;
	char *path;
	int r;

	mx_buf_init(&name, cn, sizeof cn);
	mx_buf_addf(&name, "mta-xoauth2 %s", x->v[XO_NAME]);
	mx_buf_init(&b, pem, XO_PEM_MAX);
	if (mx_buf_str(&name) == NULL ||
	    oauth_key_new(cn, (uint64_t)time(NULL), XO_DAYS, &key, &b, &e) != MX_OK || mx_buf_str(&b) == NULL) {
		out_error("%s", mx_buf_str(&name) != NULL ? e.text : "the name is too long");
		mx_secret_free(&key);
		return CTL_CONFIG;
	}
	/* The certificate is of no use without its key, so the key is there first. */
	path = key_for_now(x);
	r = path != NULL ? put_secret(x, path, &key) : out_failed(ENOMEM);
	free(path);
	mx_secret_free(&key);
	if (r == CTL_FINE)
		r = xo_put(x->crt, pem, b.len, 0644, 0);
	if (r == CTL_FINE)
		r = name_key(x);
	if (r == CTL_FINE)
		printf("key: %s, for root and the daemon alone\ncertificate: %s, for %d days\n", x->key, x->crt, XO_DAYS);
	return r;
}

static int old_key(const struct xo *x, char *pem)
{
	struct su_file f = { 0 };
	int err = su_file_read(x->crt, &f), r = CTL_FINE;

	if (err != 0 || !f.there || f.n >= XO_PEM_MAX || strstr(f.p, "-----END CERTIFICATE-----") == NULL) {
		out_error("%s is no certificate in PEM that can be read (%s)", x->crt, err != 0 ? strerror(err) : "another format");
		r = CTL_CONFIG;
	} else {
		memcpy(pem, f.p, f.n + 1);
		printf("key and certificate: %s and %s, as they are\n", x->key, x->crt);
	}
	su_file_free(&f);
	return r;
}

/* Judged by the rules of the daemon: one that it would refuse is asked for again. */
static int new_secret(const struct xo *x)
{
	static const struct oauth_client microsoft = { .token_endpoint = "https://login.microsoftonline.com/" };
	struct mx_secret s = { 0 }, read = { 0 };
	struct mx_err e;
	int r;

	printf("\nThe secret's Value, as the script has shown it (it is not shown here, and goes to %s).\n", x->secret_file);
	for (;;) {
		if ((r = xo_hidden("Secret: ", &s)) != CTL_FINE || (r = put_secret(x, x->secret_file, &s)) != CTL_FINE)
			break;
		mx_secret_free(&s);
		if (oauth_secret_read_for(&microsoft, x->secret_file, &read, &e) == MX_OK)
			break;
		(void)unlink(x->secret_file);
		printf("That is not it: %s\n", e.text);
	}
	mx_secret_free(&s);
	mx_secret_free(&read);
	return r;
}

int xo_credential_make(const struct xo *x, char *pem)
{
	int r = CTL_FINE;

	*pem = '\0';
	if (x->certificate && half_made(x))
		r = name_key(x);
	if (r != CTL_FINE)
		return r;
	if (x->certificate)
		return there(x->key) ? old_key(x, pem) : new_key(x, pem);
	if (x->secret && x->v[XO_CLIENT_ID] != NULL) {
		if (!there(x->secret_file))
			return new_secret(x);
		printf("secret: %s, as it is\n", x->secret_file);
	}
	return CTL_FINE;
}
