/*
 * oauth/key.h with keys of every form, made by the openssl command, and with whatever is wrong with one.
 */
#include "config.h"

#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "oauth/key-private.h"

static char dir[64];

/* All of it in the folder, with an openssl.cnf that is ours. */
static const char script[] =
    "set -e; umask 077\n"
    "export OPENSSL_CONF=/dev/null\n"
    "crt() { openssl req -x509 -new -key $1 -subj /CN=$2 -days $3 -config req.cnf -out $2.crt; }\n"
    "printf '[req]\\ndistinguished_name=dn\\n[dn]\\n' >req.cnf\n"
    "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.pem\n"
    "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out other.pem\n"
    "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out weak.pem\n"
    "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.pem\n"
    "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out ec384.pem\n"
    "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1 -out k1.pem\n"
    "openssl genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -out pss.pem\n"
    "openssl genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_pss_keygen_md:sha512 -out "
    "pss512.pem\n"
    "openssl genpkey -algorithm ED25519 -out ed.pem\n"
    "crt rsa.pem rsa 30; crt other.pem other 30; crt ec.pem ec 30; crt pss.pem pss 30\n"
    "openssl rsa -in rsa.pem -traditional -out pkcs1.pem\n"
    "openssl ecparam -name prime256v1 -out sec1.pem\n"	/* as "openssl ecparam -genkey" writes them */
    "openssl ec -in ec.pem >>sec1.pem\n"
    "openssl pkey -in rsa.pem -outform DER -out rsa.der\n"
    "openssl x509 -in rsa.crt -outform DER -out rsa.cer\n"
    "printf 'pass phrase\\n' >pass; printf 'another\\n' >badpass\n"
    "printf '11111111-2222-3333-4444-555555555555\\n' >guid\n"
    "openssl pkcs8 -topk8 -in rsa.pem -passout 'pass:pass phrase' -out enc.pem\n"
    "openssl pkcs8 -topk8 -in rsa.pem -passout file:guid -out encguid.pem\n"
    "openssl rsa -in rsa.pem -traditional -aes128 -passout 'pass:pass phrase' -out enc1.pem\n"
    "openssl pkcs12 -export -inkey rsa.pem -in rsa.crt -certfile other.crt -passout 'pass:pass phrase' -out rsa.p12\n"
    "openssl pkcs12 -export -inkey rsa.pem -in rsa.crt -passout pass: -out open.p12\n"
    "openssl pkcs12 -export -inkey rsa.pem -nocerts -passout pass: -out bare.p12\n"
    "openssl pkcs12 -export -legacy -inkey rsa.pem -in rsa.crt -passout 'pass:pass phrase' -out old.p12 || cp "
    "/dev/null old.p12\n"
    "cat rsa.pem rsa.crt >both.pem; cat other.crt rsa.crt rsa.pem >chain.pem; cat rsa.pem other.crt >wrong.pem\n"
    "cat rsa.crt rsa.pem >keyin.crt\n"
    "cp rsa.pem world.pem; chmod 644 world.pem; cp rsa.pem group.pem; chmod 640 group.pem\n"
    "cp rsa.crt public.crt; chmod 644 public.crt\n"
    "cp rsa.pem hidden.pem; cp rsa.crt hidden.crt\n"
    "cp rsa.crt wide.crt; chmod 666 wide.crt\n"
    ": >empty; : >empty.crt; head -c 70000 /dev/zero >big; echo nonsense >text; head -c 600 rsa.pem >cut.pem\n"
    "printf '\\357\\273\\277' | cat - rsa.pem >bom.pem; sed 's/$/\\r/' rsa.pem >crlf.pem\n"
    "printf -- '-----BEGIN TSS2 PRIVATE KEY-----\\nMIIB\\n-----END TSS2 PRIVATE KEY-----\\n' >tpm.pem\n"
    "openssl pkey -in rsa.pem -pubout -out public.pem\n"
    "mkdir folder; mkfifo pipe; ln -s rsa.pem link.pem; mkdir cred; cp both.pem cred/contoso\n"
    "chmod 700 folder pipe\n";

