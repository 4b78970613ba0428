/*
 * The one exported symbol, and what the two mechanisms promise.
 *
 * Rank. Cyrus sorts its client mechanisms by security flags, then by max_ssf, and takes the first
 * one that the server offers too (lib/client.c, mech_compare). LOGIN and PLAIN carry the same flags
 * as these two and an SSF of 0: at 0 the order would be that of readdir(), so a number above 0 has
 * to be claimed to go before them. Plugins for XOAUTH2 that one meets in the field claim 0 or 60:
 * above 60 this one goes before them too, whatever order their files are found in, and its one line
 * in the log says what it lacks. No security layer is ever negotiated (mech_ssf stays 0): a host
 * that demands one (min_ssf) is refused in mech_new, where the claim would else let it through.
 *
 * XOAUTH2 goes before OAUTHBEARER where a server offers both: it is the form that Microsoft and
 * Google document, and it names no host and port, which RFC 7628 section 3.1 makes the server
 * compare with what it takes itself to be (an alias, a load balancer or an address would fail).
 * Postfix's smtp_sasl_mechanism_filter turns it round.
 *
 * Flags. A bearer token is a password on the wire: NOPLAINTEXT is not claimed, so that hosts hide
 * both mechanisms unless their settings admit plaintext (under TLS). NEEDSERVERFQDN is not claimed:
 * without a server's name the daemon decides, with a sentence, where Cyrus would only say "No
 * worthy mechs found".
 *
 * Initialization does nothing that can fail: a plugin that fails here vanishes without a word, and
 * Postfix may then log in with PLAIN and whatever stands in its map.
 */
#include "config.h"

#include "plugin/plugin.h"

#define FLAGS (SASL_SEC_NOANONYMOUS | SASL_SEC_PASS_CREDENTIALS)
#define FEATURES (SASL_FEAT_WANT_CLIENT_FIRST | SASL_FEAT_ALLOWS_PROXY)

#define SSF_XOAUTH2 62
#define SSF_OAUTHBEARER 61

/* The password is not among them: with NULL here, Cyrus would demand that the host has one. */
static const unsigned long prompts[] = { SASL_CB_AUTHNAME, SASL_CB_LIST_END };

static const enum mx_mech xoauth2 = MX_MECH_XOAUTH2, oauthbearer = MX_MECH_OAUTHBEARER;

#define MECHANISM(name, ssf, which) { \
	.mech_name = name, .max_ssf = ssf, .security_flags = FLAGS, .features = FEATURES, \
	.required_prompts = prompts, .glob_context = (void *)(uintptr_t)&which, \
	.mech_new = mxp_new, .mech_step = mxp_step, .mech_dispose = mxp_dispose }

/* const, so that it is read-only once the dynamic linker is through: Cyrus never writes to it. */
static const sasl_client_plug_t mechanisms[] = {
	MECHANISM("XOAUTH2", SSF_XOAUTH2, xoauth2),
	MECHANISM("OAUTHBEARER", SSF_OAUTHBEARER, oauthbearer),
};

sasl_client_plug_init_t sasl_client_plug_init __attribute__((visibility("default")));

int sasl_client_plug_init(const sasl_utils_t *utils, int max_version, int *out_version,
    sasl_client_plug_t **pluglist, int *plugcount)
{
	(void)utils;
	if (max_version < SASL_CLIENT_PLUG_VERSION)
		return SASL_BADVERS;	/* a Cyrus SASL of before 2003: its structures differ */
	*out_version = SASL_CLIENT_PLUG_VERSION;
	*pluglist = (sasl_client_plug_t *)(uintptr_t)mechanisms;
	*plugcount = (int)(sizeof mechanisms / sizeof mechanisms[0]);
	return SASL_OK;
}
