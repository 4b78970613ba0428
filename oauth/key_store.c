#include "config.h"

#include <ctype.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/buf.h"
#include "oauth/key-private.h"
#include "oauth/secretfile.h"

#define TSS2 "-----BEGIN TSS2 PRIVATE KEY-----"	/* a key that only its TPM can use */
#define OBJECTS_MAX 1000	/* looked at in one file or token */

/* --- passphrase ----------------------------------------------------------------------------- */

struct asker {
	struct mx_secret pass;		/* empty: there is none */
	bool asked;
};

/* OpenSSL's prompt. Without a passphrase it fails: the daemon has no terminal, and an empty answer is a wrong one. */
static int answer(UI *ui, UI_STRING *uis)
{
	struct asker *a = UI_get0_user_data(ui);

	if (UI_get_string_type(uis) != UIT_PROMPT && UI_get_string_type(uis) != UIT_VERIFY)
		return 1;
	a->asked = true;
	if (a->pass.len == 0 || a->pass.len > OAUTH_SECRET_MAX)
		return 0;
	return UI_set_result_ex(ui, uis, (const char *)a->pass.p, (int)a->pass.len) >= 0;
}

/*
 * A provider may ask by itself, past what it was given (pkcs11-provider does so when it signs): at a terminal, if
 * the daemon was started at one. There is nobody in this process whom OpenSSL may ask.
 */
static void never_ask(void)
{
	UI_set_default_method(UI_null());
}

/* --- what went wrong ------------------------------------------------------------------------ */

/* What providers say of a device that is gone: tpm2-openssl in the error's data, pkcs11-provider as its reason. */
static bool says_away(const char *text)
{
	static const char *const words[] = { "tcti:", "esapi:", "lockout", "not present", "removed", "device error" };

	for (size_t i = 0; text != NULL && i < sizeof words / sizeof words[0]; i++)
		if (strcasestr(text, words[i]) != NULL)
			return true;
	return false;
}

struct key_errors key_errors(void)
{
	struct key_errors x = { .why = NULL };
	const char *reason, *data;
	unsigned long code;
	int flags;

	while ((code = ERR_get_error_all(NULL, NULL, NULL, &data, &flags)) != 0) {
		reason = ERR_reason_error_string(code);
		if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
			x.no_memory = true;
		if (ERR_GET_LIB(code) == ERR_LIB_EVP && (ERR_GET_REASON(code) == ERR_R_UNSUPPORTED ||
		    ERR_GET_REASON(code) == EVP_R_UNSUPPORTED_ALGORITHM))
			x.no_cipher = true;
		x.away = x.away || says_away(reason) || ((flags & ERR_TXT_STRING) != 0 && says_away(data));
		if (x.why == NULL)
			x.why = reason;
	}
	if (x.why == NULL)
		x.why = "no reason given";
	return x;
}

enum mx_class key_away(const struct oauth_key *k, const struct key_errors *x, struct mx_err *e)
{
	return mx_fail(e, MX_TEMP, "key-device-away",
	    "the device that has the key does not answer just now (%.80s); it is asked again by itself; if this lasts, "
	    "look at the device, then restart the daemon: %s", x->why, k->shown);
}

static enum mx_class pin_refused(const struct oauth_credential *c, const struct oauth_key *k, struct mx_err *e)
{
	return mx_fail(e, MX_CONFIG, "key-pin-refused",
	    "the device refuses the PIN, and locks itself after a few: it gets none again before that file has "
	    "changed; mend it, or touch it once the device is mended (%.120s): %s", c->key_passphrase_file, k->shown);
}

static enum mx_class passphrase_failed(const struct oauth_credential *c, const struct oauth_key *k,
    const struct key_errors *x, struct mx_err *e)
{
	if (c->key_passphrase_file == NULL)
		return mx_fail(e, MX_CONFIG, "key-passphrase-needed",
		    "the key is protected by a passphrase or PIN; name the file that holds it in "
		    "key_passphrase_file: %s", k->shown);
	if (x->no_cipher)
		return mx_fail(e, MX_CONFIG, "key-cipher-unsupported",
		    "the key is encrypted with a cipher that this OpenSSL has switched off; encrypt it anew "
		    "(openssl pkcs12 -legacy ... | openssl pkcs12 -export): %s", k->shown);
	key_pin_refused(k->pin);
	if (k->pin != 0)
		return pin_refused(c, k, e);
	return mx_fail(e, MX_CONFIG, "key-passphrase-wrong",
	    "what key_passphrase_file holds does not open the key; check that file (%.150s): %s",
	    c->key_passphrase_file, k->shown);
}