static int setup(void **state)
{
	char file[128], command[256];
	FILE *f;

	(void)state;
	assert_true(snprintf(dir, sizeof dir, "%s/mxkeyXXXXXX", "/tmp") > 0);
	assert_non_null(mkdtemp(dir));
	assert_true(snprintf(file, sizeof file, "%s/make.sh", dir) > 0);
	assert_non_null(f = fopen(file, "w"));
	assert_true(fputs(script, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_true(snprintf(command, sizeof command, "cd %s && sh make.sh >log 2>&1 || { cat log >&2; exit 1; }",
	    dir) > 0);
	assert_int_equal(system(command), 0);
	assert_true(snprintf(file, sizeof file, "%s/cred", dir) > 0);
	return setenv("CREDENTIALS_DIRECTORY", file, 1);
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	assert_true(snprintf(command, sizeof command, "rm -rf %s", dir) > 0);
	assert_int_equal(system(command), 0);
	return 0;
}

/* The path of a file of the folder; a name that has a colon, or is absolute, stands for itself. */
static const char *in_dir(const char *name, char path[256])
{
	if (name == NULL || strchr(name, ':') != NULL || name[0] == '/')
		return name;
	assert_true(snprintf(path, 256, "%s/%s", dir, name) < 256);
	return path;
}

#define PS OAUTH_ALG_PS256
#define RS OAUTH_ALG_RS256
#define ES OAUTH_ALG_ES256
#define NO OAUTH_THUMB_NONE
#define TH OAUTH_THUMB_S256

static const struct row {
	const char *key, *pass, *cert;
	enum oauth_alg alg;
	enum oauth_thumbprint thumb;
	bool has_cert;
	const char *code;	/* NULL: it opens */
	const char *names;	/* in the text; NULL: the key's path */
} rows[] = {
	/* forms of a key */
	{ "rsa.pem", NULL, NULL, PS, NO, false, NULL, NULL },
	{ "rsa.pem", NULL, "rsa.crt", PS, TH, true, NULL, NULL },
	{ "rsa.pem", NULL, "rsa.crt", RS, OAUTH_THUMB_SHA1, true, NULL, NULL },
	{ "pkcs1.pem", NULL, "rsa.crt", RS, TH, true, NULL, NULL },
	{ "rsa.der", NULL, "rsa.cer", PS, TH, true, NULL, NULL },
	{ "ec.pem", NULL, NULL, ES, NO, false, NULL, NULL },
	{ "sec1.pem", NULL, "ec.crt", ES, TH, true, NULL, NULL },
	{ "pss.pem", NULL, "pss.crt", PS, TH, true, NULL, NULL },
	{ "enc.pem", "pass", "rsa.crt", PS, TH, true, NULL, NULL },
	{ "enc1.pem", "pass", "rsa.crt", PS, TH, true, NULL, NULL },
	{ "encguid.pem", "guid", NULL, PS, NO, false, NULL, NULL },
	{ "rsa.pem", "pass", NULL, PS, NO, false, NULL, NULL },		/* not needed */
	{ "rsa.p12", "pass", NULL, PS, TH, true, NULL, NULL },
	{ "rsa.p12", "pass", "public.crt", PS, TH, true, NULL, NULL },
	{ "open.p12", NULL, NULL, PS, TH, true, NULL, NULL },
	{ "both.pem", NULL, NULL, PS, TH, true, NULL, NULL },
	{ "chain.pem", NULL, NULL, PS, TH, true, NULL, NULL },
	{ "rsa.pem", NULL, "keyin.crt", PS, TH, true, NULL, NULL },
	{ "rsa.pem", NULL, "wide.crt", PS, TH, true, NULL, NULL },
	{ "group.pem", NULL, NULL, PS, NO, false, NULL, NULL },
	{ "link.pem", NULL, NULL, PS, NO, false, NULL, NULL },
	{ "crlf.pem", NULL, NULL, PS, NO, false, NULL, NULL },
	{ "bom.pem", NULL, NULL, PS, NO, false, NULL, NULL },
	{ "credential:contoso", NULL, NULL, PS, TH, true, NULL, NULL },
	/* files */
	{ "nowhere.pem", NULL, NULL, PS, NO, false, "key-missing", NULL },
	{ "rsa.pem/x", NULL, NULL, PS, NO, false, "key-missing", NULL },
	{ "credential:nothing", NULL, NULL, PS, NO, false, "key-missing", "/cred/nothing" },
	{ "credential:../contoso", NULL, NULL, PS, NO, false, "key-missing", NULL },
	{ "credential:", NULL, NULL, PS, NO, false, "key-missing", NULL },
	{ "folder", NULL, NULL, PS, NO, false, "key-unreadable", NULL },
	{ "pipe", NULL, NULL, PS, NO, false, "key-unreadable", NULL },
	{ "world.pem", NULL, NULL, PS, NO, false, "key-world-readable", "chmod o-r " },
	{ "empty", NULL, NULL, PS, NO, false, "key-malformed", NULL },
	{ "big", NULL, NULL, PS, NO, false, "key-malformed", NULL },
	{ "text", NULL, NULL, PS, NO, false, "key-malformed", NULL },
	{ "cut.pem", NULL, NULL, PS, NO, false, "key-malformed", NULL },
	{ "public.pem", NULL, NULL, PS, NO, false, "key-malformed", NULL },
	{ "rsa.crt", NULL, NULL, PS, NO, false, "key-malformed", "holds a certificate and no private key" },
	{ "rsa.pem", NULL, "nowhere.crt", PS, TH, false, "certificate-missing", "/nowhere.crt" },
	{ "rsa.pem", NULL, "folder", PS, TH, false, "certificate-unreadable", "/folder" },
	{ "rsa.pem", NULL, "empty.crt", PS, TH, false, "certificate-malformed", "/empty.crt" },
	{ "rsa.pem", NULL, "text", PS, TH, false, "certificate-malformed", "/text" },
	{ "rsa.pem", NULL, "rsa.pem", PS, TH, false, "certificate-malformed", "/rsa.pem" },
	{ "rsa.pem", NULL, "rsa.p12", PS, TH, false, "certificate-malformed", "/rsa.p12" },
	/* passphrases */
	{ "enc.pem", NULL, NULL, PS, NO, false, "key-passphrase-needed", NULL },
	{ "enc1.pem", NULL, NULL, PS, NO, false, "key-passphrase-needed", NULL },
	{ "rsa.p12", NULL, NULL, PS, NO, false, "key-passphrase-needed", NULL },
	{ "enc.pem", "badpass", NULL, PS, NO, false, "key-passphrase-wrong", "/badpass" },
	{ "enc1.pem", "badpass", NULL, PS, NO, false, "key-passphrase-wrong", "/badpass" },
	{ "rsa.p12", "badpass", NULL, PS, NO, false, "key-passphrase-wrong", "/badpass" },
	{ "enc.pem", "nowhere", NULL, PS, NO, false, "secret-missing", "/nowhere" },
	{ "enc.pem", "empty", NULL, PS, NO, false, "secret-empty", "/empty" },
	{ "old.p12", "pass", NULL, PS, NO, false, "key-cipher-unsupported", NULL },
	/* what fits what */
	{ "weak.pem", NULL, NULL, PS, NO, false, "key-too-weak", "1024" },
	{ "weak.pem", NULL, NULL, RS, NO, false, "key-too-weak", NULL },
	{ "ec.pem", NULL, NULL, PS, NO, false, "key-wrong-type", NULL },
	{ "ec.pem", NULL, NULL, RS, NO, false, "key-wrong-type", NULL },
	{ "rsa.pem", NULL, NULL, ES, NO, false, "key-wrong-type", NULL },
	{ "ec384.pem", NULL, NULL, ES, NO, false, "key-wrong-type", "P-256" },
	{ "k1.pem", NULL, NULL, ES, NO, false, "key-wrong-type", "P-256" },
	{ "pss.pem", NULL, NULL, RS, NO, false, "key-wrong-type", "RSA-PSS" },
	{ "ed.pem", NULL, NULL, PS, NO, false, "key-wrong-type", NULL },
	{ "ed.pem", NULL, NULL, ES, NO, false, "key-wrong-type", NULL },
	{ "rsa.pem", NULL, NULL, PS, TH, false, "certificate-needed", NULL },
	{ "rsa.pem", NULL, NULL, RS, OAUTH_THUMB_SHA1, false, "certificate-needed", NULL },
	{ "bare.p12", NULL, NULL, PS, TH, false, "certificate-needed", NULL },
	{ "rsa.pem", NULL, "other.crt", PS, TH, false, "key-certificate-mismatch", "/other.crt" },
	{ "rsa.pem", NULL, "ec.crt", PS, NO, false, "key-certificate-mismatch", "/ec.crt" },
	/* the first counts */
	{ "rsa.pem", NULL, "chain.pem", PS, TH, false, "key-certificate-mismatch", "/chain.pem" },
	{ "wrong.pem", NULL, NULL, PS, TH, false, "key-certificate-mismatch", NULL },
	/* keys in devices */
	{ "tpm.pem", NULL, NULL, PS, NO, false, "key-provider-missing", "tpm2-openssl" },
	{ "handle:0x81000001", NULL, NULL, PS, NO, false, "key-provider-missing", "tpm2-openssl" },
	{ "pkcs11:token=mail;object=key?pin-value=4711", NULL, NULL, PS, NO, false, "key-provider-missing",
	    "pkcs11-provider" },
	{ "pkcs11:token=mail;pin-value=4711;object=key", NULL, NULL, PS, NO, false, "key-provider-missing",
	    "token=mail" },
	{ "nosuch:thing", NULL, NULL, PS, NO, false, "key-provider-missing", "\"nosuch:\"" },
};

static void test_rows(void **state)
{
	const uint64_t now = (uint64_t)time(NULL);

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct row *r = &rows[i];
		char key[256], pass[256], cert[256];
		struct oauth_credential c = {
			.auth = OAUTH_AUTH_PRIVATE_KEY_JWT, .key = in_dir(r->key, key),
			.key_passphrase_file = in_dir(r->pass, pass), .certificate_file = in_dir(r->cert, cert),
			.alg = r->alg, .thumbprint = r->thumb,
		};
		struct mx_err e = { 0 };
		struct oauth_key *k = NULL;
		enum mx_class cls = oauth_key_open(&c, now, &k, &e);
		struct stat st;

		if (strcmp(r->key, "old.p12") == 0 && stat(c.key, &st) == 0 && st.st_size == 0) {
			print_message("no old PKCS#12 here: the openssl command has no legacy provider\n");
			continue;
		}
		if (r->code == NULL) {
			if (cls != MX_OK || k == NULL)
				fail_msg("%s (%zu): class %d, %s: %s", r->key, i, cls, e.code, e.text);
			if (oauth_key_try(k, r->alg, &e) != MX_OK)
				fail_msg("%s (%zu) does not sign: %s: %s", r->key, i, e.code, e.text);
			if ((oauth_key_not_after(k) > now + 29 * 86400) != r->has_cert)
				fail_msg("%s (%zu): ends at %llu", r->key, i,
				    (unsigned long long)oauth_key_not_after(k));
		} else if (cls != MX_CONFIG || k != NULL || strcmp(e.code, r->code) != 0 ||
		    strstr(e.text, r->names != NULL ? r->names : c.key) == NULL || strstr(e.text, "4711") != NULL ||
		    strstr(e.text, "pass phrase") != NULL || strlen(e.text) > MX_TEXT_MAX - 5) {
			fail_msg("%s (%zu): class %d, %s: %s", r->key, i, cls, e.code, e.text);
		}
		oauth_key_free(k);
	}
}

/* A key that may not make this signature, and a signature that is not the key's: a device's own padding looks so. */
static void test_signing_fails(void **state)
{
	char key[256], other[256];
	struct oauth_credential c = { .alg = PS }, d = { .alg = PS };
	struct oauth_key *k, *o;
	EVP_PKEY *pub;
	struct mx_err e;

	(void)state;
	c.key = in_dir("pss512.pem", key);
	assert_int_equal(oauth_key_open(&c, 0, &k, &e), MX_OK);
	assert_int_equal(oauth_key_try(k, PS, &e), MX_CONFIG);
	assert_string_equal(e.code, "key-sign-failed");
	assert_non_null(strstr(e.text, key));
	oauth_key_free(k);
	c.key = in_dir("rsa.pem", key);
	d.key = in_dir("other.pem", other);
	assert_int_equal(oauth_key_open(&c, 0, &k, &e), MX_OK);
	assert_int_equal(oauth_key_open(&d, 0, &o, &e), MX_OK);
	pub = k->pub;
	k->pub = o->pub;
	assert_int_equal(oauth_key_try(k, PS, &e), MX_CONFIG);
	assert_string_equal(e.code, "key-signature-wrong");
	assert_non_null(strstr(e.text, key));
	k->pub = pub;
	assert_int_equal(oauth_key_try(k, PS, &e), MX_OK);
	oauth_key_free(k);
	oauth_key_free(o);
}

/* "file:" in the three ways that RFC 8089 has. */
static void test_file_uris(void **state)
{
	static const char *const prefixes[] = { "file:", "file://", "file://localhost", "FILE:" };

	(void)state;
	for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
		char uri[256];
		struct oauth_credential c = { .key = uri, .alg = PS };
		struct oauth_key *k;
		struct mx_err e;

		assert_true(snprintf(uri, sizeof uri, "%s%s/rsa.pem", prefixes[i], dir) > 0);
		if (oauth_key_open(&c, 0, &k, &e) != MX_OK)
			fail_msg("%s: %s", uri, e.text);
		oauth_key_free(k);
		assert_true(snprintf(uri, sizeof uri, "%s%s/world.pem", prefixes[i], dir) > 0);
		assert_int_equal(oauth_key_open(&c, 0, &k, &e), MX_CONFIG);
		assert_string_equal(e.code, "key-world-readable");
	}
}

