/*
 * oauth/key.h with keys that no file holds: in a TPM 2.0 (swtpm, tpm2-openssl) and in a PKCS#11 token (softhsm2,
 * pkcs11-provider, which Debian 12 does not have). Both in software and private to this test.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base64.h"
#include "oauth/assertion.h"
#include "oauth/exchange.h"

static char dir[64];

/* Exit status 77: it cannot run here, and the last line of the log says why. */
static const char common[] =
    "set -e; umask 077\n"
    "lacks() { echo \"$1\"; exit 77; }\n"
    "modules=$(openssl version -m | sed 's/.*\"\\(.*\\)\"/\\1/')\n"
    "conf() { printf 'openssl_conf = init\\n[init]\\nproviders = p\\n[p]\\ndefault = d\\n%s = t\\n[d]\\nactivate = 1\\n"
    "[t]\\nactivate = 1\\n%s\\n[req]\\ndistinguished_name = dn\\n[dn]\\n' \"$1\" \"$2\" >openssl.cnf; }\n";

static const char tpm[] =
    "for p in swtpm tpm2_createprimary tpm2_create tpm2_load tpm2_evictcontrol tpm2_flushcontext; do\n"
    "command -v $p >/dev/null || lacks \"$p is not installed (packages swtpm, tpm2-tools)\"; done\n"
    "[ -e \"$modules/tpm2.so\" ] || lacks 'OpenSSL has no provider for TPMs (package tpm2-openssl)'\n"
    "mkdir state\n"
    "swtpm socket --tpm2 --tpmstate dir=$PWD/state --ctrl type=unixio,path=$PWD/s.ctrl --server type=unixio,path=$PWD/s"
    " --flags not-need-init,startup-clear --daemon --pid file=$PWD/pid\n"
    "export TPM2TOOLS_TCTI=swtpm:path=$PWD/s TPM2OPENSSL_TCTI=swtpm:path=$PWD/s\n"
    "tpm2_createprimary -Q -C o -c p.ctx\n"
    "key() { tpm2_flushcontext -t; tpm2_create -Q -C p.ctx -G $1 -u k.pub -r k.priv $3; tpm2_flushcontext -t\n"
    "tpm2_load -Q -C p.ctx -u k.pub -r k.priv -c k.ctx; tpm2_evictcontrol -Q -C o -c k.ctx $2; tpm2_flushcontext -t; "
    "}\n"
    "key rsa2048 0x81000001; key ecc256 0x81000002; key rsa2048 0x81000003 '-p 4711'\n"
    "conf tpm2; export OPENSSL_CONF=$PWD/openssl.cnf; q='-propquery ?provider=tpm2'\n"
    "openssl pkey -in handle:0x81000001 -pubout -out rsa.pub\n"
    "openssl pkey -in handle:0x81000002 -pubout -out ec.pub\n"
    "openssl pkey -in 'handle:0x81000003?pass' -passin pass:4711 -pubout -out pin.pub\n"
    "openssl genpkey $q -algorithm RSA -pkeyopt bits:2048 -out tss.pem; openssl pkey -in tss.pem -pubout -out tss.pub\n"
    "openssl req -x509 $q -new -key handle:0x81000001 -subj /CN=tpm -days 30 -out rsa.crt\n"
    "echo 4711 >pin; echo 4712 >badpin\n";

static const char token[] =
    "[ -e \"${MX_PKCS11_PROVIDER:-$modules/pkcs11.so}\" ] || lacks"
    " 'OpenSSL has no provider for PKCS#11 (package pkcs11-provider; Debian 12 has none)'\n"
    "command -v softhsm2-util >/dev/null || lacks 'softhsm2-util is not installed (package softhsm2)'\n"
    "lib=$(find /usr/lib -name libsofthsm2.so | head -n 1); mkdir tokens; echo 4711 >pin; echo 4712 >badpin\n"
    "printf 'directories.tokendir = %s/tokens\\nobjectstore.backend = file\\n' \"$PWD\" >softhsm2.conf\n"
    "export SOFTHSM2_CONF=$PWD/softhsm2.conf\n"
    "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out k.pem; openssl pkey -in k.pem -pubout -out "
    "rsa.pub\n"
    "softhsm2-util --init-token --free --label mail --pin 4711 --so-pin 4711\n"
    "softhsm2-util --import k.pem --token mail --label key --id 01 --pin 4711\n"
    "printf '[req]\\ndistinguished_name=dn\\n[dn]\\n' >req.cnf\n"
    "openssl req -x509 -new -key k.pem -subj /CN=token -days 30 -config req.cnf -out rsa.crt; rm k.pem\n"
    "conf pkcs11 \"module = ${MX_PKCS11_PROVIDER:-$modules/pkcs11.so}\n"
    "pkcs11-module-path = $lib\"\n";