/* Schemes whose providers have a name of their own. */
static const struct { const char *scheme, *package; } providers[] = {
	{ "pkcs11", "pkcs11-provider" },
	{ "handle", "tpm2-openssl" },
	{ "object", "tpm2-openssl" },
};

static enum mx_class provider_missing(const char *scheme, const struct oauth_key *k, struct mx_err *e)
{
	const char *package = "the package that has it";

	for (size_t i = 0; i < sizeof providers / sizeof providers[0]; i++)
		if (strcasecmp(providers[i].scheme, scheme) == 0)
			package = providers[i].package;
	return mx_fail(e, MX_CONFIG, "key-provider-missing",
	    "no OpenSSL provider serves \"%.20s:\" keys; install %s, activate it in openssl.cnf beside the default "
	    "one, see that the daemon may use its device, and restart it: %s", scheme, package, k->shown);
}

static bool holds(const struct mx_secret *s, const char *what)
{
	return memmem(s->p, s->len, what, strlen(what)) != NULL;
}

/* content: NULL, or the file that was looked through in vain. */
static enum mx_class no_key(const struct oauth_credential *c, const struct mx_secret *content,
    const struct oauth_key *k, struct mx_err *e)
{
	const struct key_errors x = key_errors();

	if (x.no_memory)
		return mx_fail(e, MX_TEMP, "no-memory", "no memory to open the key %s", k->shown);
	if (x.away && (content == NULL || k->pin != 0))
		return key_away(k, &x, e);
	if (k->asked)
		return passphrase_failed(c, k, &x, e);
	if (content == NULL)
		return mx_fail(e, MX_CONFIG, "key-unreadable",
		    "the key cannot be had from its device (%.80s); look with openssl storeutl -noout whether it is "
		    "there: %s", x.why, k->shown);
	if (holds(content, TSS2))
		return mx_fail(e, MX_CONFIG, "key-provider-missing",
		    "the key belongs to a TPM, and no OpenSSL provider opens it; install tpm2-openssl, activate it in "
		    "openssl.cnf beside the default one, and see that the daemon may use the TPM: %s", k->shown);
	if (sk_X509_num(k->beside) > 0)
		return mx_fail(e, MX_CONFIG, "key-malformed",
		    "the key file holds a certificate and no private key; add the key, or name it in key and this file "
		    "in certificate_file: %s", k->shown);
	return mx_fail(e, MX_CONFIG, "key-malformed",
	    "the key file holds no private key that OpenSSL can read; it must be PEM, DER or PKCS#12 (try openssl pkey "
	    "-noout -in FILE): %s", k->shown);
}

/* --- loading -------------------------------------------------------------------------------- */

/* The first private key, and every certificate. false: no memory. */
static bool collect(OSSL_STORE_CTX *ctx, struct oauth_key *k)
{
	int failed = 0;

	for (int i = 0; i < OBJECTS_MAX && failed < 10 && !OSSL_STORE_eof(ctx); i++) {
		OSSL_STORE_INFO *info = OSSL_STORE_load(ctx);
		X509 *x = NULL;
		bool ok = true;

		if (info == NULL) {		/* one that cannot be opened; there may be others */
			failed++;
			continue;
		}
		if (OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_PKEY && k->pkey == NULL) {
			ok = (k->pkey = OSSL_STORE_INFO_get1_PKEY(info)) != NULL;
		} else if (OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_CERT) {
			x = OSSL_STORE_INFO_get1_CERT(info);
			if (!(ok = x != NULL && sk_X509_push(k->beside, x) > 0))
				X509_free(x);
		}
		OSSL_STORE_INFO_free(info);
		if (!ok)
			return false;
	}
	return true;
}

/* The scheme of a URI, lower-case letters first; "" if s is a path. */
static void scheme_of(const char *s, char *out, size_t cap)
{
	size_t n = 0;

	out[0] = '\0';
	while (isalnum((unsigned char)s[n]) || (n > 0 && strchr("+-.", s[n]) != NULL && s[n] != '\0'))
		n++;
	if (s[n] != ':' || n < 2 || n >= cap || !isalpha((unsigned char)s[0]))
		return;
	memcpy(out, s, n);
	out[n] = '\0';
}