/*
 * OpenSSL looks for a file with the URI as its name first: whoever can make one where a program runs exchanges the key.
 */
static void test_no_file_by_the_name_of_a_uri(void **state)
{
	struct oauth_credential c = { .key = "nosuch:thing", .alg = PS };
	struct oauth_key *k;
	struct mx_err e;
	int here = open(".", O_RDONLY | O_DIRECTORY);

	(void)state;
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(link("rsa.pem", "nosuch:thing"), 0);
	assert_int_equal(oauth_key_open(&c, 0, &k, &e), MX_CONFIG);
	assert_string_equal(e.code, "key-unreadable");
	assert_non_null(strstr(e.text, "remove it"));
	assert_int_equal(unlink("nosuch:thing"), 0);
	assert_int_equal(fchdir(here), 0);
	close(here);
}

/* A PIN is neither shown nor overlooked, however its name is spelled. */
static void test_pins_in_uris(void **state)
{
	static const struct { const char *uri, *shown; bool value; } uris[] = {
		{ "pkcs11:token=mail;object=pin", "pkcs11:token=mail;object=pin", false },
		{ "pkcs11:object=pinning;pin-value=4711", "pkcs11:object=pinning;", true },
		{ "pkcs11:object=k?pin-value=4711", "pkcs11:object=k", true },
		{ "pkcs11:object=k?x=y&pin%2Dvalue=4711", "pkcs11:object=k", true },
		{ "pkcs11:object=k;pin%2dvalue=4711", "pkcs11:object=k;", true },
		{ "pkcs11:object=k;%70%49n-Value=4711;type=private", "pkcs11:object=k;", true },
		{ "pkcs11:pin-source=file:/p;object=k", "pkcs11:", false },
		{ "pkcs11:object=k;pin%", "pkcs11:object=k;pin%", false },
		{ "pkcs11:object=k;pin%2", "pkcs11:object=k;pin%2", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof uris / sizeof uris[0]; i++) {
		struct oauth_credential c = { .key = uris[i].uri, .alg = PS };
		const char *shown;
		struct oauth_key *k;
		struct mx_err e;

		if ((oauth_uri_attribute(uris[i].uri, "pin-value") < strlen(uris[i].uri)) != uris[i].value)
			fail_msg("%s", uris[i].uri);
		assert_int_equal(oauth_key_open(&c, 0, &k, &e), MX_CONFIG);
		shown = strstr(e.text, "restart it: ");
		if (shown == NULL || strcmp(shown + 12, uris[i].shown) != 0)
			fail_msg("%s: %s", uris[i].uri, e.text);
	}
}

/* By the certificate's file alone, though its key cannot be opened; or out of the key's file. */
static void test_when_it_ends(void **state)
{
	char key[256], cert[256], pass[256];
	struct oauth_credential c = { .key = in_dir("nowhere.pem", key), .certificate_file = in_dir("rsa.crt", cert),
	    .alg = PS };
	uint64_t ends, soon = (uint64_t)time(NULL) + 29 * 86400, late = soon + 2 * 86400;
	struct mx_err e;

	(void)state;
	assert_int_equal(oauth_certificate_ends(&c, &ends, &e), MX_OK);
	assert_in_range(ends, soon, late);
	c.certificate_file = in_dir("text", cert);
	assert_int_equal(oauth_certificate_ends(&c, &ends, &e), MX_CONFIG);
	assert_string_equal(e.code, "certificate-malformed");
	c.certificate_file = NULL;
	c.key = in_dir("rsa.p12", key);
	c.key_passphrase_file = in_dir("pass", pass);
	assert_int_equal(oauth_certificate_ends(&c, &ends, &e), MX_OK);
	assert_in_range(ends, soon, late);
	c.key = in_dir("rsa.pem", key);		/* with none */
	assert_int_equal(oauth_certificate_ends(&c, &ends, &e), MX_OK);
	assert_int_equal(ends, 0);
	c.key = "handle:0x81000001";		/* a device is not asked */
	assert_int_equal(oauth_certificate_ends(&c, &ends, &e), MX_OK);
	assert_int_equal(ends, 0);
	c = (struct oauth_credential){ .secret_file = "/s" };
	assert_int_equal(oauth_certificate_ends(&c, &ends, &e), MX_OK);
	assert_int_equal(ends, 0);
}

/* Every file of a credential counts, by whichever name. */
static void test_stamps(void **state)
{
	char path[256], uri[300], other[256];
	struct oauth_credential c = { 0 };
	const struct { const char **at; const char *name; } all[] = {
		{ &c.secret_file, path }, { &c.key, path }, { &c.key, uri }, { &c.key_passphrase_file, path },
		{ &c.certificate_file, path }, { &c.key, "credential:stamped" },
	};

	(void)state;
	in_dir("cred/stamped", path);
	in_dir("rsa.pem", other);
	assert_true(snprintf(uri, sizeof uri, "file:%s", path) > 0);
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		uint64_t none, there, again;

		*all[i].at = all[i].name;
		none = oauth_credential_stamp(1, &c);
		assert_int_equal(link(other, path), 0);
		there = oauth_credential_stamp(1, &c);
		assert_int_equal(unlink(path), 0);
		again = oauth_credential_stamp(1, &c);
		assert_int_equal(none, again);
		assert_int_not_equal(none, there);
		*all[i].at = NULL;
	}
}