static char *in_dir(const char *name, char path[128])
{
	assert_true(snprintf(path, 128, "%s/%s", dir, name) < 128);
	return path;
}

static int run(const char *command)
{
	char line[512];
	int status;

	assert_true(snprintf(line, sizeof line, "cd %s && { %s; } >>log 2>&1", dir, command) < (int)sizeof line);
	status = system(line);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Before OpenSSL is used at all in this process: it reads its configuration once. */
static bool make(const char *script)
{
	char path[128], line[256] = "";
	FILE *f;
	int status;

	strcpy(dir, "/tmp/mxdevXXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_non_null(f = fopen(in_dir("make.sh", path), "w"));
	assert_true(fputs(common, f) >= 0 && fputs(script, f) >= 0);
	assert_int_equal(fclose(f), 0);
	status = run("sh make.sh");
	if (status != 0) {
		assert_non_null(f = fopen(in_dir("log", path), "r"));
		while (fgets(line, sizeof line, f) != NULL)
			if (status != 77)
				print_message("%s", line);
		fclose(f);
		if (status != 77)
			fail_msg("the device cannot be made: status %d", status);
		/* not by cmocka's skip(), whose TAP says "not ok" */
		line[strcspn(line, "\n")] = '\0';
		printf("1..1\nok 1 - test_device # SKIP %s\n", line);
		return false;
	}
	assert_int_equal(setenv("OPENSSL_CONF", in_dir("openssl.cnf", path), 1), 0);
	assert_int_equal(setenv("SOFTHSM2_CONF", in_dir("softhsm2.conf", path), 1), 0);
	assert_true(snprintf(line, sizeof line, "swtpm:path=%s/s", dir) > 0);
	assert_int_equal(setenv("TPM2OPENSSL_TCTI", line, 1), 0);
	assert_int_equal(setenv("TPM2TOOLS_TCTI", line, 1), 0);
	return true;
}

static int teardown(void **state)
{
	char line[256];

	(void)state;
	if (dir[0] == '\0')
		return 0;
	(void)run("test ! -e pid || kill $(cat pid)");
	assert_true(snprintf(line, sizeof line, "rm -rf %s", dir) > 0);
	dir[0] = '\0';
	return system(line);
}

/* The signature by the openssl command, which has the public half in a file and no device. */
static void verify(const struct mx_secret *jwt, const char *pub, enum oauth_alg alg)
{
	const char *dot = strrchr((char *)jwt->p, '.');
	char path[128], text[1024], line[512];
	unsigned char sig[1024];
	size_t n = strlen(dot + 1);
	ssize_t len;
	FILE *f;

	assert_true(n + 4 < sizeof text);
	for (size_t i = 0; i < n; i++)
		text[i] = dot[1 + i] == '-' ? '+' : dot[1 + i] == '_' ? '/' : dot[1 + i];
	while (n % 4 != 0)
		text[n++] = '=';
	assert_true((len = mx_b64_decode(sig, sizeof sig, text, n)) > 0);
	assert_non_null(f = fopen(in_dir("signed", path), "w"));
	assert_int_equal(fwrite(jwt->p, 1, (size_t)(dot - (char *)jwt->p), f), (size_t)(dot - (char *)jwt->p));
	assert_int_equal(fclose(f), 0);
	if (alg == OAUTH_ALG_ES256) {
		assert_int_equal(len, 64);
		assert_non_null(f = fopen(in_dir("asn1.cnf", path), "w"));
		fputs("asn1=SEQUENCE:s\n[s]\nr=INTEGER:0x", f);
		for (int i = 0; i < 64; i++)
			fprintf(f, i == 32 ? "\ns=INTEGER:0x%02x" : "%02x", sig[i]);
		fputs("\n", f);
		assert_int_equal(fclose(f), 0);
		assert_int_equal(run("OPENSSL_CONF=/dev/null openssl asn1parse -genconf asn1.cnf -noout -out sig"), 0);
	} else {
		assert_non_null(f = fopen(in_dir("sig", path), "w"));
		assert_int_equal(fwrite(sig, 1, (size_t)len, f), len);
		assert_int_equal(fclose(f), 0);
	}
	assert_true(snprintf(line, sizeof line, "OPENSSL_CONF=/dev/null openssl dgst -sha256 -verify %s %s -signature "
	    "sig signed", pub, alg == OAUTH_ALG_PS256 ? "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32" :
	    "") > 0);
	assert_int_equal(run(line), 0);
}

static const char *name(const char *file, char path[128])
{
	return file == NULL || strchr(file, ':') != NULL ? file : in_dir(file, path);
}

static void signs(const char *key, const char *pin, const char *cert, enum oauth_alg alg, const char *pub)
{
	char a[128], b[128], c[128];
	struct oauth_credential cr = {
		.key = name(key, a), .key_passphrase_file = name(pin, b), .certificate_file = name(cert, c), .alg = alg,
		.thumbprint = cert != NULL ? OAUTH_THUMB_S256 : OAUTH_THUMB_NONE,
	};
	const uint64_t now = (uint64_t)time(NULL);
	struct oauth_key *k;
	struct mx_secret jwt;
	struct mx_err e;

	if (oauth_key_open(&cr, now, &k, &e) != MX_OK || oauth_key_try(k, alg, &e) != MX_OK ||
	    oauth_assertion(&cr, k, "client", "https://op.example/token", now, "jti", &jwt, &e) != MX_OK)
		fail_msg("%s: %s: %s", key, e.code, e.text);
	verify(&jwt, pub, alg);
	mx_secret_free(&jwt);
	oauth_key_free(k);
}

static void refused(const char *key, const char *pin, enum oauth_alg alg, const char *code)
{
	char a[128], b[128];
	struct oauth_credential cr = { .key = name(key, a), .key_passphrase_file = name(pin, b), .alg = alg };
	struct oauth_key *k;
	struct mx_err e = { 0 };
	enum mx_class cls = oauth_key_open(&cr, 0, &k, &e);

	if (cls == MX_OK)
		cls = oauth_key_try(k, alg, &e);
	oauth_key_free(k);
	if (cls != MX_CONFIG || strcmp(e.code, code) != 0 || strstr(e.text, "4711") != NULL)
		fail_msg("%s: class %d, %s: %s", key, cls, e.code, e.text);
}

/*
 * A PIN that was refused is not sent again, however often the key is asked for: the TPM counts refusals, and locks
 * itself at the third. After the file was written anew the device hears of it once more, and with the right one it
 * signs.
 */
static void counts_no_more(void)
{
	char line[256];

	assert_int_equal(run("cp -p badpin changing; touch -d 2020-01-01 changing"), 0);
	refused("handle:0x81000003?pass", "changing", OAUTH_ALG_PS256, "key-pin-refused");
	assert_int_equal(run("tpm2_getcap properties-variable | grep TPM2_PT_LOCKOUT_COUNTER >count.1"), 0);
	for (int i = 0; i < 5; i++)
		refused("handle:0x81000003?pass", "changing", OAUTH_ALG_PS256, "key-pin-refused");
	assert_true(snprintf(line, sizeof line, "%s", "tpm2_getcap properties-variable | grep TPM2_PT_LOCKOUT_COUNTER "
	    "| cmp - count.1") > 0);
	assert_int_equal(run(line), 0);
	assert_int_equal(run("touch changing"), 0);
	refused("handle:0x81000003?pass", "changing", OAUTH_ALG_PS256, "key-pin-refused");
	assert_int_not_equal(run(line), 0);
	assert_int_equal(run("cp pin changing"), 0);
	signs("handle:0x81000003?pass", "changing", NULL, OAUTH_ALG_PS256, "pin.pub");
}

/* Last, for it does not come back: the device is gone, which is nobody's configuration. */
static void away(void)
{
	struct oauth_credential cr = { .key = "handle:0x81000001", .alg = OAUTH_ALG_PS256 };
	struct oauth_client c = { .name = "c", .grant = OAUTH_GRANT_CLIENT_CREDENTIALS, .client_id = "client",
		.token_endpoint = "https://op.example/token", .credential = &cr, .ncredentials = 1 };
	struct oauth_exchange x;
	struct oauth_failure f;
	struct oauth_key *k;
	struct mx_err e;

	assert_int_equal(oauth_key_open(&cr, 0, &k, &e), MX_OK);
	assert_int_equal(run("kill $(cat pid); rm pid; while [ -e s ]; do sleep 0.05; done"), 0);
	assert_int_equal(oauth_key_try(k, OAUTH_ALG_PS256, &e), MX_TEMP);
	assert_string_equal(e.code, "key-device-away");
	oauth_key_free(k);
	assert_int_equal(oauth_key_open(&cr, 0, &k, &e), MX_TEMP);
	assert_string_equal(e.code, "key-device-away");
	/* a passing failure, and one of the credential: the next one is tried */
	cr.auth = OAUTH_AUTH_PRIVATE_KEY_JWT;
	assert_false(oauth_exchange_begin(&x, &c, &cr, NULL, &f));
	assert_string_equal(f.err.code, "key-device-away");
	assert_true(f.credential && !f.permanent && f.err.cls == MX_TEMP);
	oauth_exchange_free(&x);
}

static void in_tpm(void)
{
	signs("handle:0x81000001", NULL, NULL, OAUTH_ALG_PS256, "rsa.pub");
	signs("handle:0x81000001", NULL, "rsa.crt", OAUTH_ALG_PS256, "rsa.pub");
	signs("handle:0x81000001", NULL, "rsa.crt", OAUTH_ALG_RS256, "rsa.pub");
	signs("handle:0x81000002", NULL, NULL, OAUTH_ALG_ES256, "ec.pub");
	signs("tss.pem", NULL, NULL, OAUTH_ALG_PS256, "tss.pub");
	signs("handle:0x81000003?pass", "pin", NULL, OAUTH_ALG_PS256, "pin.pub");
	refused("handle:0x81000001", NULL, OAUTH_ALG_ES256, "key-wrong-type");
	refused("handle:0x81000009", NULL, OAUTH_ALG_PS256, "key-unreadable");
	counts_no_more();
	refused("handle:0x81000003?pass", NULL, OAUTH_ALG_PS256, "key-passphrase-needed");
	refused("nosuch:x", NULL, OAUTH_ALG_PS256, "key-provider-missing");
	away();
}

static void in_token(void)
{
	/* First: the provider stays logged in once it was. */
	refused("pkcs11:token=mail;object=key;type=private", NULL, OAUTH_ALG_PS256, "key-passphrase-needed");
	refused("pkcs11:token=mail;object=key;type=private", "badpin", OAUTH_ALG_PS256, "key-pin-refused");
	signs("pkcs11:token=mail;object=key;type=private", "pin", NULL, OAUTH_ALG_PS256, "rsa.pub");
	signs("pkcs11:token=mail;object=key;type=private", "pin", "rsa.crt", OAUTH_ALG_PS256, "rsa.pub");
	signs("pkcs11:token=mail;object=key;type=private?pin-value=4711", NULL, "rsa.crt", OAUTH_ALG_RS256, "rsa.pub");
	refused("pkcs11:token=mail;object=nothing;type=private?pin-value=4711", NULL, OAUTH_ALG_PS256,
	    "key-unreadable");
}

/* Two programs are made of this file, for OpenSSL reads its configuration once in a process. */
static void test_device(void **state)
{
	(void)state;
	if (MX_TEST_TPM)
		in_tpm();
	else
		in_token();
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(test_device) };

	if (!make(MX_TEST_TPM ? tpm : token))
		return teardown(NULL);
	return cmocka_run_group_tests_name(MX_TEST_TPM ? "oauth/key in a TPM" : "oauth/key in a PKCS#11 token", tests,
	    NULL, teardown);
}