bool key_in_device(const char *key)
{
	char scheme[32];

	scheme_of(key, scheme, sizeof scheme);
	return scheme[0] != '\0' && strcasecmp(scheme, "file") != 0 && strcmp(scheme, "credential") != 0;
}

/* RFC 7512 allows a PIN in the query; older ones have it in the path. Neither that nor what follows is shown. */
static void show(struct oauth_key *k, const char *key, bool uri)
{
	size_t n = uri ? strcspn(key, "?") : strlen(key), pin = uri ? oauth_uri_attribute(key, "pin-") : n;
	struct mx_buf b;

	if (pin < n)
		n = pin;
	mx_buf_init(&b, k->shown, sizeof k->shown);
	if (n < sizeof k->shown)
		mx_buf_add(&b, key, n);
	else
		mx_buf_addf(&b, "%.*s...", (int)sizeof k->shown - 4, key);
	if (mx_buf_str(&b) == NULL)
		k->shown[0] = '\0';
}

enum mx_class key_store_load(const struct oauth_credential *c, const struct mx_secret *pem, struct oauth_key *k,
    struct mx_err *e)
{
	static const struct oauth_client any = { 0 };
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct mx_secret content = { 0 };
	struct asker a = { 0 };
	OSSL_STORE_CTX *ctx = NULL;
	UI_METHOD *ui = NULL;
	BIO *bio = NULL;
	char scheme[32];
	const char *path = NULL;
	enum mx_class cls;

	(void)pthread_once(&once, never_ask);
	scheme_of(c->key, scheme, sizeof scheme);
	if (pem != NULL)
		path = c->key;
	else if (!key_in_device(c->key))
		path = oauth_file_of_uri(c->key);
	show(k, path != NULL ? path : c->key, path == NULL);
	/* Nothing is known of a passphrase: it may well be a GUID, which Microsoft's secrets may not. */
	if (c->key_passphrase_file != NULL &&
	    (cls = oauth_secret_read_for(&any, c->key_passphrase_file, &a.pass, e)) != MX_OK)
		goto out;
	if (pem == NULL && path != NULL) {
		if ((cls = oauth_file_read_key(&oauth_file_key, path, &content, e)) != MX_OK)
			goto out;
		pem = &content;
	}
	if (path == NULL && access(c->key, F_OK) == 0) {
		cls = mx_fail(e, MX_CONFIG, "key-unreadable", "the current folder has a file whose name is the key's "
		    "URI, and OpenSSL would read that; remove it: %s", k->shown);
		goto out;
	}
	if (pem == NULL || holds(pem, TSS2))
		k->pin = key_pin(c);
	if (key_pin_was_refused(k->pin)) {
		cls = pin_refused(c, k, e);
		goto out;
	}
	if ((ui = UI_create_method("mta-xoauth2")) == NULL || UI_method_set_reader(ui, answer) != 0 ||
	    (k->beside = sk_X509_new_null()) == NULL)
		goto no_memory;
	if (path != NULL) {
		/* What was judged is what is read: OpenSSL does not open the file once more. */
		if ((bio = BIO_new_mem_buf(pem->p, (int)pem->len)) == NULL)
			goto no_memory;
		ctx = OSSL_STORE_attach(bio, "file", NULL, NULL, ui, &a, NULL, NULL, NULL);
	} else {
		ctx = OSSL_STORE_open_ex(c->key, NULL, NULL, ui, &a, NULL, NULL, NULL);
	}
	if (ctx != NULL && !collect(ctx, k))
		goto no_memory;
	k->asked = a.asked;
	cls = MX_OK;
	if (k->pkey == NULL && ctx == NULL && path == NULL && !a.asked) {
		OSSL_STORE_LOADER *loader = OSSL_STORE_LOADER_fetch(NULL, scheme, NULL);

		cls = loader == NULL ? provider_missing(scheme, k, e) : no_key(c, NULL, k, e);
		OSSL_STORE_LOADER_free(loader);
	} else if (k->pkey == NULL) {
		cls = no_key(c, path != NULL ? pem : NULL, k, e);
	}
	goto out;
no_memory:
	cls = mx_fail(e, MX_TEMP, "no-memory", "no memory to open the key %s", k->shown);
out:
	OSSL_STORE_close(ctx);
	BIO_free(bio);
	UI_destroy_method(ui);
	mx_secret_free(&a.pass);
	mx_secret_free(&content);
	return cls;
}