struct second { struct oauth_credential c; int opened; };

static void *opens(void *arg)
{
	struct second *s = arg;
	struct oauth_key *k;
	struct mx_err e;

	__atomic_store_n(&s->opened, 1, __ATOMIC_SEQ_CST);
	if (oauth_key_open(&s->c, 0, &k, &e) != MX_OK)
		return NULL;
	__atomic_store_n(&s->opened, 2, __ATOMIC_SEQ_CST);
	oauth_key_free(k);
	return s;
}

/* A thread waits for the other's key; the thread that has it may open a second one. */
static void test_one_thread_at_a_time(void **state)
{
	const struct timespec nap = { 0, 20 * 1000 * 1000 };
	char path[256];
	struct second s = { .c = { .key = in_dir("rsa.pem", path), .alg = PS } };
	struct oauth_key *k, *mine;
	struct mx_err e;
	pthread_t t;
	void *done;

	(void)state;
	assert_int_equal(oauth_key_open(&s.c, 0, &k, &e), MX_OK);
	assert_int_equal(pthread_create(&t, NULL, opens, &s), 0);
	while (__atomic_load_n(&s.opened, __ATOMIC_SEQ_CST) == 0)
		(void)nanosleep(&nap, NULL);
	for (int i = 0; i < 10; i++)
		(void)nanosleep(&nap, NULL);
	assert_int_equal(__atomic_load_n(&s.opened, __ATOMIC_SEQ_CST), 1);
	assert_int_equal(oauth_key_open(&s.c, 0, &mine, &e), MX_OK);
	oauth_key_free(mine);
	for (int i = 0; i < 5; i++)
		(void)nanosleep(&nap, NULL);
	assert_int_equal(__atomic_load_n(&s.opened, __ATOMIC_SEQ_CST), 1);
	oauth_key_free(k);
	assert_int_equal(pthread_join(t, &done), 0);
	assert_ptr_equal(done, &s);
	assert_int_equal(s.opened, 2);
}

static void test_no_name(void **state)
{
	struct oauth_credential c = { .alg = PS };
	struct oauth_key *k;
	struct mx_err e;

	(void)state;
	assert_int_equal(oauth_key_open(&c, 0, &k, &e), MX_CONFIG);
	assert_string_equal(e.code, "key-missing");
	oauth_key_free(NULL);
}

/* To the second. */
static void test_dates(void **state)
{
	char key[256], cert[256];
	struct oauth_credential c = { .alg = PS, .thumbprint = TH };
	struct oauth_key *k;
	struct mx_err e;
	uint64_t end;

	(void)state;
	c.key = in_dir("rsa.pem", key);
	c.certificate_file = in_dir("rsa.crt", cert);
	assert_int_equal(oauth_key_open(&c, (uint64_t)time(NULL), &k, &e), MX_OK);
	end = oauth_key_not_after(k);
	oauth_key_free(k);
	assert_int_equal(oauth_key_open(&c, end, &k, &e), MX_OK);
	oauth_key_free(k);
	assert_int_equal(oauth_key_open(&c, end + 1, &k, &e), MX_CONFIG);
	assert_string_equal(e.code, "certificate-expired");
	assert_non_null(strstr(e.text, cert));
	assert_non_null(strstr(e.text, " UTC"));
	assert_int_equal(oauth_key_open(&c, end - UINT64_C(30) * 86400, &k, &e), MX_OK);
	oauth_key_free(k);
	assert_int_equal(oauth_key_open(&c, end - UINT64_C(30) * 86400 - 1, &k, &e), MX_CONFIG);
	assert_string_equal(e.code, "certificate-not-yet-valid");
	assert_non_null(strstr(e.text, cert));
}

/* Not as root, whom nothing stops. */
static void test_unreadable(void **state)
{
	char key[256], cert[256], hidden[256];
	struct oauth_credential c = { .alg = PS };
	struct oauth_key *k;
	struct mx_err e = { 0 };
	struct passwd *pw = getpwnam("nobody");
	int status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0 || pw == NULL)
		return;
	in_dir("group.pem", key);
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(chown(key, pw->pw_uid, (gid_t)-1), 0);
	in_dir("hidden.pem", hidden);
	in_dir("hidden.crt", cert);
	if ((pid = fork()) == 0) {
		if (setuid(pw->pw_uid) != 0)
			_exit(2);
		c.key = hidden;
		if (oauth_key_open(&c, (uint64_t)time(NULL), &k, &e) != MX_CONFIG ||
		    strcmp(e.code, "key-unreadable") != 0 || strstr(e.text, hidden) == NULL ||
		    strstr(e.text, "user nobody may not read") == NULL ||
		    strstr(e.text, " && chmod 640 ") == NULL)
			_exit(3);
		c.key = key;
		c.certificate_file = cert;
		if (oauth_key_open(&c, (uint64_t)time(NULL), &k, &e) != MX_CONFIG ||
		    strcmp(e.code, "certificate-unreadable") != 0 || strstr(e.text, cert) == NULL)
			_exit(4);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(chown(key, 0, (gid_t)-1), 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Nobody is asked, whatever is missing: a terminal that would answer is not even opened. */
static void test_never_asks(void **state)
{
	char key[256];
	struct oauth_credential c = { .alg = PS };
	struct oauth_key *k;
	struct mx_err e;
	int fds[2], saved = dup(0);

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "pass phrase\npass phrase\n", 24), 24);
	assert_int_equal(dup2(fds[0], 0), 0);
	c.key = in_dir("enc.pem", key);
	assert_int_equal(oauth_key_open(&c, 0, &k, &e), MX_CONFIG);
	assert_string_equal(e.code, "key-passphrase-needed");
	assert_int_equal(close(fds[1]), 0);
	assert_int_equal(read(0, key, sizeof key), 24);		/* all of it is still there */
	assert_int_equal(dup2(saved, 0), 0);
	close(saved);
	close(fds[0]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows), cmocka_unit_test(test_signing_fails),
		cmocka_unit_test(test_file_uris),
		cmocka_unit_test(test_no_file_by_the_name_of_a_uri), cmocka_unit_test(test_pins_in_uris),
		cmocka_unit_test(test_when_it_ends), cmocka_unit_test(test_stamps),
		cmocka_unit_test(test_one_thread_at_a_time), cmocka_unit_test(test_no_name),
		cmocka_unit_test(test_dates), cmocka_unit_test(test_unreadable), cmocka_unit_test(test_never_asks),
	};

	if (setenv("OPENSSL_CONF", "/dev/null", 1) != 0)
		return 1;
	return cmocka_run_group_tests_name("oauth/key", tests, setup, teardown);
}
